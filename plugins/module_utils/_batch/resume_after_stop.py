# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resume of what was still stopping."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .._api.errors import Interrupted
from .._common.errors import RunaiError
from .._workload.phases import SEND, WAIT
from .dispatch import Dispatcher
from .options import BatchOptions
from .outcome import FAILED, STILL_STOPPING, Outcome
from .plan import Rules, plan_one, settled_by
from .run_state import RunState
from .wait import Waiter


def send_resume_after_stop(
    ids: Sequence[str],
    options: BatchOptions,
    rules: Rules,
    waiter: Waiter,
    dispatcher: Dispatcher,
    run_state: RunState,
) -> None:
    """Send ``ids``, which are Stopping, as they stop: a full batch at once, the rest together.

    Each is settled: sent, left as no further batch may be sent, or failed since it did not stop in time.
    """
    left: Collection[str] = ids
    ready: list[str] = []
    try:
        for settled, still in waiter.looks(
            ids if dispatcher.may_send() else [],
            lambda workload: plan_one(options.action, workload, rules).verdict != WAIT,
            "to stop before they are resumed",
        ):
            left = still
            steps = [plan_one(options.action, workload, rules) for workload in settled.values()]
            run_state.settle(settled_by(steps))
            ready += [step.workload.id for step in steps if step.verdict == SEND]
            if len(ready) >= options.batch_size or not settled:
                dispatcher.send(ready)
                ready = []
            if not dispatcher.may_send():
                break
    except Interrupted:
        # The dispatcher sees that no further batch may be sent, too.
        pass
    except RunaiError as fault:
        dispatcher.break_off(str(fault))
    dispatcher.send(ready)
    if dispatcher.may_send():
        words = "still Stopping after {0:g} s".format(options.wait_timeout)
        run_state.settle(Outcome(workload_id, FAILED, STILL_STOPPING, words) for workload_id in left)
    else:
        dispatcher.leave(list(left))
