# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for workloads to get somewhere: a predicate and a clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable

from ansible_collections.gpuops.runai.plugins.module_utils._guard import Guard
from ansible_collections.gpuops.runai.plugins.module_utils._state import StateReader
from ansible_collections.gpuops.runai.plugins.module_utils._workload import Workload


def polls(
    ids: Sequence[str],
    reader: StateReader,
    guard: Guard,
    timeout: float,
    interval: float,
    is_settled: Callable[[Workload], bool],
) -> Iterator[tuple[Mapping[str, Workload], list[str]]]:
    """Read the state every ``interval`` seconds, for ``timeout`` seconds, until all ids are settled.

    Yields after each read what is new: the workloads that ``is_settled`` now says yes to, and the ids
    still left. The last read comes when the time is over. Raises RequestError and Interrupted.
    """
    until = time.monotonic() + timeout
    left = list(ids)
    while left:
        remaining = until - time.monotonic()
        state = reader.read(left)
        settled = {workload_id: state[workload_id] for workload_id in left if is_settled(state[workload_id])}
        left = [workload_id for workload_id in left if workload_id not in settled]
        yield settled, left
        if not left or remaining <= 0:
            return
        guard.sleep(max(0.0, min(interval, until - time.monotonic())))
