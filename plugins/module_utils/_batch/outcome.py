# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of one id, and the record of one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from .._common.text import clean
from .._workload.workload import Workload

CHANGED = "changed"
UNCHANGED = "unchanged"
SKIPPED = "skipped"
FAILED = "failed"
UNKNOWN_OUTCOME = "unknown"
NOT_ATTEMPTED = "not_attempted"

# In the order of a sentence and of the summary.
OUTCOMES = (CHANGED, UNCHANGED, SKIPPED, FAILED, UNKNOWN_OUTCOME, NOT_ATTEMPTED)
WORST_FIRST = (FAILED, UNKNOWN_OUTCOME, NOT_ATTEMPTED, SKIPPED, CHANGED, UNCHANGED)
# Those for which a task fails.
BAD = (FAILED, UNKNOWN_OUTCOME, NOT_ATTEMPTED)

# Reasons that come up while sending, beside those of the plan.
REFUSED = "refused"
UNREACHABLE = "unreachable"
LOST_RESPONSE = "lost_response"
STILL_STOPPING = "still_stopping"
NOT_REACHED = "not_reached"
INTERNAL = "internal"


def describe_counts(counts: Mapping[str, int], changed: str = "{0} changed") -> str:
    """Return the number of ids by outcome, e.g. ``3 changed, 1 not attempted``."""
    others = ["{0} {1}".format(counts[one], one) for one in OUTCOMES[1:] if counts.get(one)]
    return ", ".join([changed.format(counts.get(CHANGED, 0)), *others]).replace("_", " ")


class Outcome(NamedTuple):
    """The outcome of one id. ``code`` and ``message`` are those of the control plane where it sent any.

    ``may_be_applied``: whatever the outcome, an earlier call for it may still be carried out.
    """

    id: str
    outcome: str
    reason: str = ""
    message: str = ""
    code: Optional[int] = None
    batch_id: Optional[str] = None
    may_be_applied: bool = False


class BatchRecord(NamedTuple):
    """A batch with a response. ``id`` is the one of the control plane, ``attempts`` the number of calls."""

    id: Optional[str]
    size: int
    succeeded: int
    failed: int
    attempts: int
    seconds: float


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
