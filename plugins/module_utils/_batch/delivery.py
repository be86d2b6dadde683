# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch, from its first call until each of its ids has an outcome.

After a lost response the state is read, and only ids that did not change are sent again. An id that is
refused on a later call counts as failed only after its state was read. Before a delete, state that is too
old is read again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from .._api.errors import Interrupted, RequestError, StatusError
from .._api.responses import BatchResponse, Refusal
from .._workload.phases import DELETE, SEND, WAIT, meaning
from .._workload.workload import FORBIDDEN, MISSING, SEEN, Workload
from .context import BatchContext
from .fault_policy import (
    NOT_APPLIED,
    READ_REPEATEDLY,
    FaultDecision,
    decide_on_fault,
    is_overload,
)
from .fresh_state import FreshState
from .outcome import (
    CHANGED,
    FAILED,
    LOST_RESPONSE,
    NOT_ATTEMPTED,
    REFUSED,
    SKIPPED,
    UNCHANGED,
    UNKNOWN_OUTCOME,
    UNREACHABLE,
    BatchRecord,
    Outcome,
)
from .plan import NOT_FOUND, is_done, plan_one

# The control plane is asynchronous: a phase may change some seconds after the response.
_LAG_SECONDS = 10.0
_FIRST_READ_PAUSE = 0.5
_LONGEST_READ_PAUSE = 2.0
# Calls for an id that the responses omit.
_CALLS_FOR_OMITTED = 2


class BatchResult(NamedTuple):
    """The outcomes of a batch, one for each of its ids.

    ``record`` is ``None`` for a batch without a response. ``stop`` is the reason for which no further
    batch may be sent. ``was_sent`` is true if at least one call was made.
    """

    outcomes: list[Outcome]
    record: Optional[BatchRecord]
    stop: Optional[str]
    was_sent: bool


class Delivery:
    """The state of one delivery: the ids without an outcome, and what is known of the earlier calls.

    ``fresh_state`` is for deletes.
    """

    def __init__(self, context: BatchContext, ids: Sequence[str], fresh_state: Optional[FreshState]) -> None:
        self._context = context
        self._fresh_state = fresh_state
        self._action = context.options.action
        self._stats = context.run_state.stats
        self._ids = ids
        self._unsettled = list(ids)
        self._outcomes: dict[str, Outcome] = {}
        self._retry_budget = context.client.retry_budget()
        self._calls = 0
        self._has_response = False
        self._batch_id: Optional[str] = None
        # An earlier call may have reached the control plane.
        self._may_have_arrived = False
        # An earlier call may have been carried out, and no state read since shows its result.
        self._is_in_doubt = False
        # An earlier call may still be carried out, whatever the state shows now: clusters act later.
        self._may_be_applied = False
        self._omissions = 0
        self._stop: Optional[str] = None

    def run(self) -> BatchResult:
        """Send the batch, and settle each of its ids."""
        began = time.monotonic()
        try:
            if self._fresh_state is not None:
                self._leave_what_changed(self._fresh_state)
            while self._unsettled:
                self._context.cancellation.check_write()
                self._call()
        except Interrupted as stop:
            self._cancel_remaining(stop)
        outcomes = [self._outcomes[workload_id] for workload_id in self._ids]
        record = None
        if self._has_response:
            record = BatchRecord(
                self._batch_id,
                len(outcomes),
                sum(outcome.outcome == CHANGED for outcome in outcomes),
                sum(outcome.outcome == FAILED for outcome in outcomes),
                self._calls,
                round(time.monotonic() - began, 3),
            )
        return BatchResult(outcomes, record, self._stop, self._calls > 0)

    def _leave_what_changed(self, fresh_state: FreshState) -> None:
        """Settle the workloads that are no longer as they were planned."""
        try:
            self._settle(fresh_state.outcomes_of_changed(self._ids))
        except RequestError as fault:
            self._stop = "the state could not be read again before a delete: {0}".format(fault)
            self._settle_rest(NOT_ATTEMPTED, UNREACHABLE, self._stop)

    def _call(self) -> None:
        began = time.monotonic()
        try:
            response = self._context.client.batch(self._action, list(self._unsettled))
        except RequestError as fault:
            self._calls += 1
            if self._calls == 1 and is_overload(fault):
                self._context.concurrency.record_overload(began)
            self._react(fault, decide_on_fault(fault))
        else:
            self._calls += 1
            self._take(response)

    def _take(self, response: BatchResponse) -> None:
        self._has_response = True
        self._is_in_doubt = False
        self._batch_id = response.batch_id
        self._settle(
            [Outcome(workload_id, CHANGED, batch_id=response.batch_id) for workload_id in response.succeeded]
        )
        self._refuse(response.refused)
        if self._unsettled:
            self._stats.warn_once("a batch response omitted a workload; its state was read instead")
            self._handle_omitted()

    def _react(self, fault: RequestError, fault_decision: FaultDecision) -> None:
        state_check, refusal = fault_decision.state_check, fault_decision.refusal
        self._may_be_applied = self._may_be_applied or state_check == READ_REPEATEDLY
        if state_check != NOT_APPLIED:
            self._may_have_arrived = True
            self._retry_budget.start()
        if fault_decision.is_lost:
            self._handle_unknown_result(fault)
        elif refusal is None:
            self._handle_not_delivered(fault, state_check)
        else:
            sent = list(self._unsettled)
            self._has_response = True
            self._stop = fault_decision.stop
            self._refuse(dict.fromkeys(sent, refusal), fault.status == 403)
            if state_check != NOT_APPLIED and any(self._outcomes[one].outcome == CHANGED for one in sent):
                self._warn_settled_by_state(fault)

    def _refuse(self, refused: dict[str, Refusal], is_denied: bool = False) -> None:
        """Settle refused workloads, after a read of their state where an earlier call may be carried out.

        The state of refused deletes is always read, unless the account has no permission: the control plane
        deletes finished workloads itself, and a workload that is gone did not fail.
        """
        seen: dict[str, Workload] = {}
        problem = ""
        if refused and self._may_have_arrived:
            seen, problem = self._observe(list(refused), self._lag_left())
            self._stop_for_problem(problem)
        elif refused and self._action == DELETE and not is_denied:
            # The refusal counts if the state cannot be read.
            seen, _problem = self._observe(list(refused), 0)
        outcomes = []
        for workload_id, refusal in refused.items():
            if self._may_have_arrived and workload_id not in seen:
                text = "refused on a later call, and its state is not known"
                outcomes.append(self._unknown(workload_id, _with_problem(text, problem)))
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
        """Return the outcome of a refused workload that is in the requested state."""
        if self._may_have_arrived:
            return Outcome(workload.id, CHANGED, batch_id=self._batch_id)
        reason = NOT_FOUND if workload.presence == MISSING else ""
        return Outcome(
            workload.id, UNCHANGED, reason, "deleted by someone else in the meantime", batch_id=self._batch_id
        )

    def _handle_unknown_result(self, fault: RequestError) -> None:
        sent = list(self._unsettled)
        problem = self._resolve_from_state(self._lag_left(), fault.message)
        if not self._unsettled:
            if any(self._outcomes[one].outcome != UNKNOWN_OUTCOME for one in sent):
                self._warn_settled_by_state(fault)
        elif self._retry_budget.left <= 0 or self._is_in_doubt:
            self._end_unknown(fault, problem)
        elif self._context.hooks.send_anyway:
            # No state that takes time to change has kept this batch waiting.
            try:
                self._retry_budget.pause(fault, before_write=True)
            except RequestError:
                self._end_unknown(fault, problem)
        else:
            self._stats.count_retry(fault.kind)

    def _handle_not_delivered(self, fault: RequestError, state_check: str) -> None:
        """Pause before a batch that was not delivered is sent again, or settle it when retries end.

        Where it may have been delivered nevertheless, the state is read first.
        """
        self._is_in_doubt = self._is_in_doubt or state_check != NOT_APPLIED
        lag_ends = time.monotonic() + (_LAG_SECONDS if state_check == READ_REPEATEDLY else 0)
        try:
            self._retry_budget.pause(fault, before_write=True)
        except RequestError as end:
            self._end_not_delivered(fault, end, state_check)
            return
        if state_check != NOT_APPLIED:
            lag = max(0.0, lag_ends - time.monotonic())
            problem = self._resolve_from_state(min(lag, self._lag_left()), fault.message)
            if self._is_in_doubt or (self._unsettled and self._retry_budget.left <= 0 < lag):
                self._end_unknown(fault, problem)

    def _end_not_delivered(self, fault: RequestError, end: RequestError, state_check: str) -> None:
        problem = ""
        if self._may_have_arrived:
            # Without retries, the state is not read for long either.
            lag = min(_LAG_SECONDS, self._retry_budget.seconds)
            problem = self._resolve_from_state(lag, end.message)
            self._is_in_doubt = self._is_in_doubt or (state_check == READ_REPEATEDLY and lag < _LAG_SECONDS)
        self._stop = _with_problem(str(end), problem)
        if isinstance(fault, StatusError) and fault.status != 401:
            in_doubt, outcome, code = self._is_in_doubt, FAILED, fault.code
        else:
            in_doubt, outcome, code = self._may_have_arrived, NOT_ATTEMPTED, None
        text = _with_problem(end.message, problem)
        if in_doubt:
            self._settle_unknown(text)
        else:
            self._settle_rest(outcome, UNREACHABLE, text, code)

    def _end_unknown(self, fault: RequestError, problem: str) -> None:
        """Settle the remaining ids, which the state does not decide, as unknown. No further batch is sent."""
        self._stop = _with_problem(str(fault), problem)
        self._settle_unknown(_with_problem(fault.message, problem))

    def _handle_omitted(self) -> None:
        self._omissions += 1
        self._may_have_arrived = self._may_be_applied = True
        self._retry_budget.start()
        text = "the response omitted it"
        problem = self._resolve_from_state(self._lag_left(), text)
        self._stop_for_problem(problem)
        if self._is_in_doubt:
            self._settle_unknown(_with_problem(text, problem))
        elif self._omissions >= _CALLS_FOR_OMITTED or self._retry_budget.left <= 0:
            self._settle_unknown(text + ", and its phase did not change")
        elif self._unsettled:
            self._stats.count_retry("a response that omitted an id")

    def _cancel_remaining(self, stop: Interrupted) -> None:
        """Settle the remaining ids when no further batch may be sent. Reads may still be possible."""
        text = str(stop)
        if self._may_have_arrived:
            problem = self._resolve_from_state(_LAG_SECONDS if self._is_in_doubt else 0, text)
            self._stop_for_problem(problem)
            self._settle_unknown(_with_problem(text, problem))
        else:
            self._settle_rest(NOT_ATTEMPTED, stop.reason, text)

    def _resolve_from_state(self, lag: float, text: str) -> str:
        """Read the state of the remaining ids; settle those that changed or can no longer be acted on.

        The ids that remain after that did not change, or could not be read.

        Returns why they could not be read. ``text`` is the reason for this read.
        """
        seen, problem = self._observe(self._unsettled, lag)
        self._is_in_doubt = len(seen) < len(self._unsettled)
        outcomes = []
        for workload in seen.values():
            if self._is_done(workload):
                outcomes.append(Outcome(workload.id, CHANGED, batch_id=self._batch_id))
                continue
            if workload.presence == FORBIDDEN:
                outcomes.append(self._unknown(workload.id, text + "; its state can no longer be read (403)"))
                continue
            item = plan_one(self._action, workload, self._context.options.sending_rules)
            if item.decision in (SKIPPED, FAILED):
                outcomes.append(Outcome(workload.id, item.decision, item.reason, item.message))
        self._settle(outcomes)
        return problem

    def _observe(self, ids: Sequence[str], lag: float) -> tuple[dict[str, Workload], str]:
        """Return the state of ``ids``, read again for up to ``lag`` seconds until all of them changed.

        The last read begins when this time is over, however long a read takes. Ids that could not be read, or
        not until then, are left out; the text says why.
        """
        until = time.monotonic() + lag
        pause = _FIRST_READ_PAUSE
        seen: dict[str, Workload] = {}
        left = list(ids)
        problem = ""
        try:
            while True:
                is_last = time.monotonic() >= until
                seen.update(self._context.reader.read(left, self._retry_budget))
                left = [workload_id for workload_id in left if self._may_still_change(seen[workload_id])]
                if not left or is_last:
                    return seen, problem
                self._context.cancellation.sleep(max(0.0, min(pause, until - time.monotonic())))
                pause = min(pause * 2, _LONGEST_READ_PAUSE)
        except RequestError as fault:
            problem = str(fault)
        except Interrupted:
            pass
        return {one: seen[one] for one in seen if one not in left}, problem

    def _may_still_change(self, workload: Workload) -> bool:
        return workload.presence == SEEN and meaning(self._action, workload.phase) in (SEND, WAIT)

    def _is_done(self, workload: Workload) -> bool:
        before = self._context.run_state.state[workload.id]
        is_proof = workload.id not in self._context.hooks.send_anyway
        return is_proof and is_done(self._action, workload, before)

    def _lag_left(self) -> float:
        return max(0.0, min(_LAG_SECONDS, self._retry_budget.left))

    def _unknown(self, workload_id: str, text: str) -> Outcome:
        return Outcome(workload_id, UNKNOWN_OUTCOME, LOST_RESPONSE, text, batch_id=self._batch_id)

    def _stop_for_problem(self, problem: str) -> None:
        """Send no further batch where the state can't be read, since its result could not be read either."""
        if problem and self._stop is None:
            self._stop = "the state could not be read after a lost response: {0}".format(problem)

    def _warn_settled_by_state(self, fault: RequestError) -> None:
        self._stats.warn_once(
            "the response of a batch was lost ({0}); its result was read from the state".format(fault.kind)
        )

    def _settle_unknown(self, text: str) -> None:
        self._settle_rest(UNKNOWN_OUTCOME, LOST_RESPONSE, text)

    def _settle_rest(self, outcome: str, reason: str, text: str, code: Optional[int] = None) -> None:
        self._settle(Outcome(one, outcome, reason, text, code, self._batch_id) for one in self._unsettled)

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            may_be_applied = self._may_be_applied and outcome.outcome != CHANGED
            self._outcomes[outcome.id] = outcome._replace(may_be_applied=may_be_applied)
        self._unsettled = [
            workload_id for workload_id in self._unsettled if workload_id not in self._outcomes
        ]


def _with_problem(text: str, problem: str) -> str:
    return "{0}; the state could not be read: {1}".format(text, problem) if problem else text
