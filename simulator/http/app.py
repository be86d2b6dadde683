# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: its routes, and the gate before them that logs and carries out the fault plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.contract import ApiError, ContractError, Operation
from ..api.endpoints import Api, RawRequest
from ..control_plane import ControlPlane
from ..faults.rule import Request as FaultRequest
from ..faults.strike import misbehave
from .control_endpoints import routes as control_routes
from .exchange import Exchange, Listener


def build(control_plane: ControlPlane, listener: Listener) -> Gate:
    """The application for one control plane; `listener` takes connections, for faults that cut them."""
    api = Api(control_plane, listener.pause)
    operations = control_plane.contract.operations
    # Fixed paths go before those with a placeholder, which would swallow them.
    ordered = sorted(control_plane.contract.routes, key=lambda route: "{" in route[1])
    routes = [
        Route(path, _endpoint(api, operations[name]), methods=[method], name=name)
        for method, path, name in ordered
    ]
    app = Starlette(
        routes=[*routes, *control_routes(control_plane, listener)],
        # What the simulator itself fails at has a response, too, and a line on the standard error stream.
        exception_handlers={HTTPException: _unrouted, Exception: _unrouted},
    )
    # A path with a slash too many is another path.
    app.router.redirect_slashes = False
    return Gate(app, control_plane, listener)


def _endpoint(api: Api, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        raw = RawRequest(
            query=request.scope["query_string"].decode("latin-1"),
            authorization=request.headers.get("authorization", ""),
            content_type=request.headers.get("content-type", ""),
            data=await request.body(),
        )
        try:
            response = await api.handle(operation, request.url.path, dict(request.path_params), raw)
        except ApiError as error:
            return _refusal(operation, error)
        except ContractError as error:
            return JSONResponse(ApiError(500, "simulator: broken contract", str(error)).body(), 500)
        return Response(response.text, response.status, media_type="application/json")

    return endpoint


def _refusal(operation: Operation, error: ApiError) -> Response:
    if operation.name == "createOAuth2Token" and error.status == 400:
        description = error.details or error.message
        return JSONResponse({"error": "invalid_request", "error_description": description}, 400)
    return JSONResponse(error.body(), error.status)


def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = {404: "not found", 405: "method not allowed"}.get(status, "simulator: internal error")
    return JSONResponse(ApiError(status, message).body(), status)


BANNER = [(b"x-simulator", b"gpuops.runai: a simulator, not a Run:ai control plane")]
BATCH_PATH = "/api/v1/workloads/batch"


class Gate:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, control_plane: ControlPlane, listener: Listener) -> None:
        self._app = app
        self._control_plane = control_plane
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_banner(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *BANNER]
            await send(message)

        path: str = scope["path"]
        if not path.startswith("/api/"):
            await self._app(scope, receive, send_with_banner)
            return
        await self._serve(scope, path, receive, send_with_banner)

    async def _serve(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        control_plane = self._control_plane
        query = scope["query_string"].decode("latin-1")
        entry = control_plane.log.begin(
            scope["method"], path, query, _user_agent(scope), control_plane.clock.now()
        )
        status: int | None = None

        def finish() -> None:
            control_plane.log.finish(entry, status, control_plane.clock.now())

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                # Before the last byte leaves: whoever has the response finds it in the log.
                finish()
            await send(message)

        try:
            exchange = Exchange(self._app, scope, await _read(receive), receive, send_and_note, finish)
            batch = exchange.batch() if path == BATCH_PATH and scope["method"] == "POST" else None
            if batch is not None:
                control_plane.log.batch(entry, str(batch.get("action")), [str(one) for one in batch["ids"]])
            ids = tuple(one.lower() for one in entry.ids or ())
            fault = control_plane.faults.pick(FaultRequest(entry.method, path, query, entry.action, ids))
            if fault is None:
                await exchange.pass_on()
            else:
                entry.fault = fault.kind
                await misbehave(fault, exchange, control_plane, self._listener)
        finally:
            finish()


def _user_agent(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"user-agent":
            text: str = value.decode("latin-1")
            return text
    return ""


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(parts)
