# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the faults of a plan, as a bad proxy in front of a good control plane would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .control_plane import ControlPlane
from .faults import Fault

if TYPE_CHECKING:
    from .gate import Listener


class Exchange:
    """One request under way: what came in, and the way to the endpoints and back."""

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        self.app = app
        self.scope = scope
        self.body = body
        self.receive = receive
        self.send = send

    async def pass_on(self) -> None:
        """Let the endpoints answer."""
        await self.app(self.scope, self._replay(), self.send)

    def _replay(self) -> Receive:
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                return await self.receive()
            given = True
            return {"type": "http.request", "body": self.body, "more_body": False}

        return receive


async def misbehave(fault: Fault, exchange: Exchange, plane: ControlPlane, listener: Listener) -> None:
    """Answer one request with a fault."""
    await exchange.pass_on()
