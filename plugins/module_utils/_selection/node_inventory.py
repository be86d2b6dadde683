# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of the control plane as hosts of an inventory: read, named, described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional

from .._api.cancellation import Cancellation
from .._api.client import Client
from .._api.connection import Connection
from .._common.errors import RunaiError
from .._common.ids import fold_id
from .._common.text import NAME_LENGTH, clean, hide, some_of
from .._workload.row import nested
from .nodes import read_nodes
from .places import read_clusters


def read_node_list(connection: Connection, warn: Callable[[str], None]) -> dict[str, Any]:
    """Return the nodes and the names of the clusters by id, as a cache may keep them.

    Raises RunaiError without any secret in it, and RequestsMissing.
    """
    client = Client(connection, 1, Cancellation())
    stats = client.stats
    try:
        clusters = read_clusters(client)
        nodes = read_nodes(client, None if clusters is None else [one.api_id for one in clusters])
    except RunaiError as fault:
        raise RunaiError(hide(str(fault), stats.secrets)) from None
    finally:
        client.close()
        for warning in stats.warnings():
            warn(hide(warning, stats.secrets))
    if clusters is None:
        warn("This account may not list clusters. Cluster ids stand in the place of their names.")
    names = {one.id: one.name for one in clusters or ()}
    return {"base_url": connection.base_url, "clusters": names, "nodes": nodes}


def is_node_list(cached: object, base_url: str) -> bool:
    """Return whether ``cached`` is a result of read_node_list, of this control plane."""
    return (
        isinstance(cached, dict)
        and cached.get("base_url") == base_url
        and isinstance(cached.get("clusters"), dict)
        and isinstance(cached.get("nodes"), list)
    )


def node_hosts(node_list: Mapping[str, Any], with_cluster: bool) -> dict[str, dict[str, Any]]:
    """Return the variables of each node by its host's name, sorted: texts that are safe to show.

    ``with_cluster`` puts the cluster before the name of a node even if that is unique. Raises RunaiError
    rather than make two nodes one host.
    """
    described = [
        _variables(row, node_list["clusters"])
        for row in node_list["nodes"]
        if clean(row.get("name"), NAME_LENGTH)
    ]
    times = Counter(variables["runai_name"] for variables in described)
    hosts: dict[str, dict[str, Any]] = {}
    repeated = set()
    for variables in described:
        name = variables["runai_name"]
        if with_cluster or times[name] > 1:
            name = "{0}_{1}".format(variables["runai_cluster"], name)
        if name in hosts:
            repeated.add("'{0}'".format(name))
        hosts[name] = variables
    if repeated:
        shown = some_of(sorted(repeated))
        raise RunaiError("several nodes would become the same host: {0}".format(shown))
    return dict(sorted(hosts.items()))


def _variables(row: Mapping[str, Any], clusters: Mapping[str, str]) -> dict[str, Any]:
    cluster_id = fold_id(row.get("clusterUuid")) or ""
    gpu_info = nested(row, "gpuInfo")
    gpu_count = gpu_info.get("gpuCount", 0)
    return {
        "runai_name": clean(row.get("name"), NAME_LENGTH),
        "runai_cluster": clusters.get(cluster_id) or cluster_id,
        "runai_cluster_id": cluster_id,
        "runai_node_pool": _text(row.get("nodePool")),
        "runai_status": _text(row.get("status")),
        "runai_conditions": _objects(row.get("conditions"), ("type", "reason", "message")),
        "runai_taints": _objects(row.get("taints"), ("key", "value", "effect")),
        "runai_gpu_type": _text(gpu_info.get("gpuType")),
        "runai_gpu_count": gpu_count if isinstance(gpu_count, int) else 0,
        "runai_nvlink_domain": _text(row.get("nvLinkDomainUid")),
        "runai_nvlink_clique": _text(row.get("nvLinkCliqueId")),
        "runai_created_at": _text(row.get("createdAt")),
        "runai_updated_at": _text(row.get("updatedAt")),
    }


def _text(value: object) -> Optional[str]:
    return clean(value) or None


def _objects(value: object, keys: Iterable[str]) -> list[dict[str, Optional[str]]]:
    """Return these keys of each object in a list, ``None`` where an object lacks one."""
    rows = value if isinstance(value, list) else []
    return [{key: _text(row.get(key)) for key in keys} for row in rows if isinstance(row, dict)]
