# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the few calls that ansible-rulebook makes to an automation controller."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_PROMPTS = ("limit", "labels", "inventory", "variables")


class Controller:
    """``launched`` are the templates that were launched, each with its extra variables."""

    def __init__(self) -> None:
        self.launched: list[tuple[str, dict[str, Any]]] = []
        controller = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, controller.get(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = unquote(urlsplit(self.path).path.split("/launch/")[1].rstrip("/"))
                controller.launched.append((name, body["extra_vars"]))
                self._answer(201, {"id": 42, "url": "/api/v2/jobs/42/"})

            def _answer(self, status: int, content: Any) -> None:
                said = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_arguments: Any) -> None:
                """Keep the error stream clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def get(self, target: str) -> dict[str, Any]:
        """Return the version, or a template of any name; every job has ended well."""
        asked = urlsplit(target)
        if asked.path.endswith("/config/"):
            return {"version": "4.6.0"}
        if not asked.path.endswith("/unified_job_templates/"):
            job = {"id": 42, "status": "successful", "artifacts": {}, "created": "2026-11-30T07:00:00Z"}
            return {"count": 1, "results": [job], **job}
        name = parse_qs(asked.query)["name"][0]
        kind = "job_template" if name in ("Run:ai node: plan", "Run:ai: hold") else "workflow_job_template"
        template = {
            "id": 7,
            "type": kind,
            "name": name,
            "related": {"launch": f"/api/v2/launch/{name}/"},
            "summary_fields": {"organization": {"name": "Default"}},
            **{f"ask_{prompt}_on_launch": True for prompt in _PROMPTS},
        }
        return {"count": 1, "results": [template]}


@contextmanager
def controller() -> Iterator[Controller]:
    """Run a controller on loopback."""
    standing = Controller()
    thread = threading.Thread(target=standing.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield standing
    finally:
        standing.server.shutdown()
        standing.server.server_close()
        thread.join()
