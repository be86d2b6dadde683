# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""runai_fleet_export: the real fleet as a file for the simulator, with what that one needs and no more.

People become pseudonyms, alike only within one file. Environment, images, addresses, labels and messages
are left out.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Callable

from .._api.client import WORKLOADS, Client
from .._api.connection import connect_options
from .._api.errors import RequestError
from .._api.paging import page_offsets, read_pages
from .._common.errors import OptionError, RunaiError
from .._common.ids import fold_id
from .._common.result import ModuleResult
from .._common.text import counted
from .._common.times import utc_now
from .._system.files import check_output, write_whole
from .._workload.phases import UNKNOWN, canonical, is_known
from .._workload.row import Row, allocated_gpus, idle_gpus, text
from .nodes import read_nodes, read_pods

_WORKERS = 4

FORMAT = "gpuops.runai fleet"
VERSION = 1

_WORKLOAD = (
    "id",
    "name",
    "type",
    "phase",
    "phaseUpdatedAt",
    "createdAt",
    "completedAt",
    "clusterId",
    "projectId",
    "projectName",
    "departmentId",
    "departmentName",
    "category",
    "priority",
    "priorityClassName",
    "preemptible",
    "requestedNodePools",
    "actionsSupport",
)
_CLUSTER = ("uuid", "name", "version")
_NODE = ("name", "clusterUuid", "nodePool")
_POD = ("workloadId", "nodeName", "clusterId", "currentNodePool")


def run_export(params: Mapping[str, Any], environ: Mapping[str, str], check_mode: bool) -> ModuleResult:
    """Export the fleet. Never raises for what users or control planes do wrong."""
    try:
        path = params["path"]
        _check_path(path)
        connection = connect_options(params, environ)
    except OptionError as fault:
        return rejected(str(fault))
    client = Client(connection, _WORKERS)
    try:
        document = _read(client)
        if not check_mode:
            write_whole(path, json.dumps(document, indent=1) + "\n")
    except RunaiError as fault:
        return rejected(str(fault))._replace(secrets=client.stats.secrets, fault=fault)
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
    warnings = [*connection.warnings, *client.stats.warnings()]
    return ModuleResult(result, False, warnings, client.stats.secrets)


def rejected(message: str) -> ModuleResult:
    """Return the result of a task that could not do it, in the usual shape."""
    result = {"changed": False, "msg": message, "path": None, "workloads": 0, "nodes": 0}
    return ModuleResult(result, True, [], set())


def _check_path(path: str) -> None:
    if not path.strip():
        raise OptionError("path", "is empty. Set the path of the file to write.")
    if not os.path.isabs(path):
        raise OptionError("path", "must be absolute")
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise OptionError(
            "path",
            "there is no folder {0}. Create it, or set another path. The variable of the playbook is "
            "fleet_export_path.\nmkdir -p {1}".format(folder, shlex.quote(folder)),
        )
    try:
        check_output(path)
    except RunaiError as fault:
        raise OptionError("path", str(fault)) from None


def _read(client: Client) -> dict[str, Any]:
    exported_at = utc_now()
    counted_workloads = client.count()
    workloads = read_pages(WORKLOADS, client.list_page, page_offsets(counted_workloads), _WORKERS)
    if len(workloads) < (counted_workloads or 0):
        client.warn_once(
            "the control plane lists {0} of {1} workloads that it counts; the others are not in this "
            "export".format(len(workloads), counted_workloads)
        )

    def visible(read: Callable[[], Iterable[Row]], what: str, without: str) -> list[Row]:
        """Read a list that a rehearsal can do without; warn where this account may not."""
        try:
            return list(read())
        except RequestError as fault:
            if fault.status != 403:
                raise
            client.warn_once("this account may not list {0} (403): {1}".format(what, without))
            return []

    without_pods = "a maintenance of nodes can't be rehearsed on this export"
    pods = visible(partial(read_pods, client), "pods", without_pods)
    clusters = visible(client.clusters, "clusters", "their names and versions are not in this export")
    cluster_ids = {fold_id(cluster.get("uuid")) for cluster in clusters}
    cluster_ids |= {fold_id(row.get("clusterId")) for row in workloads.values()}
    read = partial(read_nodes, client, sorted(filter(None, cluster_ids)))
    nodes = visible(read, "nodes", "only those with pods of workloads are in this export")
    return fleet_document(workloads.values(), pods, clusters, nodes, exported_at)


def fleet_document(
    workloads: Iterable[Row],
    pods: Iterable[Row],
    clusters: Iterable[Row],
    nodes: Iterable[Row],
    exported_at: str,
) -> dict[str, Any]:
    """Return a fleet file's content; ``exported_at`` is the time (UTC) that all ages count from."""
    names: dict[str, str] = {}
    return {
        "format": FORMAT,
        "version": VERSION,
        "exportedAt": exported_at,
        "clusters": [_only(row, _CLUSTER) for row in clusters],
        "nodes": [_only(row, _NODE) for row in nodes],
        "workloads": [_workload(row, names) for row in workloads],
        "pods": [_only(row, _POD) for row in pods if row.get("nodeName")],
    }


def _workload(row: Row, names: dict[str, str]) -> dict[str, Any]:
    found = _only(row, _WORKLOAD)
    if "phase" in found:
        # The simulator takes the API's own phases only.
        phase = text(row, "phase") or UNKNOWN
        found["phase"] = canonical(phase) if is_known(phase) else UNKNOWN
    submitted_by = text(row, "submittedBy")
    if submitted_by is not None:
        # Numbered as they come: a hash of a known address could be guessed.
        found["submittedBy"] = names.setdefault(submitted_by, "owner-{0:03d}".format(len(names) + 1))
    gpus, idle = allocated_gpus(row), idle_gpus(row)
    if gpus is not None:
        found["allocatedResources"] = {"gpu": gpus}
    if idle is not None:
        found["idleAllocatedGpus"] = idle
    return found


def _only(row: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: row[key] for key in keys if row.get(key) is not None}
