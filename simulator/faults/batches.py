# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in the response to a batch: ids that are missing, foreign, doubled or refused."""

from __future__ import annotations

import uuid
from typing import Any

import orjson

from ..http.exchange import Reply
from .strike import APPLY, CODE, COUNT, IDS, SWITCH, TEXT, Strike, kind

LISTS = ("succeeded", "failed")
MESSAGES = {
    "huge": "x" * 100_000,
    "control": "one\r\ntwo\x1b[31m red \x1b[0m\x07\x00\u202e reversed",
    "jinja": "{{ 7 * 7 }} {% for one in range(9) %}x{% endfor %} {{ lookup('env', 'HOME') }}",
}
"""Messages that a refused id may come with, to see whether the client is safe from them."""


async def _answer_without(strike: Strike, left_out: set[str]) -> Reply:
    """The response to the batch without these ids, which the endpoints never see."""
    batch = strike.exchange.batch()
    assert batch is not None
    rest = [one for one in batch["ids"] if one.lower() not in left_out]
    if not rest:
        return Reply(200, orjson.dumps({"id": str(uuid.uuid4())}))
    return await strike.exchange.response(body=orjson.dumps({**batch, "ids": rest}))


def _chosen(strike: Strike) -> set[str] | None:
    """The ids of the batch that the fault is about; None when the request is no batch."""
    batch = strike.exchange.batch()
    if batch is None:
        return None
    return {one.lower() for one in strike.fault.chosen(str(one) for one in batch["ids"])}


@kind("omit_ids", apply=APPLY | {"default": True}, count=COUNT, ids=IDS)
async def _omit_ids(strike: Strike) -> None:
    chosen = _chosen(strike)
    if chosen is None:
        await strike.exchange.pass_on()
    elif not strike.fault["apply"]:
        await strike.exchange.deliver(await _answer_without(strike, chosen))
    else:

        def change(response: dict[str, Any]) -> None:
            _replace(
                response, "succeeded", [one for one in response.get("succeeded", []) if one not in chosen]
            )
            _replace(
                response, "failed", [one for one in response.get("failed", []) if one["id"] not in chosen]
            )

        await strike.deliver_changed(change, *LISTS)


def _replace(response: dict[str, Any], name: str, found: list[Any]) -> None:
    response.pop(name, None)
    if found:
        response[name] = found


@kind(
    "foreign_ids",
    count={"type": "integer", "minimum": 0, "default": 1},
    list={"enum": ["succeeded", "failed"], "default": "succeeded"},
)
async def _foreign_ids(strike: Strike) -> None:
    def change(response: dict[str, Any]) -> None:
        ids = [str(uuid.uuid4()) for _number in range(strike.fault["count"])]
        rows: list[Any] = ids
        if strike.fault["list"] == "failed":
            rows = [{"id": one, "code": 500, "message": "nobody asked"} for one in ids]
        response.setdefault(strike.fault["list"], []).extend(rows)

    await strike.deliver_changed(change, *LISTS)


@kind(
    "both_lists",
    code=CODE | {"default": 500},
    message=TEXT | {"default": "in both lists"},
    count=COUNT,
    ids=IDS,
)
async def _both_lists(strike: Strike) -> None:
    def change(response: dict[str, Any]) -> None:
        for one in strike.fault.chosen(response.get("succeeded", [])):
            failure = {"id": one, "code": strike.fault["code"], "message": strike.fault["message"]}
            response.setdefault("failed", []).append(failure)

    await strike.deliver_changed(change, *LISTS)


@kind(
    "refuse_ids",
    code=CODE | {"default": 409},
    message=TEXT | {"default": "conflict, try later"},
    shape={"enum": [*MESSAGES, None], "default": None},
    cut=SWITCH,
    count=COUNT,
    ids=IDS,
)
async def _refuse_ids(strike: Strike) -> None:
    chosen = _chosen(strike)
    if chosen is None:
        await strike.exchange.pass_on()
        return
    reply = await _answer_without(strike, chosen)
    if strike.fault["cut"]:
        await strike.exchange.cut()
        return
    response = reply.json()
    if response is not None:
        shape = strike.fault["shape"]
        message = strike.fault["message"] if shape is None else MESSAGES[shape]
        failed = response.setdefault("failed", [])
        failed.extend({"id": one, "code": strike.fault["code"], "message": message} for one in sorted(chosen))
        _replace(response, "failed", failed)
        reply.body = orjson.dumps(response)
    await strike.exchange.deliver(reply)
