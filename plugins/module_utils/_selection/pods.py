# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods, and on which nodes they are."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any, Callable, Optional

from .._api.client import PODS, Client
from .._api.errors import RequestError
from .._api.paging import map_parallel, read_pages
from .._api.responses import Page
from .._common.ids import fold_id
from .._workload.row import Row, moment, text
from .rows import is_refused_filter
from .server_filter import is_plain

# A pod in one of these has ended, also where its completedAt is missing.
_ENDED = ("Succeeded", "Failed")

# What the list of pods is asked for: items of filterBy.
_Filters = tuple[str, ...]


def read_pods(
    client: Client, filters: Sequence[str] = (), is_current: bool = True, may_be_refused: bool = False
) -> list[dict[str, Any]]:
    """Return the pods that this account may see. Raises RequestError.

    ``filters`` are items of ``filterBy``, ``is_current`` leaves out what is completed, and
    ``may_be_refused`` says that the caller can ask for less than that.
    """
    pods: dict[str, dict[str, Any]] = {}
    asked: list[int] = []

    def fetch(offset: int) -> Page:
        asked.append(offset)
        return client.pods_page(offset, filters, is_current, client.retry_budget(is_optional=may_be_refused))

    def look() -> None:
        pods.update(read_pages(PODS, fetch, [0], 1, identity=lambda pod: text(pod, "id")))

    look()
    if len(asked) > 1:
        # Pods end at any time: those after one that ended move up a place, and may be missed at the
        # seam of two pages.
        look()
    return list(pods.values())


def pods_on_nodes(
    client: Client,
    nodes: Sequence[str],
    clusters: Optional[Mapping[str, str]],
    workers: int,
    warn: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Return pods, at least all that are on ``nodes`` in the clusters meant and have not ended.

    ``clusters``: the uuid of each that is meant to what the control plane writes for it, ``None`` for
    any. Where the control plane refuses to filter them, more are read. Raises RequestError.
    """
    on_nodes: list[_Filters] = []
    for node in nodes:
        name = "nodeName=={0}".format(node)
        on_nodes += (
            [(name,)]
            if clusters is None
            else [(name, "clusterId=={0}".format(spelling)) for spelling in sorted(clusters.values())]
        )
    # From the fewest pods to all that ever were; whether each has ended and where it is, is_on_node tells.
    ways: list[tuple[list[_Filters], bool]] = [([()], True), ([()], False)]
    if all(is_plain(node) for node in nodes):
        ways.insert(0, (on_nodes, True))
    refusal: Optional[RequestError] = None
    while True:
        asked, is_current = ways.pop(0)
        read = partial(read_pods, client, is_current=is_current, may_be_refused=bool(ways))
        try:
            found = [pod for pods in map_parallel(read, asked, workers) for pod in pods]
        except RequestError as fault:
            if not ways or not is_refused_filter(fault):
                raise
            refusal = refusal or fault
        else:
            break
    if refusal is not None:
        warn("the control plane refused to filter pods ({0}); they were filtered here".format(refusal))
    return found


def is_on_node(pod: Row, node: str, cluster_ids: Optional[Container[str]]) -> bool:
    """Tell whether a pod is on the node, in one of the clusters meant, and has not ended."""
    has_ended = (
        moment(pod, "completedAt") is not None
        or moment(pod, "deletedAt") is not None
        or text(pod, "k8sPhase") in _ENDED
    )
    is_meant = cluster_ids is None or fold_id(pod.get("clusterId")) in cluster_ids
    return text(pod, "nodeName") == node and is_meant and not has_ended
