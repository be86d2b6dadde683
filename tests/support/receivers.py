# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server and a webhook on loopback that keep what they receive."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class MailServer:
    """Mails by recipient; ``refused`` are recipients that are rejected."""

    refused: set[str] = field(default_factory=set)
    mails: dict[str, list[EmailMessage]] = field(default_factory=dict)
    port: int = 0


@dataclass
class Webhook:
    """Bodies that were posted. ``refuses`` is a text in a body that gets a 500."""

    refuses: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


class _MailHandler(socketserver.StreamRequestHandler):
    kept: MailServer

    def handle(self) -> None:
        to: list[str] = []
        self._respond("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.partition(":")[0].upper()
            response = "250 good"
            if verb == "QUIT":
                self._respond("221 bye")
                return
            if verb == "RCPT TO":
                recipient = line.partition("<")[2].partition(">")[0]
                if recipient in self.kept.refused:
                    response = "550 no such mailbox"
                else:
                    to.append(recipient)
            elif verb == "DATA":
                self._respond("354 go on")
                self._keep(to)
                to = []
            self._respond(response)

    def _keep(self, to: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        for recipient in to:
            self.kept.mails.setdefault(recipient, []).append(mail)

    def _respond(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Serve SMTP as RFC 5321 needs it at least."""

    class Handler(_MailHandler):
        kept = MailServer()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Handler.kept.port = server.server_address[1]
        with _serving(server):
            yield Handler.kept


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve a chat's webhook."""
    kept = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_refused = bool(kept.refuses) and kept.refuses in json.dumps(body)
            if not is_refused:
                kept.bodies.append(body)
            self.send_response(500 if is_refused else 200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_address[1]}/services/T000/B000/xyzzy-secret"
        with _serving(server):
            yield kept


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
