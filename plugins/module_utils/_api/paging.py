# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests side by side: one call for many items, and all rows of a list that comes in pages."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Callable, Optional, TypeVar

from .._common.ids import fold_id
from .errors import MalformedResponse
from .responses import Page

# The most that the API gives at once (limit 1..500 in Run:ai API 2.18 to 2.25).
PAGE_SIZE = 500
# The number of rows without a limit in the request.
_DEFAULT_LIMIT = 50
# A million rows; the largest fleet in NVIDIA's sizing page has 8,500.
_MOST_PAGES = 2000
# A list that changes while it is read may show the rows of a page again, but not page after page.
_MOST_REPEATED = 2

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_parallel(call: Callable[[_Item], _Result], items: Iterable[_Item], workers: int) -> list[_Result]:
    """Return ``call`` of each item, in their order; raise the first error and begin no call after it."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(until_an_error(call), items))


def until_an_error(call: Callable[[_Item], _Result]) -> Callable[[_Item], _Result]:
    """Return ``call`` such that, once it has raised in any thread, it raises that again instead of beginning.

    The thread that failed sees to it itself: before another could, it has taken the next item.
    """
    faults: list[BaseException] = []

    def guarded(item: _Item) -> _Result:
        if not faults:
            try:
                return call(item)
            except BaseException as fault:  # noqa: BLE001
                faults.append(fault)
        raise faults[0]

    return guarded


def page_offsets(total: Optional[int], size: int = PAGE_SIZE) -> list[int]:
    """Return the offsets of the pages of a list with ``total`` rows; just the first where that is unknown."""
    if total is None or total > size * _MOST_PAGES:
        return [0]
    return list(range(0, max(total, 1), size))


def assume_next(page: Page, offset: int) -> Page:
    """Return the page with a next one, where the response names none and its rows may be a part of the list.

    The API describes no "next" for nodes, and an optional one for other lists. Some servers send fewer
    rows than requested, but hardly fewer than the API's default.
    """
    if page.next is None and len(page.rows) >= _DEFAULT_LIMIT:
        return page._replace(next=offset + len(page.rows), is_next_assumed=len(page.rows) < PAGE_SIZE)
    return page


def read_pages(
    path: str,
    fetch: Callable[[int], Page],
    offsets: Iterable[int],
    workers: int,
    is_enough: Callable[[dict[str, dict[str, Any]]], bool] = lambda rows: False,
    identity: Callable[[dict[str, Any]], Optional[str]] = lambda row: fold_id(row.get("id")),
) -> dict[str, dict[str, Any]]:
    """Read the pages of ``path`` at ``offsets`` and all that they lead to; return the rows by identity.

    ``fetch`` gets an offset and returns that page; ``workers`` run at once. No new page is begun once
    ``is_enough`` says so of the rows so far. Rows without an ``identity``, by default their uuid, are left
    out. Raises what ``fetch`` raised first, and MalformedResponse for a list that repeats or never ends.
    """
    fetch = until_an_error(fetch)
    rows: dict[str, dict[str, Any]] = {}
    known = set()
    repeated = 0
    with ThreadPoolExecutor(max_workers=workers) as pool:
        running: dict[Future[Page], int] = {}

        def begin(offset: int) -> None:
            if offset not in known:
                known.add(offset)
                running[pool.submit(fetch, offset)] = offset

        try:
            for offset in offsets:
                begin(offset)
            while running:
                done, _pending = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    offset = running.pop(future)
                    page = future.result()
                    before = len(rows)
                    rows.update((one, row) for row in page.rows if (one := identity(row)) is not None)
                    is_repeat = len(rows) == before
                    repeated += is_repeat and (bool(page.rows) or page.next is not None)
                    # A server without pages sends the whole list again.
                    following = None if is_repeat and page.is_next_assumed else page.next
                    if is_enough(rows):
                        return rows
                    if repeated > _MOST_REPEATED or len(known) > _MOST_PAGES:
                        message = "the pages of the list repeat or never end"
                        raise MalformedResponse("GET", path, "a list that never ends", message)
                    # A page that begins in between leads on from there, also where pages hold fewer
                    # rows than asked for.
                    if following is not None and not any(offset < other <= following for other in known):
                        begin(following)
        finally:
            pool.shutdown(cancel_futures=True)
    return rows
