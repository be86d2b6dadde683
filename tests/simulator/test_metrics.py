# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of GPU use: made up, set by a row or a control request, and not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.model.clock import from_text, to_text
from simulator.server import Handle
from tests.support.workloads import workload_id

from .conftest import Client, Start, fleet_of

Connect = Callable[[Handle], Client]
ONE = workload_id(0)
HOUR = 3600.0


def ask(client: Client, workload: str = ONE, **query: Any) -> Any:
    return client.get(f"/api/v1/workloads/{workload}/metrics", params=query)


def window(handle: Handle, seconds: float, samples: int, kind: str = "GPU_UTILIZATION") -> dict[str, Any]:
    now = handle.control_plane.clock.now()
    return {
        "metricType": kind,
        "start": to_text(now - seconds),
        "end": to_text(now),
        "numberOfSamples": samples,
    }


def aged(hours: float) -> dict[str, str]:
    """Fields of a row that is as old as that, on a manual clock."""
    stamp = to_text(1_767_225_600.0 - hours * HOUR)
    return {"createdAt": stamp, "phaseUpdatedAt": stamp}


def numbers(response: Any) -> list[list[float]]:
    assert response.status_code in (200, 207), response.text
    return [[float(one["value"]) for one in series["values"]] for series in response.json()["measurements"]]


def test_metrics_of_idle_gpus_are_below_one_percent(start: Start, connect: Connect) -> None:
    handle = start(fleet=fleet_of("Running", **aged(3), gpus=3, idleAllocatedGpus=2))
    response = ask(connect(handle), **window(handle, 2 * HOUR, 5))
    assert response.status_code == 200
    assert [one["labels"] for one in response.json()["measurements"]] == [
        {"gpu": "0"},
        {"gpu": "1"},
        {"gpu": "2"},
    ]
    first, second, third = numbers(response)
    assert len(first) == len(second) == len(third) == 5
    assert max(*first, *second) < 1
    assert min(third) >= 40


def test_metrics_between_start_and_end_are_sampled_evenly(start: Start, connect: Connect) -> None:
    handle = start(fleet=fleet_of("Running", **aged(3)))
    now = handle.control_plane.clock.now()
    values = ask(connect(handle), **window(handle, HOUR, 4)).json()["measurements"][0]["values"]
    assert [now - from_text(one["timestamp"]) for one in values] == [3600, 2400, 1200, 0]


def test_metrics_before_the_phase_began_have_no_samples(start: Start, connect: Connect) -> None:
    handle = start(fleet=fleet_of("Running", **aged(1)))
    client = connect(handle)
    assert len(numbers(ask(client, **window(handle, 2 * HOUR, 5)))[0]) == 3
    client.batch("suspend", [ONE])
    handle.advance(10)
    assert numbers(ask(client, **window(handle, HOUR, 5))) == [[]]


def test_metrics_of_several_types_come_in_one_response(start: Start, connect: Connect) -> None:
    handle = start(fleet=fleet_of("Running", **aged(3), gpus=2))
    kinds = "GPU_MEMORY_USAGE_BYTES,GPU_ALLOCATION,RUNNING_POD_COUNT,CPU_USAGE_CORES"
    response = ask(connect(handle), **window(handle, HOUR, 2, kinds))
    assert [one["type"] for one in response.json()["measurements"]] == [
        "GPU_MEMORY_USAGE_BYTES",
        *kinds.split(","),
    ]
    assert numbers(response) == [[4e10, 4e10], [4e10, 4e10], [2, 2], [1, 1], []]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({"percent": 0.4}, [[0.4] * 5] * 2),
        ({"percent": [0, 97]}, [[0] * 5, [97] * 5]),
        ({"percent": 80, "steps": [{"secondsAgo": 4000, "percent": 0}]}, [[80, 80, 0, 0, 0]] * 2),
        ({"steps": [{"secondsAgo": 4000, "percent": 0}, {"secondsAgo": 1, "percent": 5}]}, [[0, 0, 5]] * 2),
        (
            {
                "percent": 1,
                "steps": [{"secondsAgo": 6000, "percent": None}, {"secondsAgo": 2000, "percent": 1}],
            },
            [[1, 1, 1]] * 2,
        ),
        ({"percent": [None, 3]}, [[], [3] * 5]),
    ],
)
def test_metrics_with_a_history_set_follow_it(
    start: Start, connect: Connect, history: dict[str, Any], expected: list[list[float]]
) -> None:
    handle = start(fleet=fleet_of("Running", **aged(3), gpuHistory=history, gpus=2))
    assert numbers(ask(connect(handle), **window(handle, 2 * HOUR, 5))) == expected


@pytest.mark.parametrize(
    ("response", "status", "series"),
    [
        ("whole", 200, 2),
        ("partial", 207, 1),
        ("empty", 200, 0),
        ("refused", 403, None),
        ("missing", 404, None),
    ],
)
def test_metrics_with_a_response_set_have_its_shape(
    start: Start, connect: Connect, response: str, status: int, series: int | None
) -> None:
    handle = start(fleet=fleet_of("Running", **aged(3), gpus=2))
    client = connect(handle)
    change = {"id": ONE, "gpuHistory": {"percent": 0, "response": response}}
    assert client.post("/_simulator/workloads", json={"set": [change]}).status_code == 200
    found = ask(client, **window(handle, HOUR, 2))
    assert found.status_code == status
    assert series is None or len(found.json()["measurements"]) == series
    client.post("/_simulator/workloads", json={"set": [{**change, "gpuHistory": None}]})
    assert min(numbers(ask(client, **window(handle, HOUR, 2)))[0]) >= 40


@pytest.mark.parametrize(
    "change",
    [
        {"metricType": None},
        {"metricType": "GPU_USE"},
        {"start": None},
        {"end": None},
        {"end": "yesterday"},
        {"numberOfSamples": 1001},
        {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
    ],
)
def test_metrics_with_a_bad_query_are_refused(start: Start, connect: Connect, change: dict[str, Any]) -> None:
    handle = start(fleet=fleet_of("Running"))
    response = ask(connect(handle), **{**window(handle, HOUR, 2), **change})
    assert response.status_code == 400


def test_metrics_of_forbidden_or_unknown_workload_are_refused(start: Start, connect: Connect) -> None:
    handle = start(fleet=fleet_of("Running"), forbidden_ids=[ONE])
    client = connect(handle)
    assert ask(client, **window(handle, HOUR, 2)).status_code == 403
    assert ask(client, workload_id(7), **window(handle, HOUR, 2)).status_code == 404
