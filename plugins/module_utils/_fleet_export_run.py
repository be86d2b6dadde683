# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_fleet_export: read everything, write one file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional

from ._api.cancellation import Cancellation
from ._api.client import WORKLOADS, Client
from ._api.connection import connect_options
from ._api.errors import AccessDenied
from ._api.paging import page_offsets, read_pages
from ._api.stats import RequestStats
from ._common.errors import OptionError, RunaiError
from ._common.ids import fold_id
from ._common.result import ModuleResult
from ._common.text import counted
from ._fleet_export import fleet_document
from ._maintenance.record import utc_now
from ._maintenance.record_file import write_whole
from ._selection.nodes import read_nodes
from ._selection.pods import read_pods
from ._system.ancestors import watch_ancestors
from ._workload.row import Row

_WORKERS = 4


def run_export(params: Mapping[str, Any], environ: Mapping[str, str], check_mode: bool) -> ModuleResult:
    """Export the fleet. Never raises for what users or control planes do wrong."""
    stats, warnings = RequestStats(), list[str]()
    try:
        path = _checked_path(params["path"])
        connection = connect_options(params, environ)
    except OptionError as fault:
        return refused(str(fault))
    client = Client(connection, Cancellation(is_wanted=watch_ancestors()), stats, connections=_WORKERS)
    try:
        document = _read(client, warnings.append)
        text = json.dumps(document, indent=1) + "\n"
        if not check_mode:
            write_whole(path, text)
    except RunaiError as fault:
        return refused(str(fault), {*connection.secrets, *stats.secrets})
    finally:
        client.close()
    result = {
        "changed": True,
        "msg": "{0} of {1} {2} {3}".format(
            counted(len(document["workloads"]), "workload"),
            counted(len(document["clusters"]), "cluster"),
            "would be exported to" if check_mode else "exported to",
            path,
        ),
        "path": path,
        "workloads": len(document["workloads"]),
        "nodes": len(document["nodes"]),
    }
    return ModuleResult(
        result,
        False,
        [*connection.warnings, *warnings, *stats.warnings()],
        {*connection.secrets, *stats.secrets},
    )


def refused(words: str, secrets: Optional[set[str]] = None) -> ModuleResult:
    """Return the result of a task that could not do it, in the usual shape."""
    result = {"changed": False, "msg": words, "path": None, "workloads": 0, "nodes": 0}
    return ModuleResult(result, True, [], secrets or set())


def _checked_path(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise OptionError("path is blank; say where the fleet is to be written")
    path = os.path.expanduser(value)
    if not os.path.isabs(path):
        raise OptionError("path must be absolute")
    if not os.path.isdir(os.path.dirname(path)):
        raise OptionError("path: there is no folder {0}".format(os.path.dirname(path)))
    return path


def _read(client: Client, warn: Callable[[str], None]) -> dict[str, Any]:
    exported_at = utc_now()
    workloads = read_pages(WORKLOADS, client.list_page, page_offsets(client.count()), _WORKERS)
    pods = _visible(
        lambda: read_pods(client),
        "pods",
        "a maintenance of nodes can't be rehearsed on this export",
        warn,
    )
    clusters = _visible(client.clusters, "clusters", "their names and versions are not in this export", warn)
    cluster_ids = {fold_id(cluster.get("uuid")) for cluster in clusters}
    cluster_ids |= {fold_id(row.get("clusterId")) for row in workloads.values()}
    nodes = _visible(
        lambda: read_nodes(client, sorted(filter(None, cluster_ids))),
        "nodes",
        "only those with pods of workloads are in this export",
        warn,
    )
    return fleet_document(workloads.values(), pods, clusters, nodes, exported_at)


def _visible(
    read: Callable[[], Iterable[Row]], what: str, without: str, warn: Callable[[str], None]
) -> list[Row]:
    """Read a list that a rehearsal can do without; warn where this account may not."""
    try:
        return list(read())
    except AccessDenied as fault:
        if fault.status != 403:
            raise
        warn("this account may not list {0} (403): {1}".format(what, without))
        return []
