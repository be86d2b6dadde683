# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches in flight: several at once, none after max_failures, a deadline or a permanent fault."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Callable, NamedTuple, Optional

from .._api.cancellation import Cancellation
from .._api.errors import Interrupted
from .._common.errors import RunaiError
from .concurrency import ConcurrencyLimit
from .delivery import BatchResult
from .outcome import FAILED, INTERNAL, NOT_ATTEMPTED, REFUSED, UNKNOWN_OUTCOME, BatchRecord, Outcome
from .plan import chunks


class MaxFailures(NamedTuple):
    """Maximum number of refused workloads: ``number`` ids, or ``number`` percent of the plan."""

    number: int
    is_percent: bool

    def is_exceeded(self, failed: int, planned: int) -> bool:
        """Return whether ``failed`` of ``planned`` ids are more than the maximum."""
        if self.is_percent:
            return failed * 100 > self.number * planned
        return failed > self.number

    def __str__(self) -> str:
        return "{0}{1}".format(self.number, "%" if self.is_percent else "")


class Dispatcher:
    """Sends ids in batches through ``deliver`` and collects their outcomes.

    ``concurrency`` limits the batches in flight and follows the responses. ``planned`` is the
    number of ids that the plan acts on, for ``max_failures``. In the caller's thread ``on_begin`` is called
    before the first batch, ``on_send`` with the ids of each batch before it is sent, and ``on_settled`` with
    the outcomes of each batch. A RunaiError of ``on_send`` ends the batches: ids that can't be recorded are
    not sent.
    """

    def __init__(
        self,
        deliver: Callable[[Sequence[str]], BatchResult],
        cancellation: Cancellation,
        batch_size: int,
        concurrency: ConcurrencyLimit,
        max_failures: MaxFailures,
        planned: int,
        on_begin: Callable[[], None],
        on_settled: Callable[[list[Outcome]], None],
        on_send: Callable[[Sequence[str]], None] = lambda ids: None,
    ) -> None:
        self._deliver = deliver
        self._cancellation = cancellation
        self._batch_size = batch_size
        self._concurrency = concurrency
        self._max_failures = max_failures
        self._planned = planned
        self._on_begin: Optional[Callable[[], None]] = on_begin
        self._on_settled = on_settled
        self._on_send = on_send
        self._refused = 0
        self.batches: list[BatchRecord] = []
        self.sent_batches = 0
        # Whether a permanent fault of the control plane ended the run. max_failures is no such fault.
        self.is_aborted = False

    def send(self, ids: Sequence[str]) -> None:
        """Send ``ids``, which were not sent before. Those that may not be sent count as not attempted."""
        waiting = list(chunks(ids, self._batch_size))
        with ThreadPoolExecutor(max_workers=self._concurrency.most) as pool:
            running: dict[Future[BatchResult], list[str]] = {}
            while waiting or running:
                while waiting and len(running) < self._concurrency.limit and self.may_send():
                    self._begin()
                    try:
                        self._on_send(waiting[0])
                    except RunaiError as fault:
                        self.abort(str(fault))
                        break
                    batch = waiting.pop(0)
                    running[pool.submit(self._deliver, batch)] = batch
                if not running:
                    break
                done, _pending = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future, running.pop(future))
        self.mark_not_attempted([workload_id for batch in waiting for workload_id in batch])

    def mark_not_attempted(self, ids: Sequence[str]) -> None:
        """Settle ids that are not sent because no further batch may be sent."""
        if not ids:
            return
        try:
            self._cancellation.check_write()
        except Interrupted as stop:
            self._on_settled(
                [Outcome(workload_id, NOT_ATTEMPTED, stop.reason, str(stop)) for workload_id in ids]
            )

    def may_send(self) -> bool:
        """Return whether another batch may be sent."""
        try:
            self._cancellation.check_write()
        except Interrupted:
            return False
        return True

    def abort(self, message: str) -> None:
        """Send no further batch because of a permanent fault."""
        self.is_aborted = True
        self._cancellation.stop_writing(message)

    def _begin(self) -> None:
        if self._on_begin is not None:
            self._on_begin()
            self._on_begin = None

    def _take(self, future: Future[BatchResult], batch: list[str]) -> None:
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
        self.sent_batches += result.was_sent
        if result.record is not None:
            self.batches.append(result.record)
            if result.record.attempts == 1 and result.record.size == self._batch_size:
                self._concurrency.record_response(result.record.seconds)
        self._refused += sum(
            outcome.outcome == FAILED and outcome.reason == REFUSED for outcome in result.outcomes
        )
        self._on_settled(result.outcomes)
        if result.stop is not None:
            self.abort(result.stop)
        elif self._max_failures.is_exceeded(self._refused, self._planned):
            self._cancellation.stop_writing(
                "max_failures ({0}) is exceeded: {1} of {2} refused".format(
                    self._max_failures, self._refused, self._planned
                )
            )
