# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose a stop is: two records through random begins, ends, kills, owners' acts, late calls and outages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import ENDED
from ansible_collections.gpuops.runai.plugins.module_utils._record.log import RecordFolder
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import Record, record_of
from ansible_collections.gpuops.runai.tests.support.memory_control_plane import (
    OWNER,
    CrashError,
    MemoryControlPlane,
    Simulated,
    crash_while_writing,
    run_against,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id
from hypothesis import event, given
from hypothesis import strategies as st

IDS = [workload_id(number) for number in range(4)]
NAMES = ("a", "b")
# Why a run may be rejected, whatever the control plane shows.
REJECTIONS = (
    "name: there is no record",
    "has ended at",
    "is ending since",
    "To go on, run begin; to give up, run end",
    "select: no active workload meets it",
    "plan: none of",
)


class World:
    """The control plane, the folder, and what the runs are held to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control_plane = MemoryControlPlane({one: Simulated("Running") for one in IDS})
        self.control_plane.workloads[IDS[3]] = Simulated("Stopped", stopped_by=OWNER)
        # Stops of owners that nobody can take for a maintenance's.
        self.certain = {IDS[3]}
        # An owner was faster than a begin: that can't be shown for many at once.
        self.raced: set[str] = set()

    def record(self, name: str) -> Record | None:
        folder = RecordFolder(str(self.folder), may_create=False)
        try:
            return record_of(folder.read(name)) if folder.is_there(name) and folder.read(name) else None
        finally:
            folder.close()

    def owner_acts(self, one: str, phase: str) -> None:
        """Owners act on what their cluster shows."""
        workload = self.control_plane.workloads[one]
        if self.control_plane.is_cut_off or workload.phase == phase:
            return
        claims = [
            record.workloads[one] for record in map(self.record, NAMES) if record and one in record.workloads
        ]
        self.control_plane.move(one, phase, OWNER)
        self.certain.discard(one)
        if phase == "Stopped" and not any(claim.may_stop for claim in claims):
            self.certain.add(one)

    def touch(self, ids: Sequence[str]) -> None:
        """Move time stamps. What was not seen before may have stopped after the suspend then."""
        self.control_plane.touch(ids)
        claims = [record.workloads.get(one) for one in ids for record in map(self.record, NAMES) if record]
        self.certain -= {claim.id for claim in claims if claim is not None and claim.may_stop}

    def race(self, one: str) -> Callable[[Sequence[str]], None]:
        """Return what stops a workload as its owner, right before a begin sends it."""

        def stop(ids: Sequence[str]) -> None:
            if (
                one in ids
                and not self.control_plane.is_cut_off
                and self.control_plane.workloads[one].phase == "Running"
            ):
                self.raced.add(one)
                self.owner_acts(one, "Stopped")
                if self.raced - {one}:
                    self.certain -= self.raced
                # Longer than clocks differ.
                self.control_plane.now += 1

        return stop

    def run(
        self, state: str, name: str, crash: tuple[int, float] | None = None, **options: Any
    ) -> bool | None:
        """Run a verb and check what it says; None where it was killed."""
        sent = len(self.control_plane.sent)
        before = self.record(name)
        try:
            with crash_while_writing(*crash) if crash else nullcontext():
                done = run_against(self.control_plane, self.folder, state, name, allow_empty=True, **options)
        except CrashError:
            return None
        finally:
            self.control_plane.on_call = lambda ids: None
            self._check_calls(sent, options)
        if done.failed:
            self._check_reason(state, name, done, before)
        elif state == "ended":
            record = self.record(name)
            assert record is not None
            assert record.state == ENDED
        return not done.failed

    def _check_calls(self, since: int, options: dict[str, Any]) -> None:
        for call in self.control_plane.sent[since:]:
            claims = [record.workloads[call.workload_id] for record in [self.record(call.by)] if record]
            assert [one.is_ours or one.is_resume_asked or one.outcome for one in claims], call
            if call.target == "Running" and "resume_touched" not in options:
                assert call.workload_id not in self.certain, call
            self.certain.discard(call.workload_id) if call.target == "Running" else None

    def _check_reason(self, state: str, name: str, done: ModuleResult, before: Record | None) -> None:
        """Whatever is red has a reason that is true."""
        result = done.result
        rows = [row for row in result["workloads"] if self._is_true_reason(state, row)]
        is_held = "Nothing came back" in result["msg"]
        if is_held:
            holders = [row["held_by"] for row in result["workloads"] if row["verdict"] == "held"]
            assert holders
            assert all(self._is_open(holder) for holder in holders)
        elif result["summary"]:
            assert len(rows) >= result["summary"]["problems"] > 0, (result, self.control_plane)
        else:
            assert any(text in result["msg"] for text in REJECTIONS), result["msg"]

    def _is_open(self, name: str) -> bool:
        record = self.record(name)
        return record is not None and record.is_open

    def _is_true_reason(self, state: str, row: dict[str, Any]) -> bool:
        control_plane, phase = self.control_plane, self.control_plane.workloads[row["id"]].phase
        if state == "begun":
            return phase == "Running"
        if row["verdict"] == "late":
            return phase == "Running" and row["id"] in control_plane.unproven
        return row["verdict"] in ("ours", "uncertain") and phase == "Stopped"


KILL = st.one_of(st.none(), st.tuples(st.integers(1, 8), st.sampled_from([0.0, 0.4, 0.9, 1.0])))
RUNS = st.one_of(
    st.tuples(st.just("run"), st.sampled_from(["begun", "ended"]), st.sampled_from(NAMES), st.none()),
    st.tuples(
        st.just("run"), st.sampled_from(["planned", "begun", "begun", "ended"]), st.sampled_from(NAMES), KILL
    ),
)
TROUBLES = st.one_of(
    st.tuples(st.just("owner"), st.sampled_from(IDS), st.sampled_from(["Running", "Stopped"])),
    st.tuples(st.just("race"), st.sampled_from(IDS)),
    st.tuples(st.just("crash_in"), st.integers(1, 4)),
    st.tuples(st.just("lose_in"), st.integers(1, 3)),
    st.tuples(st.just("cut")),
    st.tuples(st.just("mend"), st.booleans()),
    st.tuples(st.just("arrive")),
    st.tuples(st.just("touch"), st.lists(st.sampled_from(IDS), min_size=1, max_size=4)),
    st.tuples(st.just("refuse"), st.booleans()),
    st.tuples(st.just("history"), st.booleans()),
)
ACTS = st.one_of(RUNS, TROUBLES)


def _play(world: World, act: tuple[Any, ...]) -> None:
    control_plane = world.control_plane
    kind, *rest = act
    if kind == "run":
        state, name, crash = rest
        world.run(state, name, crash)
    elif kind == "owner":
        world.owner_acts(*rest)
    elif kind == "race":
        control_plane.on_call = world.race(*rest)
    elif kind in ("crash_in", "lose_in"):
        setattr(control_plane, kind, rest[0])
    elif kind == "cut":
        control_plane.is_cut_off = True
    elif kind == "mend":
        control_plane.mend(*rest)
    elif kind == "arrive":
        control_plane.arrive()
    elif kind == "touch":
        world.touch([one for one in rest[0] if control_plane.workloads[one].phase == "Stopped"])
    else:
        setattr(control_plane, {"refuse": "refuses_redundant", "history": "has_history"}[kind], rest[0])


def _end_all(world: World) -> None:
    """Whatever was begun is ended, as often as it takes, and what is uncertain decided by the operator."""
    for is_decided in (False, False, False, True):
        options = {"resume_touched": True} if is_decided else {}
        names = [name for name in NAMES if _has_state(world, name)]
        done = [world.run("ended", name, None, **options) for name in names]
        if all(done):
            return
    raise AssertionError(world.control_plane)


def _has_state(world: World, name: str) -> bool:
    record = world.record(name)
    return record is not None and record.state != ""


@given(st.lists(ACTS, min_size=5, max_size=16))
def test_nothing_stays_stopped_after_all_have_ended_and_nothing_of_owners_is_resumed(
    acts: list[tuple[Any, ...]],
) -> None:
    with TemporaryDirectory() as place, mock.patch("os.fsync"):
        world = World(Path(place))
        for act in acts:
            _play(world, act)
        control_plane = world.control_plane
        control_plane.crash_in = control_plane.lose_in = 0
        control_plane.refuses_redundant = False
        control_plane.arrive()
        control_plane.mend()
        _end_all(world)
        for one in IDS:
            workload = control_plane.workloads[one]
            assert workload.phase == "Running" or workload.stopped_by == OWNER, control_plane
        sent = len(control_plane.sent)
        for name in NAMES:
            if _has_state(world, name):
                assert world.run("ended", name)
        assert len(control_plane.sent) == sent
        event("calls: {0}".format(min(sent // 4, 5)))
