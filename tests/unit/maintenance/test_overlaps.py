# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two maintenances of the same workloads, in any order, killed at any time, with their owners at work.

What is stopped because of one of them comes back once both have ended; what its owner stopped does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Optional
from unittest import mock

from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.begin import (
    begin_step,
    begun_step,
    fold_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.context import Context, Step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.end import end_step, ended_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import Entry, RecordError
from ansible_collections.gpuops.runai.tests.support.fake_maintenance import (
    SAID,
    FakeControlPlane,
    context,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

NAMES = ("a", "b")
PHASES = ("Running", "Pending", "Stopped")
# Begin or end a record, to the first batch; the same to the end; go on by one step, or through; be killed.
BEGIN, END, BEGIN_ALL, END_ALL, GO_ON, KILL = "begin", "end", "begin all", "end all", "go on", "kill"
STOP, RESUME, FINISH, DELETE, HIDE, SHOW = "stop", "resume", "finish", "delete", "hide", "show"
runs = st.tuples(
    st.sampled_from([BEGIN, END, BEGIN_ALL, END_ALL, GO_ON, GO_ON, KILL]), st.sampled_from([0, 1])
)
deeds = st.tuples(
    st.sampled_from([STOP, RESUME, RESUME, FINISH, DELETE, HIDE, SHOW, "late"]), st.integers(0, 2)
)
Event = tuple[str, int]


class World:
    """The control plane, two records in one folder, and at most one run of each."""

    def __init__(self, phases: list[str], folder: str) -> None:
        self.control_plane = FakeControlPlane(phases)
        self.at = {name: context(self.control_plane, folder, name=name, **SAID) for name in NAMES}
        self.runs: dict[str, Iterator[None]] = {}
        # What the run of a record has in flight, and what is so still of runs that were killed.
        self.in_flight: dict[str, list[str]] = {}
        self.late: list[tuple[str, str]] = []
        # Workloads that were stopped by their owners last.
        self.owners = {one.id for one in self.control_plane.workloads.values() if one.phase == "Stopped"}

    def do(self, event: Event) -> None:
        what, number = event
        if what in (BEGIN, END, BEGIN_ALL, END_ALL, GO_ON, KILL):
            self._run(what, NAMES[number])
        elif what == "late":
            for name, workload_id in self.late:
                self.carry_out(name, workload_id)
            self.late = []
        else:
            self._own(what, self.control_plane.ids[number % len(self.control_plane.ids)])

    def entry(self, name: str, workload_id: str) -> Optional[Entry]:
        record = self.at[name].load()
        return next((one for one in record.workloads if one.id == workload_id), None) if record else None

    def carry_out(self, name: str, workload_id: str) -> None:
        """Have a call take effect that was in flight when its run was killed, if that is not long ago."""
        entry = self.entry(name, workload_id)
        if entry is not None and entry.resume is None:
            self._send("suspend", [workload_id])

    def end_both(self, again: bool = False) -> None:
        """End each of them that has not ended, or once more."""
        for name in NAMES:
            self._run(KILL, name)
            record = self.at[name].load()
            if record is not None and (again or record.state != "ended"):
                self._run(END_ALL, name)

    def stranded(self) -> set[str]:
        """What is stopped because of a record, and can be seen."""
        return self.control_plane.ours - self.control_plane.hidden

    def _run(self, what: str, name: str) -> None:
        if what == KILL:
            if self.runs.pop(name, None) is not None:
                self.late += [(name, one) for one in self.in_flight.pop(name, [])]
            return
        if what != GO_ON and name not in self.runs:
            self.runs[name] = self._begin(name) if what in (BEGIN, BEGIN_ALL) else self._end(name)
        try:
            while name in self.runs:
                next(self.runs[name])
                if what not in (BEGIN_ALL, END_ALL):
                    return
        except (StopIteration, RecordError):
            del self.runs[name]

    def _own(self, what: str, workload_id: str) -> None:
        workload = self.control_plane.workloads.get(workload_id)
        if workload is None:
            return
        if what == DELETE:
            self.control_plane.delete(workload_id)
        elif what == HIDE:
            self.control_plane.hidden.add(workload_id)
        elif what == SHOW:
            self.control_plane.hidden.discard(workload_id)
        elif what == FINISH and workload.phase != "Stopped":
            self.control_plane.set_phase(workload_id, "Completed")
        elif what == STOP and workload.phase in ("Running", "Pending"):
            self.control_plane.set_phase(workload_id, "Stopped")
            self.owners.add(workload_id)
        elif what == RESUME and workload.phase == "Stopped":
            self.control_plane.set_phase(workload_id, "Running")
            self.owners.discard(workload_id)

    def _send(self, action: str, ids: list[str]) -> dict[str, list[str]]:
        outcomes = self.control_plane.send(action, ids)
        self.owners -= set(outcomes["changed"])
        return outcomes

    def _begin(self, name: str) -> Iterator[None]:
        at = self.at[name]
        step = begin_step(at)
        yield from self._batch(name, at, "suspend", step)
        begun_step(at)

    def _end(self, name: str) -> Iterator[None]:
        at = self.at[name]
        step = end_step(at)
        for one in self.owners & {*step.ids, *step.ids_after}:
            # Only where a crash kept the stop from being told from the owner's.
            entry = self.entry(name, one)
            assert entry is not None
            assert entry.standing == "assumed"
        yield from self._batch(name, at, "resume", step)
        yield from self._batch(
            name, at, "resume", step._replace(ids=step.ids_after, report=step.report_after)
        )
        ended_step(at)

    def _batch(self, name: str, at: Context, action: str, step: Step) -> Iterator[None]:
        if not step.ids or step.report is None:
            return
        if action == "suspend":
            self.in_flight[name] = list(step.ids)
        yield
        self.in_flight.pop(name, None)
        outcomes = self._send(action, list(step.ids))
        yield
        fold_step(at, action, outcomes, step.report.name, is_last=True)


# Resumed by its owner in between; each kept open by one that can't be seen; both ask, and only one stops it;
# killed with a call in flight that is carried out after the end.
@example(["Running"], [(BEGIN_ALL, 0), (RESUME, 0), (BEGIN_ALL, 1), (END_ALL, 1), (END_ALL, 0)])
@example(["Running"], [(BEGIN_ALL, 0), (RESUME, 0), (BEGIN_ALL, 1), (END_ALL, 0), (END_ALL, 1)])
@example(
    ["Running"] * 2, [(BEGIN_ALL, 0), (BEGIN_ALL, 1), (HIDE, 1), (END_ALL, 0), (END_ALL, 1), (END_ALL, 0)]
)
@example(["Running"], [(BEGIN, 0), (BEGIN_ALL, 1), (END_ALL, 1), (GO_ON, 0), (GO_ON, 0), (GO_ON, 0)])
@example(["Running"], [(BEGIN, 0), (KILL, 0), (END_ALL, 0)])
@settings(max_examples=120)
@given(
    st.lists(st.sampled_from(PHASES), min_size=1, max_size=3),
    st.lists(st.one_of(runs, runs, deeds), max_size=24),
)
def test_what_two_records_stopped_comes_back_once_both_have_ended(
    phases: list[str], events: list[Event]
) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch("os.fsync"):
        world = World(phases, folder)
        for event in events:
            world.do(event)
        # Those that can't be seen keep their records open, and no other workload from coming back.
        world.end_both()
        assert not world.stranded()
        world.control_plane.hidden.clear()
        world.end_both()
        assert not world.stranded()
        records = [at.load() for at in world.at.values()]
        assert {record.state for record in records if record is not None} <= {"ended"}
        # What is carried out once both have ended, another end mends.
        world.do(("late", 0))
        world.end_both(again=True)
        assert not world.stranded()
