# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same call for many items, several at once."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, TypeVar

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
