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

from .._api.cancellation import Cancellation
from .._api.client import Client
from .._api.errors import AccessDenied, Interrupted, RequestError, StatusError
from .._api.responses import BatchAnswer, Refusal
from .._api.retry import RetryBudget
from .._api.stats import RequestStats
from .._workload.phases import (
    ALREADY_DONE,
    DELETE,
    FINISHED_PHASES,
    RESUME,
    SEND,
    STOPPED,
    STOPPING,
    WAIT,
    canonical,
    meaning,
)
from .._workload.state import StateReader
from .._workload.workload import FORBIDDEN, MISSING, SEEN, Workload
from .fault_policy import (
    LOOK_AWHILE,
    NOT_APPLIED,
    UNKNOWN_RESULT,
    FaultDecision,
    reaction_to,
)
from .outcome import (
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
from .plan import NOT_FOUND, Rules, plan_one

# The control plane takes a wish and its cluster carries it out: a phase may lag behind the answer.
_LAG_SECONDS = 10.0
_FIRST_LOOK_PAUSE = 0.5
_LONGEST_LOOK_PAUSE = 2.0
# A control plane that keeps silent about an id is asked once more for it, not for ever.
_CALLS_FOR_SILENCE = 2
# What is done is done, whatever the user's rules say of acting on it.
_NO_RULES = Rules(protect=(), only_phases=None, tolerate=())


class BatchResult(NamedTuple):
    """What became of a batch: an outcome for each of its ids.

    ``record`` is ``None`` for a batch that was never answered, ``stop`` says why no other batch
    should be sent, and ``was_sent`` tells whether at least one call left.
    """

    outcomes: list[Outcome]
    record: Optional[BatchRecord]
    stop: Optional[str]
    was_sent: bool


class DeliveryContext(NamedTuple):
    """What the deliveries of one action share; all of it is safe to use from several threads.

    ``before`` is what the plan was made of.
    """

    action: str
    client: Client
    reader: StateReader
    cancellation: Cancellation
    stats: RequestStats
    rules: Rules
    before: Mapping[str, Workload]


def deliver(context: DeliveryContext, ids: Sequence[str]) -> BatchResult:
    """Send one batch and settle each of its ids."""
    return _Batch(context, ids).run()


class Observation(NamedTuple):
    """What was seen last of each id, but for those that could not be read; ``trouble`` says why not."""

    seen: dict[str, Workload]
    trouble: str = ""


class _Batch:
    """The state of one delivery: what is still owed, and what is known of the earlier calls."""

    def __init__(self, context: DeliveryContext, ids: Sequence[str]) -> None:
        self._context = context
        self._ids = ids
        self._owed = list(ids)
        self._outcomes: dict[str, Outcome] = {}
        self._retry_budget: RetryBudget = context.client.retry_budget()
        self._calls = 0
        self._answered = False
        self._batch_id: Optional[str] = None
        # An earlier call may have reached the control plane.
        self._may_have_arrived = False
        # An earlier call may have been carried out, and nothing seen since says what became of it.
        self._is_in_doubt = False
        self._silences = 0
        self._stop: Optional[str] = None

    def run(self) -> BatchResult:
        began = time.monotonic()
        try:
            while self._owed:
                self._context.cancellation.check_write()
                self._call()
        except Interrupted as stop:
            self._cancel_remaining(stop)
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
        return BatchResult(outcomes, record, self._stop, self._calls > 0)

    def _call(self) -> None:
        try:
            answer = self._context.client.batch(self._context.action, list(self._owed))
        except RequestError as fault:
            self._calls += 1
            self._react(fault, reaction_to(fault))
        else:
            self._calls += 1
            self._take(answer)

    def _take(self, answer: BatchAnswer) -> None:
        self._answered = True
        self._is_in_doubt = False
        self._batch_id = answer.batch_id
        self._settle(
            [Outcome(workload_id, CHANGED, batch_id=answer.batch_id) for workload_id in answer.succeeded]
        )
        self._refuse(answer.refused)
        if self._owed:
            self._context.stats.warn_once(
                "the control plane named a workload neither as succeeded nor as failed; it was looked up"
            )
            self._after_silence()

    def _react(self, fault: RequestError, fault_decision: FaultDecision) -> None:
        self._may_have_arrived = self._may_have_arrived or fault_decision.doubt != NOT_APPLIED
        if fault_decision.verdict == UNKNOWN_RESULT:
            self._after_lost_answer(fault)
        elif fault_decision.refusal is None:
            self._handle_not_delivered(fault, fault_decision.doubt)
        else:
            self._answered = True
            self._stop = fault_decision.stop
            self._after_refusal(fault, fault_decision.refusal, fault_decision.doubt)

    def _refuse(self, refused: dict[str, Refusal], is_denied: bool = False) -> None:
        """Settle what was refused; look first where an earlier call may have done it.

        A delete is looked behind in any case, unless the account is denied it: finished workloads are
        also deleted by the control plane itself, and what is gone by then has not failed to be deleted.
        """
        look = Observation({})
        if refused and self._may_have_arrived:
            look = self._look(list(refused), self._lag_left())
            self._stop_for_trouble(look.trouble)
        elif refused and self._context.action == DELETE and not is_denied:
            # The refusal stands, whether it can be looked behind or not.
            look = self._look(list(refused), 0)
        outcomes = []
        for workload_id, refusal in refused.items():
            if self._may_have_arrived and workload_id not in look.seen:
                words = "refused on a later call, and not seen since"
                outcomes.append(self._unknown(workload_id, _with_trouble(words, look.trouble)))
            elif workload_id in look.seen and self._is_done(look.seen[workload_id]):
                outcomes.append(self._done_before(look.seen[workload_id]))
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

    def _after_refusal(self, fault: RequestError, refusal: Refusal, doubt: str) -> None:
        """Settle a batch that was refused as a whole, or that a proxy says was."""
        sent = list(self._owed)
        if doubt != NOT_APPLIED:
            self._retry_budget.start()
        self._refuse(dict.fromkeys(sent, refusal), isinstance(fault, AccessDenied))
        if doubt != NOT_APPLIED and any(self._outcomes[one].outcome == CHANGED for one in sent):
            self._remark_settled_by_state(fault)

    def _after_lost_answer(self, fault: RequestError) -> None:
        self._is_in_doubt = True
        self._retry_budget.start()
        sent = list(self._owed)
        trouble = self._resolve_from_state(self._lag_left(), fault.words)
        if not self._owed:
            if any(self._outcomes[one].outcome != UNKNOWN_OUTCOME for one in sent):
                self._remark_settled_by_state(fault)
        elif self._retry_budget.left <= 0 or self._is_in_doubt:
            self._end_unknown(fault, trouble)
        else:
            self._context.stats.count_retry(fault.kind)

    def _handle_not_delivered(self, fault: RequestError, doubt: str) -> None:
        """Wait before the batch is sent again that did not get through, or settle it when it won't be.

        Where it may have got through all the same, the state is read first.
        """
        self._is_in_doubt = self._is_in_doubt or doubt != NOT_APPLIED
        lag_ends = time.monotonic() + (_LAG_SECONDS if doubt == LOOK_AWHILE else 0)
        try:
            self._retry_budget.pause(fault, before_write=True)
        except RequestError as end:
            self._end_without_passage(fault, end, doubt)
            return
        if doubt != NOT_APPLIED:
            lag = max(0.0, lag_ends - time.monotonic())
            trouble = self._resolve_from_state(min(lag, self._lag_left()), fault.words)
            if self._is_in_doubt or (self._owed and self._retry_budget.left <= 0 < lag):
                self._end_unknown(fault, trouble)

    def _end_without_passage(self, fault: RequestError, end: RequestError, doubt: str) -> None:
        trouble = ""
        if self._may_have_arrived:
            # A user who wants no retries wants no long look either.
            lag = min(_LAG_SECONDS, self._retry_budget.seconds)
            trouble = self._resolve_from_state(lag, end.words)
            self._is_in_doubt = self._is_in_doubt or (doubt == LOOK_AWHILE and lag < _LAG_SECONDS)
        self._stop = _with_trouble(str(end), trouble)
        if isinstance(fault, StatusError):
            in_doubt, outcome, code = self._is_in_doubt, FAILED, fault.code
        else:
            in_doubt, outcome, code = self._may_have_arrived, NOT_ATTEMPTED, None
        words = _with_trouble(end.words, trouble)
        self._settle(
            [
                self._unknown(workload_id, words)
                if in_doubt
                else Outcome(workload_id, outcome, UNREACHABLE, words, code)
                for workload_id in self._owed
            ]
        )

    def _end_unknown(self, fault: RequestError, trouble: str) -> None:
        """Settle what is owed and can't be settled by looking; no other batch is sent."""
        self._stop = _with_trouble(str(fault), trouble)
        self._settle_unknown(_with_trouble(fault.words, trouble))

    def _after_silence(self) -> None:
        self._silences += 1
        self._may_have_arrived = True
        self._is_in_doubt = True
        self._retry_budget.start()
        words = "the answer did not name it"
        trouble = self._resolve_from_state(self._lag_left(), words)
        self._stop_for_trouble(trouble)
        if self._is_in_doubt:
            self._settle_unknown(_with_trouble(words, trouble))
        elif self._owed and (self._silences >= _CALLS_FOR_SILENCE or self._retry_budget.left <= 0):
            self._settle_unknown(words + ", and it shows no change")
        elif self._owed:
            self._context.stats.count_retry("an answer that did not name every id")

    def _cancel_remaining(self, stop: Interrupted) -> None:
        """Settle what is owed when no further batch may be sent; reading may still be possible."""
        words = str(stop)
        if self._may_have_arrived:
            trouble = self._resolve_from_state(_LAG_SECONDS if self._is_in_doubt else 0, words)
            self._stop_for_trouble(trouble)
            self._settle_unknown(_with_trouble(words, trouble))
        else:
            self._settle(
                [Outcome(workload_id, NOT_ATTEMPTED, stop.reason, words) for workload_id in self._owed]
            )

    def _resolve_from_state(self, lag: float, words: str) -> str:
        """Read the state of what is owed; settle what shows the change or can't be acted on any more.

        What is left owed was seen not to show the change, unless it is still in doubt: then what is
        returned says why it could not be read. ``words`` tell what made looking necessary.
        """
        look = self._look(self._owed, lag)
        self._is_in_doubt = len(look.seen) < len(self._owed)
        outcomes = []
        for workload in look.seen.values():
            if self._is_done(workload):
                outcomes.append(Outcome(workload.id, CHANGED, batch_id=self._batch_id))
                continue
            if workload.presence == FORBIDDEN:
                outcomes.append(
                    self._unknown(workload.id, words + "; its state can't be read any more (403)")
                )
                continue
            step = plan_one(self._context.action, workload, self._context.rules)
            if step.verdict not in (SEND, WAIT):
                outcomes.append(Outcome(workload.id, step.verdict, step.reason, step.message))
        self._settle(outcomes)
        return look.trouble

    def _look(self, ids: Sequence[str], lag: float) -> Observation:
        """Return the state of ``ids``, read for up to ``lag`` seconds while some show no change.

        The last read begins when the time is over, however long reading takes.
        """
        until = time.monotonic() + lag
        pause = _FIRST_LOOK_PAUSE
        seen: dict[str, Workload] = {}
        left = list(ids)
        trouble = ""
        while True:
            remaining = until - time.monotonic()
            try:
                seen.update(self._context.reader.read(left, self._retry_budget))
                left = [workload_id for workload_id in left if self._may_still_show(seen[workload_id])]
                if not left or remaining <= 0:
                    return Observation(seen)
                self._context.cancellation.sleep(max(0.0, min(pause, until - time.monotonic())))
            except RequestError as fault:
                trouble = str(fault)
                break
            except Interrupted:
                break
            pause = min(pause * 2, _LONGEST_LOOK_PAUSE)
        return Observation({one: seen[one] for one in seen if one not in left}, trouble)

    def _may_still_show(self, workload: Workload) -> bool:
        return (
            workload.presence == SEEN
            and not self._is_done(workload)
            and meaning(self._context.action, workload.phase) in (SEND, WAIT)
        )

    def _is_done(self, workload: Workload) -> bool:
        """Tell whether the workload, which was to be acted on, shows that it was."""
        if self._context.action == RESUME and canonical(workload.phase) in FINISHED_PHASES:
            # What was stopped does not finish unless it is resumed.
            return canonical(self._context.before[workload.id].phase) in (STOPPED, STOPPING)
        return plan_one(self._context.action, workload, _NO_RULES).verdict == ALREADY_DONE

    def _lag_left(self) -> float:
        return max(0.0, min(_LAG_SECONDS, self._retry_budget.left))

    def _unknown(self, workload_id: str, words: str) -> Outcome:
        return Outcome(workload_id, UNKNOWN_OUTCOME, UNSETTLED, words, batch_id=self._batch_id)

    def _stop_for_trouble(self, trouble: str) -> None:
        """Send no other batch where the state can't be read: it could not be settled either."""
        if trouble and self._stop is None:
            self._stop = "the state could not be read after a lost answer: {0}".format(trouble)

    def _remark_settled_by_state(self, fault: RequestError) -> None:
        self._context.stats.warn_once(
            "a batch got no answer to use because of: {0}; what became of it was read from the state".format(
                fault.kind
            )
        )

    def _settle_unknown(self, words: str) -> None:
        self._settle([self._unknown(workload_id, words) for workload_id in self._owed])

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        self._outcomes.update((outcome.id, outcome) for outcome in outcomes)
        self._owed = [workload_id for workload_id in self._owed if workload_id not in self._outcomes]


def _with_trouble(words: str, trouble: str) -> str:
    return "{0}; the state could not be read: {1}".format(words, trouble) if trouble else words
