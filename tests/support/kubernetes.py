# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the few calls with which kubernetes.core cordons a node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.loopback import Loopback, Reply, Request, reply


class Kubernetes:
    """``cordoned`` are the nodes without new pods; ``changes`` are the cordons and their ends, in order."""

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
        self.cordoned: set[str] = set()
        self.changes: list[tuple[str, bool]] = []

    def respond(self, request: Request) -> Reply:
        """Carry out a cordon, and return what stands at the path."""
        if request.method == "PATCH":
            body = json.loads(request.body)
            self.cordon(request.path.rpartition("/")[2], body["spec"]["unschedulable"])
        content = self.get(request.path)
        missing = {"kind": "Status", "status": "Failure", "code": 404}
        return reply(200 if content else 404, content or missing, Content_Type="application/json")

    def cordon(self, node: str, is_cordoned: bool | None) -> None:
        """Keep new pods off a node, or let them on it again."""
        (self.cordoned.add if is_cordoned else self.cordoned.discard)(node)
        self.changes.append((node, bool(is_cordoned)))

    def get(self, path: str) -> dict[str, Any] | None:
        """Return the version, no API groups, or a node."""
        if path == "/version":
            return {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": []}
        node = path.rpartition("/")[2]
        if path != f"/api/v1/nodes/{node}" or node not in self.nodes:
            return None
        spec = {"unschedulable": True} if node in self.cordoned else {}
        return {"kind": "Node", "apiVersion": "v1", "metadata": {"name": node}, "spec": spec, "status": {}}


@contextmanager
def kubernetes(*nodes: str) -> Iterator[tuple[Kubernetes, str]]:
    """Run a cluster with these nodes on loopback; give it and its address."""
    standing, server = Kubernetes(list(nodes)), Loopback()
    server.respond = standing.respond
    try:
        yield standing, server.url
    finally:
        server.close()
