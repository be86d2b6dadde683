# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for workloads to get somewhere: where to, and a clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, NamedTuple, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._guard import Guard
from ansible_collections.gpuops.runai.plugins.module_utils._outcome import CHANGED, UNCHANGED
from ansible_collections.gpuops.runai.plugins.module_utils._phases import (
    DELETE,
    can_still_arrive,
    has_arrived,
)
from ansible_collections.gpuops.runai.plugins.module_utils._state import StateReader
from ansible_collections.gpuops.runai.plugins.module_utils._workload import (
    FORBIDDEN,
    MISSING,
    SEEN,
    Workload,
)


class Goal(NamedTuple):
    """Where an action takes workloads; with ``content_with_active`` any active phase does for Running."""

    action: str
    content_with_active: bool

    def is_ahead_of(self, outcome: str, before: Workload) -> bool:
        """Tell whether a workload with this outcome, which was so ``before``, has still to get there."""
        return outcome == CHANGED or (outcome == UNCHANGED and not self.is_reached_by(before))

    def is_reached_by(self, workload: Workload) -> bool:
        """Tell whether a workload has got there."""
        if self.action == DELETE:
            return workload.presence == MISSING
        return has_arrived(self.action, workload.phase, self.content_with_active)

    def is_settled_by(self, workload: Workload) -> bool:
        """Tell whether a workload has got there, or never will."""
        return (
            workload.presence != SEEN
            or self.is_reached_by(workload)
            or not can_still_arrive(self.action, workload.phase)
        )


def polls(
    ids: Sequence[str],
    reader: StateReader,
    guard: Guard,
    timeout: float,
    interval: float,
    is_settled: Callable[[Workload], bool],
) -> Iterator[tuple[Mapping[str, Workload], Mapping[str, Workload]]]:
    """Read the state every ``interval`` seconds, for ``timeout`` seconds, until all ids are settled.

    Yields after each read what is new: the workloads that ``is_settled`` now says yes to, and those still
    left. The last read comes when the time is over. Raises RequestError and Interrupted.
    """
    until = time.monotonic() + timeout
    left = list(ids)
    while left:
        remaining = until - time.monotonic()
        state = reader.read(left)
        settled = {workload_id: state[workload_id] for workload_id in left if is_settled(state[workload_id])}
        left = [workload_id for workload_id in left if workload_id not in settled]
        yield settled, {workload_id: state[workload_id] for workload_id in left}
        if not left or remaining <= 0:
            return
        guard.sleep(max(0.0, min(interval, until - time.monotonic())))


def place_of(workload: Optional[Workload]) -> str:
    """Say where a workload was when it was looked at last: mostly its phase. ``None`` was not seen again."""
    if workload is None:
        return "not seen again"
    return {MISSING: "gone", FORBIDDEN: "not visible"}.get(workload.presence, workload.phase)
