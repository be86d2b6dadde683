# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for workloads to get somewhere: where to, and a clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, NamedTuple, Optional

from .._api.cancellation import Cancellation
from .._common.errors import RunaiError
from .._workload.phases import (
    DELETE,
    RESUME,
    RUNNING,
    STOPPED,
    SUSPEND,
    can_still_arrive,
    has_arrived,
)
from .._workload.state import StateReader
from .._workload.workload import (
    FORBIDDEN,
    MISSING,
    SEEN,
    Workload,
)
from .outcome import CHANGED, UNCHANGED
from .progress import Progress
from .run_state import RunState


class WaitTarget(NamedTuple):
    """Where an action takes workloads; with ``content_with_active`` any active phase does for Running."""

    action: str
    content_with_active: bool

    @property
    def target(self) -> str:
        """The goal as it stands in a sentence."""
        resumed = "active" if self.content_with_active else RUNNING
        return {SUSPEND: STOPPED, RESUME: resumed, DELETE: "gone"}[self.action]

    def is_pending(self, outcome: str, before: Workload) -> bool:
        """Tell whether a workload with this outcome, which was so ``before``, has still to reach the goal."""
        return outcome == CHANGED or (outcome == UNCHANGED and not self.is_reached_by(before))

    def is_reached_by(self, workload: Workload) -> bool:
        """Tell whether a workload has reached the goal."""
        if self.action == DELETE:
            return workload.presence == MISSING
        return has_arrived(self.action, workload.phase, self.content_with_active)

    def is_settled_by(self, workload: Workload) -> bool:
        """Tell whether a workload has reached the goal, or never will."""
        return (
            workload.presence != SEEN
            or self.is_reached_by(workload)
            or not can_still_arrive(self.action, workload.phase)
        )


class Waiter:
    """Looks at workloads every ``interval`` seconds, for at most ``timeout`` seconds."""

    def __init__(
        self,
        reader: StateReader,
        cancellation: Cancellation,
        timeout: float,
        interval: float,
        progress: Progress,
    ) -> None:
        self._reader = reader
        self._cancellation = cancellation
        self._timeout = timeout
        self._interval = interval
        self._progress = progress

    def looks(
        self, ids: Sequence[str], is_settled: Callable[[Workload], bool], words: str
    ) -> Iterator[tuple[Mapping[str, Workload], Mapping[str, Workload]]]:
        """Read the state again and again until all ids are settled or the time is over.

        Yields after each read what is new: the workloads that ``is_settled`` now says yes to, and those
        still left. The last read comes when the time is over. ``words`` say in the progress lines what
        is waited for. Raises RequestError and Interrupted.
        """
        until = time.monotonic() + self._timeout
        left = list(ids)
        while left:
            remaining = until - time.monotonic()
            state = self._reader.read(left)
            settled = {one: state[one] for one in left if is_settled(state[one])}
            left = [one for one in left if one not in settled]
            self._progress.waiting(len(left), words, self._timeout)
            yield settled, {one: state[one] for one in left}
            if not left or remaining <= 0:
                return
            self._cancellation.sleep(max(0.0, min(self._interval, until - time.monotonic())))


def wait_until_reached(target: WaitTarget, waiter: Waiter, run_state: RunState, can_look: bool) -> None:
    """Wait until what changed, or was on its way already, has reached the goal; enter what falls short.

    Without ``can_look``, where the control plane no longer answers, all of it falls short at once.
    """
    ids = [
        workload_id
        for workload_id, outcome in run_state.outcomes.items()
        if target.is_pending(outcome.outcome, run_state.state[workload_id])
    ]
    short: dict[str, Optional[Workload]] = dict.fromkeys(ids)
    try:
        for settled, left in waiter.looks(
            ids if can_look else [], target.is_settled_by, "to be {0}".format(target.target)
        ):
            short.update(left)
            short.update(settled)
            for workload in settled.values():
                if target.is_reached_by(workload):
                    del short[workload.id]
    except RunaiError as fault:
        run_state.stop_for(fault)
    run_state.mark_not_reached(target.target, {one: _place_of(workload) for one, workload in short.items()})


def _place_of(workload: Optional[Workload]) -> str:
    """Say where a workload was when it was looked at last: mostly its phase. ``None`` was not seen again."""
    if workload is None:
        return "not seen again"
    return {MISSING: "gone", FORBIDDEN: "not visible"}.get(workload.presence, workload.phase)
