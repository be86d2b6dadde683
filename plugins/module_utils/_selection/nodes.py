# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of the clusters, from whichever list the control plane has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from .._api.client import NODES, Client
from .._api.errors import StatusError
from .._api.paging import read_pages


def read_nodes(client: Client, cluster_ids: Optional[Iterable[str]]) -> list[dict[str, Any]]:
    """Return the nodes, each with its ``clusterUuid``: all, or at least those of ``cluster_ids``.

    Raises RequestError, also where the clusters would have to be known and are not (``None``).
    """
    try:
        return list(read_pages(NODES, client.nodes_page, [0], 1, identity=_place).values())
    except StatusError as fault:
        # Run:ai before 2.23 lists the nodes of a cluster only.
        if not fault.is_no_such_endpoint or cluster_ids is None:
            raise
    return [
        {"clusterUuid": cluster_id, **row}
        for cluster_id in cluster_ids
        for row in client.nodes_of_cluster(cluster_id)
    ]


def _place(row: dict[str, Any]) -> str:
    # Two clusters may have nodes of the same name.
    return "{0}/{1}".format(row.get("clusterUuid"), row.get("name"))
