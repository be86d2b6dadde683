# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of time and of the connection: responses that come late, in part or never."""

from __future__ import annotations

import math

from .strike import APPLY, SECONDS, SWITCH, TEXT, Strike, kind

_SURPLUS = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"error": 1}'


@kind("hang", seconds=SECONDS | {"default": 3600.0}, apply=APPLY)
async def _hang(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.idle(strike.fault["seconds"])
    await strike.exchange.cut()


@kind("slow", seconds=SECONDS)
async def _slow(strike: Strike) -> None:
    reply = await strike.exchange.response()
    if await strike.idle(strike.fault["seconds"]):
        await strike.exchange.deliver(reply)
    else:
        await strike.exchange.cut()


@kind("dribble", seconds=SECONDS, pieces={"type": "integer", "minimum": 1, "default": 10})
async def _dribble(strike: Strike) -> None:
    exchange, pieces = strike.exchange, strike.fault["pieces"]
    reply = await exchange.response()
    await exchange.begin(reply)
    size = max(1, math.ceil(len(reply.body) / pieces))
    for start in range(0, max(1, len(reply.body)), size):
        if not await strike.idle(strike.fault["seconds"] / pieces):
            await exchange.cut()
            return
        end = start + size
        await exchange.send_part(reply.body[start:end], last=end >= len(reply.body))


@kind("cut", reset=SWITCH, apply=APPLY)
async def _cut(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.exchange.cut(strike.fault["reset"])


@kind("cut_in_body", reset=SWITCH)
async def _cut_in_body(strike: Strike) -> None:
    reply = await strike.exchange.response()
    await strike.exchange.begin(reply)
    await strike.exchange.send_part(reply.body[: len(reply.body) // 2])
    await strike.exchange.cut(strike.fault["reset"])


@kind("down", seconds=SECONDS, apply=APPLY)
async def _down(strike: Strike) -> None:
    await strike.apply_if_told()
    strike.exchange.about_to_end()
    strike.listener.interrupt(strike.fault["seconds"], lambda: not strike.is_in_force())
    await strike.exchange.disconnected()


@kind(
    "interim",
    status={"type": "integer", "minimum": 102, "maximum": 199, "default": 103},
    count={"type": "integer", "minimum": 1, "default": 1},
)
async def _interim(strike: Strike) -> None:
    """The right response, and ahead of it interim ones, which HTTP allows."""
    reply = await strike.exchange.response()
    interim = f"HTTP/1.1 {strike.fault['status']} Interim\r\nlink: </style.css>; rel=preload\r\n\r\n"
    strike.exchange.connection.write(interim.encode() * strike.fault["count"])
    await strike.exchange.deliver(reply)


@kind("surplus", text=TEXT | {"default": _SURPLUS})
async def _surplus(strike: Strike) -> None:
    """The right response, and behind it other bytes: a second response, unless `text` is set."""
    reply = await strike.exchange.response()
    await strike.exchange.begin(reply)
    # In one piece, so that they are there when the client has read the response.
    strike.exchange.connection.write_body(reply.body + strike.fault["text"].encode())
    await strike.exchange.send_part(b"", last=True)
