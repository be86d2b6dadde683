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

from tests.support.loopback import Asked, Loopback, Reply, reply

_PROMPTS = ("limit", "labels", "inventory", "variables")


class Controller:
    """``launched`` are the templates that were launched, each with its extra variables."""

    def __init__(self) -> None:
        self.launched: list[tuple[str, dict[str, Any]]] = []

    def answer(self, asked: Asked) -> Reply:
        """Launch a template, or return what is asked for."""
        if asked.method == "GET":
            return reply(200, self.get(asked), Content_Type="application/json")
        name = unquote(asked.path.split("/launch/")[1].rstrip("/"))
        self.launched.append((name, json.loads(asked.body)["extra_vars"]))
        return reply(201, {"id": 42, "url": "/api/v2/jobs/42/"}, Content_Type="application/json")

    def get(self, asked: Asked) -> dict[str, Any]:
        """Return the version, or a template of any name; every job has ended well."""
        if asked.path.endswith("/config/"):
            return {"version": "4.6.0"}
        if not asked.path.endswith("/unified_job_templates/"):
            job = {"id": 42, "status": "successful", "artifacts": {}, "created": "2026-11-30T07:00:00Z"}
            return {"count": 1, "results": [job], **job}
        name = asked.query["name"]
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
    server.answer = standing.answer
    try:
        yield standing, server.url
    finally:
        server.close()
