# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control plane in memory, with the truth of who stopped what; and runs of a maintenance against it.

``memory_client.py`` runs batches against it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.gpuops.runai.plugins.module_utils._api.auth import TokenSource
from ansible_collections.gpuops.runai.plugins.module_utils._batch.context import BatchHooks
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import Outcome
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import run, session
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.control_plane import (
    ControlPlaneReader,
    Identity,
    PodsOnNode,
    Selected,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import run_maintenance
from ansible_collections.gpuops.runai.plugins.module_utils._record.log import RecordFile
from ansible_collections.gpuops.runai.plugins.module_utils._record.ownership import PhaseChange
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import SEEN, Workload
from ansible_collections.gpuops.runai.plugins.modules.runai_maintenance import ARGUMENT_SPEC

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = "owner"
ACTIVE = ("Running", "Pending")
_OUTCOMES = ("changed", "unchanged", "skipped", "failed", "unknown", "not_attempted")


class CrashError(BaseException):
    """What stands for kill -9: nothing in the code under test may catch it."""


@dataclasses.dataclass
class Simulated:
    """One workload: its phase, since when, who stopped it, and its history."""

    phase: str
    since: int = 0
    stopped_by: str = ""
    history: list[tuple[int, str]] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.history.append((self.since, self.phase))


@dataclasses.dataclass
class Call:
    """One suspend or resume of a workload, by the run of a record."""

    by: str
    workload_id: str
    target: str


@dataclasses.dataclass
class MemoryControlPlane(ControlPlaneReader):
    """Workloads, an asynchronous cluster, and what goes wrong.

    A cluster that is cut off accepts and carries out later, in order. ``refuses_redundant``: a suspend of
    what is stopped, and a resume of what runs, are refused. ``crash_in`` counts calls, each before and after
    it arrives, ``lose_in`` responses. ``on_call`` is called right before a batch of suspends is sent.
    """

    workloads: dict[str, Simulated]
    now: int = 0
    is_cut_off: bool = False
    refuses_redundant: bool = False
    has_history: bool = True
    crash_in: int = 0
    lose_in: int = 0
    on_call: Callable[[Sequence[str]], None] = lambda ids: None
    pending: list[Call] = dataclasses.field(default_factory=list)
    late: list[Call] = dataclasses.field(default_factory=list)
    sent: list[Call] = dataclasses.field(default_factory=list)
    unproven: set[str] = dataclasses.field(default_factory=set)
    reads: list[str] = dataclasses.field(default_factory=list)
    state_reads: list[list[str]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    secrets: set[str] = dataclasses.field(default_factory=set)
    tokens: TokenSource | None = None
    deleted_ids: set[str] = dataclasses.field(default_factory=set)
    by: str = ""

    # What goes on in the cluster, and what owners do there.

    def move(self, one: str, phase: str | None, by: str) -> None:
        """Carry out what ``by`` asked for; without a phase the workload is deleted."""
        self.now += 1
        workload = self.workloads[one]
        if phase is None:
            del self.workloads[one]
        elif workload.phase != phase:
            workload.phase, workload.since = phase, self.now
            workload.stopped_by = by if phase == "Stopped" else ""
            workload.history.append((self.now, phase))

    def touch(self, ids: Sequence[str]) -> None:
        """Move time stamps without a change of the phase, as an upgrade does."""
        self.now += 1
        for one in ids:
            self.workloads[one].since = self.now

    def mend(self, last_only: bool = False) -> None:
        """Let the cluster carry out what it has not heard of: all in order, or the last of each workload."""
        self.is_cut_off = False
        pending, self.pending = self.pending, []
        for number, call in enumerate(pending):
            is_last = all(later.workload_id != call.workload_id for later in pending[number + 1 :])
            if is_last or not last_only:
                self.move(call.workload_id, call.target, call.by)

    def arrive(self) -> None:
        """Let calls of killed runs arrive."""
        late, self.late = self.late, []
        for call in late:
            self._accept(call)

    def _accept(self, call: Call) -> bool:
        workload = self.workloads[call.workload_id]
        if self.refuses_redundant and workload.phase == call.target:
            return False
        if self.is_cut_off:
            self.pending.append(call)
        else:
            self.move(call.workload_id, call.target, call.by)
        return True

    # What a maintenance reads.

    def identity(self) -> Identity:
        ahead = (self._moment(self.now) - datetime.now(UTC)).total_seconds()
        return Identity("https://a.example", "1", {"c": "berlin"}, False, True, {"c": "2.24"}, ahead)

    def select(self, selection: Mapping[str, Any], with_scope: bool = False) -> Selected:
        self.reads.append("select")
        found = [self._workload(one) for one in selection.get("ids", self.workloads) if one in self.workloads]
        scope = [one for one, workload in self.workloads.items() if workload.phase in ACTIVE]
        return Selected(found, {}, frozenset(scope if with_scope else ()))

    def read_workloads(self, ids: Sequence[str]) -> dict[str, Workload]:
        self.state_reads.append(list(ids))
        return {one: self._workload(one) for one in ids if one in self.workloads}

    def deleted(self, ids: Sequence[str]) -> set[str]:
        return self.deleted_ids.intersection(ids)

    def histories(self, ids: Sequence[str]) -> dict[str, list[PhaseChange]]:
        self.reads += ["history"] * len(ids)
        if not self.has_history:
            return {one: [] for one in ids}
        return {
            one: [PhaseChange(self._moment(at), phase) for at, phase in self.workloads[one].history]
            for one in ids
        }

    def pods(self, nodes: Sequence[str], clusters: Any) -> list[PodsOnNode]:
        return []

    def warn_once(self, message: str) -> None:
        self.warnings.append(message)

    def _workload(self, one: str) -> Workload:
        workload = self.workloads[one]
        since = self._moment(workload.since).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Workload(one, SEEN, one[-1], "p", "c", "ada", workload.phase, since, 1.0)

    @staticmethod
    def _moment(tick: int) -> datetime:
        return BEGIN + timedelta(seconds=10 * tick)

    # What a maintenance sends.

    def batch(
        self, params: dict[str, Any], environ: Any, check: bool, diff: bool, say: Any, hooks: BatchHooks
    ) -> ModuleResult:
        """Send as the batch module does, two ids a call; a crash may come before or after a call."""
        outcomes: dict[str, list[str]] = {key: [] for key in _OUTCOMES}
        target = {"suspend": "Stopped", "resume": "Running"}[params["action"]]
        ids = [
            one for one in params["ids"] if self.workloads[one].phase != target or one in hooks.send_anyway
        ]
        outcomes["unchanged"] = [one for one in params["ids"] if one not in ids]
        for start in range(0, len(ids), 2):
            part = ids[start : start + 2]
            if target == "Stopped":
                self.on_call(part)
            hooks.on_send(part)
            calls = [Call(self.by, one, target) for one in part]
            self.sent += calls
            if self._is_over("crash_in"):
                # Sent, and not arrived yet.
                self.late += calls
                raise CrashError
            accepted = {call.workload_id: self._accept(call) for call in calls}
            if self._is_over("crash_in"):
                raise CrashError
            is_lost = self._is_over("lose_in")
            settled = [self._outcome(one, target, accepted[one], is_lost, hooks) for one in part]
            hooks.on_settled(settled)
            for outcome in settled:
                outcomes[outcome.outcome].append(outcome.id)
        reached = [self._workload(one) for one in outcomes["changed"] if self.workloads[one].phase == target]
        hooks.on_reached(time.monotonic(), reached)
        return ModuleResult({"outcomes": outcomes, "msg": "x"}, False, [], set())

    def _outcome(self, one: str, target: str, is_accepted: bool, is_lost: bool, hooks: BatchHooks) -> Outcome:
        if is_lost:
            is_shown = self.workloads[one].phase == target and one not in hooks.send_anyway
            if not is_shown:
                self.unproven.add(one)
            return Outcome(one, "changed" if is_shown else "unknown")
        if is_accepted:
            return Outcome(one, "changed")
        self.unproven.add(one)
        return Outcome(one, "failed", "refused", "already so", 409)

    def _is_over(self, counter: str) -> bool:
        left: int = getattr(self, counter)
        setattr(self, counter, max(0, left - 1))
        return left == 1


def run_against(
    control_plane: MemoryControlPlane,
    folder: Path | None,
    state: str,
    name: str = "night",
    check: bool = False,
    **options: Any,
) -> ModuleResult:
    """Run the module's core; a folder of ``None`` means a record that is handed over."""
    given: dict[str, Any] = {"name": name, "state": state, "settle_time": 0.0, **options}
    if folder is not None:
        given["record_dir"] = str(folder)
    if state != "ended":
        plan = {"reason": "fan", "select": {"all": True}, "max_affected": "none", "max_percent": "none"}
        given = {**plan, **given}
    given = {option: value for option, value in given.items() if value is not None}
    params = {option: given.get(option, spec.get("default")) for option, spec in ARGUMENT_SPEC.items()}
    if params["select"] is not None:
        spec = ARGUMENT_SPEC["select"]["options"]
        params["select"] = {option: one.get("default") for option, one in spec.items()} | params["select"]
    # A run that follows finds the calls of a killed one arrived: end waits for them.
    control_plane.arrive()
    control_plane.by = name
    control_plane.unproven.clear()
    with (
        mock.patch.object(run, "ControlPlaneReader", return_value=control_plane),
        mock.patch.object(session, "run_batch", control_plane.batch),
    ):
        return run_maintenance(params, given, {}, check)


@contextmanager
def crash_while_writing(number: int, share: float) -> Iterator[None]:
    """Kill the run at its ``number``-th write to the record, when a ``share`` of this is on disk."""
    append = RecordFile.append
    written = 0

    def append_and_crash(file: RecordFile, events: Sequence[Any], is_durable: bool = True) -> None:
        nonlocal written
        written += 1
        if written == number:
            data = "".join(json.dumps(one) + "\n" for one in events).encode()
            os.write(file._descriptor, data[: int(share * len(data))])
            raise CrashError
        append(file, events, is_durable)

    with mock.patch.object(RecordFile, "append", append_and_crash):
        yield


def good(done: ModuleResult) -> dict[str, Any]:
    """Return the result of a run that must not fail."""
    assert not done.failed, done.result["lines"]
    return done.result
