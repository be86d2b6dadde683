# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control plane on loopback that lists, and filters as well or as badly as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._selection.options import selection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._selection.run import run_info
from ansible_collections.gpuops.runai.tests.support.client_calls import connection_options
from ansible_collections.gpuops.runai.tests.support.workloads import (
    Row,
    workload_id,
    workload_ids,
    workload_row,
)

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request

LIST = "/api/v1/workloads"
COUNT = LIST + "/count"
PODS = LIST + "/pods"
CLUSTERS = "/api/v1/clusters"
NODES = "/api/v1/nodes"
PROJECTS = "/api/v1/org-unit/projects"
WEST, EAST = workload_ids(2, first=10**9)

# Returns a reply in place of the usual one, or None.
Hook = Callable[["Request"], Optional["Reply"]]


def workload(number: int, **fields: Any) -> Row:
    """One row; the higher its number, the later it was created."""
    created = "2026-01-01T{0:02d}:{1:02d}:{2:02d}Z".format(number // 3600, number // 60 % 60, number % 60)
    usual = {"clusterId": WEST, "projectName": "vision", "submittedBy": "bob", "createdAt": created}
    return workload_row(number, **{**usual, **fields})


def pod(number: int, of: int, node: str, **fields: Any) -> Row:
    """One pod of the workload ``of``."""
    return {
        "id": workload_id(10**8 + number),
        "workloadId": workload_id(of),
        "clusterId": WEST,
        "nodeName": node,
        "k8sPhase": "Running",
        **fields,
    }


def _holds(row: Row, item: str) -> bool:
    for operator in ("==", "!=", "<="):
        field, found, value = item.partition(operator)
        if found:
            held = str(row.get(field))
            return {"==": held == value, "!=": held != value, "<=": held <= value}[operator]
    raise AssertionError(item)


class HttpControlPlane:
    """``joins`` is ``all`` or ``any``, or None to ignore filters; ``hook`` may respond first."""

    def __init__(self, loopback: Loopback) -> None:
        self.loopback = loopback
        self.workloads: list[Row] = []
        self.pods: list[Row] = []
        self.nodes: list[Row] = []
        self.clusters: list[Row] = [{"uuid": WEST, "name": "west"}, {"uuid": EAST, "name": "east"}]
        self.joins: Optional[Callable[..., bool]] = all
        self.is_search_known = True
        self.says_next = True
        self.hook: Hook = lambda request: None
        self.lock = threading.Lock()
        loopback.respond = self._respond

    def refuse(self, path: str, status: int, but: Callable[[Request], bool] = lambda request: False) -> None:
        """Respond with ``status`` at ``path``, ``but`` for some."""

        def hook(request: Request) -> Optional[Reply]:
            if request.path != path or but(request):
                return None
            return self.loopback.reply(status, {"code": status, "message": "no"})

        self.hook = hook

    def select(
        self, cut: Optional[Mapping[str, Any]] = None, /, retry_timeout: float = 0.0, **given: Any
    ) -> ModuleResult:
        """Run the module with these options, and those in ``cut`` as Ansible makes lists of texts."""
        self.loopback.requests.clear()
        defaults = {option: spec.get("default") for option, spec in selection_argument_spec().items()}
        connection = connection_options(self.loopback.url, retry_timeout=retry_timeout)
        return run_info({**connection, **defaults, **given, **(cut or {})}, given, {})

    def queries(self, path: str) -> list[dict[str, str]]:
        """The queries that came to ``path`` during the last selection."""
        return [request.query for request in self.loopback.requests if request.path == path]

    def _respond(self, request: Request) -> Reply:
        with self.lock:
            return self.hook(request) or self._usual(request)

    def _usual(self, request: Request) -> Reply:
        reply = self.loopback.reply
        if request.path == LIST:
            return self._page("workloads", self._listed(request.query), request.query)
        if request.path == COUNT:
            return reply(200, {"count": len(self._listed(request.query))})
        if request.path == PODS:
            current = [
                one for one in self.pods if "completed" not in request.query or not one.get("completedAt")
            ]
            return self._page("pods", self._filtered(current, request.query), request.query)
        if request.path == CLUSTERS:
            return reply(200, self.clusters)
        if request.path == NODES:
            return reply(200, {"nodes": self.nodes})
        if request.path == PROJECTS:
            return reply(200, {"projects": [{"name": "vision"}]})
        for one in self.workloads:
            if request.path == "{0}/{1}".format(LIST, one["id"]):
                return reply(200, one)
        return reply(404, {"code": 404, "message": "no such thing"})

    def _listed(self, query: dict[str, str]) -> list[Row]:
        rows = [
            one for one in self.workloads if bool(one.get("deletedAt")) == (query.get("deleted") == "true")
        ]
        if self.is_search_known and "search" in query:
            rows = [one for one in rows if query["search"] in one["name"]]
        return sorted(self._filtered(rows, query), key=lambda one: str(one["createdAt"]))

    def _filtered(self, rows: list[Row], query: dict[str, str]) -> list[Row]:
        if "filterBy" not in query or self.joins is None:
            return rows
        items = query["filterBy"].split(",")
        return [row for row in rows if self.joins(_holds(row, item) for item in items)]

    def _page(self, key: str, rows: list[Row], query: dict[str, str]) -> Reply:
        offset, limit = int(query["offset"]), int(query["limit"])
        body: dict[str, Any] = {key: rows[offset : offset + limit]}
        if self.says_next and offset + limit < len(rows):
            body["next"] = offset + limit
        return self.loopback.reply(200, body)
