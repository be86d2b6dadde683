# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of workloads for a selection: by id, or from the list and narrowed by the control plane."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._answers import Page
from ansible_collections.gpuops.runai.plugins.module_utils._client import WORKLOADS, Client
from ansible_collections.gpuops.runai.plugins.module_utils._errors import (
    RequestError,
    RunaiError,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._pages import PAGE_SIZE, page_offsets, read_pages
from ansible_collections.gpuops.runai.plugins.module_utils._parallel import map_parallel
from ansible_collections.gpuops.runai.plugins.module_utils._row import Row
from ansible_collections.gpuops.runai.plugins.module_utils._select_server import contradicts
from ansible_collections.gpuops.runai.plugins.module_utils._state import StateReader, slim
from ansible_collections.gpuops.runai.plugins.module_utils._workload import FORBIDDEN

# By the workload's id.
Rows = dict[str, dict[str, Any]]
IsEnough = Callable[[Iterable[Row]], bool]

# No answer to a bad filter is documented, so that a server's error may be one as well.
_REFUSES_FILTER = (400, 422, 500, 501)


class Question(NamedTuple):
    """What the list is asked: ``filters`` are ours and may be dropped, ``filter_by`` are the user's."""

    is_deleted: bool = False
    search: Optional[str] = None
    filter_by: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()

    def query(self) -> dict[str, str]:
        """Return the query of the list and of its count, without what belongs to paging."""
        parts = {
            "deleted": "true" if self.is_deleted else "",
            "search": self.search or "",
            # Whether filters are joined by "and" is not documented: the user's are never mixed with ours.
            "filterBy": ",".join(self.filter_by or self.filters),
        }
        return {key: value for key, value in parts.items() if value}


def is_refused_filter(fault: RequestError) -> bool:
    """Tell whether a request with a filter may have failed because of it."""
    found = fault.ended_on
    return isinstance(found, StatusError) and found.status in _REFUSES_FILTER


class RowReader:
    """Reads through ``client`` with up to ``workers`` requests in flight.

    Of each row only ``keys`` are kept, or all with ``None``. ``warn`` gets sentences.
    """

    def __init__(
        self, client: Client, workers: int, keys: Optional[Collection[str]], warn: Callable[[str], None]
    ) -> None:
        self._client = client
        self._workers = workers
        self._keys = keys
        self._warn = warn

    def by_ids(self, ids: Sequence[str], is_deleted: bool) -> tuple[Rows, list[str]]:
        """Return the rows of those ids that are there, and the ids that this account may not see."""
        if is_deleted:
            # A single GET is not said to show what was deleted.
            wanted = set(ids)
            rows = self._read_all(Question(is_deleted=True).query(), lambda found: found.keys() >= wanted)
            return {workload_id: rows[workload_id] for workload_id in ids if workload_id in rows}, []
        found = StateReader(self._client, self._workers, self._keys).read_rows(ids)
        forbidden = [workload_id for workload_id, row in found.items() if row == FORBIDDEN]
        return {workload_id: row for workload_id, row in found.items() if not isinstance(row, str)}, forbidden

    def listed(self, question: Question, is_enough: Optional[IsEnough], size: int) -> Rows:
        """Return the rows of the list, oldest first in pages of ``size`` until ``is_enough``, or all.

        Where the control plane refuses our filters, the list is read without them. Raises
        RequestError, and RunaiError where the control plane seems to ignore ``search`` or ``filter_by``.
        """
        try:
            rows = self._read(question, is_enough, size)
        except RequestError as fault:
            if not question.filters or question.filter_by or not is_refused_filter(fault):
                raise
            self._warn(
                "the control plane refused to filter ({0}); workloads were filtered here".format(fault)
            )
            question = question._replace(filters=())
            rows = self._read(question, is_enough, size)
        if question.search is not None:
            self._check_search(question, question.search, rows.values())
        if any(contradicts(row, told) for told in question.filter_by for row in rows.values()):
            self._check_filter(question)
        return rows

    def _read(self, question: Question, is_enough: Optional[IsEnough], size: int) -> Rows:
        if is_enough is None:
            return self._read_all(question.query())
        query = {**question.query(), "limit": str(min(size, PAGE_SIZE))}
        enough = is_enough
        return read_pages(WORKLOADS, self._fetch(query), [0], 1, lambda rows: enough(rows.values()))

    def _read_all(
        self, query: Mapping[str, str], is_enough: Callable[[Rows], bool] = lambda rows: False
    ) -> Rows:
        total, first = self._count_and_first_page(query)
        if first.next is None and (total is None or len(first.rows) >= total):
            return read_pages(WORKLOADS, lambda _offset: first, [0], 1)

        fetch = self._fetch(query)
        offsets = page_offsets(total)
        rows = read_pages(
            WORKLOADS,
            lambda offset: fetch(offset) if offset else first,
            offsets,
            self._workers,
            is_enough,
        )
        if total is None or len(rows) >= total or is_enough(rows):
            return rows
        # Where something goes away while pages are read, what comes after it moves up a place, and rows
        # at the seams of pages are missed. They are few, so that one more look is enough.
        return {**rows, **read_pages(WORKLOADS, fetch, offsets, self._workers)}

    def _fetch(self, query: Mapping[str, str]) -> Callable[[int], Page]:
        return lambda offset: slim(self._client.list_page(offset, query), self._keys)

    def _count_and_first_page(self, query: Mapping[str, str]) -> tuple[Optional[int], Page]:
        calls: list[Callable[[], Any]] = [
            lambda: self._client.count(query),
            lambda: self._fetch(query)(0),
        ]
        total, first = map_parallel(lambda call: call(), calls, self._workers)
        return total, first

    def _check_filter(self, question: Question) -> None:
        """Raise RunaiError if ``filter_by``, which rows contradict, seems to be ignored altogether."""
        filtered = self._client.count(question.query())
        if filtered is not None and filtered == self._client.count(question._replace(filter_by=()).query()):
            raise RunaiError(
                "filter_by: the list is as long without it and holds workloads that it leaves out; "
                "the control plane seems to ignore it"
            )

    def _check_search(self, question: Question, search: str, rows: Iterable[Row]) -> None:
        """Raise RunaiError if ``search`` seems to be ignored, as Run:ai before 2.20 does.

        What the control plane searches in is not documented. It is taken to ignore the text if rows
        do not hold it anywhere and the list is as long without it.
        """
        text = json.dumps(search.lower(), ensure_ascii=False)[1:-1]
        if all(text in json.dumps(row, ensure_ascii=False).lower() for row in rows):
            return
        searched = self._client.count(question.query())
        if searched is not None and searched == self._client.count(question._replace(search=None).query()):
            raise RunaiError(
                "search: the list is as long without it and holds workloads in which the text does not "
                "occur; the control plane seems to ignore it (Run:ai before 2.20 does)"
            )
