# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes as hosts: which list is read, what hosts are called, what a cache may be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connect_options
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._selection.node_inventory import (
    is_node_list,
    node_hosts,
    read_node_list,
)

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request

WEST, EAST = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
CLUSTERS = [{"uuid": WEST, "name": "west"}, {"uuid": EAST, "name": "east"}]


def node(name: str, cluster: str = WEST, **fields: Any) -> dict[str, Any]:
    return {"name": name, "clusterUuid": cluster, "nodePool": "a100", "status": "Ready", **fields}


def node_list(*nodes: dict[str, Any], clusters: Optional[dict[str, str]] = None) -> dict[str, Any]:
    names = {WEST: "west", EAST: "east"} if clusters is None else clusters
    return {"base_url": "https://acme.run.ai", "clusters": names, "nodes": list(nodes)}


def names(read: dict[str, Any], with_cluster: bool = False) -> list[str]:
    return list(node_hosts(read, with_cluster))


def read(loopback: Loopback, warnings: Optional[list[str]] = None) -> dict[str, Any]:
    params = {
        "base_url": loopback.url,
        "token": "a-secret-token",
        "validate_certs": True,
        "timeout": 30.0,
        "retry_timeout": 0.0,
    }
    return read_node_list(connect_options(params, {}), ([] if warnings is None else warnings).append)


def test_node_hosts_of_one_name_in_two_clusters_stay_two_hosts() -> None:
    both = node_list(node("gpu-1"), node("gpu-1", EAST), node("gpu-2"))
    assert names(both) == ["east_gpu-1", "gpu-2", "west_gpu-1"]
    assert names(both, with_cluster=True) == ["east_gpu-1", "west_gpu-1", "west_gpu-2"]


@pytest.mark.parametrize("name", ["", " ", "\x07"])
def test_node_hosts_without_a_name_that_can_be_shown_are_left_out(name: str) -> None:
    assert names(node_list(node(name), node("gpu-1"), node(name, EAST))) == ["gpu-1"]


def test_node_hosts_that_would_become_one_host_are_rejected() -> None:
    same = node_list(node("gpu-1"), node("gpu-1", EAST), clusters={WEST: "west", EAST: "west"})
    with pytest.raises(RunaiError, match="several nodes would become the same host: 'west_gpu-1'"):
        node_hosts(same, with_cluster=False)


def test_node_hosts_without_cluster_names_use_the_id() -> None:
    assert names(node_list(node("gpu-1"), clusters={}), with_cluster=True) == [WEST + "_gpu-1"]


def test_node_hosts_have_a_variable_for_each_field_of_the_row() -> None:
    row = node(
        "gpu-1",
        gpuInfo={"gpuType": "NVIDIA-H100", "gpuCount": 8},
        conditions=[{"type": "MemoryPressure", "reason": "Low"}],
        taints=[{"key": "runai", "value": "drain", "effect": "NoExecute"}],
        nvLinkDomainUid="domain",
        nvLinkCliqueId="1",
    )
    assert node_hosts(node_list(row), with_cluster=False)["gpu-1"] == {
        "runai_name": "gpu-1",
        "runai_cluster": "west",
        "runai_cluster_id": WEST,
        "runai_node_pool": "a100",
        "runai_status": "Ready",
        "runai_conditions": [{"type": "MemoryPressure", "reason": "Low", "message": None}],
        "runai_taints": [{"key": "runai", "value": "drain", "effect": "NoExecute"}],
        "runai_gpu_type": "NVIDIA-H100",
        "runai_gpu_count": 8,
        "runai_nvlink_domain": "domain",
        "runai_nvlink_clique": "1",
        "runai_created_at": None,
        "runai_updated_at": None,
    }


@pytest.mark.parametrize("odd", [None, "text", 7, {"gpuCount": "eight"}, [{"type": 3}, "text"]])
def test_node_hosts_of_odd_rows_keep_their_types(odd: Any) -> None:
    row = node("gpu-1", gpuInfo=odd, conditions=odd, taints=odd)
    variables = node_hosts(node_list(row), with_cluster=False)["gpu-1"]
    assert variables["runai_gpu_count"] == 0
    assert isinstance(variables["runai_conditions"], list)
    assert isinstance(variables["runai_taints"], list)


def test_read_node_list_reads_pages_until_a_short_one(loopback: Loopback) -> None:
    rows = [node("gpu-{0:04d}".format(number)) for number in range(501)]

    def respond(request: Request) -> Reply:
        if request.path == "/api/v1/clusters":
            return loopback.reply(200, CLUSTERS)
        assert request.query["sortBy"] == "name"
        offset = int(request.query["offset"])
        return loopback.reply(200, {"nodes": rows[offset : offset + int(request.query["limit"])]})

    loopback.respond = respond
    found = read(loopback)
    assert found["nodes"] == rows
    assert loopback.paths().count("/api/v1/nodes") == 2


def test_read_node_list_without_the_list_of_nodes_reads_each_cluster(loopback: Loopback) -> None:
    def respond(request: Request) -> Reply:
        if request.path == "/api/v1/clusters":
            return loopback.reply(200, CLUSTERS)
        if request.path == "/api/v1/nodes":
            return loopback.reply(404, {"code": 404, "message": "no such endpoint"})
        return loopback.reply(200, {"nodes": [{"name": "gpu-1", "status": "Ready"}]})

    loopback.respond = respond
    assert names(read(loopback)) == ["east_gpu-1", "west_gpu-1"]


def test_read_node_list_without_clusters_warns_of_missing_names(loopback: Loopback) -> None:
    def respond(request: Request) -> Reply:
        if request.path == "/api/v1/clusters":
            return loopback.reply(403, {"code": 403, "message": "no"})
        return loopback.reply(200, {"nodes": [node("gpu-1")]})

    loopback.respond = respond
    warnings: list[str] = []
    assert names(read(loopback, warnings)) == ["gpu-1"]
    assert warnings == ["This account may not list clusters. Cluster ids stand in the place of their names."]


def test_read_node_list_refused_with_the_secret_in_the_response_hides_it(loopback: Loopback) -> None:
    loopback.respond = lambda request: loopback.reply(400, {"code": 400, "message": "a-secret-token is odd"})
    with pytest.raises(RunaiError) as fault:
        read(loopback)
    assert "a-secret-token" not in str(fault.value)


def test_is_node_list_of_another_control_plane_is_false() -> None:
    assert is_node_list(node_list(), "https://acme.run.ai")
    assert not is_node_list(node_list(), "https://other.run.ai")
    assert not is_node_list(None, "https://acme.run.ai")
    assert not is_node_list({"base_url": "https://acme.run.ai"}, "https://acme.run.ai")
