# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes: their rows, their pages in each version, and what control requests change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.server import Handle

from .conftest import Client, Start, fleet_of

Connect = Callable[[Handle], Client]
CLUSTER = "a5891eb8-1f36-4a25-90ee-5f05a8c099dc"
TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
CONDITION = {"type": "MemoryPressure", "reason": "KubeletHasNoMemory", "message": "out of memory"}


def fleet_with_nodes(count: int, **fields: Any) -> dict[str, Any]:
    nodes = [{"name": f"gpu-{number:02d}", "clusterUuid": CLUSTER, **fields} for number in range(count)]
    return {**fleet_of("Running", clusterId=CLUSTER), "nodes": nodes}


def nodes(client: Client, path: str = "/api/v1/nodes", **query: Any) -> list[dict[str, Any]]:
    response = client.get(path, params=query)
    assert response.status_code == 200, response.text
    assert list(response.json()) == ["nodes"]
    rows: list[dict[str, Any]] = response.json()["nodes"]
    return rows


def test_nodes_of_a_generated_fleet_name_their_hardware(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=250))
    rows = nodes(client, limit=500)
    assert len(rows) == 24
    linked = nodes(client, filterBy="gpuType==NVIDIA-H100-80GB-HBM3")
    assert {row["nodePool"] for row in linked} == {"h100"}
    assert len({row["nvLinkDomainUid"] for row in linked}) == 2
    assert {row["nvLinkDomainUid"] for row in rows if row["nodePool"] != "h100"} == {None}
    assert {row["gpuInfo"]["gpuCount"] for row in rows} == {8}


def test_nodes_in_pages_are_sorted_and_whole(start: Start, connect: Connect) -> None:
    client = connect(start(fleet=fleet_with_nodes(5)))
    pages = [nodes(client, limit=2, offset=offset, sortBy="name", sortOrder="desc") for offset in (0, 2, 4)]
    names = [[row["name"] for row in page] for page in pages]
    assert names == [["gpu-04", "gpu-03"], ["gpu-02", "gpu-01"], ["gpu-00"]]
    assert [row["name"] for row in nodes(client, search="-03")] == ["gpu-03"]


def test_nodes_of_a_fleet_file_keep_what_they_show(start: Start, connect: Connect) -> None:
    shown = {
        "status": "NotReady",
        "conditions": [CONDITION],
        "taints": [TAINT],
        "gpuInfo": None,
        "nvLinkDomainUid": "domain",
        "nvLinkCliqueId": "1",
    }
    [row] = nodes(connect(start(fleet=fleet_with_nodes(1, **shown))))
    assert {name: row[name] for name in shown} == shown


def test_control_nodes_changes_rows_and_fences(start: Start, connect: Connect) -> None:
    handle = start(fleet=fleet_with_nodes(2))
    client = connect(handle)
    place = {"clusterUuid": CLUSTER, "name": "gpu-01"}
    change = {**place, "status": "NotReady", "taints": [TAINT], "conditions": [CONDITION]}
    assert client.post("/_simulator/nodes", json=[change]).json() == {"fenced": []}
    first, second = nodes(client)
    assert (first["status"], first["taints"]) == ("Ready", [])
    assert {name: second[name] for name in ("status", "taints", "conditions")} == {
        name: change[name] for name in ("status", "taints", "conditions")
    }
    client.post("/_simulator/nodes", json=[{**place, "taints": [], "fenced": True}])
    assert [taint["key"] for taint in nodes(client)[1]["taints"]] == ["runai"]
    client.post("/_simulator/nodes", json=[{**place, "fenced": False}])
    assert nodes(client)[1]["taints"] == []
    client.post("/_simulator/reset")
    assert nodes(client)[1]["status"] == "Ready"


@pytest.mark.parametrize(
    ("change", "status"),
    [({"status": "Sleepy"}, 400), ({"taints": [{"key": "x"}]}, 400), ({"colour": "red"}, 400), ({}, 404)],
)
def test_control_nodes_with_bad_row_is_refused_and_changes_nothing(
    start: Start, connect: Connect, change: dict[str, Any], status: int
) -> None:
    client = connect(start(fleet=fleet_with_nodes(1)))
    good = {"clusterUuid": CLUSTER, "name": "gpu-00", "status": "Unknown"}
    name = "gpu-00" if change else "gpu-77"
    response = client.post("/_simulator/nodes", json=[good, {"clusterUuid": CLUSTER, "name": name, **change}])
    assert response.status_code == status
    assert nodes(client)[0]["status"] == "Ready"


def test_cluster_nodes_since_2_23_come_in_pages(start: Start, connect: Connect) -> None:
    client = connect(start(fleet=fleet_with_nodes(60), api_version="2.23"))
    path = f"/api/v1/clusters/{CLUSTER}/nodes"
    assert len(nodes(client, path)) == 50
    assert len(nodes(client, path, limit=500, filterBy="status==Ready")) == 60
    assert [row["name"] for row in nodes(client, path, nodeName="gpu-59")] == ["gpu-59"]


def test_cluster_nodes_before_2_23_are_whole(start: Start, connect: Connect) -> None:
    client = connect(start(fleet=fleet_with_nodes(60), api_version="2.22"))
    assert len(nodes(client, f"/api/v1/clusters/{CLUSTER}/nodes", limit=10)) == 60
    assert client.get("/api/v1/nodes").status_code == 404


def test_cluster_nodes_in_3_0_are_gone(start: Start, connect: Connect) -> None:
    client = connect(start(fleet=fleet_with_nodes(1), api_version="3.0"))
    assert client.get(f"/api/v1/clusters/{CLUSTER}/nodes").status_code == 404
    assert len(nodes(client)) == 1
    assert client.get("/api/v1/clusters").json()[0]["version"] == "3.0.0"
