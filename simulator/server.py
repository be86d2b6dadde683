# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a simulator on a loopback socket: in this thread's event loop, or in a thread of its own for tests."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from .control_plane import ControlPlane
from .http.app import build
from .http.exchange import CuttableProtocol
from .model.fleet import Fleet
from .settings import Settings

_BACKLOG = 1024
_POLL_SECONDS = 0.02  # how often a simulator that is down checks whether that is over
_TICK_SECONDS = 1.0  # how often the Date header of responses is brought up to date
# For clients that are slow to read: what hangs or is slow on purpose ends at once when the server stops.
_GRACE_SECONDS = 30


class Server(uvicorn.Server):
    """Uvicorn's server, which says when it listens, can go deaf for a while, and leaves signals alone."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._reopening: asyncio.Task[None] | None = None
        settings = control_plane.settings
        super().__init__(
            uvicorn.Config(
                build(control_plane, self),
                http=CuttableProtocol,
                # uvloop's own loop hangs as it ends when a TLS connection was dropped under it.
                loop="auto" if settings.certificate is None else "asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=120,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                backlog=_BACKLOG,
                ssl_certfile=settings.certificate,
                ssl_keyfile=None if settings.key is None else str(settings.key),
            )
        )
        try:
            self.config.load()
        except OSError as error:
            raise ValueError(f"certificate and key can't be used: {error}") from None
        self._socket = _bind(settings.address, settings.port)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """The address that clients use, without a slash at the end."""
        scheme = "http" if self.control_plane.settings.certificate is None else "https"
        address = self.control_plane.settings.address
        host = f"[{address}]" if ":" in address else address
        return f"{scheme}://{host}:{self.port}"

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whoever runs the server."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Run until it is stopped; `ready` is set as soon as it listens or can't."""
        try:
            await super().serve(sockets)
        finally:
            self.ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await super().startup(sockets=[self._socket])
        self.ready.set()

    async def main_loop(self) -> None:
        """Serve until it is stopped; uvicorn's own loop would notice a tenth of a second later."""
        while not await self.on_tick(0):
            await self.pause(_TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what hangs on purpose, then stop."""
        assert self._stop is not None
        self._stop.set()
        await super().shutdown(sockets=[self._socket])

    async def stopping(self) -> None:
        """Return when the server is about to stop."""
        assert self._stop is not None
        await self._stop.wait()

    async def pause(self, seconds: float) -> None:
        """Return after so long, or when the server is about to stop."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.stopping(), seconds)

    def stop(self) -> None:
        """Ask it to stop; may be called from a signal handler or another thread."""
        self.should_exit = True
        if self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stop.set)

    def interrupt(self, seconds: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Drop every connection and refuse new ones for so long, or until it is over.

        To be called in the server's thread.
        """
        if self._reopening is not None and not self._reopening.done():
            return
        for listening in self.servers:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # Bound but not listening, it refuses connections and keeps the port from others.
        self._socket = _bind(self.control_plane.settings.address, self.port)
        self._reopening = asyncio.ensure_future(self._listen_again(seconds, is_over))

    def interrupt_threadsafe(self, seconds: float) -> None:
        """As `interrupt`, from another thread; returns when connections are refused."""
        done = threading.Event()

        def interrupt() -> None:
            self.interrupt(seconds)
            done.set()

        self._loop.call_soon_threadsafe(interrupt)
        done.wait()

    async def _listen_again(self, seconds: float, is_over: Callable[[], bool]) -> None:
        until = self._loop.time() + seconds
        while (left := until - self._loop.time()) > 0 and not is_over():
            await self.pause(min(left, _POLL_SECONDS))
            if self.should_exit:
                return
        listening = await self._loop.create_server(
            self._protocol, sock=self._socket, ssl=self.config.ssl, backlog=_BACKLOG
        )
        self.servers = [listening]

    def _protocol(self) -> asyncio.Protocol:
        return CuttableProtocol(self.config, self.server_state, self.lifespan.state)


def _bind(address: str, port: int) -> socket.socket:
    host = "127.0.0.1" if address == "localhost" else address
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise OSError(error.errno, error.strerror, f"{address} port {port}") from None
    return found


class Handle:
    """A running simulator, for tests, which read and steer it without HTTP."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.control_plane = server.control_plane
        self.url = server.url

    @property
    def state(self) -> Fleet:
        """The fleet; its methods may be called from any thread."""
        return self.control_plane.fleet

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """What it was asked, after the request of that number."""
        return self.control_plane.log.since(since)

    def summary(self) -> dict[str, Any]:
        """Counts of what it was asked; see `RequestLog.summary`."""
        return self.control_plane.log.summary()

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put these rules in the place of the fault plan; none ends it."""
        self.control_plane.faults.replace(rules)

    def configure(self, **changes: Any) -> None:
        """Change settings while it runs; see `ControlPlane.configure`."""
        self.control_plane.configure(changes)

    def interrupt(self, seconds: float) -> None:
        """Drop every connection and refuse new ones for so long."""
        self._server.interrupt_threadsafe(seconds)

    def stop(self) -> None:
        """Ask it to stop before the block ends."""
        self._server.stop()

    def revoke_tokens(self) -> None:
        """Make every minted token invalid."""
        self.control_plane.tokens.revoke()

    def reset(self) -> None:
        """Everything as it was at the start."""
        self.control_plane.reset()

    def advance(self, seconds: float) -> None:
        """Move a manual clock on. Raises ValueError with another clock."""
        self.control_plane.advance(seconds)


@contextlib.contextmanager
def running(settings: Settings | None = None) -> Iterator[Handle]:
    """A simulator in a thread of its own, listening when the block begins, stopped when it ends.

    Raises OSError when the port is taken, and what else keeps it from starting.
    """
    server = Server(ControlPlane(settings or Settings()))
    failure: list[BaseException] = []

    def serve() -> None:
        try:
            server.run()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
            failure.append(error)
            server.ready.set()

    thread = threading.Thread(target=serve, name="simulator", daemon=True)
    thread.start()
    server.ready.wait()
    if failure:
        raise failure[0]
    try:
        yield Handle(server)
    finally:
        server.stop()
        thread.join()
