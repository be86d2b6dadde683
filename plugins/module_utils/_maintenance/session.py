# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run on one record: its options, its reads, its file, and the batches that it sends."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable, Optional, Union
from uuid import uuid4

from .._batch.context import BatchHooks
from .._batch.outcome import CHANGED, NOT_ATTEMPTED, UNKNOWN_OUTCOME, Outcome
from .._batch.run import run_batch
from .._common.text import some_of
from .._common.times import parse_timestamp, utc_now
from .._record.events import (
    BEGUN,
    PLANNED,
    VERSION,
    AnsweredEvent,
    AskedEvent,
    AttributedEvent,
    AttributionRow,
    Event,
    HeadEvent,
    Line,
    Maker,
    PhaseRow,
    ResultRow,
    SeenEvent,
    SharedEvent,
    SharedRow,
    State,
    StateEvent,
    ToldEvent,
)
from .._record.handover import unpack
from .._record.log import RecordFile, RecordFolder, RecordInMemory, check_writable
from .._record.ownership import Holder, held_by, in_need_of_history, maker_by_history, verdict_of, verdicts_of
from .._record.record import Record, RecordError, apply_event, record_of
from .._selection.options import select_argument_spec
from .._workload.workload import Workload
from .control_plane import ControlPlaneReader, Identity
from .options import MaintenanceOptions

_FRESH_SECONDS = 5.0
_LONGEST_MESSAGE = 200
_JSON_TYPES: Mapping[str, Any] = {"str": str, "list": list, "bool": bool, "int": int, "float": (int, float)}


class Session:
    """The options, reader and record of one run. It identifies the control plane before it locks a record.

    In check mode the lines of the record are in memory.
    """

    def __init__(
        self,
        options: MaintenanceOptions,
        connection: Mapping[str, Any],
        environ: Mapping[str, str],
        check_mode: bool,
        reader: ControlPlaneReader,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.options = options
        self.check_mode = check_mode
        self.reader = reader
        self.say = say
        self.by = _by(options, environ)
        self._connection = connection
        self._environ = environ
        self._began = time.monotonic()
        self.folder: Optional[RecordFolder] = None
        self.file: Union[RecordFile, RecordInMemory] = RecordInMemory()
        self.record = Record("", options.name, {})
        self.was_handed_over = False
        # Why ids were not sent.
        self.not_sent: dict[str, str] = {}
        self.secrets: set[str] = set()
        self.sent: set[str] = set()
        self._has_changed = False
        self._unanswered: set[str] = set()
        self._read_at = float("-inf")
        # Workloads that were seen where a request was to bring them, and when.
        self._reached: dict[str, tuple[float, Workload]] = {}

    @property
    def has_changed(self) -> bool:
        """Whether a workload was changed, or may have been since the result is unknown."""
        return self._has_changed or bool(self._unanswered)

    def open(self) -> None:
        """Open and lock the record. Check mode reads it without a lock."""
        options = self.options
        if options.record_dir is not None:
            self._open_folder(options.record_dir)
        elif options.record is None and options.state != PLANNED:
            raise RecordError(
                "record_dir: not set. Without a stored record, suspended workloads could not be restored "
                "after a crash. Set record_dir, or record from a job that planned"
            )
        if options.record is not None:
            self._take_over(options.record)
        if self.file.events:
            self.record = record_of(self.file.events, options.name)
            _check_selection(self.record)

    def _open_folder(self, path: str) -> None:
        options = self.options
        if not os.path.isabs(os.path.expanduser(path)):
            raise RecordError("record_dir: must be an absolute path")
        is_there = os.path.isdir(os.path.expanduser(path))
        may_create = options.state in (PLANNED, BEGUN)
        if self.check_mode and may_create:
            check_writable(path)
            if not is_there:
                return
        self.folder = RecordFolder(path, may_create=may_create and not self.check_mode)
        is_known = self.folder.is_there(options.name)
        if not may_create and not is_known and options.record is None:
            names = self.folder.names()
            raise RecordError(
                "name: there is no record {0} in {1}; records there: {2}".format(
                    options.name, self.folder.path, some_of(names) or "none"
                )
            )
        if not self.check_mode:
            self.file = self.folder.lock(options.name)
        elif is_known:
            self.file.append(self.folder.read(options.name))

    def _take_over(self, packed: str) -> None:
        """Start with the lines that another job handed over, unless the folder has the record already."""
        events = unpack(packed)
        handed, name = record_of(events), self.options.name
        if handed.name != name:
            raise RecordError(
                "record: it is the record {0}, not {1}. Set name: {0}".format(handed.name, name)
            )
        if self.file.events:
            kept = record_of(self.file.events)
            if kept.id != handed.id:
                raise RecordError(
                    "record: the folder holds another record {0}, made at {1}. Leave record out".format(
                        name, kept.at
                    )
                )
        elif self.folder is not None and self.folder.was_archived(name, handed.id):
            raise RecordError(
                "record: the record {0} has ended; a plan is used once. Plan again".format(name)
            )
        else:
            self.was_handed_over = True
            self.file.append(events)

    def close(self) -> None:
        """Close the record, which unlocks it. A file without a line goes."""
        if self.folder is not None:
            if isinstance(self.file, RecordFile) and not self.file.events:
                with contextlib.suppress(OSError):
                    self.folder.remove(self.options.name)
            self.folder.close()
        self.file.close()

    def write_plan(self, lines: Sequence[Line]) -> None:
        """Write the first lines of a record, or of a new plan in it."""
        if not self.record.id:
            head = HeadEvent(
                event="head",
                version=VERSION,
                id=str(uuid4()),
                name=self.options.name,
                at=utc_now(),
                by=self.by,
                control_plane=control_plane_of(self.reader.identity()),
            )
            earlier = [
                ToldEvent(event="told", owner="", ids=[one], at=at) for one, at in self.record.notices.items()
            ]
            lines = [head, *earlier, *lines]
        self.file.append(lines)
        self.record = record_of(self.file.events)

    def write(self, *lines: Line, is_durable: bool = True) -> None:
        self.file.append(lines, is_durable)
        for line in lines:
            apply_event(self.record, line)

    def enter_state(self, state: State) -> None:
        if self.record.state != state:
            self.write(StateEvent(event="state", state=state, at=utc_now(), by=self.by))

    def archive_record(self) -> None:
        """Put an ended record away, so that its name can be used again. Its notices stay."""
        record = self.record
        if isinstance(self.file, RecordFile) and self.folder is not None:
            self.folder.archive(record.name, record.id)
            self.file.close()
            self.file = self.folder.lock(record.name)
        else:
            self.file = RecordInMemory()
        self.record = Record("", record.name, {}, notices=record.notices)

    def holders(self, now: Mapping[str, Workload]) -> dict[str, Holder]:
        """Return the workloads that other open records hold stopped, each with one of these.

        One without a readable head is a warning. Raises RecordError for a damaged one that may hold some.
        """
        others = []
        for other in self.folder.others(self.options.name) if self.folder is not None else ():
            if isinstance(other, Record):
                others.append(other)
            elif other.head is not None and self._may_be_of_this_control_plane(other.head):
                raise RecordError(
                    "record_dir: {0}; it may hold workloads of this run. Repair it, or move it out of the "
                    "folder once its workloads are resumed".format(other.fault)
                )
            else:
                self.reader.warn_once("record_dir: {0}; it is ignored".format(other.fault))
        return held_by(others, now)

    def _may_be_of_this_control_plane(self, head: Event) -> bool:
        control_plane = head.get("control_plane")
        then = control_plane.get("tenant_id") if isinstance(control_plane, dict) else None
        tenant_id = self.reader.identity().tenant_id
        return not then or not tenant_id or then == tenant_id

    def verdicts(self, now: Mapping[str, Workload], held: Collection[str]) -> dict[str, str]:
        """Return the verdict of each workload; the history of a few uncertain ones is read."""
        found = self.verdicts_of_phases(now, held)
        ids = in_need_of_history(self.record, found, now)
        if ids:
            histories = self.reader.histories(ids)
            workloads = self.record.workloads
            makers = {one: maker_by_history(workloads[one], now[one], histories[one]) for one in ids}
            self.note_attribution(now, {one: maker for one, maker in makers.items() if maker})
            found.update((one, verdict_of(workloads[one], now[one], False, False)) for one in ids)
        return found

    def verdicts_of_phases(self, now: Mapping[str, Workload], held: Collection[str]) -> dict[str, str]:
        """Return the verdict of each workload by its phase and the time stamp of that phase."""
        missing = [one.id for one in self.record.covered() if one.is_ours and one.id not in now]
        deleted = self.reader.deleted(missing) if missing else ()
        return verdicts_of(self.record, now, deleted, held)

    def note_attribution(self, now: Mapping[str, Workload], makers: Mapping[str, Maker]) -> None:
        if makers:
            rows = [AttributionRow(one, now[one].phase_since, maker) for one, maker in makers.items()]
            self.write(AttributedEvent(event="attributed", rows=rows))

    def read_recorded(self) -> dict[str, Workload]:
        """Read the workloads of the record, but for those that the wait has just seen at its target."""
        now = time.monotonic()
        known = {one: seen for one, (at, seen) in self._reached.items() if now - at < _FRESH_SECONDS}
        return self.read_workloads(self.record.workloads, known)

    def read_workloads(self, ids: Collection[str], known: Mapping[str, Workload]) -> dict[str, Workload]:
        missing = [one for one in ids if one not in known]
        read = self.reader.read_workloads(missing) if missing else {}
        self._read_at = time.monotonic()
        return {**{one: known[one] for one in ids if one in known}, **read}

    def note_phases(self, now: Mapping[str, Workload]) -> None:
        """Record the phases of the workloads that this record may have stopped."""
        rows = [
            PhaseRow(one.id, now[one.id].phase, now[one.id].phase_since)
            for one in self.record.covered()
            if one.id in now and one.is_ours
        ]
        if rows:
            self.write(SeenEvent(event="seen", rows=rows))

    def note_shared(self, holders: Mapping[str, Holder]) -> None:
        """Record that another record stopped these workloads, and that this one holds them as well."""
        rows = [SharedRow(one, held.stopped_since, held.sent_at) for one, held in holders.items()]
        if rows:
            self.write(SharedEvent(event="shared", rows=rows))

    def send(
        self, action: str, ids: Sequence[str], now: Mapping[str, Workload], send_anyway: Sequence[str] = ()
    ) -> None:
        """Send ids, up to ``attempts`` times where they fail; each batch is in the record before it is sent.

        ``now`` are workloads as they were last read. They are read again if that is long ago.
        """
        remaining = list(ids)
        is_fresh = time.monotonic() - self._read_at < _FRESH_SECONDS
        state = {one: now[one] for one in remaining if one in now} if is_fresh else {}
        self._read_at = float("-inf")
        for one in remaining:
            self._reached.pop(one, None)
        deadline = self.options.batch["deadline"]
        for _attempt in range(self.options.attempts):
            if not remaining:
                break
            seconds = None if deadline is None else deadline - (time.monotonic() - self._began)
            if seconds is not None and seconds <= 0:
                reason = "not sent: the deadline of {0} seconds was over".format(deadline)
                self.not_sent.update(dict.fromkeys(remaining, reason))
                break
            asked: set[str] = set()
            params = {"deadline": seconds, "action": action, "ids": remaining}
            finished = run_batch(
                {**self._connection, **self.options.batch, **params},
                self._environ,
                False,
                False,
                say=self.say,
                hooks=BatchHooks(
                    partial(self._note_asked, action, asked),
                    partial(self._note_answered, action),
                    frozenset(send_anyway),
                    state,
                    self._keep_reached,
                    self.reader.tokens,
                ),
            )
            self.secrets |= finished.secrets
            for warning in finished.warnings:
                self.reader.warn_once(warning)
            state = {}
            outcomes = finished.result["outcomes"]
            if outcomes[NOT_ATTEMPTED]:
                self.not_sent.update(dict.fromkeys(outcomes[NOT_ATTEMPTED], finished.result["msg"]))
                break
            remaining = [one for one in (*outcomes["failed"], *outcomes["unknown"]) if one in asked]

    def _note_asked(self, action: str, asked: set[str], batch: Sequence[str]) -> None:
        ahead = self.reader.identity().clock_ahead
        sent_at = "" if ahead is None else utc_now(ahead)
        self.write(AskedEvent(event="asked", action=action, ids=list(batch), at=utc_now(), sent_at=sent_at))
        asked.update(batch)
        self.sent.update(batch)
        self._unanswered.update(batch)

    def _note_answered(self, action: str, outcomes: Sequence[Outcome]) -> None:
        rows = []
        for one in outcomes:
            self._unanswered.discard(one.id)
            self._has_changed = self._has_changed or one.outcome == CHANGED
            # An earlier request may still be carried out.
            outcome = UNKNOWN_OUTCOME if one.may_be_applied else one.outcome
            message = (one.message or one.reason)[:_LONGEST_MESSAGE]
            rows.append(ResultRow(one.id, outcome, one.code, message))
        # Without this line the outcome counts as unknown, so a lost line does no harm.
        self.write(AnsweredEvent(event="answered", action=action, rows=rows), is_durable=False)

    def _keep_reached(self, read_at: float, workloads: Sequence[Workload]) -> None:
        self._reached.update((one.id, (read_at, one)) for one in workloads)

    def check_same_control_plane(self) -> None:
        """Raise RecordError when another tenant or other clusters respond than the record's."""
        record, then, identity = self.record, self.record.control_plane, self.reader.identity()
        if not record.id:
            return
        if then["tenant_id"] and identity.tenant_id and then["tenant_id"] != identity.tenant_id:
            raise RecordError(
                "base_url: the record {0} is of tenant {1} at {2}, but {3} is tenant {4}".format(
                    record.name, then["tenant_id"], then["base_url"], identity.base_url, identity.tenant_id
                )
            )
        needed = {one.cluster_id for one in record.covered() if one.cluster_id} or set(then["clusters"])
        if needed and identity.all_clusters and not needed & set(identity.clusters):
            raise RecordError(
                "base_url: the record {0} is of {1}; {2} has none of its clusters".format(
                    record.name, then["base_url"], identity.base_url
                )
            )


def control_plane_of(identity: Identity) -> dict[str, Any]:
    """Return a control plane as results and records have it."""
    return {
        "base_url": identity.base_url,
        "tenant_id": identity.tenant_id,
        "clusters": dict(identity.clusters),
        "simulator": identity.simulator,
    }


def age_of(stamp: str) -> float:
    """Return how many seconds ago an event was written; very many where that can't be read."""
    moment = parse_timestamp(stamp)
    return (datetime.now(timezone.utc) - moment).total_seconds() if moment is not None else float("inf")


def _check_selection(record: Record) -> None:
    """Raise RecordError for criteria that no module could have written."""
    spec = select_argument_spec()
    for option, value in record.select.items():
        kind = _JSON_TYPES.get(spec.get(option, {}).get("type", ""))
        parts = value if isinstance(value, list) else ()
        if kind is None or not isinstance(value, kind) or not all(isinstance(one, str) for one in parts):
            raise RecordError("the record {0} is damaged: its selection has {1}".format(record.name, option))


def _by(options: MaintenanceOptions, environ: Mapping[str, str]) -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = str(os.getuid())
    return {"user": environ.get("SUDO_USER") or user, "host": socket.gethostname(), **options.by}
