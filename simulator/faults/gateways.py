# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what stands before a control plane: gateways, load balancers, proxies with cookies."""

from __future__ import annotations

from typing import Any

import orjson

from ..api.contract import ApiError
from ..http.exchange import Reply
from .strike import SECONDS, STATUS, TEXT, Strike, kind

_MANY = {"type": "integer", "minimum": 0}
_FROM_ONE = {"type": "integer", "minimum": 1}


async def _refuse(strike: Strike, error: ApiError, headers: dict[str, str] | None = None) -> None:
    await strike.exchange.deliver(Reply(error.status, orjson.dumps(error.body()), headers=headers or {}))


async def _refuse_token(strike: Strike, reason: str) -> None:
    challenge = f'Bearer error="invalid_token", error_description="{reason}"'
    await _refuse(strike, ApiError(401, "unauthorized", reason), {"www-authenticate": challenge})


@kind(
    "cookies",
    size=_FROM_ONE | {"default": 512},
    limit=_FROM_ONE | {"default": 4096},
    status=STATUS | {"default": 431},
)
async def _cookies(strike: Strike) -> None:
    """A new cookie with each response, and a refusal once a client sends too much of them back."""
    if len(strike.exchange.header(b"cookie")) > strike.fault["limit"]:
        await _refuse(strike, ApiError(strike.fault["status"], "request header or cookie too large"))
        return
    memory = strike.fault.memory
    memory["made"] = memory.get("made", 0) + 1
    reply = await strike.exchange.response()
    reply.headers["set-cookie"] = f"route{memory['made']}={'x' * strike.fault['size']}; Path=/"
    await strike.exchange.deliver(reply)


@kind(
    "fresh_token",
    requests=_MANY | {"default": 1},
    seconds=SECONDS | {"default": 0},
    every=_FROM_ONE | {"default": 1},
)
async def _fresh_token(strike: Strike) -> None:
    """A 401 to the first requests with a token, or until it is so old; or to each n-th of these."""
    fault, exchange = strike.fault, strike.exchange
    token = exchange.header(b"authorization").partition(" ")[2]
    if not token:
        await exchange.pass_on()
        return
    seen: dict[str, int] = fault.memory.setdefault("seen", {})
    number = seen[token] = seen.get(token, 0) + 1
    age = strike.control_plane.tokens.age(token)
    is_fresh = number <= fault["requests"] * fault["every"] or (age is not None and age < fault["seconds"])
    if is_fresh and (number - 1) % fault["every"] == 0:
        await _refuse_token(strike, "the key of this token is not known here yet")
    else:
        await exchange.pass_on()


@kind("unknown_path", status=STATUS | {"default": 401})
async def _unknown_path(strike: Strike) -> None:
    """Another status for paths that the version does not have, as of a gateway that checks tokens first."""
    reply = await strike.exchange.response()
    if reply.status != 404 or not orjson.loads(reply.body)["message"].startswith("not found"):
        await strike.exchange.deliver(reply)
    elif strike.fault["status"] == 401:
        await _refuse_token(strike, "no token in this request")
    else:
        await _refuse(strike, ApiError(strike.fault["status"], "no route"))


@kind(
    "busy",
    limit=_MANY | {"default": 6},
    status=STATUS | {"default": 429},
    retry_after={"type": ["number", "string", "null"], "default": None},
)
async def _busy(strike: Strike) -> None:
    """A refusal while more requests than the limit are in flight."""
    if strike.control_plane.log.requests_in_flight <= strike.fault["limit"]:
        await strike.exchange.pass_on()
        return
    after = strike.fault["retry_after"]
    headers = {} if after is None else {"retry-after": str(after)}
    await _refuse(strike, ApiError(strike.fault["status"], "too many requests in flight"), headers)


@kind("congestion", limit=_MANY | {"default": 6}, seconds=SECONDS | {"default": 0.1})
async def _congestion(strike: Strike) -> None:
    """A response that is so much later for each request in flight above the limit."""
    above = strike.control_plane.log.requests_in_flight - strike.fault["limit"]
    if above <= 0 or await strike.idle(above * strike.fault["seconds"]):
        await strike.exchange.pass_on()
    else:
        await strike.exchange.cut()


@kind("wrong_encoding", encoding=TEXT | {"default": "gzip"})
async def _wrong_encoding(strike: Strike) -> None:
    """A header that says that the body is compressed, which it is not."""
    reply = await strike.exchange.response()
    reply.headers["content-encoding"] = strike.fault["encoding"]
    await strike.exchange.deliver(reply)


@kind("empty_lists", value={"enum": ["object", "null"], "default": "object"})
async def _empty_lists(strike: Strike) -> None:
    """`{}` or null for every empty list, also for those that a batch leaves out."""
    reply = await strike.exchange.response()
    found = reply.json()
    if found is not None:
        if isinstance(found, dict) and strike.exchange.batch() is not None:
            found = {"succeeded": [], "failed": [], **found}
        instead: dict[str, Any] | None = {} if strike.fault["value"] == "object" else None
        reply.body = orjson.dumps(_without_empty_lists(found, instead))
    await strike.exchange.deliver(reply)


def _without_empty_lists(found: Any, instead: Any) -> Any:
    if isinstance(found, dict):
        return {name: _without_empty_lists(value, instead) for name, value in found.items()}
    if isinstance(found, list):
        return [_without_empty_lists(value, instead) for value in found] if found else instead
    return found
