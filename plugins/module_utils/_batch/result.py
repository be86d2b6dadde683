# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From outcomes to the result of the task: pure, of a constant shape, and of a bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Callable

from .._common.result import ResultBudget
from .._common.text import clean, counted
from .._workload.phases import DELETE, RESUME, RUNNING, STOPPED
from .outcome import (
    CHANGED,
    FAILED,
    OUTCOMES,
    UNKNOWN_OUTCOME,
    WORST_FIRST,
    Outcome,
    describe_counts,
)
from .plan import NOT_FOUND
from .run_state import RunState

# Each list may take this share of the space that the lists before it left. The rows get the rest.
_BATCHES_SHARE = 0.5
_NOT_REACHED_SHARE = 0.8
_DIFF_SHARE = 0.3
_MOST_REASONS = 3


def make_result(
    run_state: RunState, workloads_limit: int, with_diff: bool, verbosity: int = 0
) -> dict[str, Any]:
    """Return the keys of the result, always the same ones, within the size that job viewers keep."""
    outcomes = [run_state.outcomes[workload_id] for workload_id in run_state.ids]
    by_outcome: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
    for outcome in outcomes:
        by_outcome[outcome.outcome].append(outcome.id)
    result: dict[str, Any] = {
        "changed": bool(by_outcome[CHANGED]),
        "msg": _message(run_state, outcomes),
        "action": run_state.action,
        "summary": {
            "requested": len(outcomes),
            **{outcome: len(ids) for outcome, ids in by_outcome.items()},
            "duplicates": run_state.duplicates,
            "requests": run_state.stats.requests,
            "batches": run_state.sent_batches,
            "retries": run_state.stats.retries,
            "seconds": run_state.seconds,
        },
        "outcomes": by_outcome,
        "not_reached": [],
        "workloads": [],
        "workloads_truncated": False,
        "batches": [],
    }
    budget = ResultBudget(result, verbosity)
    batches = ({**batch._asdict(), "id": batch.id or ""} for batch in run_state.batches)
    result["batches"] = budget.take(batches, _BATCHES_SHARE)
    result["not_reached"] = budget.take(run_state.not_reached, _NOT_REACHED_SHARE)
    if len(result["not_reached"]) < len(run_state.not_reached):
        result["msg"] += "; not_reached holds the first {0} of {1}".format(
            len(result["not_reached"]), len(run_state.not_reached)
        )
    if with_diff:
        result["diff"] = _diff(run_state, by_outcome[CHANGED], int(budget.left * _DIFF_SHARE), budget.size)
        budget.left -= budget.size(result["diff"])
    ranked = sorted(outcomes, key=lambda outcome: WORST_FIRST.index(outcome.outcome))
    result["workloads"] = budget.take(run_state.row(outcome.id) for outcome in ranked[:workloads_limit])
    result["workloads_truncated"] = len(result["workloads"]) < len(ranked)
    return result


def _message(run_state: RunState, outcomes: Sequence[Outcome]) -> str:
    """Return the one sentence that a person can act on."""
    changed = "{0} would change" if run_state.check_mode else "{0} changed"
    sentence = "{0}: {1} of {2}".format(
        run_state.action, describe_counts(run_state.counts, changed), len(outcomes)
    )
    reasons = Counter(
        _reason(outcome)
        for outcome in outcomes
        # Notes give the reason for a stop, and with it that of unknown outcomes.
        if outcome.outcome == FAILED or (outcome.outcome == UNKNOWN_OUTCOME and not run_state.notes)
    )
    parts = ["{0}: {1}".format(reason, count) for reason, count in reasons.most_common(_MOST_REASONS)]
    if len(reasons) > _MOST_REASONS:
        parts.append("and {0}".format(counted(len(reasons) - _MOST_REASONS, "other reason")))
    if parts:
        sentence += " ({0})".format(", ".join(parts))
    notes = list(run_state.notes)
    gone = sum(outcome.reason == NOT_FOUND for outcome in outcomes)
    if gone:
        notes.append("{0} not there: gone, or not visible to this account".format(gone))
    return "; ".join([sentence, *notes])


def _reason(outcome: Outcome) -> str:
    message = clean(outcome.message, 120) or outcome.reason
    # Without JSON in the response, the message itself begins with the status: "HTTP 502, Bad Gateway".
    if outcome.code is None or message.startswith("HTTP {0}".format(outcome.code)):
        return message
    return "{0} {1}".format(outcome.code, message)


def _diff(run_state: RunState, ids: Sequence[str], budget: int, size: Callable[[Any], int]) -> dict[str, str]:
    """Return the phase before and after of the changed ``ids``, cut to about ``budget`` characters."""
    after_phase = {DELETE: "gone", RESUME: RUNNING}.get(run_state.action, STOPPED)
    before: list[str] = []
    after: list[str] = []
    for position, workload_id in enumerate(ids):
        workload = run_state.state[workload_id]
        name = "{0} {1}: ".format(workload_id, workload.name)
        old = name + workload.phase + "\n"
        new = name + after_phase + "\n"
        budget -= size(old + new)
        if budget < 0:
            old = new = "and {0} more\n".format(len(ids) - position)
        before.append(old)
        after.append(new)
        if budget < 0:
            break
    return {"before": "".join(before), "after": "".join(after)}
