# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's own pages and endpoints: for tests and people to read and to steer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ..api.fleet_file import workload_from_row
from ..api.rows import NODE_DETAILS
from ..control_plane import ControlPlane
from ..model import gpu_history
from ..model.workload import PHASES
from ..validation import MOST, Shape
from . import page
from .exchange import EXTENSION, Listener

Handler = Callable[[Request], Awaitable[Response]]


_SECONDS = {"type": "number", "minimum": 0, "maximum": MOST}
_BODIES: dict[str, dict[str, Any]] = {
    "workloads": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "set": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id"],
                    "dependentRequired": {"frozen": ["phase"]},
                    "additionalProperties": False,
                    "properties": {
                        "id": {"type": "string"},
                        "phase": {"type": "string"},
                        "frozen": {"type": "boolean"},
                        "hidden": {"type": "boolean"},
                        "gpuHistory": gpu_history.SCHEMA,
                        "by": {"type": "string"},
                    },
                },
            },
            "add": {"type": "array", "items": {"type": "object"}},
            "remove": {"type": "array", "items": {"type": "string"}},
            "touch": {"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}]},
        },
    },
    "clusters": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "connected"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string"},
                "connected": {"type": "boolean"},
                "requests": {"enum": ["last", "all"]},
            },
        },
    },
    "nodes": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["clusterUuid", "name"],
            "additionalProperties": False,
            "properties": {
                "clusterUuid": {"type": "string"},
                "name": {"type": "string"},
                "fenced": {"type": "boolean"},
                **{key: {} for key in NODE_DETAILS},
            },
        },
    },
    "settings": {"type": "object"},
    "faults": {
        "type": ["array", "object"],
        "required": ["rules"],
        "additionalProperties": False,
        "properties": {"rules": {"type": "array"}, "add": {"type": "boolean"}},
    },
    "clock": {"type": "object", "required": ["seconds"], "properties": {"seconds": _SECONDS}},
    "down": {"type": "object", "required": ["seconds"], "properties": {"seconds": _SECONDS}},
    "reset": {},
    "tokens/revoke": {},
}
"""What the body of a POST must be, by the path under `/_simulator`."""


def routes(control_plane: ControlPlane, listener: Listener) -> list[Route]:
    """Routes under `/_simulator`, and the page at `/`."""
    control = _Control(control_plane, listener)
    shown = {
        "requests": control.requests,
        "summary": control.summary,
        "fleet": control.fleet,
        "faults": control.faults,
    }
    done = {
        "workloads": control.workloads,
        "clusters": control.clusters,
        "nodes": control.nodes,
        "settings": control.settings,
        "faults": control.set_faults,
        "clock": control.clock,
        "reset": control.reset,
        "tokens/revoke": control.revoke,
    }
    return [
        Route("/", control.page),
        *(Route(f"/_simulator/{path}", handler) for path, handler in shown.items()),
        *(
            Route(f"/_simulator/{path}", _post(_BODIES[path], handler), methods=["POST"])
            for path, handler in done.items()
        ),
        Route(
            "/_simulator/down",
            _post(_BODIES["down"], lambda body: body, control.go_down),
            methods=["POST"],
        ),
    ]


def _post(
    schema: dict[str, Any],
    handler: Callable[[Any], Any],
    afterwards: Callable[[Request, Any], Awaitable[None]] | None = None,
) -> Handler:
    """Reads a JSON body (or none) and responses; 400 or, for what is not there, 404 with the reason.

    `afterwards` is for what must wait until the response is on its way.
    """
    shape = Shape(schema)

    async def endpoint(request: Request) -> Response:
        data = await request.body()
        try:
            body = orjson.loads(data) if data else None
            problem = shape.problem(body)
            if problem is not None:
                raise ValueError(problem)
            then = BackgroundTask(afterwards, request, body) if afterwards else None
            return JSONResponse(handler(body), background=then)
        except KeyError as error:
            return JSONResponse({"error": f"not there: {error}"}, 404)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


class _Control:
    def __init__(self, control_plane: ControlPlane, listener: Listener) -> None:
        self._control_plane = control_plane
        self._listener = listener

    async def page(self, request: Request) -> Response:
        return HTMLResponse(page.render(self._control_plane))

    async def requests(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            return JSONResponse({"error": f"since is the number of a request, not {since!r}"}, 400)
        return JSONResponse({"simulator": True, "requests": self._control_plane.log.since(int(since))})

    async def summary(self, request: Request) -> Response:
        return JSONResponse({"simulator": True, **self._control_plane.log.summary()})

    async def fleet(self, request: Request) -> Response:
        fleet = self._control_plane.fleet
        return JSONResponse(
            {
                "simulator": True,
                "tenantId": fleet.places.tenant_id,
                "phases": fleet.counts(),
                "gpusHeld": fleet.gpus_held(),
                "deleted": len(fleet.deleted()),
                "heldRequests": fleet.held_requests(),
            }
        )

    async def go_down(self, request: Request, body: Any) -> None:
        await request.scope["extensions"][EXTENSION]["connection"].drained()
        self._listener.interrupt(body["seconds"])

    async def faults(self, request: Request) -> Response:
        return JSONResponse({"simulator": True, "rules": self._control_plane.faults.state()})

    def set_faults(self, body: Any) -> dict[str, Any]:
        plan = self._control_plane.faults
        asked = body if isinstance(body, dict) else {"rules": body}
        (plan.add if asked.get("add") else plan.replace)(asked["rules"])
        return {"rules": plan.state()}

    def reset(self, body: Any) -> dict[str, Any]:
        self._control_plane.reset()
        return {"phases": self._control_plane.fleet.counts()}

    def revoke(self, body: Any) -> dict[str, Any]:
        return {"revoked": self._control_plane.tokens.revoke()}

    def clock(self, body: Any) -> dict[str, Any]:
        self._control_plane.advance(body["seconds"])
        return {"now": self._control_plane.clock.now()}

    def settings(self, body: Any) -> dict[str, Any]:
        self._control_plane.configure(body)
        return {"changed": sorted(body)}

    def clusters(self, body: Any) -> dict[str, Any]:
        """Cut clusters off, or connect them again. `name` is a cluster's name or id."""
        fleet = self._control_plane.fleet
        known = {key: row for row in fleet.places.clusters for key in (row["name"], row["uuid"])}
        for one, row in [(one, known[one["name"]]) for one in body]:
            row["status"] = {**(row.get("status") or {}), "state": "Disconnected"}
            if one["connected"]:
                row["status"]["state"] = "Connected"
                fleet.reconnect(row["uuid"], one.get("requests", "last"))
            else:
                fleet.cut_off(row["uuid"])
        return {"heldRequests": fleet.held_requests()}

    def nodes(self, body: Any) -> dict[str, Any]:
        """Fence nodes, or change what their rows say; all of them or, for a row without sense, none."""
        places, contract = self._control_plane.fleet.places, self._control_plane.contract
        for one in body:
            details = {name: one[name] for name in NODE_DETAILS if name in one}
            problem = contract.problem_of_part("Node", details)
            if problem is not None:
                raise ValueError(problem)
            if places.pool_of(one["clusterUuid"], one["name"]) is None:
                raise KeyError(one["name"])
        for one in body:
            details = {name: one[name] for name in NODE_DETAILS if name in one}
            if details:
                places.describe(one["clusterUuid"], one["name"], details)
            if "fenced" in one or not details:
                places.fence(one["clusterUuid"], one["name"], one.get("fenced", True))
        return {"fenced": sorted(places.fenced)}

    def workloads(self, body: Any) -> dict[str, Any]:
        fleet = self._control_plane.fleet
        changes = body.get("set", [])
        unknown = {change["phase"] for change in changes if "phase" in change} - set(PHASES)
        if unknown and self._control_plane.settings.validate_responses:
            raise ValueError(f"the API has no phase {', '.join(sorted(unknown))}")
        for row in body.get("add", []):
            fleet.add(workload_from_row(row, fleet.places, self._control_plane.clock.now()))
        for change in changes:
            workload_id = change["id"].lower()
            if "hidden" in change:
                fleet.update(workload_id, hidden=change["hidden"])
            if "gpuHistory" in change:
                history = gpu_history.history_from(change["gpuHistory"], self._control_plane.clock.now())
                fleet.update(workload_id, gpu_history=history)
            if "phase" in change:
                frozen, by = change.get("frozen", False), change.get("by", "")
                fleet.set_phase(workload_id, change["phase"], frozen, by)
        if "touch" in body:
            fleet.touch(None if body["touch"] == "all" else [one.lower() for one in body["touch"]])
        for workload_id in body.get("remove", []):
            fleet.remove(workload_id.lower())
        return {"phases": fleet.counts()}
