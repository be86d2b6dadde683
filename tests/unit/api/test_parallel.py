# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.paging import map_parallel, until_an_error


def test_results_keep_the_order_of_the_items() -> None:
    others_done = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            assert others_done.wait(300)
        if item == 9:
            others_done.set()
        return item * item

    assert map_parallel(call, range(10), 2) == [item * item for item in range(10)]


def test_nothing_is_called_for_no_items() -> None:
    assert map_parallel(pytest.fail, [], 4) == []


def test_after_the_first_error_no_call_begins_though_an_earlier_one_is_still_under_way() -> None:
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


def test_of_several_errors_the_first_is_raised() -> None:
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
