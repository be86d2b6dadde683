# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of many workloads, read the cheaper way: one GET each, or pages of the list."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Callable, Optional, Union

from .._api.client import WORKLOADS, Client
from .._api.errors import RequestError
from .._api.paging import map_parallel, page_offsets, read_pages
from .._api.responses import Page
from .._api.retry import RetryBudget
from .row import moment
from .workload import FORBIDDEN, MISSING, ROW_KEYS, Workload, workload_from_row

# A row of the API, or MISSING or FORBIDDEN.
Found = Union[dict[str, Any], str]

# The two ways to read, as they stand in a sentence.
_BY_LIST = "from the list"
_SINGLY = "one by one"

# So few are asked for one by one without counting the fleet first.
_FEW = 8
# So many are surely cheaper by the list: the pages that they fill are asked for together with the count.
_MANY = 50


# Called in any thread with the way of reading, how many have been read, and of how many where that is known.
OnRead = Callable[[str, int, Optional[int]], None]


def _unheard(way: str, read: int, total: Optional[int]) -> None:
    """Ignore how far a read is."""


def is_cheaper_singly(wanted: int, fleet: Optional[int]) -> bool:
    """Return whether ``wanted`` GETs are fewer requests than the pages of a list of ``fleet`` workloads.

    Where the size of the fleet is not known, only a few are asked for singly.
    """
    if wanted <= _FEW:
        return True
    return fleet is not None and wanted <= len(page_offsets(fleet))


class StateReader:
    """Reads workloads by id through ``client``, with up to ``workers`` requests in flight.

    The size of the fleet is asked for once: later reads need it only to choose the way. Of rows from
    the list only ``keys`` are kept, or all with ``None``.
    """

    def __init__(self, client: Client, workers: int, keys: Optional[Collection[str]] = ROW_KEYS) -> None:
        self._client = client
        self._workers = workers
        self._keys = keys
        self._fleet: Optional[int] = None
        self._is_counted = False

    def read(
        self, ids: Sequence[str], retry_budget: Optional[RetryBudget] = None, on_read: OnRead = _unheard
    ) -> dict[str, Workload]:
        """Return a Workload for each of ``ids``. Raises what ``read_rows`` raises."""
        return {
            workload_id: Workload(workload_id, found)
            if isinstance(found, str)
            else workload_from_row(workload_id, found)
            for workload_id, found in self.read_rows(ids, retry_budget, on_read).items()
        }

    def read_rows(
        self, ids: Sequence[str], retry_budget: Optional[RetryBudget] = None, on_read: OnRead = _unheard
    ) -> dict[str, Found]:
        """Return for each of ``ids`` the API's own row, or MISSING or FORBIDDEN.

        No document says whether a GET shows what was deleted: a row that says it was counts as MISSING.
        An id that the list does not show is asked for by GET before it is called missing. Raises
        RequestError when the list fails, or when a GET fails with anything but 404 and 403.
        """
        pages: dict[int, Page] = {}
        if not is_cheaper_singly(len(ids), self._fleet) and not self._is_counted:
            # A list that shows them all is no shorter than they are.
            pages = self._count_and_read(page_offsets(len(ids)) if len(ids) >= _MANY else [], on_read)
        if is_cheaper_singly(len(ids), self._fleet) and not pages:
            return self._read_singly(ids, retry_budget, on_read, is_proven=False)
        found = self._read_list(ids, retry_budget, on_read, pages)
        missing = [workload_id for workload_id in ids if workload_id not in found]
        found.update(self._read_singly(missing, retry_budget, on_read, is_proven=True))
        return found

    def _count_and_read(self, offsets: Sequence[int], on_read: OnRead) -> dict[int, Page]:
        """Ask for the size of the fleet, and at the same time for the pages at ``offsets``."""
        pages: dict[int, Page] = {}

        def count() -> None:
            self._fleet = self._client.count()

        def read(offset: int) -> None:
            pages[offset] = self._page(offset)
            on_read(_BY_LIST, sum(len(page.rows) for page in list(pages.values())), self._fleet)

        calls: list[Callable[[], None]] = [count, *(partial(read, offset) for offset in offsets)]
        map_parallel(lambda call: call(), calls, self._workers)
        self._is_counted = True
        return pages

    def _page(self, offset: int, retry_budget: Optional[RetryBudget] = None) -> Page:
        return keep_keys(self._client.list_page(offset, retry_budget=retry_budget), self._keys)

    def _read_list(
        self,
        ids: Sequence[str],
        retry_budget: Optional[RetryBudget],
        on_read: OnRead,
        pages: Mapping[int, Page],
    ) -> dict[str, Found]:
        """Read the list until all ``ids`` are found; ``pages`` are those that are there already."""
        wanted = set(ids)

        def fetch(offset: int) -> Page:
            return pages[offset] if offset in pages else self._page(offset, retry_budget)

        def is_enough(rows: Mapping[str, Any]) -> bool:
            on_read(_BY_LIST, len(rows), self._fleet)
            return wanted <= rows.keys()

        rows = read_pages(WORKLOADS, fetch, page_offsets(self._fleet), self._workers, is_enough)
        return {workload_id: row_or_missing(rows[workload_id]) for workload_id in ids if workload_id in rows}

    def _read_singly(
        self, ids: Sequence[str], retry_budget: Optional[RetryBudget], on_read: OnRead, is_proven: bool
    ) -> dict[str, Found]:
        numbers = itertools.count(1)

        def read(workload_id: str) -> Found:
            found = self._read_one(workload_id, retry_budget)
            on_read(_SINGLY, next(numbers), len(ids))
            return found

        found = map_parallel(read, ids, self._workers) if ids else []
        if not is_proven and found and all(one == MISSING for one in found):
            # Any web server responds with 404 to an unknown path: make sure that this one is a
            # control plane before "not there" is believed, and a delete called done.
            self._client.list_page(0, limit=1, retry_budget=retry_budget)
        return dict(zip(ids, found))

    def _read_one(self, workload_id: str, retry_budget: Optional[RetryBudget]) -> Found:
        try:
            return row_or_missing(self._client.workload(workload_id, retry_budget))
        except RequestError as fault:
            if fault.status == 404:
                return MISSING
            if fault.status == 403:
                return FORBIDDEN
            raise


def row_or_missing(row: dict[str, Any]) -> Found:
    return row if moment(row, "deletedAt") is None else MISSING


def keep_keys(page: Page, keys: Optional[Collection[str]]) -> Page:
    """Keep only ``keys`` of each row: the whole rows of a large fleet take hundreds of megabytes."""
    if keys is None:
        return page
    return page._replace(rows=[{key: row[key] for key in keys if key in row} for row in page.rows])
