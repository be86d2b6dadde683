# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches in flight: several at once, none after a breaker, a deadline or a lasting fault."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Callable, NamedTuple, Optional

from .._api.cancellation import Cancellation
from .._api.errors import Interrupted
from .._common.errors import RunaiError
from .delivery import BatchResult
from .outcome import (
    FAILED,
    INTERNAL,
    NOT_ATTEMPTED,
    REFUSED,
    UNKNOWN_OUTCOME,
    BatchRecord,
    Outcome,
)
from .plan import chunks


class MaxFailures(NamedTuple):
    """How many refusals the user accepts: ``number`` ids, or ``number`` percent of the plan."""

    number: int
    is_percent: bool

    def is_exceeded(self, failed: int, planned: int) -> bool:
        """Tell whether ``failed`` of ``planned`` ids are more than accepted."""
        if self.is_percent:
            return failed * 100 > self.number * planned
        return failed > self.number

    def __str__(self) -> str:
        return "{0}{1}".format(self.number, "%" if self.is_percent else "")


class Dispatcher:
    """Sends ids in batches through ``deliver`` and collects what became of each.

    ``planned`` is the number of ids that the plan acts on in all, for the breaker. In the caller's thread
    ``on_begin`` is called before the first batch, ``on_send`` with the ids of each batch before it is sent,
    and ``on_settled`` with the outcomes of each batch as it is settled. A RunaiError of ``on_send`` stops
    the batches: what can't be written down is not sent.
    """

    def __init__(
        self,
        deliver: Callable[[Sequence[str]], BatchResult],
        cancellation: Cancellation,
        batch_size: int,
        concurrency: int,
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
        # A fault that lasts; the breaker, which says nothing about the control plane, is none.
        self.is_broken_off = False

    def send(self, ids: Sequence[str]) -> None:
        """Send ``ids``, which were not sent before; what is not sent is settled as not attempted."""
        waiting = list(chunks(ids, self._batch_size))
        with ThreadPoolExecutor(max_workers=self._concurrency) as pool:
            running: dict[Future[BatchResult], list[str]] = {}
            while waiting or running:
                while waiting and len(running) < self._concurrency and self.may_send():
                    self._begin()
                    try:
                        self._on_send(waiting[0])
                    except RunaiError as fault:
                        self.break_off(str(fault))
                        break
                    batch = waiting.pop(0)
                    running[pool.submit(self._deliver, batch)] = batch
                if not running:
                    break
                done, _pending = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future, running.pop(future))
        self.leave([workload_id for batch in waiting for workload_id in batch])

    def leave(self, ids: Sequence[str]) -> None:
        """Settle ids that are not sent because no further batch may be."""
        if not ids:
            return
        try:
            self._cancellation.check_write()
        except Interrupted as stop:
            self._on_settled(
                [Outcome(workload_id, NOT_ATTEMPTED, stop.reason, str(stop)) for workload_id in ids]
            )

    def may_send(self) -> bool:
        """Tell whether another batch may be sent."""
        try:
            self._cancellation.check_write()
        except Interrupted:
            return False
        return True

    def break_off(self, message: str) -> None:
        """Send no further batch because of a fault that lasts."""
        self.is_broken_off = True
        self._cancellation.stop_writing(message)

    def _begin(self) -> None:
        if self._on_begin is not None:
            self._on_begin()
            self._on_begin = None

    def _take(self, future: Future[BatchResult], batch: list[str]) -> None:
        try:
            delivery = future.result()
        except Exception as fault:  # noqa: BLE001
            # A mistake of ours must not lose what became of the other batches.
            words = "internal error in this collection ({0}); whether it was sent is not known".format(
                type(fault).__name__
            )
            outcomes = [Outcome(workload_id, UNKNOWN_OUTCOME, INTERNAL, words) for workload_id in batch]
            delivery = BatchResult(outcomes, None, words, True)
        self.sent_batches += delivery.was_sent
        if delivery.record is not None:
            self.batches.append(delivery.record)
        self._refused += sum(
            outcome.outcome == FAILED and outcome.reason == REFUSED for outcome in delivery.outcomes
        )
        self._on_settled(delivery.outcomes)
        if delivery.stop is not None:
            self.break_off(delivery.stop)
        elif self._max_failures.is_exceeded(self._refused, self._planned):
            self._cancellation.stop_writing(
                "max_failures ({0}) is exceeded: {1} of {2} refused".format(
                    self._max_failures, self._refused, self._planned
                )
            )
