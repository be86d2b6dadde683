# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of workloads for a selection: by id, or from the list and narrowed by the control plane."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple, Optional

from .._api.client import CREATION, NAME, WORKLOADS, Client, ListQuery
from .._api.errors import RequestError, is_refused_filter
from .._api.paging import PAGE_SIZE, assume_next, map_parallel, page_offsets, read_pages
from .._api.responses import Page
from .._common.errors import RunaiError
from .._common.text import NAME_LENGTH, clean, counted, some_of
from .._workload.row import Row, moment
from .._workload.state import Found, StateReader, keep_keys
from .._workload.workload import FORBIDDEN, MISSING
from .server_filter import contradicts

# By the workload's id.
Rows = dict[str, dict[str, Any]]
IsEnough = Callable[[Rows], bool]

_NOT_READ = {
    FORBIDDEN: "not visible to this account (403)",
    MISSING: "not found, or not visible to this account",
}
# How often a list that shows fewer rows than were counted is read.
_MOST_READS = 3


class LimitedRead(NamedTuple):
    """A read of only the first ``limit`` rows that are ``is_meant``, in the order of the list."""

    limit: int
    is_meant: Callable[[Row], bool]

    def are_on(self, page: Page) -> bool:
        """Return whether the page holds more than ``limit`` such rows, or is the whole list."""
        is_all = page.next is None and len(page.rows) <= self.limit
        return is_all or sum(map(self.is_meant, page.rows)) > self.limit


class Shortfall(NamedTuple):
    """That the list showed fewer workloads than the control plane counted."""

    listed: int
    counted: int


class Observation(NamedTuple):
    """The rows of one read that began at some time, and the count to compare them with, if there is one."""

    rows: Rows
    total: Optional[int]
    began: datetime


class RowReader:
    """Reads through ``client`` with up to ``workers`` requests in flight.

    Of each row only ``keys`` are kept, or all with ``None``.
    """

    def __init__(self, client: Client, workers: int, keys: Optional[Collection[str]]) -> None:
        self._client = client
        self._workers = workers
        self._keys = keys
        self.shortfall: Optional[Shortfall] = None

    def by_ids(self, ids: Sequence[str], is_deleted: bool) -> Rows:
        """Return the rows of the ids that exist, and warn of the others."""
        if not ids:
            return {}
        if is_deleted:
            # A single GET is not said to show what was deleted.
            wanted = set(ids)
            listed = self._read_all(ListQuery(is_deleted=True), is_enough=lambda rows: rows.keys() >= wanted)
            found: Mapping[str, Found] = {one: listed.get(one, MISSING) for one in ids}
        else:
            found = StateReader(self._client, self._workers, self._keys).read_rows(ids)
        for problem, sentence in _NOT_READ.items():
            missing = [one for one in ids if found[one] == problem]
            if missing:
                number = counted(len(missing), "workload")
                self._client.warn_once("{0} {1}: {2}".format(number, sentence, some_of(missing)))
        return {workload_id: row for workload_id, row in found.items() if not isinstance(row, str)}

    def listed(
        self, query: ListQuery, filters: Sequence[str] = (), limited_read: Optional[LimitedRead] = None
    ) -> Rows:
        """Return the rows that the list shows for ``query``, or at least those of ``limited_read``.

        ``filters`` are the module's own: they only save rows. If the control plane refuses them, the
        list is read without them. How it combines filters is not documented, so they are left out
        where ``query`` holds the user's. Raises RequestError, and RunaiError where the control plane
        seems to ignore what the user asked for.
        """
        own = () if query.filters else tuple(filters)
        try:
            asked = query._replace(filters=own or query.filters)
            rows = self._read(asked, limited_read, may_be_refused=bool(own))
        except RequestError as fault:
            if not own or not is_refused_filter(fault):
                raise
            # The few matching rows may be far down the whole list.
            rows = self._read_all(query)
            self._client.warn_once(
                "the control plane refused a filter ({0}); the module filtered the workloads".format(fault)
            )
        _check_filters(query.filters, rows.values())
        if query.search is not None:
            self._check_search(query, query.search, rows.values())
        return rows

    def _read(self, query: ListQuery, limited_read: Optional[LimitedRead], may_be_refused: bool) -> Rows:
        if limited_read is not None and limited_read.limit < PAGE_SIZE:
            # One more than is wanted shows whether the limit left something out.
            page = self._fetch(query, may_be_refused, limit=limited_read.limit + 1)(0)
            if limited_read.are_on(page):
                return read_pages(WORKLOADS, lambda _offset: page._replace(next=None), [0], 1)
        return self._read_all(query, may_be_refused)

    def _read_all(
        self, query: ListQuery, may_be_refused: bool = False, is_enough: IsEnough = lambda rows: False
    ) -> Rows:
        """Read the whole list, and again where it showed fewer workloads than were counted.

        When a workload is deleted while pages are read, the rows behind it move up a place, and rows
        at the seams of pages are missed. Another read finds them.
        """
        rows: Rows = {}
        before: Optional[Observation] = None
        shortfall = Shortfall(0, 0)
        for _number in range(_MOST_READS):
            # Rows that were created together may change places from page to page; by name they do not.
            order = CREATION if before is None else NAME
            try:
                seen = self._read_once(query, may_be_refused, is_enough, order)
            except RequestError as fault:
                if before is None or not is_refused_filter(fault):
                    raise
                # There is no other order.
                break
            rows.update(seen.rows)
            if seen.total is None:
                return rows
            listed = _created_before(seen.began, seen.rows)
            # Rows of two reads add up as long as the count stays the same.
            if before is not None and before.total == seen.total:
                listed = max(listed, _created_before(before.began, rows))
            if listed >= seen.total:
                return rows
            shortfall = Shortfall(listed, seen.total)
            # A list that shows the same rows twice shows no others.
            if before is not None and before.rows.keys() == seen.rows.keys():
                break
            before = seen
        self.shortfall = shortfall
        self._client.warn_once(
            "the control plane lists {0} of {1} workloads that it counts; the others are not known".format(
                *shortfall
            )
        )
        return rows

    def _read_once(
        self, query: ListQuery, may_be_refused: bool, is_enough: IsEnough, sort_by: str
    ) -> Observation:
        began = datetime.now(timezone.utc)
        fetch = self._fetch(query, may_be_refused, sort_by=sort_by)
        calls: list[Callable[[], Any]] = [lambda: self._client.count(query), lambda: fetch(0)]
        total, first = map_parallel(lambda call: call(), calls, self._workers)
        if total is not None and total < len(first.rows):
            total = None

        def page_at(offset: int) -> Page:
            page = fetch(offset) if offset else first
            # Without a count to hold the list against, the end of a full page is not taken on trust.
            return assume_next(page, offset) if total is None else page

        offsets = [0]
        is_one_page = page_at(0).next is None and (total is None or len(first.rows) >= total)
        if not is_one_page:
            # Some servers give fewer rows than asked for, and do not say where the list goes on.
            is_capped = first.next is None and 0 < len(first.rows) < PAGE_SIZE
            offsets = page_offsets(total, len(first.rows) if is_capped else PAGE_SIZE)
        rows = read_pages(WORKLOADS, page_at, offsets, self._workers, is_enough)
        return Observation(rows, None if is_one_page or is_enough(rows) else total, began)

    def _fetch(
        self, query: ListQuery, may_be_refused: bool, limit: int = PAGE_SIZE, sort_by: str = CREATION
    ) -> Callable[[int], Page]:
        def fetch(offset: int) -> Page:
            retry_budget = self._client.retry_budget(is_optional=may_be_refused)
            page = self._client.list_page(offset, query, limit, retry_budget, sort_by)
            # What the control plane searched or filtered by for the user may be any key.
            is_any_key_used = query.search is not None or (query.filters and not may_be_refused)
            return page if is_any_key_used else keep_keys(page, self._keys)

        return fetch

    def _check_search(self, query: ListQuery, search: str, rows: Iterable[Row]) -> None:
        """Raise RunaiError if ``search`` seems to be ignored, as Run:ai before 2.20 does.

        Which fields are searched is not documented. The text counts as ignored if it does not occur in
        some row and the list is as long without it.
        """
        text = json.dumps(search.lower(), ensure_ascii=False)[1:-1]
        if all(text in json.dumps(row, ensure_ascii=False).lower() for row in rows):
            return
        searched = self._client.count(query)
        everything = None if searched is None else self._client.count(query._replace(search=None))
        if searched is None or everything is None:
            self._client.warn_once(
                "search: the text does not occur in some listed workloads. The control plane may ignore it, "
                "as Run:ai before 2.20 does; without a count this is not known"
            )
        elif searched == everything:
            raise RunaiError(
                "search: the control plane seems to ignore it, as Run:ai before 2.20 does. The list is as "
                "long without it, and the text does not occur in some workloads."
            )


def _created_before(when: datetime, rows: Rows) -> int:
    """Return how many rows a count at that time can hold; a row without the date may be one."""
    created = [moment(row, "createdAt") for row in rows.values()]
    return sum(one is None or one <= when for one in created)


def _check_filters(filters: Sequence[str], rows: Iterable[Row]) -> None:
    """Raise RunaiError for a row that contradicts an expression of the user."""
    for row in rows:
        for expression in filters:
            if contradicts(row, expression):
                raise RunaiError(
                    "filter_by: the control plane lists the workload '{0}' ({1}), which contradicts '{2}'. "
                    'It seems to ignore the expression, or does not combine several by "and".'.format(
                        clean(row.get("name"), NAME_LENGTH), clean(row.get("id"), 40), clean(expression, 60)
                    )
                )
