# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the few calls that ansible-rulebook makes to an automation controller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from tests.support.loopback import Loopback, Reply, Request, reply

_PROMPTS = ("limit", "labels", "inventory", "variables")


class Controller:
    """``launched`` are the templates that were launched, each with its extra variables."""

    def __init__(self) -> None:
        self.launched: list[tuple[str, dict[str, Any]]] = []

    def respond(self, request: Request) -> Reply:
        """Launch a template, or return what is asked for."""
        if request.method == "GET":
            return reply(200, self.get(request), Content_Type="application/json")
        name = unquote(request.path.split("/launch/")[1].rstrip("/"))
        self.launched.append((name, json.loads(request.body)["extra_vars"]))
        return reply(201, {"id": 42, "url": "/api/v2/jobs/42/"}, Content_Type="application/json")

    def get(self, request: Request) -> dict[str, Any]:
        """Return the version, or a template of any name; every job has ended well."""
        if request.path.endswith("/config/"):
            return {"version": "4.6.0"}
        if not request.path.endswith("/unified_job_templates/"):
            job = {"id": 42, "status": "successful", "artifacts": {}, "created": "2026-11-30T07:00:00Z"}
            return {"count": 1, "results": [job], **job}
        name = request.query["name"]
        kind = "job_template" if name in ("Run:ai node: plan", "Run:ai: hold") else "workflow_job_template"
        template = {
            "id": 7,
            "type": kind,
            "name": name,
            "related": {"launch": f"/api/v2/launch/{name}/"},
            "summary_fields": {"organization": {"name": "GPU operations"}},
            **{f"ask_{prompt}_on_launch": True for prompt in _PROMPTS},
        }
        return {"count": 1, "results": [template]}


@contextmanager
def controller() -> Iterator[tuple[Controller, str]]:
    """Run a controller on loopback; give it and its address."""
    standing, server = Controller(), Loopback()
    server.respond = standing.respond
    try:
        yield standing, server.url
    finally:
        server.close()
