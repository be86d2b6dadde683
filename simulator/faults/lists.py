# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of lists: pages, counts and rows that are not as they should be."""

from __future__ import annotations

from itertools import groupby
from random import Random
from typing import Any

import orjson

from ..api.contract import ApiError
from ..http.exchange import Reply
from .strike import COUNT, IDS, STATUS, SWITCH, TEXT, Strike, kind

_PAGES = ("workloads", "pods")
_LISTS = (*_PAGES, "nodes", "nodepools", "projects", "departments")
_FOR_EVER = 1e6
_FROM_ONE = {"type": "integer", "minimum": 1}


async def _deliver_page(strike: Strike, offset: int) -> None:
    """The rows that are at this offset, with the `next` that belongs to the offset asked for."""
    exchange = strike.exchange
    reply = await exchange.response()
    page = reply.json()
    if isinstance(page, dict):
        other = (await exchange.response(query={**exchange.query, "offset": str(max(0, offset))})).json()
        for name in _PAGES:
            if name in page and isinstance(other, dict):
                page[name] = other[name]
        reply.body = orjson.dumps(page)
    await exchange.deliver(reply)


def _asked(strike: Strike) -> tuple[int, int]:
    """Offset and limit of the page that was asked for."""
    query = strike.exchange.query
    return int(query.get("offset", "0")), int(query.get("limit", "50"))


@kind("repeat_page")
async def _repeat_page(strike: Strike) -> None:
    await _deliver_page(strike, 0)


@kind("shift_rows", rows={"type": "integer", "default": 1})
async def _shift_rows(strike: Strike) -> None:
    await _deliver_page(strike, _asked(strike)[0] + strike.fault["rows"])


@kind("stuck_next")
async def _stuck_next(strike: Strike) -> None:
    await strike.deliver_changed(lambda page: {**page, "next": _asked(strike)[0]}, *_PAGES)


@kind("drop_next")
async def _drop_next(strike: Strike) -> None:
    await strike.deliver_changed(lambda page: {name: page[name] for name in page if name != "next"}, "next")


@kind("endless_list")
async def _endless_list(strike: Strike) -> None:
    offset, limit = _asked(strike)
    exchange = strike.exchange
    first = (await exchange.response(query={**exchange.query, "offset": "0"})).json()

    def change(page: dict[str, Any]) -> None:
        for name in _PAGES:
            if name in page and len(page[name]) < limit and isinstance(first, dict):
                page[name] = first[name]
        page["next"] = offset + limit

    await strike.deliver_changed(change, *_PAGES)


@kind("wrong_count", count={"type": "integer", "default": 0})
async def _wrong_count(strike: Strike) -> None:
    await strike.deliver_changed(lambda response: {**response, "count": strike.fault["count"]}, "count")


@kind(
    "edit_rows",
    set={"type": "object", "default": {}},
    drop={"type": "array", "items": TEXT, "default": []},
    count=COUNT | {"default": "all"},
    ids=IDS,
)
async def _edit_rows(strike: Strike) -> None:
    def change(response: dict[str, Any]) -> None:
        rows = response.get("workloads", response.get("pods", [response]))
        chosen = set(strike.fault.chosen(row["id"] for row in rows))
        for row in rows:
            if row["id"] in chosen:
                row.update(strike.fault["set"])
                for name in strike.fault["drop"]:
                    row.pop(name, None)

    await strike.deliver_changed(change, *_PAGES, "phase")


async def _answered_list(strike: Strike) -> tuple[Reply, str | None]:
    """The right response, and the name of the list that it is a page of."""
    reply = await strike.exchange.response()
    page = reply.json()
    return reply, next((name for name in _LISTS if isinstance(page, dict) and name in page), None)


@kind("large_page", limit=_FROM_ONE | {"default": 100}, status=STATUS | {"default": 500}, hang=SWITCH)
async def _large_page(strike: Strike) -> None:
    """A failure, or no response at all, where a page of more rows than the limit is asked for."""
    reply, name = await _answered_list(strike)
    if name is None or _asked(strike)[1] <= strike.fault["limit"]:
        await strike.exchange.deliver(reply)
    elif strike.fault["hang"]:
        await strike.idle(_FOR_EVER)
        await strike.exchange.cut()
    else:
        error = ApiError(strike.fault["status"], "received message larger than max (4301212 vs. 4194304)")
        await strike.deliver(error.status, orjson.dumps(error.body()))


@kind("cap_pages", limit=_FROM_ONE | {"default": 100}, next={"type": "boolean", "default": True})
async def _cap_pages(strike: Strike) -> None:
    """Pages of at most so many rows, whatever is asked for, with the right `next` or with none."""
    exchange = strike.exchange
    reply, name = await _answered_list(strike)
    if name is not None:
        limit = min(_asked(strike)[1], strike.fault["limit"])
        reply = await exchange.response(query={**exchange.query, "limit": str(limit)})
        if not strike.fault["next"]:
            reply.body = orjson.dumps({name: reply.json()[name]})
    await exchange.deliver(reply)


@kind("unstable_order", seed={"type": "integer", "default": 0}, each_request=SWITCH)
async def _unstable_order(strike: Strike) -> None:
    """Rows with equal sort keys in another order on every page: pages overlap, and rows are in none."""
    exchange, fault = strike.exchange, strike.fault
    reply, name = await _answered_list(strike)
    if name is not None:
        offset, limit = _asked(strike)
        number = fault.memory["made"] = fault.memory.get("made", 0) + 1
        dice = Random(f"{fault['seed']}/{offset}/{limit}/{number if fault['each_request'] else ''}")
        rows = _shuffled(await _all_rows(strike, name), exchange.query.get("sortBy"), dice)
        reply.body = orjson.dumps({**reply.json(), name: rows[offset : offset + limit]})
    await exchange.deliver(reply)


async def _all_rows(strike: Strike, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        query = {**strike.exchange.query, "limit": "500", "offset": str(len(rows))}
        found = (await strike.exchange.response(query=query)).json()[name]
        rows.extend(found)
        if len(found) < 500:
            return rows


def _shuffled(rows: list[dict[str, Any]], sort_by: str | None, dice: Random) -> list[dict[str, Any]]:
    """The rows with those of each sort key among themselves in another order; without a key, all of them."""
    found: list[dict[str, Any]] = []
    for _key, group in groupby(rows, lambda row: None if sort_by is None else row.get(sort_by)):
        equal = list(group)
        dice.shuffle(equal)
        found.extend(equal)
    return found
