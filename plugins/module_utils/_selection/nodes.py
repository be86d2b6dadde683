# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of the clusters, and the pods on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Optional

from .._api.client import NODES, PODS, Client
from .._api.errors import RequestError, StatusError, is_refused_filter
from .._api.paging import map_parallel, read_pages
from .._api.responses import Page
from .._common.ids import fold_id
from .._workload.row import Row, moment, text
from .server_filter import is_plain

# A pod in one of these has ended, also where its completedAt is missing.
_ENDED = ("Succeeded", "Failed")

# What the list of pods is asked for: items of filterBy.
_Filters = tuple[str, ...]


def read_nodes(client: Client, cluster_ids: Optional[Iterable[str]]) -> list[dict[str, Any]]:
    """Return the nodes, each with its ``clusterUuid``: all, or at least those of ``cluster_ids``.

    Raises RequestError, also where the clusters would have to be known and are not (``None``).
    """

    def place(row: dict[str, Any]) -> str:
        # Two clusters may have nodes of the same name.
        return "{0}/{1}".format(row.get("clusterUuid"), row.get("name"))

    try:
        return list(read_pages(NODES.path, partial(client.page_of, NODES), [0], 1, identity=place).values())
    except StatusError as fault:
        # Run:ai before 2.23 lists the nodes of a cluster only.
        if not fault.is_no_such_endpoint or cluster_ids is None:
            raise
    return [
        {"clusterUuid": cluster_id, **row}
        for cluster_id in cluster_ids
        for row in client.nodes_of_cluster(cluster_id)
    ]


def read_pods(
    client: Client, filters: Sequence[str] = (), is_current: bool = True, may_be_refused: bool = False
) -> list[dict[str, Any]]:
    """Return the pods that this account may see. Raises RequestError.

    ``filters`` are items of ``filterBy``, ``is_current`` leaves out what is completed, and
    ``may_be_refused`` says that the caller can ask for less than that.
    """
    offsets: list[int] = []

    def fetch(offset: int) -> Page:
        page = client.pods_page(offset, filters, is_current, client.retry_budget(is_optional=may_be_refused))
        if page.rows:
            offsets.append(offset)
        return page

    read = partial(read_pages, PODS, fetch, [0], 1, identity=partial(text, key="id"))
    pods = read()
    if len(offsets) > 1:
        # When a pod ends, the pods behind it move up a place, and one at the seam of two pages is missed.
        pods.update(read())
    return list(pods.values())


def pods_on_nodes(
    client: Client, nodes: Sequence[str], clusters: Optional[Mapping[str, str]], workers: int
) -> dict[str, list[Row]]:
    """Return the pods on each of ``nodes``, in the given clusters, that have not ended.

    ``clusters``: the uuid of each cluster to the id that the control plane writes for it, ``None`` for
    any. Where the control plane refuses to filter them, more are read. Raises RequestError.
    """
    in_clusters: list[_Filters] = [()]
    if clusters is not None:
        in_clusters = [("clusterId=={0}".format(api_id),) for api_id in sorted(clusters.values())]
    on_nodes = [("nodeName=={0}".format(node), *others) for node in nodes for others in in_clusters]
    # From the fewest pods to all that ever were.
    ways: list[tuple[list[_Filters], bool]] = [([()], True), ([()], False)]
    if all(is_plain(node) for node in nodes):
        ways.insert(0, (on_nodes, True))
    refusal: Optional[RequestError] = None
    for asked, is_current in ways:
        # The last way has nothing that could be refused.
        read = partial(read_pods, client, is_current=is_current, may_be_refused=is_current)
        try:
            found = map_parallel(read, asked, workers)
            break
        except RequestError as fault:
            if not is_current or not is_refused_filter(fault):
                raise
            refusal = refusal or fault
    if refusal is not None:
        client.warn_once(
            "the control plane refused a filter of pods ({0}); the module filters instead".format(refusal)
        )
    pods = [
        pod
        for part in found
        for pod in part
        if not _has_ended(pod) and (clusters is None or fold_id(pod.get("clusterId")) in clusters)
    ]
    return {node: [pod for pod in pods if text(pod, "nodeName") == node] for node in nodes}


def _has_ended(pod: Row) -> bool:
    return (
        moment(pod, "completedAt") is not None
        or moment(pod, "deletedAt") is not None
        or text(pod, "k8sPhase") in _ENDED
    )
