# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the few calls with which kubernetes.core cordons a node."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Kubernetes:
    """``cordoned`` are the nodes without new pods; ``changes`` are the cordons and their ends, in order."""

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
        self.cordoned: set[str] = set()
        self.changes: list[tuple[str, bool]] = []
        kubernetes = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(kubernetes.get(self.path.partition("?")[0]))

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node = self.path.partition("?")[0].rpartition("/")[2]
                kubernetes.cordon(node, body["spec"]["unschedulable"])
                self._answer(kubernetes.get(self.path.partition("?")[0]))

            def _answer(self, content: Any) -> None:
                said = json.dumps(content or {"kind": "Status", "status": "Failure", "code": 404}).encode()
                self.send_response(200 if content else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_arguments: Any) -> None:
                """Keep the error stream clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

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
def kubernetes(*nodes: str) -> Iterator[Kubernetes]:
    """Run a cluster with these nodes on loopback."""
    standing = Kubernetes(list(nodes))
    thread = threading.Thread(target=standing.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield standing
    finally:
        standing.server.shutdown()
        standing.server.server_close()
        thread.join()
