# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that are cut off, stamps that move on without a change, and the history of a workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.server import Handle
from tests.support.workloads import workload_id

from .conftest import Client, Start, fleet_of

Connect = Callable[[Handle], Client]
IDS = [workload_id(number) for number in range(3)]
NORTH = "a5891eb8-1f36-4a25-90ee-5f05a8c099dc"
SOUTH = "b5891eb8-1f36-4a25-90ee-5f05a8c099dc"


@pytest.fixture
def simulator(start: Start) -> Handle:
    fleet = fleet_of("Running", "Running", "Running", clusterId=NORTH)
    fleet["workloads"][2]["clusterId"] = SOUTH
    fleet["clusters"] = [{"uuid": NORTH, "name": "north"}, {"uuid": SOUTH, "name": "south"}]
    return start(fleet=fleet)


@pytest.fixture
def client(simulator: Handle, connect: Connect) -> Client:
    return connect(simulator)


def phases(simulator: Handle) -> list[str | None]:
    return [simulator.state.phase(one) for one in IDS]


def connected(client: Client, value: bool, **options: Any) -> Any:
    response = client.post("/_simulator/clusters", json=[{"name": "north", "connected": value, **options}])
    assert response.status_code == 200, response.text
    return response.json()


def records(client: Client, workload: str = IDS[0]) -> list[tuple[str, str]]:
    """Type of each record, and its phase or message, oldest first."""
    found = client.get(f"/api/v1/workloads/{workload}/history").json()["records"]
    specs = [(one["meta"]["type"], one["spec"]) for one in reversed(found)]
    return [
        (kind, spec["event"]["message"] if kind == "Event" else spec["phaseUpdate"]["phase"])
        for kind, spec in specs
    ]


def test_cut_off_cluster_accepts_requests_and_stays(simulator: Handle, client: Client) -> None:
    connected(client, False)
    assert client.batch("suspend", IDS).json()["succeeded"] == IDS
    simulator.advance(3600)
    assert phases(simulator) == ["Running", "Running", "Stopped"]
    assert client.get("/_simulator/fleet").json()["heldRequests"] == 2
    north = client.get("/api/v1/clusters").json()[0]
    assert (north["name"], north["status"]["state"]) == ("north", "Disconnected")
    assert connected(client, True) == {"heldRequests": 0}
    assert phases(simulator) == ["Stopping", "Stopping", "Stopped"]
    simulator.advance(2)
    assert phases(simulator) == ["Stopped"] * 3


def test_cut_off_cluster_holds_phases_under_way(simulator: Handle, client: Client) -> None:
    client.batch("suspend", IDS)
    connected(client, False)
    simulator.advance(60)
    assert phases(simulator) == ["Stopping", "Stopping", "Stopped"]
    connected(client, True)
    assert phases(simulator) == ["Stopped"] * 3


def test_cut_off_during_lag_holds_the_request(simulator: Handle, client: Client) -> None:
    simulator.configure(lag_seconds=5)
    client.batch("suspend", IDS)
    connected(client, False)
    simulator.advance(60)
    assert phases(simulator) == ["Running", "Running", "Stopped"]
    connected(client, True)
    assert phases(simulator) == ["Stopping", "Stopping", "Stopped"]


@pytest.mark.parametrize(
    ("requests", "seen"),
    [("last", ["Running", "Running", "Running"]), ("all", ["Stopping", "Pending", "Running"])],
)
def test_reconnected_cluster_follows_the_last_or_all_requests(
    simulator: Handle, client: Client, requests: str, seen: list[str]
) -> None:
    connected(client, False)
    client.batch("suspend", IDS[:1])
    client.batch("resume", IDS[:1])
    connected(client, True, requests=requests)
    found = []
    for _number in range(3):
        found.append(simulator.state.phase(IDS[0]))
        simulator.advance(3)
    assert found == seen


def test_control_clusters_with_unknown_name_changes_nothing(simulator: Handle, client: Client) -> None:
    body = [{"name": NORTH, "connected": False}, {"name": "west", "connected": False}]
    assert client.post("/_simulator/clusters", json=body).status_code == 404
    client.batch("suspend", IDS[:1])
    assert phases(simulator)[0] == "Stopping"


def test_touch_of_workloads_moves_stamps_without_a_phase(simulator: Handle, client: Client) -> None:
    before = {row["id"]: row["phaseUpdatedAt"] for row in client.rows()}
    simulator.advance(60)
    assert client.post("/_simulator/workloads", json={"touch": IDS[:1]}).status_code == 200
    moved = [row["id"] for row in client.rows() if row["phaseUpdatedAt"] != before[row["id"]]]
    assert moved == IDS[:1]
    client.post("/_simulator/workloads", json={"touch": "all"})
    assert all(row["phaseUpdatedAt"] != before[row["id"]] for row in client.rows())
    assert phases(simulator) == ["Running"] * 3
    assert client.post("/_simulator/workloads", json={"touch": [workload_id(9)]}).status_code == 404


def test_history_of_requests_and_phases_names_who_asked(simulator: Handle, client: Client) -> None:
    assert records(client) == [("PhaseUpdate", "Running")]
    client.batch("suspend", IDS[:1])
    simulator.advance(2)
    change = {"id": IDS[0], "phase": "Running", "by": "ada@example.com"}
    client.post("/_simulator/workloads", json={"set": [change]})
    assert records(client) == [
        ("PhaseUpdate", "Running"),
        ("Event", "suspend requested by rehearsal"),
        ("PhaseUpdate", "Stopping"),
        ("PhaseUpdate", "Stopped"),
        ("Event", "Running requested by ada@example.com"),
        ("PhaseUpdate", "Running"),
    ]
    assert records(client, IDS[1]) == [("PhaseUpdate", "Running")]


def test_history_in_pages_goes_on_at_next(simulator: Handle, client: Client) -> None:
    client.batch("suspend", IDS[:1])
    path = f"/api/v1/workloads/{IDS[0]}/history"
    page = client.get(path, params={"limit": 2}).json()
    assert ([one["meta"]["type"] for one in page["records"]], page["next"]) == (["PhaseUpdate", "Event"], 2)
    rest = client.get(path, params={"limit": 2, "offset": 2}).json()
    assert (len(rest["records"]), rest.get("next")) == (1, None)
    assert client.get(f"/api/v1/workloads/{workload_id(9)}/history").status_code == 404
