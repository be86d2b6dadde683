# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an ASGI application can't reach by itself: the client's TCP connection, and what takes connections."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

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

    def cut(self, reset: bool = False) -> None:
        """Close it at once, whatever was sent of an answer; with `reset` the peer gets a TCP reset."""
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
        """Called as the server stops: what is being answered may go on, the rest ends at once.

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
