# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forward proxy on loopback that wants a user name and a password, for tunnels (CONNECT) and plain http."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_LONGEST_HEAD = 65536


class _Tunnel(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            piece = self.request.recv(4096)
            if not piece:
                return
            head += piece
        lines, body = head.split(b"\r\n\r\n", 1)
        first, *fields = lines.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _nothing, value in (field.partition(":") for field in fields)
        }
        if headers.pop("proxy-authorization", None) != self.server.expected:
            response = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
            self.request.sendall(response + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            return
        method, target, version = first.split(" ")
        address = target if method == "CONNECT" else urlsplit(target).netloc
        host, _nothing, port = address.rpartition(":")
        self.server.tunnels.append(address)
        with socket.create_connection((host, int(port))) as there:
            if method == "CONNECT":
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                # One request a connection; what follows on it would have to be read as this one was.
                path = urlsplit(target)._replace(scheme="", netloc="").geturl()
                sent = {**headers, "connection": "close"}
                passed_on = "\r\n".join([f"{method} {path} {version}", *map(": ".join, sent.items()), "", ""])
                there.sendall(passed_on.encode("latin-1") + body)
            back = threading.Thread(target=_copy, args=(there, self.request), daemon=True)
            back.start()
            _copy(self.request, there)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


class Proxy(socketserver.ThreadingTCPServer):
    """Listens on a port of its own; `tunnels` are the addresses that it connected to."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.tunnels: list[str] = []

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def proxying(user: str, password: str) -> Iterator[Proxy]:
    """A proxy that runs while the block does."""
    with Proxy(user, password) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
