# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests side by side: one call for many items, and all rows of a list that comes in pages.

Pages are smaller for a list whose large pages the control plane cannot send.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Callable, Optional, TypeVar

from .._common.ids import fold_id
from .errors import MalformedResponse, RequestError, StatusError
from .responses import Page

# The most that the API gives at once (limit 1..500 in Run:ai API 2.18 to 2.25).
PAGE_SIZE = 500
# The number of rows without a limit in the request.
_DEFAULT_LIMIT = 50
# A million rows; the largest fleet in NVIDIA's sizing page has 8,500.
_MOST_PAGES = 2000
# A list that changes while it is read may show the rows of a page again, but not page after page.
_MOST_REPEATED = 2
# No size of a page below it is tried: a failure of such a page has another reason.
_SMALLEST = 15
_SIZE_TEXT = re.compile(
    r"larger than (the )?max|too (large|big)\b|(message|response|body|payload) size", re.IGNORECASE
)

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


class PageSize:
    """Number of rows to request at once, within the read of one page of ``size`` rows.

    A fault that names the size leads to half of it. A server error or a time-out, twice in a row, leads
    to one try of each smaller size. If one of these works, the size before it is tried once more, as the
    fault may have been an outage.
    """

    def __init__(self, size: int) -> None:
        self.now = size
        # Whether a smaller size works and the first one does not.
        self.is_settled = False
        self._first = size
        self._too_large = size
        self._kind: Optional[str] = None
        self._is_named = False
        self._works: Optional[int] = None

    def failed(self, fault: RequestError) -> bool:
        """Choose the next size after a fault; return whether to request it at once, without a pause."""
        if _names_size(fault):
            self._is_named = self.now // 2 >= _SMALLEST
            self._choose_smaller()
            return self._is_named
        if not _may_be_size(fault):
            self._kind = None
            return False
        if self._works is not None and fault.kind == self._kind:
            self.now, self._works, self.is_settled = self._works, None, True
            return True
        if fault.kind == self._kind:
            self._choose_smaller()
        self._kind = fault.kind
        return False

    def worked(self, is_end: bool) -> bool:
        """Return whether to use a page that arrived; ``is_end`` if the list ends with it."""
        if self._works is not None:
            # The fault was an outage: the size that failed works again.
            self.now, self._works = self._first, None
        elif self._is_named:
            self.is_settled = True
        elif self.now < self._first and not self.is_settled and not is_end:
            self._works, self.now = self.now, self._too_large
            return False
        self._kind = None
        return True

    def _choose_smaller(self) -> None:
        self._too_large = self.now
        self.now = self.now // 2 if self.now // 2 >= _SMALLEST else self._first


def _names_size(fault: RequestError) -> bool:
    return isinstance(fault, StatusError) and (
        fault.status == 413
        # gRPC gateways report a message that is too large as 429.
        or ((fault.status == 429 or fault.status >= 500) and bool(_SIZE_TEXT.search(fault.text)))
    )


def _may_be_size(fault: RequestError) -> bool:
    if isinstance(fault, StatusError):
        return fault.status >= 500 and not fault.refused_for_now
    return fault.kind == "a timeout"
