# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a maintenance: a pure function of the lines of its log.

A line is one JSON object with the key ``event``. The first line is the ``head``. A later ``plan`` with its
``workloads`` replaces an earlier one. Only workloads that this record stopped, or may have, stay.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Optional, Union

from .._batch.outcome import CHANGED, UNKNOWN_OUTCOME
from .._common.errors import RunaiError
from .._common.times import parse_timestamp
from .._workload.phases import STOPPED, SUSPEND, is_suspendable
from .events import (
    ACTING,
    BEGUN,
    LEAVE,
    MAKERS,
    STATES,
    TREATMENTS,
    VERSION,
    Event,
    Maker,
    WorkloadRow,
    WorkloadsEvent,
)

# Time stamps of a cluster may be behind those of the control plane by this, or lack the fraction.
_CLOCK_TOLERANCE = timedelta(seconds=2)

_ROWS_A_LINE = 200

# The limits of a plan, each with the type of its value and what counts where a record has none.
LIMITS: dict[str, tuple[Any, Any]] = {
    "max_affected": (int, None),
    "max_percent": ((int, float), None),
    "max_drift": (int, None),
    "unsuspendable": (str, "refuse"),
    "crosses_version": (str, None),
    "notice": (str, None),
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_RULE = "must be 1 to 100 letters, digits, dots, hyphens and underscores, the first a letter or a digit"


class RecordError(RunaiError):
    """A record or its use is rejected.

    ``rows`` give details, ``next_state`` is what to run instead, ``corrections`` are values by option.
    """

    def __init__(
        self,
        message: str,
        next_state: Optional[str] = None,
        rows: Sequence[str] = (),
        corrections: Optional[Mapping[str, str]] = None,
    ) -> None:
        super().__init__(message)
        self.next_state = next_state
        self.rows = list(rows)
        self.corrections = corrections or {}


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def event_of(line: Union[bytes, str]) -> Optional[Event]:
    """Return a line as it was read, or ``None`` for one that is no JSON object, or that is nested deeply."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and _is_shallow(event) else None


def _is_shallow(value: object, depth: int = 8) -> bool:
    """Return whether containers are nested at most ``depth`` deep, since later code is recursive."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return depth > 0 and all(_is_shallow(one, depth - 1) for one in value if isinstance(one, (dict, list)))


@dataclasses.dataclass
class RecordedWorkload:
    """One workload of a plan, and all that is known of its stop and its resume.

    ``is_in_flight``: a suspend was sent and no result is recorded. ``is_accepted``: a suspend was accepted.
    ``has_unknown_outcome``: a suspend has no known result. ``sent_at`` is when the first of these was sent,
    by the clock of the control plane, if known. ``was_stopped``: it was stopped at a later read,
    in its phase since ``stopped_since``. ``is_shared``: another record stopped it. ``is_resumed``: a resume
    was accepted; ``was_back``: it was active at a later read. ``attributed_to`` made the stop with the time
    stamp ``attributed_since``.
    """

    id: str
    plan: str
    name: str = ""
    project: str = ""
    owner: str = ""
    cluster_id: str = ""
    gpus: float = 0.0
    phase: str = ""
    since: str = ""
    asked_at: str = ""
    sent_at: str = ""
    is_in_flight: bool = False
    is_accepted: bool = False
    has_unknown_outcome: bool = False
    is_shared: bool = False
    was_stopped: bool = False
    stopped_since: str = ""
    is_resume_asked: bool = False
    is_resumed: bool = False
    was_back: bool = False
    attributed_to: Optional[Maker] = None
    attributed_since: str = ""
    outcome: Optional[str] = None
    code: Optional[int] = None
    message: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether this record stopped it, may have, or shares the stop of another one."""
        return self.is_asked or self.is_shared

    @property
    def is_asked(self) -> bool:
        """Whether a suspend of this record was accepted, or has no known result."""
        return self.is_in_flight or self.is_accepted or self.has_unknown_outcome

    @property
    def may_stop(self) -> bool:
        """Whether a suspend of this record may still be carried out."""
        return self.is_asked and not self.was_stopped and not self.is_resumed

    @property
    def was_stopped_before(self) -> bool:
        """Whether the stop that was seen is older than the suspend: of somebody else, or clocks differ."""
        stopped, sent = parse_timestamp(self.stopped_since), parse_timestamp(self.sent_at)
        is_early = stopped is not None and sent is not None and stopped < sent - _CLOCK_TOLERANCE
        return self.was_stopped and is_early

    def note_request(self, action: str, at: str, sent_at: str) -> None:
        """Note that ``action`` is about to be sent."""
        self.outcome, self.code, self.message = None, None, ""
        if action != SUSPEND:
            self.is_resume_asked = True
            return
        if not self.may_stop:
            # What an earlier suspend did is over.
            self.is_accepted = self.has_unknown_outcome = self.is_in_flight = self.is_shared = False
            self.sent_at = sent_at
        self.has_unknown_outcome = self.has_unknown_outcome or self.is_in_flight
        self.is_in_flight, self.asked_at = True, at
        self.was_stopped, self.stopped_since = False, ""
        self.is_resume_asked = self.is_resumed = self.was_back = False

    def note_result(self, action: str, outcome: str, code: Optional[int], message: str) -> None:
        """Note the result of the last request.

        A refused resume proves nothing of an earlier suspend: the control plane may judge by a phase that
        does not show it yet.
        """
        self.outcome, self.code, self.message = outcome, code, message
        if action != SUSPEND:
            self.is_resumed = self.is_resumed or outcome == CHANGED
            return
        self.is_in_flight = False
        self.is_accepted = self.is_accepted or outcome == CHANGED
        self.has_unknown_outcome = self.has_unknown_outcome or outcome == UNKNOWN_OUTCOME

    def note_phase(self, phase: str, since: str) -> None:
        if phase == STOPPED and self.is_ours and not self.is_resumed and not self.was_stopped:
            self.was_stopped, self.stopped_since = True, since
        elif self.is_resumed and is_suspendable(phase):
            self.was_back = True

    def note_shared(self, stopped_since: str, sent_at: str) -> None:
        self.is_shared, self.sent_at = True, sent_at
        self.was_stopped, self.stopped_since = bool(stopped_since), stopped_since

    def note_attribution(self, since: str, who: Maker) -> None:
        self.attributed_since, self.attributed_to = since, who


@dataclasses.dataclass
class Record:
    """A maintenance by its log. ``passed_over`` are ids of active workloads that the plan did not take.

    ``notices`` has the time of each valid notice by the id of its workload. Without a line, ``id`` is empty.
    """

    id: str
    name: str
    control_plane: dict[str, Any]
    state: str = ""
    at: str = ""
    by: dict[str, Any] = dataclasses.field(default_factory=dict)
    times: dict[str, str] = dataclasses.field(default_factory=dict)
    reason: str = ""
    select: dict[str, Any] = dataclasses.field(default_factory=dict)
    limits: dict[str, Any] = dataclasses.field(default_factory=lambda: _limits({}))
    passed_over: list[str] = dataclasses.field(default_factory=list)
    workloads: dict[str, RecordedWorkload] = dataclasses.field(default_factory=dict)
    notices: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it may hold workloads stopped. A record that is ending resumes them."""
        return self.state in (ACTING, BEGUN)

    @property
    def nodes(self) -> list[str]:
        return self.select.get("nodes") or []

    def covered(self) -> list[RecordedWorkload]:
        """Return the workloads that the plan does not leave running."""
        return [one for one in self.workloads.values() if one.plan != LEAVE]


_ROW_TYPES: dict[str, Any] = {**dict.fromkeys(WorkloadRow._fields, str), "gpus": (int, float)}


def workloads_events(entries: Iterable[RecordedWorkload]) -> list[WorkloadsEvent]:
    rows = [WorkloadRow(*(getattr(one, key) for key in WorkloadRow._fields)) for one in entries]
    starts = range(0, len(rows), _ROWS_A_LINE)
    return [WorkloadsEvent(event="workloads", rows=rows[start : start + _ROWS_A_LINE]) for start in starts]


def record_of(events: Iterable[Event], name: str = "") -> Record:
    """Fold the lines into a record. Raises RecordError for lines that are none of a record.

    ``name`` is that of the file, for the message.
    """
    subject = "the record {0} is".format(name) if name else "the record is"
    record: Optional[Record] = None
    try:
        for event in events:
            if record is None:
                record = _of_head(event)
            else:
                apply_event(record, event)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as fault:
        raise RecordError("{0} damaged: {1}".format(subject, type(fault).__name__)) from None
    if record is None:
        raise RecordError("{0} empty".format(subject))
    return record


def apply_event(record: Record, event: Event) -> None:
    """Move the record on by one line. Lines of a kind that is not known are from a later version."""
    kind = event["event"]
    if kind in _EVENTS:
        _EVENTS[kind](record, event)


def _of_head(event: Event) -> Record:
    if event["event"] != "head" or event["version"] != VERSION:
        raise RecordError(
            "the record has another format ({0}) than this version of the collection reads ({1})".format(
                event.get("version"), VERSION
            )
        )
    name, record_id = str(event["name"]), str(event["id"])
    # Both become parts of file names.
    if not is_name(name) or not is_name(record_id):
        raise ValueError(name)
    control_plane = {"base_url": "", "tenant_id": "", "clusters": {}, **event["control_plane"]}
    _check_types(control_plane, {"base_url": str, "tenant_id": str, "clusters": dict})
    return Record(record_id, name, control_plane, at=str(event["at"]), by=dict(event["by"]))


def _plan(record: Record, event: Event) -> None:
    record.reason, record.select = str(event["reason"]), dict(event["select"])
    record.limits, record.passed_over = _limits(event["limits"]), _texts(event["passed_over"])
    settled = set(event.get("settled", ()))
    record.workloads = {
        one.id: one for one in record.workloads.values() if one.is_ours and one.id not in settled
    }
    if not record.workloads:
        record.state = ""


def _workloads(record: Record, event: Event) -> None:
    for row in event["rows"]:
        values = dict(zip(WorkloadRow._fields, row))
        _check_types(values, _ROW_TYPES)
        one = RecordedWorkload(**{**values, "gpus": float(values["gpus"])})
        if one.plan not in TREATMENTS:
            raise ValueError(one.plan)
        record.workloads.setdefault(one.id, one)


def _state(record: Record, event: Event) -> None:
    if event["state"] not in STATES:
        raise ValueError(event["state"])
    record.state = event["state"]
    record.times[record.state] = str(event["at"])
    record.by = dict(event["by"])


def _asked(record: Record, event: Event) -> None:
    for workload_id in event["ids"]:
        record.workloads[workload_id].note_request(
            event["action"], str(event["at"]), str(event.get("sent_at", ""))
        )


def _answered(record: Record, event: Event) -> None:
    types = {"outcome": str, "code": (int, type(None)), "message": str}
    for workload_id, outcome, code, message in event["rows"]:
        _check_types({"outcome": outcome, "code": code, "message": message}, types)
        record.workloads[workload_id].note_result(event["action"], outcome, code, message)
        if event["action"] == SUSPEND and outcome == CHANGED:
            record.notices.pop(workload_id, None)


def _seen(record: Record, event: Event) -> None:
    for workload_id, phase, since in event["rows"]:
        record.workloads[workload_id].note_phase(*_texts([phase, since]))


def _shared(record: Record, event: Event) -> None:
    for workload_id, stopped_since, sent_at in event["rows"]:
        record.workloads[workload_id].note_shared(*_texts([stopped_since, sent_at]))


def _attributed(record: Record, event: Event) -> None:
    for workload_id, since, who in event["rows"]:
        if who not in MAKERS:
            raise ValueError(who)
        _texts([since])
        record.workloads[workload_id].note_attribution(since, who)


def _told(record: Record, event: Event) -> None:
    record.notices.update(dict.fromkeys(event["ids"], str(event["at"])))


def _untold(record: Record, event: Event) -> None:
    for workload_id in event["ids"]:
        record.notices.pop(workload_id, None)


def _limits(found: Mapping[str, Any]) -> dict[str, Any]:
    limits = {name: found.get(name, default) for name, (_type, default) in LIMITS.items()}
    given = {name: one for name, one in limits.items() if one is not None}
    _check_types(given, {name: kind for name, (kind, _default) in LIMITS.items()})
    return limits


def _texts(values: Sequence[Any]) -> list[str]:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(value)
    return list(values)


def _check_types(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise TypeError for a value of another type: nothing that a file holds is trusted."""
    for name, kind in types.items():
        if name in values and not isinstance(values[name], kind):
            raise TypeError(name)


_EVENTS = {
    "plan": _plan,
    "workloads": _workloads,
    "state": _state,
    "asked": _asked,
    "answered": _answered,
    "seen": _seen,
    "shared": _shared,
    "told": _told,
    "untold": _untold,
    "attributed": _attributed,
}
