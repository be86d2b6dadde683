# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request on its way through the gate, and the TCP connection that it came by."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "gpuops.connection"


class Listener(Protocol):
    """Whatever takes connections for the application."""

    def interrupt(self, seconds: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Drop every connection and refuse new ones for so long, or until it is over."""

    async def stopping(self) -> None:
        """Return when the server is about to stop."""

    async def pause(self, seconds: float) -> None:
        """Return after so long, or when the server is about to stop."""


class Connection:
    """The connection that a request came by."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol

    async def drained(self) -> None:
        """Return when everything sent so far was handed to the system."""
        while self._protocol.transport.get_write_buffer_size() and not self._protocol.transport.is_closing():
            await asyncio.sleep(0.001)

    def write(self, data: bytes) -> None:
        """Send bytes past the HTTP protocol: what they mean to the client is the caller's matter."""
        self._protocol.transport.write(data)

    def write_body(self, data: bytes) -> None:
        """Send bytes in the place of the body that was announced; its end must be sent as well."""
        self._protocol.cycle.expected_content_length = 0
        self.write(data)

    def cut(self, reset: bool = False) -> None:
        """Close it at once, whatever was sent of a response; with `reset` the peer gets a TCP reset."""
        transport = self._protocol.transport
        if reset:
            _reset_on_close(transport.get_extra_info("socket"))
        transport.abort()


class CuttableProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, which lends each request its connection as an ASGI extension."""

    def on_message_begin(self) -> None:
        """Called by the parser as a request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"connection": Connection(self)}}

    def shutdown(self) -> None:
        """Called as the server stops: a response that has begun may go on, the rest ends at once.

        Nobody waits for the rest of a request, nor for the client's part in the end of TLS.
        """
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.more_body and not cycle.response_complete
        if is_answering or self.transport.get_write_buffer_size():
            super().shutdown()
        else:
            self.transport.abort()


def _reset_on_close(transport_socket: Any) -> None:
    handle = socket.socket(fileno=os.dup(transport_socket.fileno()))
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        handle.close()


_JSON = "application/json"


@dataclass
class Reply:
    """A whole response."""

    status: int
    body: bytes
    content_type: str = _JSON
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; None when it is not, or when the status is not 200."""
        if self.status != 200:
            return None
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class Exchange:
    """What came in, the application that responds to it, and the way back to the client.

    `about_to_end` is to be called before the client can see that it is over, unless a whole response is sent.
    """

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        body: bytes,
        receive: Receive,
        send: Send,
        about_to_end: Callable[[], None],
    ) -> None:
        self.about_to_end = about_to_end
        self._app = app
        self._receive = receive
        self._send = send
        self.scope = scope
        self.body = body

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, the last of those with the same name."""
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    def header(self, name: bytes) -> str:
        """The value of a request header (its name in small letters), several joined; empty without it."""
        values = [value.decode("latin-1") for key, value in self.scope["headers"] if key == name]
        return "; ".join(values)

    @property
    def connection(self) -> Connection:
        """The connection that the client came by."""
        found: Connection = self.scope["extensions"][EXTENSION]["connection"]
        return found

    def batch(self) -> dict[str, Any] | None:
        """The body, if it has the shape of a batch."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) and isinstance(found.get("ids"), list) else None

    async def pass_on(self) -> None:
        """Let the endpoints respond to the client."""
        await self._app(self.scope, self._replay(self.body), self._send)

    async def response(self, query: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
        """What the endpoints respond, kept from the client; with another query or body if one is given."""
        start: Message = {}
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        scope = dict(self.scope)
        if query is not None:
            scope["query_string"] = urlencode(query).encode("ascii")
        await self._app(scope, self._replay(self.body if body is None else body), collect)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        headers.pop("content-length", None)
        content_type = headers.pop("content-type", _JSON)
        return Reply(start["status"], b"".join(parts), content_type, headers)

    async def deliver(self, reply: Reply) -> None:
        """Send a whole response to the client."""
        await self.begin(reply)
        await self.send_part(reply.body, last=True)

    async def begin(self, reply: Reply) -> None:
        """Send the head of a response, with the length of its whole body."""
        headers = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(reply.body)),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()),
        ]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})

    async def send_part(self, part: bytes, last: bool = False) -> None:
        """Send a part of the body that `begin` promised."""
        await self._send({"type": "http.response.body", "body": part, "more_body": not last})

    async def cut(self, reset: bool = False) -> None:
        """Drop the connection, once what was sent has left, and wait until it is down."""
        await self.connection.drained()
        self.about_to_end()
        self.connection.cut(reset)
        await self.disconnected()

    async def disconnected(self) -> None:
        """Return when the client or we have ended the connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _replay(self, body: bytes) -> Receive:
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                return await self._receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return receive
