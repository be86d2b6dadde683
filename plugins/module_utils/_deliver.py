# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch, from its first call until each of its ids is answered for.

A lost answer is not an answer: the state is read again, and only what is then still owed is sent
again. Nothing that was seen to be applied is sent twice, and an id refused on a later call is
looked up before it is called failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._answers import BatchAnswer, Refusal
from ansible_collections.gpuops.runai.plugins.module_utils._client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._errors import (
    AccessDenied,
    Interrupted,
    RequestError,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._guard import Guard
from ansible_collections.gpuops.runai.plugins.module_utils._outcome import (
    CHANGED,
    FAILED,
    NOT_ATTEMPTED,
    REFUSED,
    UNCHANGED,
    UNKNOWN_OUTCOME,
    UNREACHABLE,
    UNSETTLED,
    BatchRecord,
    Outcome,
)
from ansible_collections.gpuops.runai.plugins.module_utils._phases import (
    DELETE,
    FINISHED_PHASES,
    RESUME,
    SEND,
    STOPPED,
    STOPPING,
    THERE,
    WAIT,
    canonical,
    meaning,
)
from ansible_collections.gpuops.runai.plugins.module_utils._plan import NOT_FOUND, Rules, decide
from ansible_collections.gpuops.runai.plugins.module_utils._retry import Patience
from ansible_collections.gpuops.runai.plugins.module_utils._state import StateReader
from ansible_collections.gpuops.runai.plugins.module_utils._tally import Tally
from ansible_collections.gpuops.runai.plugins.module_utils._workload import FORBIDDEN, MISSING, SEEN, Workload

# The control plane takes a wish and its cluster carries it out: a phase may lag behind the answer.
_LAG_SECONDS = 10.0
_FIRST_LOOK_PAUSE = 0.5
_LONGEST_LOOK_PAUSE = 2.0
# A control plane that keeps silent about an id is asked once more for it, not for ever.
_CALLS_FOR_SILENCE = 2


class Delivery(NamedTuple):
    """What became of a batch: an outcome for each of its ids.

    ``record`` is ``None`` for a batch that was never answered, ``stop`` says why no other batch
    should be sent, and ``was_sent`` tells whether at least one call left.
    """

    outcomes: list[Outcome]
    record: Optional[BatchRecord]
    stop: Optional[str]
    was_sent: bool


class Courier:
    """Delivers batches of one action; safe to use from several threads.

    ``before`` is what the plan was made of.
    """

    def __init__(
        self,
        action: str,
        client: Client,
        reader: StateReader,
        guard: Guard,
        tally: Tally,
        rules: Rules,
        before: Mapping[str, Workload],
    ) -> None:
        self.action = action
        self.before = before
        self.client = client
        self.reader = reader
        self.guard = guard
        self.tally = tally
        self.rules = rules

    def deliver(self, ids: Sequence[str]) -> Delivery:
        """Send one batch and settle each of its ids."""
        return _Batch(self, ids).run()


class _Batch:
    """The state of one delivery: what is still owed, and what is known of the earlier calls."""

    def __init__(self, courier: Courier, ids: Sequence[str]) -> None:
        self._courier = courier
        self._ids = ids
        self._owed = list(ids)
        self._outcomes: dict[str, Outcome] = {}
        self._patience: Patience = courier.client.patience()
        self._calls = 0
        self._answered = False
        self._batch_id: Optional[str] = None
        # An earlier call may have reached the control plane.
        self._may_have_arrived = False
        # An earlier call may have been carried out, and nothing seen since says what became of it.
        self._is_in_doubt = False
        self._silences = 0
        self._stop: Optional[str] = None

    def run(self) -> Delivery:
        began = time.monotonic()
        try:
            while self._owed:
                self._courier.guard.check_write()
                self._call()
        except Interrupted as stop:
            self._give_up(stop)
        outcomes = [self._outcomes[workload_id] for workload_id in self._ids]
        record = None
        if self._answered:
            record = BatchRecord(
                self._batch_id,
                len(outcomes),
                sum(outcome.outcome == CHANGED for outcome in outcomes),
                sum(outcome.outcome == FAILED for outcome in outcomes),
                self._calls,
                round(time.monotonic() - began, 3),
            )
        return Delivery(outcomes, record, self._stop, self._calls > 0)

    def _call(self) -> None:
        sent = list(self._owed)
        try:
            self._calls += 1
            answer = self._courier.client.batch(self._courier.action, sent)
        except Interrupted:
            self._calls -= 1
            raise
        except AccessDenied as fault:
            self._answered = True
            self._stop = str(fault)
            self._refuse(
                {workload_id: Refusal(fault.code, fault.text or fault.words) for workload_id in sent}
            )
        except RequestError as fault:
            if fault.may_be_applied:
                self._after_lost_answer(fault)
            elif isinstance(fault, StatusError) and not fault.refused_for_now:
                self._answered = True
                # Without the endpoint itself no other batch will fare better.
                if fault.is_no_such_endpoint:
                    self._stop = "{0}; batches need Run:ai 2.19 or later".format(fault)
                if fault.is_doubtful:
                    self._may_have_arrived = True
                    self._patience.start()
                self._refuse(
                    {workload_id: Refusal(fault.code, fault.text or fault.words) for workload_id in sent}
                )
            else:
                self._after_no_passage(fault)
        else:
            self._take(answer)

    def _take(self, answer: BatchAnswer) -> None:
        self._answered = True
        self._is_in_doubt = False
        self._batch_id = answer.batch_id
        self._settle(
            [Outcome(workload_id, CHANGED, batch_id=answer.batch_id) for workload_id in answer.succeeded]
        )
        self._refuse(answer.refused, is_moot_when_gone=self._courier.action == DELETE)
        if self._owed:
            self._courier.tally.remark(
                "the control plane named a workload neither as succeeded nor as failed; it was looked up"
            )
            self._after_silence()

    def _refuse(self, refused: dict[str, Refusal], is_moot_when_gone: bool = False) -> None:
        """Settle what was refused; look first where an earlier call may have done it.

        ``is_moot_when_gone`` looks in any case: finished workloads are also deleted by the control
        plane itself, and what is gone by then has not failed to be deleted.
        """
        seen: dict[str, Workload] = {}
        stop = self._stop
        if refused and (self._may_have_arrived or is_moot_when_gone):
            seen = self._look(list(refused), self._lag_left() if self._may_have_arrived else 0)
        if not self._may_have_arrived:
            # The refusal stands, whether it can be looked behind or not.
            self._stop = stop
        outcomes = []
        for workload_id, refusal in refused.items():
            if self._may_have_arrived and workload_id not in seen:
                words = "refused on a later call, and the state could not be read"
                outcomes.append(self._unknown(workload_id, words))
            elif workload_id in seen and self._is_done(seen[workload_id]):
                outcomes.append(self._done_before(seen[workload_id]))
            else:
                outcomes.append(
                    Outcome(
                        workload_id, FAILED, REFUSED, refusal.message, refusal.code, batch_id=self._batch_id
                    )
                )
        self._settle(outcomes)

    def _done_before(self, workload: Workload) -> Outcome:
        """Return the outcome of what was refused, but is done: by an earlier call of ours, or by another."""
        if self._may_have_arrived:
            return Outcome(workload.id, CHANGED, batch_id=self._batch_id)
        reason = NOT_FOUND if workload.presence == MISSING else ""
        return Outcome(
            workload.id, UNCHANGED, reason, "deleted by another meanwhile", batch_id=self._batch_id
        )

    def _after_lost_answer(self, fault: RequestError) -> None:
        self._may_have_arrived = True
        self._is_in_doubt = True
        self._patience.start()
        self._settle_by_state(self._lag_left())
        if not self._owed:
            return
        if self._patience.left <= 0 or self._is_in_doubt:
            self._stop = str(fault)
            self._settle([self._unknown(workload_id, fault.words) for workload_id in self._owed])
            return
        self._courier.tally.count_retry(fault.kind)

    def _after_no_passage(self, fault: RequestError) -> None:
        """Wait before the batch is sent again that did not get through.

        After a 503 look first: a proxy that gave up may have passed the batch on.
        """
        is_doubtful = isinstance(fault, StatusError) and fault.status == 503
        if is_doubtful:
            self._may_have_arrived = True
            self._is_in_doubt = True
        self._pause(fault)
        if not (is_doubtful and self._owed):
            return
        self._settle_by_state(0)
        if self._is_in_doubt:
            self._stop = str(fault)
            self._settle([self._unknown(workload_id, fault.words) for workload_id in self._owed])

    def _after_silence(self) -> None:
        self._silences += 1
        self._may_have_arrived = True
        self._is_in_doubt = True
        self._patience.start()
        self._settle_by_state(self._lag_left())
        may_ask_again = self._silences < _CALLS_FOR_SILENCE and self._patience.left > 0
        if self._owed and (self._is_in_doubt or not may_ask_again):
            words = "the control plane named it neither as succeeded nor as failed, and it shows no change"
            self._settle([self._unknown(workload_id, words) for workload_id in self._owed])
        elif self._owed:
            self._courier.tally.count_retry("an answer that did not name every id")

    def _pause(self, fault: RequestError) -> None:
        """Wait before the next call, or settle all that is owed when there will be none."""
        try:
            self._patience.pause(fault, before_write=True)
        except RequestError as end:
            self._stop = str(end)
            if self._may_have_arrived:
                # A user who wants no retries wants no long look either.
                self._settle_by_state(min(_LAG_SECONDS, self._patience.seconds))
            if isinstance(fault, StatusError):
                in_doubt, outcome, code = self._is_in_doubt, FAILED, fault.code
            else:
                in_doubt, outcome, code = self._may_have_arrived, NOT_ATTEMPTED, None
            self._settle(
                [
                    self._unknown(workload_id, end.words)
                    if in_doubt
                    else Outcome(workload_id, outcome, UNREACHABLE, end.words, code)
                    for workload_id in self._owed
                ]
            )

    def _settle_by_state(self, lag: float) -> None:
        """Read the state of what is owed; settle what shows the change or can't be acted on any more.

        What is left owed was seen not to show the change, unless it is still in doubt.
        """
        seen = self._look(self._owed, lag)
        self._is_in_doubt = len(seen) < len(self._owed)
        outcomes = []
        for workload in seen.values():
            if self._is_done(workload):
                outcomes.append(Outcome(workload.id, CHANGED, batch_id=self._batch_id))
                continue
            if workload.presence == FORBIDDEN:
                outcomes.append(self._unknown(workload.id, "its state can't be read any more (403)"))
                continue
            step = decide(self._courier.action, workload, self._courier.rules)
            if step.verdict not in (SEND, WAIT):
                outcomes.append(Outcome(workload.id, step.verdict, step.reason, step.message))
        self._settle(outcomes)

    def _look(self, ids: Sequence[str], lag: float) -> dict[str, Workload]:
        """Return the state of ``ids``, read for up to ``lag`` seconds while some show no change.

        Returns what was seen last; nothing for ids whose state could not be read.
        """
        until = time.monotonic() + lag
        pause = _FIRST_LOOK_PAUSE
        seen: dict[str, Workload] = {}
        left = list(ids)
        while True:
            try:
                seen.update(self._courier.reader.read(left, self._patience))
                left = [workload_id for workload_id in left if self._may_still_show(seen[workload_id])]
                remaining = until - time.monotonic()
                if not left or remaining <= 0:
                    return seen
                self._courier.guard.sleep(min(pause, remaining))
            except RequestError as fault:
                self._stop = self._stop or "the state could not be read after a lost answer: {0}".format(
                    fault
                )
                return {workload_id: seen[workload_id] for workload_id in seen if workload_id not in left}
            except Interrupted:
                return {workload_id: seen[workload_id] for workload_id in seen if workload_id not in left}
            pause = min(pause * 2, _LONGEST_LOOK_PAUSE)

    def _may_still_show(self, workload: Workload) -> bool:
        return (
            workload.presence == SEEN
            and not self._is_done(workload)
            and meaning(self._courier.action, workload.phase) in (SEND, WAIT)
        )

    def _is_done(self, workload: Workload) -> bool:
        """Tell whether the workload, which was to be acted on, shows that it was."""
        if self._courier.action == RESUME and canonical(workload.phase) in FINISHED_PHASES:
            # What was stopped does not finish unless it is resumed.
            return canonical(self._courier.before[workload.id].phase) in (STOPPED, STOPPING)
        return decide(self._courier.action, workload, _NO_RULES).verdict == THERE

    def _lag_left(self) -> float:
        return max(0.0, min(_LAG_SECONDS, self._patience.left))

    def _unknown(self, workload_id: str, words: str) -> Outcome:
        return Outcome(workload_id, UNKNOWN_OUTCOME, UNSETTLED, words, batch_id=self._batch_id)

    def _give_up(self, stop: Interrupted) -> None:
        """Settle what is owed when no further batch may be sent; reading may still be possible."""
        if self._may_have_arrived:
            self._settle_by_state(_LAG_SECONDS if self._is_in_doubt else 0)
            self._settle([self._unknown(workload_id, str(stop)) for workload_id in self._owed])
        else:
            words = str(stop)
            self._settle(
                [Outcome(workload_id, NOT_ATTEMPTED, stop.reason, words) for workload_id in self._owed]
            )

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        self._outcomes.update((outcome.id, outcome) for outcome in outcomes)
        self._owed = [workload_id for workload_id in self._owed if workload_id not in self._outcomes]


_NO_RULES = Rules(protect=(), only_phases=None, tolerate=(MISSING,))
