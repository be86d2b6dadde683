# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters, node pools, nodes, projects and departments, and where the pods of a workload go."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .workload import Workload


@dataclass(frozen=True)
class Node:
    """A machine of a cluster; `details` are further fields of its row, under the API's names."""

    name: str
    cluster_id: str
    pool: str
    details: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass
class Places:
    """What stays the same while workloads come and go; the lists hold rows as the API gives them."""

    tenant_id: int
    clusters: list[dict[str, Any]] = field(default_factory=list)
    departments: list[dict[str, Any]] = field(default_factory=list)
    projects: list[dict[str, Any]] = field(default_factory=list)
    node_pools: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    fenced: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._by_pool: dict[tuple[str, str | None], list[str]] = {}
        self._pools: dict[tuple[str, str], str] = {}

    def choose(self, workload: Workload) -> list[str]:
        """Node names for its pods, a name a pod: in its cluster and first node pool, none that is fenced."""
        cluster_id = workload.fixed["clusterId"]
        pools = workload.fixed.get("requestedNodePools") or []
        nodes = self._nodes(cluster_id, pools[0] if pools else None)
        if not nodes:
            return [""] * workload.pod_count
        start = int(workload.id[:8], 16) + workload.incarnation
        return [nodes[(start + number) % len(nodes)] for number in range(workload.pod_count)]

    def pool_of(self, cluster_id: str, node_name: str) -> str | None:
        """The node pool that a node belongs to."""
        return self._index().get((cluster_id, node_name))

    def fence(self, cluster_id: str, name: str, fenced: bool = True) -> None:
        """Keep new pods off a node, as a taint does, or let them on again. Raises KeyError: no such node."""
        if self.pool_of(cluster_id, name) is None:
            raise KeyError(name)
        if fenced:
            self.fenced.add((cluster_id, name))
        else:
            self.fenced.discard((cluster_id, name))
        self._by_pool.clear()

    def describe(self, cluster_id: str, name: str, details: dict[str, Any]) -> None:
        """Change details of a node. Raises KeyError: no such node."""
        if self.pool_of(cluster_id, name) is None:
            raise KeyError(name)
        self.nodes = [
            replace(node, details={**node.details, **details})
            if (node.cluster_id, node.name) == (cluster_id, name)
            else node
            for node in self.nodes
        ]

    def _nodes(self, cluster_id: str, pool: str | None) -> list[str]:
        key = (cluster_id, pool)
        if key not in self._by_pool:
            self._by_pool[key] = [
                node.name
                for node in self.nodes
                if node.cluster_id == cluster_id
                and (pool is None or node.pool == pool)
                and (cluster_id, node.name) not in self.fenced
            ]
        return self._by_pool[key]

    def _index(self) -> dict[tuple[str, str], str]:
        if not self._pools:
            self._pools = {(node.cluster_id, node.name): node.pool for node in self.nodes}
        return self._pools
