# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that put another response in the place of the right one, or change what it is about."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import orjson

from ..api.contract import ApiError
from ..http.exchange import Reply
from .rule import Fault
from .strike import APPLY, STATUS, SWITCH, TEXT, Strike, kind

HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>proxy</body></html>"
_ERROR_SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nested": lambda error: {"error": error},
    "problem": lambda error: {
        "type": "about:blank",
        "title": error["message"],
        "status": error["code"],
        "detail": error.get("details", ""),
    },
    "errors": lambda error: {"errors": [{"message": error["message"]}, {"detail": error.get("details", "")}]},
    "texts": lambda error: [error["message"], error.get("details", "")],
    "oauth2": lambda error: {"error": error["message"], "error_description": error.get("details", "")},
    "digits": lambda error: {**error, "code": str(error["code"])},
}
"""Shapes of errors that other servers and gateways have, made of the API's own."""

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@kind(
    "status",
    status=STATUS | {"default": 503},
    retry_after={"type": ["number", "string", "null"], "default": None},
    retry_after_date={"type": ["number", "null"], "default": None},
    body={"default": "error"},
    message=TEXT | {"default": "injected fault"},
    details={"type": ["string", "null"], "default": None},
    headers={"type": "object", "default": {}},
    apply=APPLY,
)
async def _status(strike: Strike) -> None:
    fault = strike.fault
    await strike.apply_if_told()
    headers = {name.lower(): str(value) for name, value in fault["headers"].items()}
    if fault["retry_after"] is not None:
        headers["retry-after"] = str(fault["retry_after"])
    if fault["retry_after_date"] is not None:
        # A date has no fractions of a second: later rather than earlier.
        headers["retry-after"] = formatdate(math.ceil(time.time() + fault["retry_after_date"]), usegmt=True)
    content, content_type = _body(fault)
    await strike.exchange.deliver(Reply(fault["status"], content, content_type, headers))


def _body(fault: Fault) -> tuple[bytes, str]:
    """The body of a refusal and its type."""
    body, error = fault["body"], ApiError(fault["status"], fault["message"], fault["details"]).body()
    if body == "error":
        return orjson.dumps(error), "application/json"
    if body == "html":
        return HTML, "text/html"
    if isinstance(body, str) and body in _ERROR_SHAPES:
        body = _ERROR_SHAPES[body](error)
    if isinstance(body, (dict, list)):
        return orjson.dumps(body, option=orjson.OPT_INDENT_2), "application/json"
    return b"" if body == "empty" else str(body).encode(), "application/json"


@kind("html", status=STATUS, apply=APPLY)
async def _html(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.deliver(strike.fault["status"], HTML, "text/html")


@kind("other_json", body={"default": {"hello": "world"}}, apply=APPLY)
async def _other_json(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.deliver(200, orjson.dumps(strike.fault["body"]))


@kind("empty", status=STATUS, apply=APPLY)
async def _empty(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.deliver(strike.fault["status"], b"")


@kind("half_json")
async def _half_json(strike: Strike) -> None:
    reply = await strike.exchange.response()
    reply.body = reply.body[: len(reply.body) // 2]
    await strike.exchange.deliver(reply)


@kind("upper_case_ids")
async def _upper_case_ids(strike: Strike) -> None:
    reply = await strike.exchange.response()
    reply.body = _UUID.sub(lambda match: match.group().upper(), reply.body)
    await strike.exchange.deliver(reply)


@kind("redirect", location=TEXT | {"default": "http://localhost:9/"}, status=STATUS | {"default": 307})
async def _redirect(strike: Strike) -> None:
    scope = strike.exchange.scope
    query = scope["query_string"].decode("latin-1")
    target = strike.fault["location"].rstrip("/") + scope["path"] + (f"?{query}" if query else "")
    await strike.exchange.deliver(Reply(strike.fault["status"], b"", headers={"location": target}))


@kind("revoke_tokens")
async def _revoke_tokens(strike: Strike) -> None:
    strike.control_plane.tokens.revoke()
    await strike.exchange.pass_on()


@kind(
    "change_phase",
    phase=TEXT | {"default": "Stopped"},
    frozen=SWITCH,
    ids={"type": "array", "items": TEXT, "default": []},
    after=SWITCH,
)
async def _change_phase(strike: Strike) -> None:
    fault, fleet = strike.fault, strike.control_plane.fleet

    def change() -> None:
        for one in fault["ids"]:
            if fleet.phase(one.lower()) is not None:
                fleet.set_phase(one.lower(), fault["phase"], fault["frozen"])

    if not fault["after"]:
        change()
        await strike.exchange.pass_on()
        return
    reply = await strike.exchange.response()
    change()
    await strike.exchange.deliver(reply)
