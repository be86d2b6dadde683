# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the faults of a plan, as a bad proxy in front of a good control plane would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from ..http.exchange import Exchange, Listener, Reply
from ..validation import Shape
from .rule import Fault

if TYPE_CHECKING:
    from ..control_plane import ControlPlane

_POLL_SECONDS = 0.02  # how often a waiting fault checks whether the fault plan was replaced

Schema = dict[str, Any]


class Strike:
    """One fault striking one request."""

    def __init__(
        self, fault: Fault, exchange: Exchange, control_plane: ControlPlane, listener: Listener
    ) -> None:
        self.fault = fault
        self.exchange = exchange
        self.control_plane = control_plane
        self.listener = listener

    async def idle(self, seconds: float) -> bool:
        """Let so much time pass, or less if the plan is replaced. False: the client or the server leaves."""
        replaced = asyncio.ensure_future(self._replaced())
        leaving = [
            asyncio.ensure_future(self.exchange.disconnected()),
            asyncio.ensure_future(self.listener.stopping()),
        ]
        try:
            await asyncio.wait([replaced, *leaving], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return not any(one.done() for one in leaving)
        finally:
            for task in (replaced, *leaving):
                task.cancel()

    def is_in_force(self) -> bool:
        """Whether the fault plan has not been replaced since it struck."""
        return self.control_plane.faults.is_in_force(self.fault)

    async def _replaced(self) -> None:
        while self.is_in_force():
            await asyncio.sleep(_POLL_SECONDS)

    async def apply_if_told(self) -> None:
        """Let the endpoints do their work, and drop their response, when the fault comes after it."""
        if self.fault["apply"]:
            await self.exchange.response()

    async def deliver(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Respond with this instead."""
        await self.exchange.deliver(Reply(status, body, content_type))

    async def deliver_changed(self, change: Callable[[Any], Any], *having: str) -> None:
        """Respond as the endpoints do, but with the JSON changed.

        A refusal stays as it is, and so does an object with none of the keys `having`.
        """
        reply = await self.exchange.response()
        found = reply.json()
        if isinstance(found, dict) and any(name in found for name in having):
            changed = change(found)
            reply.body = orjson.dumps(found if changed is None else changed)
        await self.exchange.deliver(reply)


class Kind(NamedTuple):
    """A kind of fault: what may be set of it, what that is when it is not, and who carries it out."""

    shape: Shape
    defaults: dict[str, Any]
    carry_out: Callable[[Strike], Awaitable[None]]


KINDS: dict[str, Kind] = {}
"""Every kind of fault, by its name in a plan."""

TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean", "default": False}
SECONDS: Schema = {"type": "number", "minimum": 0, "default": 1.0}
STATUS: Schema = {"type": "integer", "minimum": 200, "maximum": 599, "default": 200}
APPLY = SWITCH
CODE: Schema = {"type": ["integer", "string"]}
COUNT: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "all"}], "default": 1}
IDS: Schema = {"type": ["array", "null"], "items": TEXT, "default": None}


def kind(
    name: str, **options: Schema
) -> Callable[[Callable[[Strike], Awaitable[None]]], Callable[[Strike], Awaitable[None]]]:
    """Register the function below as the one that carries out this kind; each option has a JSON schema."""

    def register(carry_out: Callable[[Strike], Awaitable[None]]) -> Callable[[Strike], Awaitable[None]]:
        shape = Shape({"type": "object", "additionalProperties": False, "properties": options})
        KINDS[name] = Kind(shape, {key: schema["default"] for key, schema in options.items()}, carry_out)
        return carry_out

    return register


async def misbehave(
    fault: Fault, exchange: Exchange, control_plane: ControlPlane, listener: Listener
) -> None:
    """Respond to one request with a fault."""
    await KINDS[fault.kind].carry_out(Strike(fault, exchange, control_plane, listener))
