# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters, nodes and projects by their names, as far as a selection needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import NamedTuple, Optional

from .._api.client import DEPARTMENTS, NODE_POOLS, PROJECTS, Client
from .._api.errors import RequestError
from .._api.paging import read_pages
from .._common.errors import RunaiError
from .._common.ids import fold_id
from .._common.text import NAME_LENGTH, clean, some_of
from .._workload.row import text
from .nodes import pods_on_nodes, read_nodes

# Names that the control plane does not list, each with the listed names that are similar.
Unlisted = Mapping[str, Sequence[str]]

# The lists of names, by option.
LISTINGS = {"projects": PROJECTS, "departments": DEPARTMENTS, "node_pools": NODE_POOLS}
_MOST_SIMILAR = 3
# Nodes share a prefix, which alone must not make them similar.
_LEAST_SIMILARITY = 0.7


class AmbiguousNode(RunaiError):
    """A node name that several clusters have; ``clusters`` are their names."""

    def __init__(self, node: str, clusters: Sequence[str]) -> None:
        shown = some_of(["'{0}'".format(one) for one in clusters])
        super().__init__(
            "nodes: '{0}' is a node of {1} clusters: {2}. Set clusters to one of them.".format(
                clean(node, NAME_LENGTH), len(clusters), shown
            )
        )
        self.clusters = tuple(clusters)


class Cluster(NamedTuple):
    """A cluster; ``version`` and ``tenant_id`` are ``None`` where the control plane does not say.

    ``api_id`` is its id as the control plane writes it.
    """

    id: str
    api_id: str
    name: str
    version: Optional[str]
    tenant_id: Optional[int]


def read_clusters(client: Client, is_optional: bool = False) -> Optional[list[Cluster]]:
    """Return the clusters, or ``None`` if this account may not list them. Raises other RequestErrors.

    ``is_optional``: the caller can do without, so that an error of the server is not waited out.
    """
    try:
        found = client.clusters(client.retry_budget(is_optional))
    except RequestError as fault:
        if fault.status not in (403, 404):
            raise
        return None
    clusters = []
    for one in found:
        cluster_id = fold_id(one.get("uuid"))
        if cluster_id is not None:
            tenant_id = one.get("tenantId")
            clusters.append(
                Cluster(
                    cluster_id,
                    one["uuid"],
                    clean(one.get("name"), NAME_LENGTH),
                    clean(one.get("version"), NAME_LENGTH) or None,
                    tenant_id if isinstance(tenant_id, int) else None,
                )
            )
    return clusters


def resolve_clusters(
    given: Sequence[str], clusters: Optional[Sequence[Cluster]]
) -> dict[str, frozenset[str]]:
    """Return the uuids of each of ``given``, names or uuids; none for an unknown name.

    Raises RunaiError for a name where the clusters can't be listed.
    """
    resolved = {}
    for value in given:
        cluster_id = fold_id(value)
        if clusters is None and cluster_id is None:
            raise RunaiError(
                "clusters: the name '{0}' can't be resolved, since this account cannot list clusters. "
                "Give the UUID.".format(clean(value, NAME_LENGTH))
            )
        named = [one.id for one in clusters or () if one.name == value]
        resolved[value] = frozenset(named if cluster_id is None else [cluster_id])
    return resolved


def api_ids(resolved: Mapping[str, frozenset[str]], clusters: Optional[Sequence[Cluster]]) -> dict[str, str]:
    """Return each uuid of ``resolve_clusters`` as the control plane writes it, as far as it lists it."""
    listed = {one.id: one.api_id for one in clusters or ()}
    return {one: listed.get(one, one) for ids in resolved.values() for one in ids}


def workloads_on_nodes(
    client: Client,
    nodes: Sequence[str],
    cluster_ids: Optional[Mapping[str, str]],
    clusters: Optional[Sequence[Cluster]],
    workers: int,
) -> dict[str, frozenset[str]]:
    """Return the ids of the workloads that have a pod on each node that has not ended.

    Only pods that this account can see are known. Raises RequestError, and AmbiguousNode for a node
    name with pods in several clusters where ``cluster_ids`` (see ``api_ids``) is ``None``. ``clusters``
    hold the names.
    """
    names = {one.id: one.name for one in clusters or ()}
    found = {}
    for node, here in pods_on_nodes(client, nodes, cluster_ids, workers).items():
        met = sorted({fold_id(pod.get("clusterId")) or "" for pod in here})
        if len(met) > 1 and cluster_ids is None:
            raise AmbiguousNode(node, sorted(names.get(one) or one for one in met))
        found[node] = frozenset(filter(None, (fold_id(pod.get("workloadId")) for pod in here)))
    return found


def unlisted_clusters(given: Iterable[str], clusters: Optional[Sequence[Cluster]]) -> Unlisted:
    """Return those of ``given``, names or uuids, that no listed cluster has; none if there is no list."""
    if clusters is None:
        return {}
    names = [one.name for one in clusters]
    known = {*names, *(one.id for one in clusters)}
    return {value: _similar(value, names) for value in given if (fold_id(value) or value) not in known}


def unlisted_names(client: Client, option: str, names: Sequence[str]) -> Unlisted:
    """Return those of ``names`` that no listed project, department or node pool has. Raises RequestError."""
    listing = LISTINGS[option]
    listed = read_pages(
        listing.path, partial(client.page_of, listing), [0], 1, identity=lambda row: text(row, "name")
    )
    return {name: _similar(name, listed) for name in names if name not in listed}


def unlisted_nodes(
    client: Client,
    names: Sequence[str],
    cluster_ids: Optional[Collection[str]],
    clusters: Optional[Sequence[Cluster]],
) -> Unlisted:
    """Return those of ``names`` that no listed node of the clusters has. Raises RequestError.

    Without ``cluster_ids``, the nodes of all clusters count. ``clusters`` is ``None`` if they are not known.
    """
    known = None if clusters is None else [one.id for one in clusters]
    listed = {
        text(row, "name") or ""
        for row in read_nodes(client, known if cluster_ids is None else sorted(cluster_ids))
        if cluster_ids is None or fold_id(row.get("clusterUuid")) in cluster_ids
    }
    return {name: _similar(name, listed) for name in names if name not in listed}


def _similar(name: str, listed: Iterable[str]) -> list[str]:
    """Return the listed names that ``name`` may be a misspelling of, the nearest first."""
    folded = {one.casefold(): one for one in sorted(listed) if one}
    return [
        folded[one] for one in get_close_matches(name.casefold(), folded, _MOST_SIMILAR, _LEAST_SIMILARITY)
    ]


def unlisted_message(option: str, unlisted: Unlisted) -> str:
    """Return the message on the values of an option, such as ``node_pools``, that are not listed."""
    kind = option[:-1].replace("_", " ")
    shown = []
    for name, others in unlisted.items():
        quoted = " or ".join("'{0}'".format(clean(one, NAME_LENGTH)) for one in others)
        hint = " (did you mean {0}?)".format(quoted) if others else ""
        shown.append("'{0}'{1}".format(clean(name, NAME_LENGTH), hint))
    return "{0}: the control plane lists no {1} {2}".format(option, kind, some_of(shown))
