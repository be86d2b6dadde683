# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters, nodes and projects by their names, as far as a selection needs to know them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Callable, NamedTuple, Optional

from .._api.client import PROJECTS, Client
from .._api.errors import AccessDenied, NotFound, RequestError
from .._api.paging import read_pages
from .._common.errors import RunaiError
from .._common.ids import fold_id
from .._common.text import NAME_LENGTH, clean, some_of
from .._workload.row import text
from .nodes import read_nodes
from .pods import is_on_node, pods_on_nodes

Warn = Callable[[str], None]


class Cluster(NamedTuple):
    """A cluster; ``version`` and ``tenant_id`` are ``None`` where the control plane does not say.

    ``spelling`` is its id as the control plane writes it.
    """

    id: str
    spelling: str
    name: str
    version: Optional[str]
    tenant_id: Optional[int]


def read_clusters(client: Client, is_optional: bool = False) -> Optional[list[Cluster]]:
    """Return the clusters, or ``None`` if this account may not list them. Raises other RequestErrors.

    ``is_optional``: the caller can do without, so that an error of the server is not waited out.
    """
    try:
        found = client.clusters(client.retry_budget(is_optional))
    except NotFound:
        return None
    except AccessDenied as fault:
        if fault.status != 403:
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
    given: Sequence[str], clusters: Optional[Sequence[Cluster]], warn: Warn
) -> dict[str, frozenset[str]]:
    """Return the uuids that each of ``given``, names or uuids, stands for; none for an unknown name.

    Raises RunaiError for a name where the clusters can't be listed.
    """
    resolved = {}
    for value in given:
        cluster_id = fold_id(value)
        known = {one.id for one in clusters or () if value == one.name or one.id == cluster_id}
        if clusters is None and cluster_id is None:
            raise RunaiError(
                "clusters: this account may not list clusters, so that the name '{0}' can't be resolved; "
                "give the uuid".format(clean(value, NAME_LENGTH))
            )
        if clusters is not None and not known:
            warn("clusters: the control plane lists no cluster '{0}'".format(clean(value, NAME_LENGTH)))
        resolved[value] = frozenset(known or ({cluster_id} if cluster_id else ()))
    return resolved


def api_id(cluster_ids: Iterable[str], clusters: Optional[Sequence[Cluster]]) -> dict[str, str]:
    """Return each of ``cluster_ids`` with what the control plane writes for it, as far as it lists it."""
    spellings = {one.id: one.spelling for one in clusters or ()}
    return {cluster_id: spellings.get(cluster_id, cluster_id) for cluster_id in cluster_ids}


def workloads_on_nodes(
    client: Client,
    nodes: Sequence[str],
    meant: Optional[Mapping[str, str]],
    clusters: Optional[Sequence[Cluster]],
    workers: int,
    warn: Warn,
) -> dict[str, frozenset[str]]:
    """Return the ids of the workloads that have a pod on each node that has not ended.

    Only pods that this account may see are known. Raises RequestError, and RunaiError for a node
    name that is met in several clusters although ``meant`` (see ``api_id``) does not say in which;
    ``clusters`` are for their names.
    """
    names = {one.id: one.name for one in clusters or ()}
    pods = pods_on_nodes(client, nodes, meant, workers, warn)
    found = {}
    for node in nodes:
        here = [pod for pod in pods if is_on_node(pod, node, meant)]
        met = sorted({fold_id(pod.get("clusterId")) or "" for pod in here})
        if len(met) > 1 and meant is None:
            raise RunaiError(
                "nodes: there is a node '{0}' in {1} clusters ({2}); say which is meant with clusters".format(
                    clean(node, NAME_LENGTH),
                    len(met),
                    some_of(["'{0}'".format(names.get(one) or one) for one in met]),
                )
            )
        found[node] = frozenset(filter(None, (fold_id(pod.get("workloadId")) for pod in here)))
    return found


def unlisted_projects(client: Client, names: Sequence[str]) -> list[str]:
    """Return those of ``names`` that are no project's. Raises RequestError."""
    listed = read_pages(PROJECTS, client.projects_page, [0], 1, identity=lambda row: text(row, "name"))
    return [name for name in names if name not in listed]


def unlisted_nodes(
    client: Client,
    names: Sequence[str],
    cluster_ids: Optional[Collection[str]],
    clusters: Optional[Sequence[Cluster]],
) -> list[str]:
    """Return those of ``names`` that are no node's of the clusters meant. Raises RequestError.

    Where no ``cluster_ids`` are meant, the nodes of all ``clusters`` are; ``None`` if these are not known.
    """
    meant = None if clusters is None else sorted(one.id for one in clusters)
    if cluster_ids is not None:
        meant = sorted(cluster_ids)
    listed = {
        text(row, "name")
        for row in read_nodes(client, meant)
        if cluster_ids is None or fold_id(row.get("clusterUuid")) in cluster_ids
    }
    return [name for name in names if name not in listed]


def warn_of_unlisted(kind: str, look_up: Callable[[], list[str]], warn: Warn) -> None:
    """Warn of the names that ``look_up`` finds unlisted, or that they could not be looked up.

    ``kind`` is ``project`` or ``node``; in the plural it is the name of the option.
    """
    try:
        names = look_up()
    except RequestError as fault:
        warn("{0}s: could not be looked up ({1})".format(kind, fault))
        return
    if names:
        shown = some_of(["'{0}'".format(clean(name, NAME_LENGTH)) for name in names])
        warn("{0}s: the control plane lists no {0} {1}".format(kind, shown))
