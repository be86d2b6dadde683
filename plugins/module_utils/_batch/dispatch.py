# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches in flight: several at once, none after max_failures, a deadline or a permanent fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Optional

from .._api.errors import Interrupted
from .._common.errors import RunaiError
from .._common.text import counted
from .context import BatchContext
from .delivery import BatchResult, Delivery
from .fresh_state import FreshState
from .outcome import FAILED, INTERNAL, REFUSED, UNKNOWN_OUTCOME, Outcome


class Dispatcher:
    """Sends ids in batches and settles them. ``fresh_state`` is for deletes.

    The planned ids are those without an outcome when it is made.
    """

    def __init__(self, context: BatchContext, fresh_state: Optional[FreshState]) -> None:
        self._context = context
        self._planned = len(context.run_state.unsettled())
        self._fresh_state = fresh_state
        self._has_begun = False
        self._refused = 0
        # Whether a permanent fault of the control plane ended the run. max_failures is no such fault.
        self.is_aborted = False

    def send(self, ids: Sequence[str]) -> None:
        """Send ``ids``, which were not sent before. Those that may not be sent stay without an outcome."""
        concurrency, size = self._context.concurrency, self._context.options.batch_size
        waiting = [ids[start : start + size] for start in range(0, len(ids), size)]
        with ThreadPoolExecutor(max_workers=concurrency.most) as pool:
            running: dict[Future[BatchResult], Sequence[str]] = {}
            while True:
                while waiting and len(running) < concurrency.limit and self._begin(waiting[0]):
                    batch = waiting.pop(0)
                    running[pool.submit(Delivery(self._context, batch, self._fresh_state).run)] = batch
                if not running:
                    break
                done, _pending = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future, running.pop(future))

    def why_stopped(self) -> Optional[Interrupted]:
        """Return why no further batch may be sent, or ``None``."""
        try:
            self._context.cancellation.check_write()
        except Interrupted as stop:
            return stop
        return None

    def abort(self, message: str) -> None:
        """Send no further batch because of a permanent fault."""
        self.is_aborted = True
        self._context.cancellation.stop_writing(message)

    def _begin(self, batch: Sequence[str]) -> bool:
        """Return whether a batch may be sent. Ids that the caller can't record are not sent."""
        if self.why_stopped() is not None:
            return False
        if not self._has_begun:
            self._has_begun = True
            self._context.progress.phase("acting on {0}".format(counted(self._planned, "workload")))
        try:
            self._context.hooks.on_send(batch)
        except RunaiError as fault:
            self.abort(str(fault))
            return False
        return True

    def _take(self, future: Future[BatchResult], batch: Sequence[str]) -> None:
        options, run_state = self._context.options, self._context.run_state
        try:
            result = future.result()
        except Exception as fault:  # noqa: BLE001
            # A bug in the collection must not lose the outcomes of the other batches.
            message = (
                "internal error in this collection ({0}); whether the batch was sent is not known".format(
                    type(fault).__name__
                )
            )
            outcomes = [Outcome(workload_id, UNKNOWN_OUTCOME, INTERNAL, message) for workload_id in batch]
            result = BatchResult(outcomes, None, message, True)
        run_state.sent_batches += result.was_sent
        if result.record is not None:
            run_state.batches.append(result.record)
            if result.record.attempts == 1 and result.record.size == options.batch_size:
                self._context.concurrency.record_response(result.record.seconds)
        self._refused += sum(
            outcome.outcome == FAILED and outcome.reason == REFUSED for outcome in result.outcomes
        )
        self._settle(result.outcomes)
        if result.stop is not None:
            self.abort(result.stop)
        elif options.max_failures.is_exceeded(self._refused, self._planned):
            self._context.cancellation.stop_writing(
                "max_failures ({0}) is exceeded: {1} of {2} refused".format(
                    options.max_failures, self._refused, self._planned
                )
            )

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        run_state = self._context.run_state
        run_state.settle(outcomes)
        self._context.hooks.on_settled(outcomes)
        # What stops one by one, to be resumed, may go in more batches than are needed for all together.
        left = len(run_state.ids) - len(run_state.outcomes)
        to_come = math.ceil(left / self._context.options.batch_size)
        done = run_state.sent_batches
        self._context.progress.batch(run_state.counts, len(run_state.ids), done, done + to_come)
