# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do with each id: a pure function of the ids, their state and the options."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple, Optional

from .._workload.phases import (
    ALREADY_DONE,
    DELETE,
    DELETING,
    FINISHED,
    FINISHED_PHASES,
    RESUME,
    SEND,
    STOPPED,
    STOPPING,
    WAIT,
    meaning,
    names_of,
)
from .._workload.workload import FORBIDDEN, MISSING, SEEN, Workload
from .outcome import FAILED, SKIPPED, Outcome

PROTECTED = "protected"
PHASE = "phase"
NOT_FOUND = "not_found"
UNSUPPORTED = "unsupported"

TOLERABLE = (MISSING, FINISHED, UNSUPPORTED, DELETING)
# Reasons that skip a workload by default instead of failing it.
TOLERATED = (FINISHED, DELETING)

_MESSAGES = {
    PROTECTED: "listed in protect",
    NOT_FOUND: "already deleted, or not visible to this account",
    MISSING: "the workload does not exist, or is not visible to this account",
    FORBIDDEN: "this account has no permission for the workload",
    DELETING: "it is being deleted",
    FINISHED: "it has finished",
    UNSUPPORTED: "the control plane does not support the action for this workload",
}


class PlannedItem(NamedTuple):
    """What to do with one id.

    ``decision`` is SEND, WAIT (until it has stopped, then send), ALREADY_DONE (nothing to do), SKIPPED or
    FAILED (it can't be acted on); ``reason`` and ``message`` say why where there is something to say.
    """

    workload: Workload
    decision: str
    reason: str = ""
    message: str = ""


class Rules(NamedTuple):
    """The options that hold an action back: protected ids, permitted phases, tolerated reasons."""

    protect: Collection[str]
    only_phases: Optional[Collection[str]]
    tolerate: Collection[str]


def plan_one(action: str, workload: Workload, rules: Rules) -> PlannedItem:
    """Decide on one workload. The reasons have a fixed order, and the first one counts."""
    if workload.id in rules.protect:
        return PlannedItem(workload, SKIPPED, PROTECTED, _MESSAGES[PROTECTED])
    only, names = rules.only_phases, names_of(workload.phase)
    if workload.presence == SEEN and only is not None and not any(name in only for name in names):
        return PlannedItem(workload, SKIPPED, PHASE, "it is now {0}".format(workload.phase))
    if workload.presence == MISSING:
        if action == DELETE:
            return PlannedItem(workload, ALREADY_DONE, NOT_FOUND, _MESSAGES[NOT_FOUND])
        return _cannot(workload, MISSING, rules)
    if workload.presence == FORBIDDEN:
        return _cannot(workload, FORBIDDEN, rules)
    decision = meaning(action, workload.phase)
    if decision == ALREADY_DONE:
        return PlannedItem(workload, ALREADY_DONE)
    if decision in (DELETING, FINISHED):
        return _cannot(workload, decision, rules)
    if not workload.supports(action):
        return _cannot(workload, UNSUPPORTED, rules)
    return PlannedItem(workload, decision)


def is_done(action: str, workload: Workload, before: Workload) -> bool:
    """Return whether a workload is in the requested state, which proves a change since ``before``."""
    if workload.presence != SEEN:
        return workload.presence == MISSING and action == DELETE
    if action == RESUME and workload.phase in FINISHED_PHASES:
        # A stopped workload finishes only after a resume.
        return before.phase in (STOPPED, STOPPING)
    return meaning(action, workload.phase) == ALREADY_DONE


def rules_after_stop(rules: Rules) -> Rules:
    """Return the rules after a wait for Stopped: whoever allows Stopping also allows Stopped."""
    if rules.only_phases is None or STOPPING not in rules.only_phases:
        return rules
    return rules._replace(only_phases=frozenset((*rules.only_phases, STOPPED)))


def send_anyway(items: Iterable[PlannedItem], ids: Collection[str]) -> list[PlannedItem]:
    """Return the plan with ``ids`` sent also where they seem to need nothing: an earlier call may undo it."""
    return [
        item._replace(decision=SEND)
        if item.decision == ALREADY_DONE and item.workload.presence == SEEN and item.workload.id in ids
        else item
        for item in items
    ]


def ids_to(decision: str, items: Iterable[PlannedItem]) -> list[str]:
    """Return the ids with this decision."""
    return [item.workload.id for item in items if item.decision == decision]


def describe_ceiling(affected: int, max_affected: Optional[int]) -> Optional[str]:
    """Return by how much ``max_affected`` is exceeded; ``None`` where it is not."""
    if max_affected is None or affected <= max_affected:
        return None
    return "max_affected is {0}, but {1} would be acted on, {2} more; nothing was sent".format(
        max_affected, affected, affected - max_affected
    )


def settled_by(items: Iterable[PlannedItem]) -> list[Outcome]:
    """Return the outcomes of those items that need no call: their decisions are outcomes too."""
    return [
        Outcome(item.workload.id, item.decision, item.reason, item.message)
        for item in items
        if item.decision not in (SEND, WAIT)
    ]


def _cannot(workload: Workload, reason: str, rules: Rules) -> PlannedItem:
    decision = SKIPPED if reason in rules.tolerate else FAILED
    return PlannedItem(workload, decision, reason, _MESSAGES[reason])
