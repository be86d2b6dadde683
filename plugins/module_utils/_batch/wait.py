# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for workloads to reach a phase, and the resume of workloads that are still stopping."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, Optional

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
    target_phases,
)
from .._workload.workload import FORBIDDEN, MISSING, SEEN, Workload
from .context import BatchContext
from .dispatch import Dispatcher
from .outcome import CHANGED, FAILED, STILL_STOPPING, UNCHANGED, Outcome
from .plan import ids_to, plan_one, settled_by


def wait_until_reached(context: BatchContext, can_read: bool) -> None:
    """Wait until all workloads that changed, or were on their way, reach the target of the action.

    Without ``can_read``, where the control plane no longer responds, all count as not reached at once.
    """
    options, run_state = context.options, context.run_state
    resumed = "active" if options.accepts_active else RUNNING
    target = {SUSPEND: STOPPED, RESUME: resumed, DELETE: "gone"}[options.action]
    targets = target_phases(options.action, options.accepts_active)

    def is_reached(workload: Workload) -> bool:
        if options.action == DELETE:
            return workload.presence == MISSING
        return workload.phase in targets

    def is_settled(workload: Workload) -> bool:
        is_possible = workload.presence == SEEN and can_still_arrive(options.action, workload.phase)
        return is_reached(workload) or not is_possible

    short: dict[str, Optional[Workload]] = {
        outcome.id: None
        for outcome in run_state.outcomes.values()
        if outcome.outcome == CHANGED
        or (outcome.outcome == UNCHANGED and not is_reached(run_state.state[outcome.id]))
    }
    try:
        for read_at, state in _poll(
            context, list(short) if can_read else [], is_settled, "to be {0}".format(target)
        ):
            short.update(state)
            reached = [workload for workload in state.values() if is_reached(workload)]
            for workload in reached:
                del short[workload.id]
            context.hooks.on_reached(read_at, reached)
    except RunaiError as fault:
        run_state.stop_for(fault)
    run_state.mark_not_reached(target, {one: _place_of(workload) for one, workload in short.items()})


def resume_after_stop(context: BatchContext, dispatcher: Dispatcher, ids: Sequence[str]) -> None:
    """Send ``ids``, which are Stopping, as they stop: a full batch at once, the rest together.

    What did not stop fails. What may not be sent stays without an outcome.
    """
    options, run_state = context.options, context.run_state
    if dispatcher.why_stopped() is not None:
        return
    ready: list[str] = []
    try:
        for _read_at, state in _poll(
            context,
            ids,
            lambda workload: plan_one(RESUME, workload, options.sending_rules).decision != WAIT,
            "to stop before they are resumed",
        ):
            items = [plan_one(RESUME, workload, options.sending_rules) for workload in state.values()]
            run_state.settle(settled_by(items))
            ready += ids_to(SEND, items)
            if len(ready) >= options.batch_size or all(item.decision == WAIT for item in items):
                dispatcher.send(ready)
                ready = []
            if dispatcher.why_stopped() is not None:
                return
    except Interrupted:
        return
    except RunaiError as fault:
        dispatcher.abort(str(fault))
        return
    dispatcher.send(ready)
    if dispatcher.why_stopped() is None:
        message = "the workload did not stop within wait_timeout ({0:g} s), so it was not resumed".format(
            options.wait_timeout
        )
        run_state.settle(
            Outcome(workload_id, FAILED, STILL_STOPPING, message) for workload_id in run_state.unsettled()
        )


def _poll(
    context: BatchContext, ids: Sequence[str], is_settled: Callable[[Workload], bool], purpose: str
) -> Iterator[tuple[float, Mapping[str, Workload]]]:
    """Read the state every ``wait_interval`` until all ids are settled or ``wait_timeout`` is over.

    Yields after each read when it began, and the workloads that were not settled before. The last read comes
    when the time is over. ``purpose`` ends the progress line. Raises RequestError and Interrupted.
    """
    options = context.options
    until = time.monotonic() + options.wait_timeout
    left = list(ids)
    while left:
        read_at = time.monotonic()
        state = context.reader.read(left)
        left = [one for one in left if not is_settled(state[one])]
        context.progress.waiting(len(left), purpose, options.wait_timeout)
        yield read_at, state
        if not left or read_at >= until:
            return
        context.cancellation.sleep(max(0.0, min(options.wait_interval, until - time.monotonic())))


def _place_of(workload: Optional[Workload]) -> str:
    """Return where a workload was at the last read: mostly its phase. ``None`` was not read again."""
    if workload is None:
        return "not read again"
    return {MISSING: "gone", FORBIDDEN: "not visible"}.get(workload.presence, workload.phase)
