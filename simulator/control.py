# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's own pages and endpoints: what tests and people look at, and how they steer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from . import page
from .clock import ManualClock
from .connection import EXTENSION
from .control_plane import ControlPlane
from .fleet_file import workload_from_row
from .misbehaviour import Listener

Handler = Callable[[Request], Awaitable[Response]]


def routes(plane: ControlPlane, listener: Listener) -> list[Route]:
    """Routes under `/_simulator`, and the page at `/`."""
    control = _Control(plane, listener)
    return [
        Route("/", control.page),
        Route("/_simulator/requests", control.requests),
        Route("/_simulator/summary", control.summary),
        Route("/_simulator/fleet", control.fleet),
        Route("/_simulator/reset", _guarded(control.reset), methods=["POST"]),
        Route("/_simulator/workloads", _guarded(control.workloads), methods=["POST"]),
        Route("/_simulator/clock", _guarded(control.clock), methods=["POST"]),
        Route("/_simulator/settings", _guarded(control.settings), methods=["POST"]),
        Route("/_simulator/nodes", _guarded(control.nodes), methods=["POST"]),
        Route("/_simulator/down", control.down, methods=["POST"]),
        Route("/_simulator/tokens/revoke", _guarded(control.revoke), methods=["POST"]),
        Route("/_simulator/faults", control.faults),
        Route("/_simulator/faults", _guarded(control.set_faults), methods=["POST"]),
    ]


def _guarded(handler: Callable[[Any], Any]) -> Handler:
    """Reads a JSON body (or none) and answers 400 with the reason for what the handler can't take."""

    async def endpoint(request: Request) -> Response:
        data = await request.body()
        try:
            found = handler(orjson.loads(data) if data else None)
        except KeyError as error:
            return JSONResponse({"error": f"not there: {error}"}, 404)
        except (TypeError, ValueError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(found)

    return endpoint


class _Control:
    def __init__(self, plane: ControlPlane, listener: Listener) -> None:
        self._plane = plane
        self._listener = listener

    async def page(self, request: Request) -> Response:
        return HTMLResponse(page.render(self._plane))

    async def requests(self, request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        return JSONResponse({"simulator": True, "requests": self._plane.log.since(since)})

    async def summary(self, request: Request) -> Response:
        return JSONResponse({"simulator": True, **self._plane.log.summary()})

    async def fleet(self, request: Request) -> Response:
        fleet = self._plane.fleet
        return JSONResponse(
            {
                "simulator": True,
                "tenantId": fleet.places.tenant_id,
                "phases": fleet.counts(),
                "gpusHeld": fleet.gpus_held(),
                "deleted": len(fleet.deleted()),
            }
        )

    async def down(self, request: Request) -> Response:
        try:
            seconds = float((await request.json())["seconds"])
        except (KeyError, TypeError, ValueError):
            return JSONResponse({"error": "an object with seconds is needed"}, 400)

        async def interrupt() -> None:
            await request.scope["extensions"][EXTENSION]["connection"].drained()
            self._listener.interrupt(seconds)

        return JSONResponse({"seconds": seconds}, background=BackgroundTask(interrupt))

    async def faults(self, request: Request) -> Response:
        return JSONResponse({"simulator": True, "rules": self._plane.faults.state()})

    def set_faults(self, body: Any) -> dict[str, Any]:
        plan = self._plane.faults
        if isinstance(body, dict):
            rules, add = body.get("rules", []), bool(body.get("add", False))
        else:
            rules, add = body or [], False
        (plan.add if add else plan.replace)(rules)
        return {"rules": plan.state()}

    def reset(self, body: Any) -> dict[str, Any]:
        self._plane.reset()
        return {"phases": self._plane.fleet.counts()}

    def revoke(self, body: Any) -> dict[str, Any]:
        return {"revoked": self._plane.tokens.revoke()}

    def clock(self, body: Any) -> dict[str, Any]:
        clock = self._plane.clock
        if not isinstance(clock, ManualClock):
            raise ValueError("this simulator runs on the machine's clock")
        clock.advance(float(body["seconds"]))
        self._plane.fleet.settle()
        return {"now": clock.now()}

    def settings(self, body: Any) -> dict[str, Any]:
        self._plane.configure(body)
        return {"changed": sorted(body)}

    def nodes(self, body: Any) -> dict[str, Any]:
        places = self._plane.fleet.places
        for one in body:
            places.fence(one["clusterUuid"], one["name"], bool(one.get("fenced", True)))
        return {"fenced": sorted(places.fenced)}

    def workloads(self, body: Any) -> dict[str, Any]:
        fleet = self._plane.fleet
        if not isinstance(body, dict):
            raise ValueError("an object with set, add or remove is needed")
        for row in body.get("add", []):
            fleet.add(workload_from_row(row, fleet.places, self._plane.clock.now()))
        for change in body.get("set", []):
            workload_id = change["id"].lower()
            if "hidden" in change:
                fleet.update(workload_id, hidden=bool(change["hidden"]))
            if "phase" in change:
                fleet.set_phase(workload_id, change["phase"], bool(change.get("frozen", False)))
        for workload_id in body.get("remove", []):
            fleet.remove(workload_id.lower())
        return {"phases": fleet.counts()}
