# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do with each id: a pure function of the ids, their state and the options."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from .._workload.phases import (
    ALREADY_DONE,
    DELETE,
    DELETING,
    FINISHED,
    SEND,
    STOPPED,
    STOPPING,
    WAIT,
    meaning,
    names_of,
)
from .._workload.workload import FORBIDDEN, MISSING, SEEN, Workload
from .outcome import (
    FAILED,
    SKIPPED,
    UNCHANGED,
    Outcome,
)

PROTECTED = "protected"
PHASE = "phase"
NOT_FOUND = "not_found"
UNSUPPORTED = "unsupported"

TOLERABLE = (MISSING, FINISHED, UNSUPPORTED, DELETING)
# What is skipped and not failed unless the user says otherwise.
TOLERATED = (FINISHED, DELETING)

_WORDS = {
    PROTECTED: "protected: never acted on",
    NOT_FOUND: "not there: gone, or not visible to this account",
    MISSING: "not there: gone, or not visible to this account",
    FORBIDDEN: "this account may not see the workload",
    DELETING: "it is being deleted",
    FINISHED: "it has finished",
    UNSUPPORTED: "the control plane does not support the action for this workload",
}


class Step(NamedTuple):
    """What to do with one id.

    ``verdict`` is SEND, WAIT (until it has stopped, then send), ALREADY_DONE (nothing to do), SKIPPED or
    FAILED (it can't be acted on); ``reason`` and ``message`` say why where there is something to say.
    """

    workload: Workload
    verdict: str
    reason: str = ""
    message: str = ""


class Plan(NamedTuple):
    """One step for each id, in the order asked."""

    action: str
    steps: list[Step]

    def ids(self, *verdicts: str) -> list[str]:
        """Return the ids with one of these verdicts, in the order asked."""
        return [step.workload.id for step in self.steps if step.verdict in verdicts]


class Rules(NamedTuple):
    """The user's say in the plan: ids never acted on, phases acted in, reasons tolerated."""

    protect: Collection[str]
    only_phases: Optional[Collection[str]]
    tolerate: Collection[str]


def plan_one(action: str, workload: Workload, rules: Rules) -> Step:
    """Decide on one workload. The reasons come in a fixed order: the first that holds is told."""
    if workload.id in rules.protect:
        return Step(workload, SKIPPED, PROTECTED, _WORDS[PROTECTED])
    if workload.presence == SEEN and not _is_in(workload.phase, rules.only_phases):
        return Step(workload, SKIPPED, PHASE, "it is now {0}".format(workload.phase))
    if workload.presence == MISSING:
        if action == DELETE:
            return Step(workload, ALREADY_DONE, NOT_FOUND, _WORDS[NOT_FOUND])
        return _cannot(workload, MISSING, rules)
    if workload.presence == FORBIDDEN:
        return _cannot(workload, FORBIDDEN, rules)
    verdict = meaning(action, workload.phase)
    if verdict == ALREADY_DONE:
        return Step(workload, ALREADY_DONE)
    if verdict in (DELETING, FINISHED):
        return _cannot(workload, verdict, rules)
    if not workload.supports(action):
        return _cannot(workload, UNSUPPORTED, rules)
    return Step(workload, verdict)


def rules_after_stop(rules: Rules) -> Rules:
    """Return the rules for a resume under way: what may be acted on when Stopping may when Stopped too."""
    if rules.only_phases is None or STOPPING not in rules.only_phases:
        return rules
    return rules._replace(only_phases=frozenset((*rules.only_phases, STOPPED)))


def make_plan(action: str, ids: Sequence[str], state: Mapping[str, Workload], rules: Rules) -> Plan:
    """Return a step for each of ``ids``, in their order."""
    return Plan(action, [plan_one(action, state[workload_id], rules) for workload_id in ids])


def send_anyway(plan: Plan, ids: Collection[str]) -> Plan:
    """Return the plan with those of ``ids`` sent that seem to be there: an earlier call may undo it."""
    return plan._replace(
        steps=[
            step._replace(verdict=SEND)
            if step.verdict == ALREADY_DONE and step.workload.presence == SEEN and step.workload.id in ids
            else step
            for step in plan.steps
        ]
    )


def ceiling_words(plan: Plan, max_affected: Optional[int]) -> Optional[str]:
    """Say by how much the plan is over ``max_affected``; ``None`` where it is not."""
    affected = len(plan.ids(SEND, WAIT))
    if max_affected is None or affected <= max_affected:
        return None
    return "max_affected is {0}, but {1} would be acted on, {2} more; nothing was sent".format(
        max_affected, affected, affected - max_affected
    )


def chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """Cut ``ids`` into lists of at most ``size``."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def settled_by(steps: Iterable[Step]) -> list[Outcome]:
    """Return the outcomes of those steps that need no call."""
    outcome = {ALREADY_DONE: UNCHANGED, SKIPPED: SKIPPED, FAILED: FAILED}
    return [
        Outcome(step.workload.id, outcome[step.verdict], step.reason, step.message)
        for step in steps
        if step.verdict in outcome
    ]


def _is_in(phase: str, phases: Optional[Collection[str]]) -> bool:
    return phases is None or any(name in phases for name in names_of(phase))


def _cannot(workload: Workload, reason: str, rules: Rules) -> Step:
    verdict = SKIPPED if reason in rules.tolerate else FAILED
    return Step(workload, verdict, reason, _WORDS[reason])
