# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet without HTTP: phases move with time, and a batch does what the phase allows."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simulator.api import contract
from simulator.api.fleet_file import build
from simulator.api.rows import pod_rows, workload_row
from simulator.model.clock import ManualClock
from simulator.model.fleet import Behaviour, Fleet
from simulator.model.generator import generate
from simulator.model.workload import FINISHED, PHASES
from tests.support.workloads import workload_id

from .conftest import fleet_of


def fleet_in(*phases: str, clock: ManualClock | None = None, **behaviour: Any) -> tuple[Fleet, ManualClock]:
    clock = clock or ManualClock()
    described = fleet_of(*phases, frozen=True)
    workloads, places = build(described, clock.now(), tenant_id=1)
    return Fleet(workloads, places, clock, Behaviour(**{"transition_seconds": 3.0, **behaviour})), clock


def phases_over_time(fleet: Fleet, clock: ManualClock, seconds: int) -> list[str | None]:
    found = []
    for _number in range(seconds + 1):
        found.append(fleet.phase(workload_id(0)))
        clock.advance(1)
    return found


def test_suspend_of_running_passes_stopping() -> None:
    fleet, clock = fleet_in("Running")
    result = fleet.act("suspend", [workload_id(0)])
    assert result.succeeded == [workload_id(0)]
    assert phases_over_time(fleet, clock, 3) == ["Stopping", "Stopping", "Stopping", "Stopped"]


def test_resume_of_stopped_passes_pending() -> None:
    fleet, clock = fleet_in("Stopped")
    fleet.act("resume", [workload_id(0)])
    assert phases_over_time(fleet, clock, 3) == ["Resuming", "Pending", "Initializing", "Running"]


def test_delete_of_running_moves_to_the_deleted_list() -> None:
    fleet, clock = fleet_in("Running")
    fleet.act("delete", [workload_id(0)])
    assert phases_over_time(fleet, clock, 3) == ["Deleting", "Deleting", "Deleting", None]
    assert [one.id for one in fleet.deleted()] == [workload_id(0)]
    assert fleet.live() == []


def test_lag_set_delays_the_first_phase() -> None:
    fleet, clock = fleet_in("Running", lag_seconds=2.0)
    assert fleet.act("suspend", [workload_id(0)]).failed == []
    assert phases_over_time(fleet, clock, 5) == [
        "Running",
        "Running",
        "Stopping",
        "Stopping",
        "Stopping",
        "Stopped",
    ]


def test_request_during_the_lag_replaces_the_one_that_waits() -> None:
    fleet, clock = fleet_in("Running", lag_seconds=2.0)
    fleet.act("suspend", [workload_id(0)])
    clock.advance(1)
    assert fleet.act("resume", [workload_id(0)]).failed == []
    assert set(phases_over_time(fleet, clock, 10)) == {"Running"}
    fleet.act("suspend", [workload_id(0)])
    assert phases_over_time(fleet, clock, 10)[-1] == "Stopped"


def test_phase_change_updates_its_time() -> None:
    fleet, clock = fleet_in("Running")
    start = clock.now()
    fleet.act("suspend", [workload_id(0)])
    clock.advance(60)
    workload = fleet.get(workload_id(0))
    assert workload is not None
    assert (workload.phase, workload.phase_updated_at) == ("Stopped", start + 3)


def test_second_action_overtakes_the_first() -> None:
    fleet, clock = fleet_in("Stopped")
    fleet.act("resume", [workload_id(0)])
    clock.advance(1)
    fleet.act("suspend", [workload_id(0)])
    assert phases_over_time(fleet, clock, 4) == ["Stopping", "Stopping", "Stopping", "Stopped", "Stopped"]


REFUSED = {
    ("suspend", "Completed"): 409,
    ("suspend", "Failed"): 409,
    ("suspend", "Deleting"): 409,
    ("resume", "Completed"): 409,
    ("resume", "Failed"): 409,
    ("resume", "Deleting"): 409,
    ("resume", "Stopping"): 409,
}
REDUNDANT = {
    ("suspend", "Stopping"),
    ("suspend", "Stopped"),
    ("delete", "Deleting"),
    *(
        ("resume", phase)
        for phase in ("Creating", "Pending", "Initializing", "Running", "Degraded", "Updating", "Resuming")
    ),
}


@pytest.mark.parametrize("redundant", ["succeed", "fail"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("action", ["suspend", "resume", "delete"])
def test_action_in_each_phase_is_allowed_or_refused(action: str, phase: str, redundant: str) -> None:
    fleet, _nothing = fleet_in(phase, redundant=redundant)
    result = fleet.act(action, [workload_id(0)])
    expected = REFUSED.get((action, phase))
    if (action, phase) in REDUNDANT and redundant == "fail":
        expected = 409
    assert [one.code for one in result.failed] == ([] if expected is None else [expected])
    entered = {"suspend": "Stopping", "resume": "Resuming", "delete": "Deleting"}[action]
    unchanged = expected is not None or (action, phase) in REDUNDANT
    assert fleet.phase(workload_id(0)) == (phase if unchanged else entered)


def test_action_on_bad_ids_refuses_them() -> None:
    fleet, _nothing = fleet_in("Running", "Running", "Running", "Running")
    fleet.update(workload_id(0), hidden=True)
    fleet.update(workload_id(1), actions_support={"delete": True, "suspend": False})
    fleet.behaviour.forbidden_ids = frozenset({workload_id(2)})
    asked = [workload_id(number) for number in (9, 0, 1, 2, 3, 3)]
    result = fleet.act("suspend", asked)
    assert [(one.id, one.code) for one in result.failed] == [
        (workload_id(9), 404),
        (workload_id(0), 404),
        (workload_id(1), 400),
        (workload_id(2), 403),
    ]
    assert result.succeeded == [workload_id(3)]
    assert fleet.act("delete", [workload_id(1)]).succeeded == [workload_id(1)]


def test_resume_without_free_gpus_stays_pending() -> None:
    fleet, clock = fleet_in("Running", "Stopped", gpu_capacity=1.0)
    fleet.act("resume", [workload_id(1)])
    clock.advance(60)
    assert fleet.phase(workload_id(1)) == "Pending"
    fleet.act("suspend", [workload_id(0)])
    clock.advance(3)
    assert fleet.phase(workload_id(1)) == "Initializing"
    clock.advance(3)
    assert fleet.phase(workload_id(1)) == "Running"
    assert fleet.gpus_held() == 1.0


def test_set_phase_frozen_stays_and_other_moves_on() -> None:
    fleet, clock = fleet_in("Stopping", "Running")
    fleet.set_phase(workload_id(1), "Stopping")
    clock.advance(60)
    assert fleet.phase(workload_id(0)) == "Stopping"
    assert fleet.phase(workload_id(1)) == "Stopped"


@pytest.mark.parametrize("phase", PHASES)
def test_pods_in_each_phase_are_as_expected(phase: str) -> None:
    fleet, _nothing = fleet_in("Running")
    fleet.set_phase(workload_id(0), "Running")
    fleet.set_phase(workload_id(0), phase, frozen=True)
    workload = fleet.get(workload_id(0))
    assert workload is not None
    pods = pod_rows(workload, fleet.places)
    open_pods = [pod for pod in pods if pod["completedAt"] is None]
    if phase in ("Stopped", "Creating", "Resuming"):
        assert pods == []
    elif phase in FINISHED:
        assert [pod["k8sPhase"] for pod in pods] == ["Succeeded" if phase == "Completed" else "Failed"]
        assert open_pods == []
    else:
        assert len(open_pods) == 1
        assert (open_pods[0]["k8sPhase"] == "Pending") == (phase in ("Pending", "Initializing"))


def test_pods_after_resume_avoid_fenced_nodes() -> None:
    workloads, places = generate(50, 3, now=0.0)
    clock = ManualClock(0.0)
    fleet = Fleet(workloads, places, clock, Behaviour(transition_seconds=0))
    running = [one for one in fleet.live() if one.phase == "Running" and one.supports("suspend")]
    fenced = (running[0].fixed["clusterId"], running[0].nodes[0])
    places.fence(*fenced)
    before = {one.id: [pod["id"] for pod in pod_rows(one, places)] for one in running}
    ids = [one.id for one in running]
    fleet.act("suspend", ids)
    assert all(one.nodes == [] for one in running)
    fleet.act("resume", ids)
    for one in running:
        assert one.phase == "Running"
        assert not set(before[one.id]) & {pod["id"] for pod in pod_rows(one, places)}
        assert fenced not in {(one.fixed["clusterId"], node) for node in one.nodes}


def test_generated_fleet_of_same_seed_is_the_same() -> None:
    def picture(seed: int) -> list[tuple[str, str, str]]:
        workloads, _nothing = generate(250, seed, now=1000.0)
        return [(one.id, one.phase, one.fixed["name"]) for one in workloads]

    assert picture(1) == picture(1)
    assert picture(1) != picture(2)


def test_generated_fleet_of_any_size_holds_all_kinds() -> None:
    workloads, places = generate(250, 1, now=1000.0)
    assert len({one.phase for one in workloads}) >= 8
    assert len({one.fixed["clusterId"] for one in workloads}) == len(places.clusters) == 2
    assert len({one.fixed["projectName"] for one in workloads}) >= 5
    assert len({one.fixed["departmentName"] for one in workloads}) == 3
    assert any(not one.supports("suspend") for one in workloads)
    assert any(one.nodes and one.idle_gpus for one in workloads)
    assert {one.fixed["preemptible"] for one in workloads} == {True, False, None}
    names = [node.name for node in places.nodes]
    assert len(set(names)) < len(names), "node names repeat from cluster to cluster"


@pytest.mark.parametrize("seed", range(3))
def test_generated_fleet_rows_keep_the_contract(seed: int) -> None:
    workloads, places = generate(100, seed, now=1_767_225_600.0)
    checker = contract.load()
    for one in workloads:
        checker.check_row("Workload", workload_row(one, places))
        for pod in pod_rows(one, places):
            checker.check_row("Pod", pod)


class AnyHistory(RuleBasedStateMachine):
    """Whatever is asked and however time goes, the books of the fleet are right."""

    @initialize(
        phases=st.lists(st.sampled_from(PHASES), min_size=1, max_size=8),
        lag=st.sampled_from([0.0, 2.5]),
        capacity=st.sampled_from([None, 2.0]),
        redundant=st.sampled_from(["succeed", "fail"]),
    )
    def begin(self, phases: list[str], lag: float, capacity: float | None, redundant: str) -> None:
        self.fleet, self.clock = fleet_in(
            *phases, lag_seconds=lag, gpu_capacity=capacity, redundant=redundant
        )
        self.ids = [workload_id(number) for number in range(len(phases))]

    @rule(
        action=st.sampled_from(["suspend", "resume", "delete"]),
        numbers=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    )
    def act(self, action: str, numbers: list[int]) -> None:
        asked = [workload_id(number) for number in numbers]
        result = self.fleet.act(action, asked)
        named = [*result.succeeded, *(one.id for one in result.failed)]
        assert sorted(named) == sorted(set(asked))
        for one in result.failed:
            if one.code == 404:
                assert self.fleet.get(one.id) is None

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(number=st.integers(0, 7), phase=st.sampled_from(PHASES), frozen=st.booleans())
    def somebody_else(self, number: int, phase: str, frozen: bool) -> None:
        if self.fleet.phase(workload_id(number)) is not None:
            self.fleet.set_phase(workload_id(number), phase, frozen)

    @invariant()
    def books_are_right(self) -> None:
        fleet = self.fleet
        live, deleted = fleet.live(), fleet.deleted()
        assert sorted(one.id for one in [*live, *deleted]) == sorted(self.ids)
        assert fleet.gpus_held() == sum(one.gpus for one in live if one.nodes)
        assert sum(fleet.counts().values()) == len(live)
        for one in live:
            assert one.phase in PHASES
            assert one.phase_updated_at <= self.clock.now()
            assert not (one.nodes and one.phase in {"Stopped", "Pending", "Resuming", *FINISHED})
            assert (one.completed_at is not None) or one.phase not in FINISHED
        for one in deleted:
            assert one.nodes == []
            assert one.deleted_at is not None


TestAnyHistory = AnyHistory.TestCase


def test_workload_id_of_any_number_is_a_uuid() -> None:
    assert str(uuid.UUID(workload_id(5))) == workload_id(5)
