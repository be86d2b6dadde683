# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From outcomes to the result of the task: pure, of a constant shape, and of a bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from .._common.result import ResultBudget
from .._common.text import clean, counted
from .._workload.phases import DELETE, RESUME, RUNNING, STOPPED
from .._workload.workload import Workload
from .outcome import (
    BAD,
    CHANGED,
    FAILED,
    OUTCOMES,
    UNKNOWN_OUTCOME,
    WORST_FIRST,
    BatchRecord,
    Outcome,
    describe_counts,
)
from .plan import NOT_FOUND

# Each list may take this share of the space that the lists before it left. The rows get the rest.
_BATCHES_SHARE = 0.5
_NOT_REACHED_SHARE = 0.8
_DIFF_SHARE = 0.3
_MOST_REASONS = 3


class Counters(NamedTuple):
    """What was counted on the way."""

    duplicates: int
    requests: int
    batches: int
    retries: int
    seconds: float


class RunSummary(NamedTuple):
    """All that the report is made from.

    ``state`` is what was seen before anything was sent. ``notes`` are sentences for the end of
    ``msg``; ``stopped`` says that the task did not run to its end although no id shows it.
    """

    action: str
    check_mode: bool
    outcomes: Sequence[Outcome]
    state: Mapping[str, Workload]
    not_reached: Sequence[str]
    batches: Sequence[BatchRecord]
    counters: Counters
    notes: Sequence[str]
    stopped: bool


def report_row(outcome: Outcome, workload: Optional[Workload]) -> dict[str, Any]:
    """Return one id as a row of ``workloads`` and of the report file."""
    seen = workload or Workload(outcome.id, "")
    return {
        "id": outcome.id,
        "name": seen.name,
        "project": seen.project,
        "cluster": seen.cluster,
        "submitted_by": seen.submitted_by,
        "outcome": outcome.outcome,
        "phase": seen.phase,
        "reason": outcome.reason,
        "code": outcome.code,
        "message": clean(outcome.message),
        "batch_id": outcome.batch_id or "",
    }


def is_failed(run_summary: RunSummary) -> bool:
    """Return whether the task fails."""
    return (
        run_summary.stopped
        or bool(run_summary.not_reached)
        or any(outcome.outcome in BAD for outcome in run_summary.outcomes)
    )


def make_result(
    run_summary: RunSummary, workloads_limit: int, with_diff: bool, verbosity: int = 0
) -> dict[str, Any]:
    """Return the keys of the result, always the same ones, within the size that job viewers keep."""
    by_outcome: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
    for outcome in run_summary.outcomes:
        by_outcome[outcome.outcome].append(outcome.id)
    result: dict[str, Any] = {
        "changed": bool(by_outcome[CHANGED]),
        "msg": describe_result(run_summary),
        "action": run_summary.action,
        "summary": {
            "requested": len(run_summary.outcomes),
            **{outcome: len(ids) for outcome, ids in by_outcome.items()},
            **run_summary.counters._asdict(),
        },
        "outcomes": by_outcome,
        "not_reached": [],
        "workloads": [],
        "workloads_truncated": False,
        "batches": [],
    }
    budget = ResultBudget(result, verbosity)
    batches = ({**batch._asdict(), "id": batch.id or ""} for batch in run_summary.batches)
    result["batches"] = budget.take(batches, _BATCHES_SHARE)
    result["not_reached"] = budget.take(run_summary.not_reached, _NOT_REACHED_SHARE)
    if len(result["not_reached"]) < len(run_summary.not_reached):
        result["msg"] += "; not_reached holds the first {0} of {1}".format(
            len(result["not_reached"]), len(run_summary.not_reached)
        )
    if with_diff:
        result["diff"] = _diff(run_summary, int(budget.left * _DIFF_SHARE), budget.size)
        budget.left -= budget.size(result["diff"])
    ranked = sorted(run_summary.outcomes, key=lambda outcome: WORST_FIRST.index(outcome.outcome))
    rows = (report_row(outcome, run_summary.state.get(outcome.id)) for outcome in ranked[:workloads_limit])
    result["workloads"] = budget.take(rows)
    result["workloads_truncated"] = len(result["workloads"]) < len(ranked)
    return result


def describe_result(run_summary: RunSummary) -> str:
    """Return the one sentence that a person can act on."""
    counts = Counter(outcome.outcome for outcome in run_summary.outcomes)
    changed = "{0} would change" if run_summary.check_mode else "{0} changed"
    sentence = "{0}: {1} of {2}".format(
        run_summary.action, describe_counts(counts, changed), len(run_summary.outcomes)
    )
    reasons = _failure_reasons(run_summary)
    if reasons:
        sentence += " ({0})".format(reasons)
    notes = list(run_summary.notes)
    gone = sum(outcome.reason == NOT_FOUND for outcome in run_summary.outcomes)
    if gone:
        notes.append("{0} not there: gone, or not visible to this account".format(gone))
    return "; ".join([sentence, *notes])


def _failure_reasons(run_summary: RunSummary) -> str:
    kinds = Counter(
        _reason(outcome)
        for outcome in run_summary.outcomes
        # What is said of a stop covers the unknown ones.
        if outcome.outcome == FAILED or (outcome.outcome == UNKNOWN_OUTCOME and not run_summary.notes)
    )
    parts = ["{0}: {1}".format(kind, count) for kind, count in kinds.most_common(_MOST_REASONS)]
    if len(kinds) > _MOST_REASONS:
        parts.append("and {0}".format(counted(len(kinds) - _MOST_REASONS, "other reason")))
    return ", ".join(parts)


def _reason(outcome: Outcome) -> str:
    message = clean(outcome.message, 120) or outcome.reason
    # What no JSON came with is parts as e.g. "HTTP 502, Bad Gateway".
    if outcome.code is None or message.startswith("HTTP {0}".format(outcome.code)):
        return message
    return "{0} {1}".format(outcome.code, message)


def _diff(run_summary: RunSummary, budget: int, size: Callable[[Any], int]) -> dict[str, str]:
    """Return the phase before and after of what changes, cut to about ``budget`` characters."""
    after_phase = {DELETE: "gone", RESUME: RUNNING}.get(run_summary.action, STOPPED)
    before: list[str] = []
    after: list[str] = []
    changed = [outcome for outcome in run_summary.outcomes if outcome.outcome == CHANGED]
    for position, outcome in enumerate(changed):
        workload = run_summary.state.get(outcome.id) or Workload(outcome.id, "")
        name = "{0} {1}: ".format(outcome.id, workload.name)
        old = name + workload.phase + "\n"
        new = name + after_phase + "\n"
        budget -= size(old + new)
        if budget < 0:
            old = new = "and {0} more\n".format(len(changed) - position)
        before.append(old)
        after.append(new)
        if budget < 0:
            break
    return {"before": "".join(before), "after": "".join(after)}
