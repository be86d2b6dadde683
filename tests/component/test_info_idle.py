# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads that stayed idle, over real HTTP against the simulator's history of GPU use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.component.test_info_selection import NORTH, numbers, selecting
from tests.support.waiting import wait_until
from tests.support.workloads import workload_id, workload_row

IDLE = {"percent": 0.4}
LATELY = [{"secondsAgo": 90_000, "percent": 90}, {"secondsAgo": 3600, "percent": 0.4}]
HOLE = [
    {"secondsAgo": 90_000, "percent": 0.4},
    {"secondsAgo": 5400, "percent": None},
    {"secondsAgo": 3600, "percent": 0.4},
]
METRICS = "/api/v1/workloads/*/metrics"


def row(number: int, history: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    """A workload that has been Running with 8 GPUs for a day; a higher number was created later."""
    created = datetime.now(UTC) - timedelta(hours=200 - number)
    since = datetime.now(UTC) - timedelta(hours=24)
    usual = {
        "clusterId": NORTH,
        "projectName": "vision",
        "createdAt": created.isoformat().replace("+00:00", "Z"),
        "phaseUpdatedAt": since.isoformat().replace("+00:00", "Z"),
        "nodes": ["gpu-1"],
        "gpus": 8,
        "gpuHistory": history,
    }
    return workload_row(number, **{**usual, **fields})


def ago(**age: float) -> str:
    return (datetime.now(UTC) - timedelta(**age)).isoformat().replace("+00:00", "Z")


FLEET = {
    "clusters": [{"uuid": NORTH, "name": "north"}],
    "workloads": [
        row(1, IDLE),
        row(2, {"percent": [0.4, 0.4, 97, 0.4]}),
        row(3, {"steps": LATELY}),
        row(4, {"steps": HOLE}),
        row(5, {**IDLE, "response": "partial"}),
        row(6, {**IDLE, "response": "empty"}),
        row(7, {**IDLE, "response": "missing"}),
        row(8, IDLE, phaseUpdatedAt=ago(minutes=90)),
        row(9, IDLE, phase="Stopped"),
        row(10, IDLE, projectName="language", gpus=0.5),
        row(11, IDLE, phase="Pending", nodes=[], gpus=0),
    ],
}


@pytest.fixture
def simulator() -> Iterator[Handle]:
    with running(Settings(fleet=FLEET)) as started:
        yield started


def asked(simulator: Handle) -> list[int]:
    """The workloads whose measurements were requested, one entry a request."""
    paths = [one["path"] for one in simulator.requests() if one["path"].endswith("/metrics")]
    return sorted(int(path.split("/")[-2][-12:]) for path in paths)


def test_idle_for_selects_what_stayed_idle_and_lists_what_is_not_known(simulator: Handle) -> None:
    finished = selecting(simulator)(idle_for="2h")
    assert numbers(finished) == [1, 10]
    assert [one["peak_gpu_utilization"] for one in finished.result["workloads"]] == [0.4, 0.4]
    assert {one["name"]: one["reason"] for one in finished.result["undecided"]} == {
        "job-4": "there is no measurement for 31m of the time",
        "job-5": "the control plane returned a part of the measurements",
        "job-6": "there are no measurements",
        "job-7": "the measurements could not be read (HTTP 404)",
    }
    assert finished.result["undecided"][0]["id"] == workload_id(4)
    assert finished.warnings == [
        "idle_for: GPU use is not known for 4 workloads, listed in undecided and not selected"
    ]
    # Neither for a short time in the phase, nor without a GPU.
    assert asked(simulator) == [1, 2, 3, 4, 5, 6, 7, 10]


@pytest.mark.parametrize(
    ("given", "expected", "requested"),
    [
        ({"idle_for": "50m"}, [1, 3, 4, 8, 10], None),
        ({"idle_for": "2h", "idle_threshold": 0.3}, [], None),
        ({"idle_for": "2h", "idle_threshold": 97.0}, [1, 2, 3, 10], None),
        ({"idle_for": "2h", "projects": ["language"]}, [10], [10]),
        ({"idle_for": "2h", "min_allocated_gpus": 1.0, "name": "job-[12]"}, [1], [1, 2]),
        ({"idle_for": "2h", "exclude": ["job-[2-9]"]}, [1, 10], [1, 10]),
        ({"idle_for": "2h", "limit": 1, "exclude": ["job-[4-9]"]}, [1], [1, 2, 3, 10]),
        ({"idle_for": "2h", "ids": [workload_id(2), workload_id(10)]}, [10], [2, 10]),
        ({"idle_for": "2h", "phases": ["Stopped"]}, [], []),
        ({"idle_for": "25h"}, [], []),
    ],
)
def test_idle_for_requests_only_what_other_criteria_leave(
    simulator: Handle, given: dict[str, Any], expected: list[int], requested: list[int] | None
) -> None:
    finished = selecting(simulator)(**given)
    assert numbers(finished) == expected
    assert finished.result["count"] == len(expected)
    if requested is not None:
        assert asked(simulator) == requested


def test_idle_for_refused_measurements_fail_the_task() -> None:
    workloads = [row(1, IDLE), row(2, {"response": "refused"})]
    with running(Settings(fleet={**FLEET, "workloads": workloads})) as simulator:
        finished = selecting(simulator)(idle_for="2h")
    assert finished.failed
    assert "HTTP 403" in finished.result["msg"]
    assert (finished.result["ids"], finished.result["undecided"]) == ([], [])


@pytest.mark.parametrize("fault", ["empty", "html", "half_json", {"kind": "status", "status": 500}], ids=str)
def test_idle_for_broken_response_is_undecided(simulator: Handle, fault: Any) -> None:
    simulator.faults({"match": {"path": METRICS}, "times": "always", "fault": fault})
    finished = selecting(simulator)(idle_for="2h", ids=[workload_id(1)])
    assert numbers(finished) == []
    assert "could not be read" in finished.result["undecided"][0]["reason"]


def test_idle_for_unavailable_control_plane_fails_the_task(simulator: Handle) -> None:
    unavailable = {"kind": "status", "status": 503}
    simulator.faults({"match": {"path": METRICS}, "times": "always", "fault": unavailable})
    finished = selecting(simulator)(idle_for="2h")
    assert finished.failed
    assert "HTTP 503" in finished.result["msg"]


def test_idle_for_unknown_phase_time_is_undecided_without_a_request(simulator: Handle) -> None:
    edit = {"kind": "edit_rows", "set": {"phaseUpdatedAt": None}}
    simulator.faults({"match": {"path": "/api/v1/workloads"}, "times": "always", "fault": edit})
    finished = selecting(simulator)(idle_for="2h", projects=["language"])
    assert numbers(finished) == []
    assert [one["id"] for one in finished.result["undecided"]] == [workload_id(10)]
    assert asked(simulator) == []


def test_idle_for_has_several_requests_in_flight(simulator: Handle) -> None:
    held = {"kind": "slow", "seconds": 3600}
    simulator.faults({"match": {"path": METRICS}, "times": "always", "fault": held})
    with ThreadPoolExecutor() as pool:
        selected = pool.submit(selecting(simulator), idle_for="2h", concurrency=3)
        wait_until(
            lambda: simulator.summary()["max_requests_in_flight"] == 3 or selected.done(), "three at once"
        )
        simulator.faults()
    assert numbers(selected.result()) == [1, 10]


def test_idle_for_rows_of_all_fields_have_the_peak(simulator: Handle) -> None:
    for fields in (["all"], ["id"], ["id", "peak_gpu_utilization"]):
        (found,) = selecting(simulator)(idle_for="2h", ids=[workload_id(1)], fields=fields).result[
            "workloads"
        ]
        assert found["peak_gpu_utilization"] == 0.4
        assert found["id"] == workload_id(1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"all": True, "except_newest": 1}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"projects": ["vision"], "except_newest": 3}, [1, 2, 3, 4, 5, 6, 7]),
        ({"projects": ["vision"], "except_newest": 3, "limit": 2, "sort_order": "desc"}, [7, 6]),
        # What is excluded meets the criteria.
        ({"projects": ["vision"], "except_newest": 3, "exclude": ["job-[89]"]}, [1, 2, 3, 4, 5, 6, 7]),
        ({"projects": ["vision"], "except_newest": 50}, []),
        ({"idle_for": "50m", "exclude": ["job-[567]"], "except_newest": 1}, [1, 3, 4]),
    ],
)
def test_except_newest_leaves_out_the_newest_of_each_project(
    simulator: Handle, given: dict[str, Any], expected: list[int]
) -> None:
    assert numbers(selecting(simulator)(**given)) == expected
