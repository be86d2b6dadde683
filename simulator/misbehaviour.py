# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the faults of a plan, as a bad proxy in front of a good control plane would."""

from __future__ import annotations

import asyncio
import math
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import orjson

from .connection import Listener
from .control_plane import ControlPlane
from .errors import ApiError
from .exchange import Exchange, Reply
from .fault_grammar import SHAPES
from .faults import Fault

HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>proxy</body></html>"
_LOOK_SECONDS = 0.02  # how often what waits looks whether the fault plan was replaced
_LISTS = ("succeeded", "failed")  # of a batch's answer
_PAGES = ("workloads", "pods")
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Strike:
    """One fault striking one request."""

    def __init__(self, fault: Fault, exchange: Exchange, plane: ControlPlane, listener: Listener) -> None:
        self.fault = fault
        self.exchange = exchange
        self.plane = plane
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
        return self.plane.faults.is_in_force(self.fault)

    async def _replaced(self) -> None:
        while self.is_in_force():
            await asyncio.sleep(_LOOK_SECONDS)

    async def apply_if_told(self) -> None:
        """Let the endpoints do their work, and drop their answer, when the fault comes after it."""
        if self.fault["apply"]:
            await self.exchange.answer()

    async def deliver(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Answer with this instead."""
        await self.exchange.deliver(Reply(status, body, content_type))

    async def deliver_changed(self, change: Callable[[Any], Any], *having: str) -> None:
        """Answer as the endpoints do, but with the JSON changed.

        A refusal stays as it is, and so does an object with none of the keys `having`.
        """
        reply = await self.exchange.answer()
        found = reply.json()
        if isinstance(found, dict) and any(name in found for name in having):
            changed = change(found)
            reply.body = orjson.dumps(found if changed is None else changed)
        await self.exchange.deliver(reply)


async def misbehave(fault: Fault, exchange: Exchange, plane: ControlPlane, listener: Listener) -> None:
    """Answer one request with a fault."""
    await _CARRIED_OUT_BY[fault.kind](Strike(fault, exchange, plane, listener))


async def _status(strike: Strike) -> None:
    fault = strike.fault
    await strike.apply_if_told()
    headers = {name.lower(): str(value) for name, value in fault["headers"].items()}
    if fault["retry_after"] is not None:
        headers["retry-after"] = str(fault["retry_after"])
    if fault["retry_after_date"] is not None:
        # A date has no fractions of a second: later rather than earlier.
        headers["retry-after"] = formatdate(math.ceil(time.time() + fault["retry_after_date"]), usegmt=True)
    body, content_type = fault["body"], "application/json"
    if body == "error":
        error = ApiError(fault["status"], fault["message"], fault["details"])
        content = orjson.dumps(error.body())
    elif body == "html":
        content, content_type = HTML, "text/html"
    else:
        content = b"" if body == "empty" else str(body).encode()
    await strike.exchange.deliver(Reply(fault["status"], content, content_type, headers))


async def _hang(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.idle(strike.fault["seconds"])
    await strike.exchange.cut()


async def _slow(strike: Strike) -> None:
    reply = await strike.exchange.answer()
    if await strike.idle(strike.fault["seconds"]):
        await strike.exchange.deliver(reply)
    else:
        await strike.exchange.cut()


async def _dribble(strike: Strike) -> None:
    exchange, pieces = strike.exchange, strike.fault["pieces"]
    reply = await exchange.answer()
    await exchange.begin(reply)
    size = max(1, math.ceil(len(reply.body) / pieces))
    for start in range(0, max(1, len(reply.body)), size):
        if not await strike.idle(strike.fault["seconds"] / pieces):
            await exchange.cut()
            return
        end = start + size
        await exchange.send_part(reply.body[start:end], last=end >= len(reply.body))


async def _cut(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.exchange.cut(strike.fault["reset"])


async def _cut_in_body(strike: Strike) -> None:
    reply = await strike.exchange.answer()
    await strike.exchange.begin(reply)
    await strike.exchange.send_part(reply.body[: len(reply.body) // 2])
    await strike.exchange.cut(strike.fault["reset"])


async def _half_json(strike: Strike) -> None:
    reply = await strike.exchange.answer()
    reply.body = reply.body[: len(reply.body) // 2]
    await strike.exchange.deliver(reply)


async def _html(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.deliver(strike.fault["status"], HTML, "text/html")


async def _other_json(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.deliver(200, orjson.dumps(strike.fault["body"]))


async def _empty(strike: Strike) -> None:
    await strike.apply_if_told()
    await strike.deliver(strike.fault["status"], b"")


async def _answer_without(strike: Strike, left_out: set[str]) -> Reply:
    """The answer to the batch without these ids, which the endpoints never see."""
    batch = strike.exchange.batch()
    assert batch is not None
    rest = [one for one in batch["ids"] if one.lower() not in left_out]
    if not rest:
        return Reply(200, orjson.dumps({"id": str(uuid.uuid4())}))
    return await strike.exchange.answer(body=orjson.dumps({**batch, "ids": rest}))


def _chosen(strike: Strike) -> set[str] | None:
    """The ids of the batch that the fault is about; None when the request is no batch."""
    batch = strike.exchange.batch()
    if batch is None:
        return None
    return {one.lower() for one in strike.fault.chosen(str(one) for one in batch["ids"])}


async def _omit_ids(strike: Strike) -> None:
    chosen = _chosen(strike)
    if chosen is None:
        await strike.exchange.pass_on()
    elif not strike.fault["apply"]:
        await strike.exchange.deliver(await _answer_without(strike, chosen))
    else:

        def change(answer: dict[str, Any]) -> None:
            _replace(answer, "succeeded", [one for one in answer.get("succeeded", []) if one not in chosen])
            _replace(answer, "failed", [one for one in answer.get("failed", []) if one["id"] not in chosen])

        await strike.deliver_changed(change, *_LISTS)


def _replace(answer: dict[str, Any], name: str, found: list[Any]) -> None:
    answer.pop(name, None)
    if found:
        answer[name] = found


async def _foreign_ids(strike: Strike) -> None:
    def change(answer: dict[str, Any]) -> None:
        ids = [str(uuid.uuid4()) for _number in range(strike.fault["count"])]
        rows: list[Any] = ids
        if strike.fault["list"] == "failed":
            rows = [{"id": one, "code": 500, "message": "nobody asked"} for one in ids]
        answer.setdefault(strike.fault["list"], []).extend(rows)

    await strike.deliver_changed(change, *_LISTS)


async def _both_lists(strike: Strike) -> None:
    def change(answer: dict[str, Any]) -> None:
        for one in strike.fault.chosen(answer.get("succeeded", [])):
            failure = {"id": one, "code": strike.fault["code"], "message": strike.fault["message"]}
            answer.setdefault("failed", []).append(failure)

    await strike.deliver_changed(change, *_LISTS)


async def _refuse_ids(strike: Strike) -> None:
    chosen = _chosen(strike)
    if chosen is None:
        await strike.exchange.pass_on()
        return
    reply = await _answer_without(strike, chosen)
    answer = reply.json()
    if answer is not None:
        shape = strike.fault["shape"]
        message = strike.fault["message"] if shape is None else SHAPES[shape]
        failed = answer.setdefault("failed", [])
        failed.extend({"id": one, "code": strike.fault["code"], "message": message} for one in sorted(chosen))
        _replace(answer, "failed", failed)
        reply.body = orjson.dumps(answer)
    await strike.exchange.deliver(reply)


async def _upper_case_ids(strike: Strike) -> None:
    reply = await strike.exchange.answer()
    reply.body = _UUID.sub(lambda match: match.group().upper(), reply.body)
    await strike.exchange.deliver(reply)


async def _deliver_page(strike: Strike, offset: int) -> None:
    """The rows that are at this offset, with the `next` that belongs to the offset asked for."""
    exchange = strike.exchange
    reply = await exchange.answer()
    page = reply.json()
    if isinstance(page, dict):
        other = (await exchange.answer(query={**exchange.query, "offset": str(max(0, offset))})).json()
        for name in _PAGES:
            if name in page and isinstance(other, dict):
                page[name] = other[name]
        reply.body = orjson.dumps(page)
    await exchange.deliver(reply)


def _asked(strike: Strike) -> tuple[int, int]:
    """Offset and limit of the page that was asked for."""
    query = strike.exchange.query
    return int(query.get("offset", "0")), int(query.get("limit", "50"))


async def _repeat_page(strike: Strike) -> None:
    await _deliver_page(strike, 0)


async def _shift_rows(strike: Strike) -> None:
    await _deliver_page(strike, _asked(strike)[0] + strike.fault["rows"])


async def _stuck_next(strike: Strike) -> None:
    await strike.deliver_changed(lambda page: {**page, "next": _asked(strike)[0]}, *_PAGES)


async def _drop_next(strike: Strike) -> None:
    await strike.deliver_changed(lambda page: {name: page[name] for name in page if name != "next"}, "next")


async def _endless_list(strike: Strike) -> None:
    offset, limit = _asked(strike)
    exchange = strike.exchange
    first = (await exchange.answer(query={**exchange.query, "offset": "0"})).json()

    def change(page: dict[str, Any]) -> None:
        for name in _PAGES:
            if name in page and len(page[name]) < limit and isinstance(first, dict):
                page[name] = first[name]
        page["next"] = offset + limit

    await strike.deliver_changed(change, *_PAGES)


async def _wrong_count(strike: Strike) -> None:
    await strike.deliver_changed(lambda answer: {**answer, "count": strike.fault["count"]}, "count")


async def _edit_rows(strike: Strike) -> None:
    def change(answer: dict[str, Any]) -> None:
        rows = answer.get("workloads", answer.get("pods", [answer]))
        chosen = set(strike.fault.chosen(row["id"] for row in rows))
        for row in rows:
            if row["id"] in chosen:
                row.update(strike.fault["set"])
                for name in strike.fault["drop"]:
                    row.pop(name, None)

    await strike.deliver_changed(change, *_PAGES, "phase")


async def _down(strike: Strike) -> None:
    await strike.apply_if_told()
    strike.exchange.about_to_end()
    strike.listener.interrupt(strike.fault["seconds"], lambda: not strike.is_in_force())
    await strike.exchange.disconnected()


async def _redirect(strike: Strike) -> None:
    scope = strike.exchange.scope
    query = scope["query_string"].decode("latin-1")
    target = strike.fault["location"].rstrip("/") + scope["path"] + (f"?{query}" if query else "")
    await strike.exchange.deliver(Reply(strike.fault["status"], b"", headers={"location": target}))


async def _revoke_tokens(strike: Strike) -> None:
    strike.plane.tokens.revoke()
    await strike.exchange.pass_on()


async def _change_phase(strike: Strike) -> None:
    fault, fleet = strike.fault, strike.plane.fleet

    def change() -> None:
        for one in fault["ids"]:
            if fleet.phase(one.lower()) is not None:
                fleet.set_phase(one.lower(), fault["phase"], fault["frozen"])

    if not fault["after"]:
        change()
        await strike.exchange.pass_on()
        return
    reply = await strike.exchange.answer()
    change()
    await strike.exchange.deliver(reply)


_CARRIED_OUT_BY: dict[str, Callable[[Strike], Awaitable[None]]] = {
    "status": _status,
    "hang": _hang,
    "slow": _slow,
    "dribble": _dribble,
    "cut": _cut,
    "cut_in_body": _cut_in_body,
    "half_json": _half_json,
    "html": _html,
    "other_json": _other_json,
    "empty": _empty,
    "omit_ids": _omit_ids,
    "foreign_ids": _foreign_ids,
    "both_lists": _both_lists,
    "refuse_ids": _refuse_ids,
    "upper_case_ids": _upper_case_ids,
    "repeat_page": _repeat_page,
    "stuck_next": _stuck_next,
    "endless_list": _endless_list,
    "drop_next": _drop_next,
    "shift_rows": _shift_rows,
    "wrong_count": _wrong_count,
    "edit_rows": _edit_rows,
    "down": _down,
    "redirect": _redirect,
    "revoke_tokens": _revoke_tokens,
    "change_phase": _change_phase,
}
