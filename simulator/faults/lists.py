# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of lists: pages, counts and rows that are not as they should be."""

from __future__ import annotations

from typing import Any

import orjson

from .strike import COUNT, IDS, TEXT, Strike, kind

_PAGES = ("workloads", "pods")


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
    first = (await exchange.answer(query={**exchange.query, "offset": "0"})).json()

    def change(page: dict[str, Any]) -> None:
        for name in _PAGES:
            if name in page and len(page[name]) < limit and isinstance(first, dict):
                page[name] = first[name]
        page["next"] = offset + limit

    await strike.deliver_changed(change, *_PAGES)


@kind("wrong_count", count={"type": "integer", "default": 0})
async def _wrong_count(strike: Strike) -> None:
    await strike.deliver_changed(lambda answer: {**answer, "count": strike.fault["count"]}, "count")


@kind(
    "edit_rows",
    set={"type": "object", "default": {}},
    drop={"type": "array", "items": TEXT, "default": []},
    count=COUNT | {"default": "all"},
    ids=IDS,
)
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
