# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP server on loopback that replies as a test says."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    """A request as it came in; ``peer`` is its connection."""

    method: str
    target: str
    headers: Message
    body: bytes
    peer: tuple[str, int]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {key: values[-1] for key, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def bearer(self) -> Optional[str]:
        return self.headers.get("Authorization")


# Status, body (as JSON unless it is bytes) and headers; None cuts the connection without a response.
Reply = Optional[tuple[int, object, dict[str, str]]]


def reply(status: int, body: object = None, **headers: str) -> Reply:
    """A response; ``Retry_After`` names the header Retry-After."""
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


class Loopback:
    """A server at ``url`` that keeps connections alive; ``respond`` may be set anew at any time."""

    def __init__(self, tls: Optional[ssl.SSLContext] = None) -> None:
        self.requests: list[Request] = []
        self.respond: Callable[[Request], Reply] = lambda request: reply(404)
        self.reply = reply
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body leave together.
            wbufsize = -1

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, self.headers, body, self.client_address)
                loopback.requests.append(request)
                response = loopback.respond(request)
                if response is None:
                    self.close_connection = True
                    return
                status, content, headers = response
                body_sent = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body_sent)))
                self.end_headers()
                self.wfile.write(body_sent)

            do_GET = do_POST = do_PATCH = do_CONNECT = _serve  # noqa: N815

            def log_message(self, *_arguments: Any) -> None:
                """Keep the error stream clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = "{0}://127.0.0.1:{1}".format("http" if tls is None else "https", self.port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def paths(self, method: str = "") -> list[str]:
        """Paths asked for, of one method or of all, in the order they came."""
        return [request.path for request in self.requests if method in ("", request.method)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
