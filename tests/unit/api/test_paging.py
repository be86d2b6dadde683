# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import paging
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import MalformedResponse, StatusError
from ansible_collections.gpuops.runai.plugins.module_utils._api.paging import (
    PAGE_SIZE,
    assume_next,
    map_parallel,
    page_offsets,
    read_pages,
    until_an_error,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import Page
from ansible_collections.gpuops.runai.tests.support.waiting import PATIENCE
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id
from hypothesis import given
from hypothesis import strategies as st

PATH = "/api/v1/workloads"
ENDLESS = "GET /api/v1/workloads: the pages of the list repeat or never end"


def row(number: int) -> dict[str, Any]:
    return {"id": workload_id(number), "number": number}


class Listing:
    """A list of ``total`` rows that gives at most ``most`` at once, and says where it goes on."""

    def __init__(self, total: int, most: int) -> None:
        self.rows = [row(number) for number in range(total)]
        self.most = most
        self.asked: list[int] = []

    def page(self, offset: int) -> Page:
        self.asked.append(offset)
        shown = self.rows[offset : offset + self.most]
        following = offset + len(shown)
        return Page(shown, following if following < len(self.rows) else None)


def test_page_size_is_the_largest_of_the_api() -> None:
    assert PAGE_SIZE == 500


@pytest.mark.parametrize(
    ("total", "offsets"),
    [(None, [0]), (0, [0]), (1, [0]), (500, [0]), (501, [0, 500]), (1500, [0, 500, 1000]), (10**9, [0])],
)
def test_page_offsets_of_a_total_cover_it(total: Optional[int], offsets: list[int]) -> None:
    assert page_offsets(total) == offsets


@given(st.integers(0, 2200), st.sampled_from([100, 170, 499, 500]), st.integers(-700, 700), st.integers(1, 5))
def test_read_pages_any_count_reads_all_rows_once(total: int, most: int, off: int, workers: int) -> None:
    listing = Listing(total, most)
    rows = read_pages(PATH, listing.page, page_offsets(max(0, total + off)), workers)
    assert {one["number"] for one in rows.values()} == set(range(total))
    assert list(rows) == [one["id"] for one in rows.values()]
    assert len(listing.asked) == len(set(listing.asked))


def test_read_pages_upper_case_ids_are_folded() -> None:
    page = Page([{"id": row(1)["id"].upper()}, {"id": None}, {}, {"id": "x"}], None)
    assert list(read_pages(PATH, lambda offset: page, [0], 1)) == [row(1)["id"]]


def test_read_pages_other_identity_keys_the_rows() -> None:
    pages = {0: Page([{"name": "a"}, {"name": "b"}], 2), 2: Page([{"name": "b"}, {"name": None}], None)}
    rows = read_pages(PATH, pages.__getitem__, [0], 1, identity=lambda row: row["name"])
    assert list(rows) == ["a", "b"]


def test_read_pages_repeated_row_counts_once() -> None:
    first, second = [row(number) for number in range(500)], [row(number) for number in range(499, 700)]
    pages = {0: Page(first, 500), 500: Page(second, None)}
    assert len(read_pages(PATH, pages.__getitem__, [0, 500], 2)) == 700


def test_read_pages_enough_rows_ends_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing(100_000, 500)
    is_over = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            is_over.set()
            super().shutdown(wait=wait)

    def page(offset: int) -> Page:
        # The third page is on its way when the first two are enough.
        assert offset < 1000 or is_over.wait(PATIENCE)
        return listing.page(offset)

    monkeypatch.setattr(paging, "ThreadPoolExecutor", Pool)
    offsets = page_offsets(100_000)
    assert len(read_pages(PATH, page, offsets, 1, lambda found: len(found) >= 1000)) == 1000
    assert listing.asked in ([0, 500], [0, 500, 1000])


def test_read_pages_repeating_list_fails() -> None:
    asked: list[int] = []

    def same(offset: int) -> Page:
        asked.append(offset)
        return Page([row(1)], offset + 1)

    with pytest.raises(MalformedResponse, match=ENDLESS):
        read_pages(PATH, same, [0], 1)
    assert len(asked) < 10


@pytest.mark.parametrize(
    ("rows", "following"), [(49, None), (50, (50, True)), (499, (499, True)), (500, (500, False))]
)
def test_assume_next_page_without_next_leads_on_from_the_default_limit(
    rows: int, following: Optional[tuple[int, bool]]
) -> None:
    page = assume_next(Page([row(number) for number in range(rows)], None), 0)
    assert (None if page.next is None else (page.next, page.is_next_assumed)) == following


def test_read_pages_assumed_next_repeats_the_rows_ends_the_list() -> None:
    rows = [row(number) for number in range(60)]
    asked: list[int] = []

    def whole(offset: int) -> Page:
        asked.append(offset)
        return assume_next(Page(rows, None), offset)

    assert len(read_pages(PATH, whole, [0], 1)) == 60
    assert asked == [0, 60]


def test_read_pages_endless_list_fails() -> None:
    with pytest.raises(MalformedResponse, match=ENDLESS):
        read_pages(PATH, lambda offset: Page([row(offset)], offset + 1), [0], 2)
    with pytest.raises(MalformedResponse, match=ENDLESS):
        read_pages(PATH, lambda offset: Page([], offset + 1), [0], 2)


def test_read_pages_first_fault_is_raised_and_begins_no_page() -> None:
    asked: list[int] = []

    def broken(offset: int) -> Page:
        asked.append(offset)
        raise StatusError("GET", "/x", 500, "")

    with pytest.raises(StatusError):
        read_pages(PATH, broken, range(0, 50_000, 500), 2)
    assert len(asked) < 50


def test_read_pages_several_workers_read_at_once() -> None:
    together = threading.Barrier(3)

    def page(offset: int) -> Page:
        together.wait(timeout=300)
        return Page([row(offset)], None)

    assert len(read_pages(PATH, page, [0, 500, 1000], 3)) == 3


def test_map_parallel_results_keep_the_order_of_the_items() -> None:
    others_done = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            assert others_done.wait(300)
        if item == 9:
            others_done.set()
        return item * item

    assert map_parallel(call, range(10), 2) == [item * item for item in range(10)]


def test_map_parallel_without_items_calls_nothing() -> None:
    assert map_parallel(pytest.fail, [], 4) == []


def test_map_parallel_after_the_first_error_begins_no_call() -> None:
    begun: list[int] = []
    first_has_begun, failed = threading.Event(), threading.Event()

    def call(item: int) -> int:
        if item == 1:
            assert first_has_begun.wait(300)
        begun.append(item)
        if item == 0:
            first_has_begun.set()
            # Ends well, but only after another has failed.
            assert failed.wait(300)
            return item
        failed.set()
        raise LookupError(item)

    with pytest.raises(LookupError) as fault:
        map_parallel(call, range(50), 2)
    assert begun == [0, 1]
    assert fault.value.args == (1,)


def test_until_an_error_of_several_raises_the_first() -> None:
    def call(item: int) -> None:
        if item == 0:
            # Another fails while this one is under way.
            with pytest.raises(LookupError):
                guarded(1)
            raise ValueError(item)
        raise LookupError(item)

    guarded = until_an_error(call)
    with pytest.raises(LookupError):
        guarded(0)
