# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the client and the endpoints: it logs every request and carries out the fault plan."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .connection import Listener
from .control_plane import ControlPlane
from .exchange import Exchange
from .faults import Request
from .misbehaviour import misbehave

BANNER = [(b"x-simulator", b"gpuops.runai: a simulator, not a Run:ai control plane")]
BATCH_PATH = "/api/v1/workloads/batch"


class Gate:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, plane: ControlPlane, listener: Listener) -> None:
        self._app = app
        self._plane = plane
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
        plane = self._plane
        query = scope["query_string"].decode("latin-1")
        entry = plane.log.begin(scope["method"], path, query, _user_agent(scope), plane.clock.now())
        status: int | None = None

        def finish() -> None:
            plane.log.finish(entry, status, plane.clock.now())

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                # Before the last byte leaves: whoever has the answer finds it in the log.
                finish()
            await send(message)

        try:
            exchange = Exchange(self._app, scope, await _read(receive), receive, send_and_note, finish)
            batch = exchange.batch() if path == BATCH_PATH and scope["method"] == "POST" else None
            if batch is not None:
                plane.log.batch(entry, str(batch.get("action")), [str(one) for one in batch["ids"]])
            ids = tuple(one.lower() for one in entry.ids or ())
            fault = plane.faults.pick(Request(entry.method, path, query, entry.action, ids))
            if fault is None:
                await exchange.pass_on()
            else:
                entry.fault = fault.kind
                await misbehave(fault, exchange, plane, self._listener)
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
