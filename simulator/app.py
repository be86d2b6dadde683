# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: the API's routes, the simulator's own, and between them and the client the gate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .api import Api, RawRequest
from .connection import Listener
from .contract import ContractError, Operation
from .control import routes as control_routes
from .control_plane import ControlPlane
from .errors import ApiError
from .gate import Gate


def build(plane: ControlPlane, listener: Listener) -> Gate:
    """The application for one control plane; `listener` takes connections, for faults that cut them."""
    api = Api(plane, listener.pause)
    operations = plane.contract.operations
    # Fixed paths go before those with a placeholder, which would swallow them.
    ordered = sorted(plane.contract.routes, key=lambda route: "{" in route[1])
    routes = [
        Route(path, _endpoint(api, operations[name]), methods=[method], name=name)
        for method, path, name in ordered
    ]
    app = Starlette(
        routes=[*routes, *control_routes(plane, listener)],
        # What the simulator itself fails at is answered, too, and told on the standard error stream.
        exception_handlers={HTTPException: _unrouted, Exception: _unrouted},
    )
    # A path with a slash too many is another path.
    app.router.redirect_slashes = False
    return Gate(app, plane, listener)


def _endpoint(api: Api, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        raw = RawRequest(
            query=request.scope["query_string"].decode("latin-1"),
            authorization=request.headers.get("authorization", ""),
            content_type=request.headers.get("content-type", ""),
            data=await request.body(),
        )
        try:
            answer = await api.handle(operation, request.url.path, dict(request.path_params), raw)
        except ApiError as error:
            return _refusal(operation, error)
        except ContractError as error:
            return JSONResponse(ApiError(500, "simulator: broken contract", str(error)).body(), 500)
        return Response(answer.text, answer.status, media_type="application/json")

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
