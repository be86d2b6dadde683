# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for workloads to reach a phase, and the resume of workloads that are still stopping."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Callable, NamedTuple, Optional

from .._api.cancellation import Cancellation
from .._api.errors import Interrupted
from .._common.errors import RunaiError
from .._workload.phases import (
    DELETE,
    RESUME,
    RUNNING,
    SEND,
    STOPPED,
    SUSPEND,
    WAIT,
    can_still_arrive,
    has_arrived,
)
from .._workload.state import StateReader
from .._workload.workload import FORBIDDEN, MISSING, SEEN, Workload
from .dispatch import Dispatcher
from .options import BatchOptions
from .outcome import CHANGED, FAILED, STILL_STOPPING, UNCHANGED, Outcome
from .plan import Rules, plan_one, settled_by
from .progress import Progress
from .run_state import RunState


class WaitTarget(NamedTuple):
    """What a wait is for: the target of ``action``, or any active phase with ``accepts_active``."""

    action: str
    accepts_active: bool

    @property
    def target(self) -> str:
        """The target as it is named in a sentence."""
        resumed = "active" if self.accepts_active else RUNNING
        return {SUSPEND: STOPPED, RESUME: resumed, DELETE: "gone"}[self.action]

    def is_pending(self, outcome: str, before: Workload) -> bool:
        """Return whether a workload with this outcome, which was so ``before``, is still on its way."""
        return outcome == CHANGED or (outcome == UNCHANGED and not self.is_reached_by(before))

    def is_reached_by(self, workload: Workload) -> bool:
        """Return whether a workload has reached the target."""
        if self.action == DELETE:
            return workload.presence == MISSING
        return has_arrived(self.action, workload.phase, self.accepts_active)

    def is_settled_by(self, workload: Workload) -> bool:
        """Return whether a workload has reached the target, or can no longer reach it."""
        return (
            workload.presence != SEEN
            or self.is_reached_by(workload)
            or not can_still_arrive(self.action, workload.phase)
        )


class Waiter:
    """Reads workloads every ``interval`` seconds, for at most ``timeout`` seconds."""

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
        # When the last read began.
        self.read_at = float("-inf")

    def poll(
        self, ids: Sequence[str], is_settled: Callable[[Workload], bool], purpose: str
    ) -> Iterator[tuple[Mapping[str, Workload], Mapping[str, Workload]]]:
        """Read the state repeatedly until all ids are settled or the time is over.

        Yields after each read the workloads for which ``is_settled`` is now true, and the remaining ones.
        The last read comes when the time is over. ``purpose`` ends the progress line. Raises RequestError
        and Interrupted.
        """
        until = time.monotonic() + self._timeout
        left = list(ids)
        while left:
            remaining = until - time.monotonic()
            self.read_at = time.monotonic()
            state = self._reader.read(left)
            settled = {one: state[one] for one in left if is_settled(state[one])}
            left = [one for one in left if one not in settled]
            self._progress.waiting(len(left), purpose, self._timeout)
            yield settled, {one: state[one] for one in left}
            if not left or remaining <= 0:
                return
            self._cancellation.sleep(max(0.0, min(self._interval, until - time.monotonic())))


def wait_until_reached(
    target: WaitTarget,
    waiter: Waiter,
    run_state: RunState,
    can_read: bool,
    on_reached: Callable[[float, Sequence[Workload]], None],
) -> None:
    """Wait until all workloads that changed, or were on their way, reach the target.

    Without ``can_read``, where the control plane no longer responds, all count as not reached at once.
    ``on_reached`` gets the workloads that each read saw there, and when it began.
    """
    ids = [
        workload_id
        for workload_id, outcome in run_state.outcomes.items()
        if target.is_pending(outcome.outcome, run_state.state[workload_id])
    ]
    short: dict[str, Optional[Workload]] = dict.fromkeys(ids)
    try:
        for settled, left in waiter.poll(
            ids if can_read else [], target.is_settled_by, "to be {0}".format(target.target)
        ):
            short.update(left)
            short.update(settled)
            reached = [workload for workload in settled.values() if target.is_reached_by(workload)]
            for workload in reached:
                del short[workload.id]
            on_reached(waiter.read_at, reached)
    except RunaiError as fault:
        run_state.stop_for(fault)
    run_state.mark_not_reached(target.target, {one: _place_of(workload) for one, workload in short.items()})


def resume_after_stop(
    ids: Sequence[str],
    options: BatchOptions,
    rules: Rules,
    waiter: Waiter,
    dispatcher: Dispatcher,
    run_state: RunState,
) -> None:
    """Send ``ids``, which are Stopping, as they stop: a full batch at once, the rest together.

    Each is settled: sent, not attempted if no further batch may be sent, or failed where it did not stop.
    """
    left: Collection[str] = ids
    ready: list[str] = []
    try:
        for settled, remaining in waiter.poll(
            ids if dispatcher.may_send() else [],
            lambda workload: plan_one(options.action, workload, rules).decision != WAIT,
            "to stop before they are resumed",
        ):
            left = remaining
            items = [plan_one(options.action, workload, rules) for workload in settled.values()]
            run_state.settle(settled_by(items))
            ready += [item.workload.id for item in items if item.decision == SEND]
            if len(ready) >= options.batch_size or not settled:
                dispatcher.send(ready)
                ready = []
            if not dispatcher.may_send():
                break
    except Interrupted:
        # The dispatcher also reads that no further batch may be sent.
        pass
    except RunaiError as fault:
        dispatcher.abort(str(fault))
    dispatcher.send(ready)
    if dispatcher.may_send():
        message = "the workload did not stop within wait_timeout ({0:g} s), so it was not resumed".format(
            options.wait_timeout
        )
        run_state.settle(Outcome(workload_id, FAILED, STILL_STOPPING, message) for workload_id in left)
    else:
        dispatcher.mark_not_attempted(list(left))


def _place_of(workload: Optional[Workload]) -> str:
    """Return where a workload was at the last read: mostly its phase. ``None`` was not read again."""
    if workload is None:
        return "not read again"
    return {MISSING: "gone", FORBIDDEN: "not visible"}.get(workload.presence, workload.phase)
