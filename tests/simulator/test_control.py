# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's own endpoints and page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator.model.clock import RealClock
from simulator.server import Handle
from simulator.settings import CLIENT_SECRET, TOKEN
from tests.support.waiting import PATIENCE
from tests.support.workloads import workload_id

from .conftest import Client, Start, fleet_of

Connect = Callable[[Handle], Client]
IDS = [workload_id(number) for number in range(3)]


def test_response_of_any_endpoint_names_the_simulator(start: Start) -> None:
    simulator = start(workloads=5)
    for path in ("/", "/api/v1/workloads", "/api/v1/nothing", "/_simulator/summary", "/nothing"):
        assert "simulator" in requests.get(simulator.url + path, timeout=PATIENCE).headers["x-simulator"]
    page = requests.get(simulator.url, timeout=PATIENCE).text
    assert "SIMULATOR" in page
    assert "Fleet of 5 workloads" in page


def test_request_log_holds_requests_and_no_secret(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running", "Running", "Running"))
    client = connect(simulator)
    client.headers["User-Agent"] = "test/1"
    form = {"grant_type": "client_credentials", "client_id": "rehearsal", "client_secret": CLIENT_SECRET}
    minted = client.post("/api/v2/token", data=form).json()["access_token"]
    client.get("/api/v1/workloads", params={"limit": 2})
    client.batch("suspend", IDS[:2])
    client.batch("suspend", IDS[1:])
    response = requests.get(simulator.url + "/_simulator/requests", timeout=PATIENCE)
    entries = response.json()["requests"]
    assert [(one["method"], one["path"], one["status"]) for one in entries] == [
        ("POST", "/api/v2/token", 200),
        ("GET", "/api/v1/workloads", 200),
        ("POST", "/api/v1/workloads/batch", 200),
        ("POST", "/api/v1/workloads/batch", 200),
    ]
    assert entries[1]["query"] == "limit=2"
    assert (entries[2]["action"], entries[2]["ids"]) == ("suspend", IDS[:2])
    assert {one["user_agent"] for one in entries} == {"test/1"}
    for secret in (CLIENT_SECRET, TOKEN, minted):
        assert secret not in response.text
    assert requests.get(simulator.url + "/_simulator/requests?since=x", timeout=PATIENCE).status_code == 400
    later = requests.get(simulator.url + "/_simulator/requests?since=3", timeout=PATIENCE).json()["requests"]
    assert later == entries[3:]
    summary = requests.get(simulator.url + "/_simulator/summary", timeout=PATIENCE).json()
    assert summary["by_path"]["POST /api/v1/workloads/batch"] == 2
    assert summary["batches"] == {"suspend": 2}
    assert summary["ids_sent"] == {"suspend": {IDS[0]: 1, IDS[1]: 2, IDS[2]: 1}}


def test_page_with_markup_in_names_escapes_it(start: Start, connect: Connect) -> None:
    simulator = start(workloads=1)
    connect(simulator).get("/api/v1/workloads", params={"search": "<script>alert(1)</script>"})
    connect(simulator).get("/api/v1/<script>")
    assert "<script>" not in requests.get(simulator.url, timeout=PATIENCE).text


def test_control_workloads_sets_adds_and_removes(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running", "Running"))
    client = connect(simulator)
    change = {
        "set": [{"id": IDS[0], "phase": "Stopped"}, {"id": IDS[1].upper(), "hidden": True}],
        "add": [{"id": IDS[2], "phase": "Running", "name": "late"}],
    }
    assert client.post("/_simulator/workloads", json=change).status_code == 200
    assert {row["id"]: (row["phase"], row["name"]) for row in client.rows()} == {
        IDS[0]: ("Stopped", "job-0"),
        IDS[2]: ("Running", "late"),
    }
    client.post("/_simulator/workloads", json={"remove": [IDS[2]]})
    assert client.rows(deleted="true") == []
    assert len(client.rows()) == 1
    assert (
        client.post("/_simulator/workloads", json={"set": [{"id": IDS[2], "phase": "Running"}]}).status_code
        == 404
    )
    assert client.post("/_simulator/workloads", json=["odd"]).status_code == 400


def test_control_clock_moves_the_manual_clock(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running"), transition_seconds=10)
    client = connect(simulator)
    client.batch("suspend", IDS[:1])
    assert client.rows()[0]["phase"] == "Stopping"
    client.post("/_simulator/clock", json={"seconds": 10})
    assert client.rows()[0]["phase"] == "Stopped"
    assert client.post("/_simulator/clock", json={"seconds": -1}).status_code == 400
    real = connect(start(workloads=1, clock=RealClock()))
    assert real.post("/_simulator/clock", json={"seconds": 1}).status_code == 400


def test_control_settings_change_while_it_runs(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running", "Stopped"))
    client = connect(simulator)
    changes = {"redundant": "fail", "forbidden_ids": [IDS[0]], "count_endpoint": False}
    assert client.post("/_simulator/settings", json=changes).json() == {"changed": sorted(changes)}
    response = client.batch("suspend", IDS[:2]).json()
    assert [row["code"] for row in response["failed"]] == [403, 409]
    assert client.get("/api/v1/workloads/count").status_code == 404
    assert client.post("/_simulator/settings", json={"latency": 0.0}).status_code == 200
    client.post("/_simulator/reset")
    assert client.get("/api/v1/workloads/count").json() == {"count": 2}
    assert client.batch("suspend", IDS[1:2]).json()["succeeded"] == IDS[1:2]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("settings", {"port": 1}),
        ("settings", {"latency": -1}),
        ("settings", {"latency": "slow"}),
        ("settings", {"redundant": "maybe"}),
        ("settings", {"gpu_capacity": "all"}),
        ("settings", {"count_endpoint": "no"}),
        ("settings", {"forbidden_ids": "all"}),
        ("settings", {"forbidden_ids": ["all"]}),
        ("settings", []),
        ("workloads", {"set": [{"phase": "Running"}]}),
        ("workloads", {"set": [{"id": IDS[0], "phase": "Asleep"}]}),
        ("workloads", {"set": [{"id": IDS[0], "frozen": True}]}),
        ("workloads", {"add": [{"id": "none"}]}),
        ("workloads", {"remove": IDS[0]}),
        ("nodes", {"name": "gpu-1"}),
        ("nodes", [{"name": "gpu-1"}]),
        ("clock", {"seconds": "x"}),
        ("clock", {"seconds": 1e308}),
        ("down", {}),
        ("faults", {"add": True}),
        ("faults", {"rules": "cut"}),
    ],
)
def test_control_with_bad_body_is_refused_and_changes_nothing(
    start: Start, connect: Connect, path: str, body: Any
) -> None:
    simulator = start(fleet=fleet_of("Running"))
    client = connect(simulator)
    response = client.post(f"/_simulator/{path}", json=body)
    assert response.status_code == 400
    # For people, not a text of the code.
    assert "object has no attribute" not in response.json()["error"]
    assert client.batch("suspend", IDS[:1]).json()["succeeded"] == IDS[:1]


def test_control_settings_raised_capacity_starts_waiting_workloads(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Stopped"), gpu_capacity=0, transition_seconds=3)
    connect(simulator).batch("resume", IDS[:1])
    simulator.advance(60)
    assert simulator.state.phase(IDS[0]) == "Pending"
    simulator.configure(gpu_capacity=1)
    simulator.advance(3)
    assert simulator.state.phase(IDS[0]) == "Running"


def test_control_reset_restores_faults_tokens_and_nodes(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running", nodes=["gpu-1"]), faults=[{"fault": "empty", "nth": 99}])
    client = connect(simulator)
    assert client.get("/_simulator/faults").json()["rules"][0]["kind"] == "empty"
    added = client.post("/_simulator/faults", json={"rules": [{"fault": "cut", "nth": 98}], "add": True})
    assert [rule["kind"] for rule in added.json()["rules"]] == ["empty", "cut"]
    assert client.post("/_simulator/faults", json=[{"fault": "none such"}]).status_code == 400
    assert client.post("/_simulator/faults", json=[]).json() == {"rules": []}
    form = {"grant_type": "client_credentials", "client_id": "rehearsal", "client_secret": CLIENT_SECRET}
    client.post("/api/v2/token", data=form)
    assert client.post("/_simulator/tokens/revoke").json() == {"revoked": 1}
    cluster = client.get("/api/v1/clusters").json()[0]["uuid"]
    client.batch("delete", IDS[:1])
    assert client.get("/_simulator/fleet").json()["phases"] == {"Deleting": 1}
    client.post("/_simulator/reset")
    assert client.get("/_simulator/fleet").json()["phases"] == {"Running": 1}
    assert client.get("/_simulator/faults").json()["rules"][0]["kind"] == "empty"
    assert simulator.requests() == []
    assert cluster == client.get("/api/v1/clusters").json()[0]["uuid"]
