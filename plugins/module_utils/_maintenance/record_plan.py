# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the workloads that were selected to the plan of a maintenance: pure functions.

A plan sorts each selected workload: act on it, share the stop that another open record made, or leave
it, with a reason. Workloads that have stopped, finished or are being deleted are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Optional

from .._common.text import counted
from .._workload.phases import STOPPED, STOPPING
from .record import (
    ACT,
    JOIN,
    LEAVE,
    Entry,
    RecordError,
    Remedy,
)
from .record_claims import Claim
from .record_rows import MOST_ROWS, problem_row
from .record_seen import Seen

UNSUSPENDABLE = "unsuspendable"
REFUSE = "refuse"
# Raising a ceiling takes a thought: no role takes this for a number.
_HIGHER = "<a higher ceiling or none>"


class Ceilings(NamedTuple):
    """The most that may be acted on, as a number and as percents of what is active; ``None``: no ceiling."""

    max_affected: Optional[int]
    max_percent: Optional[float]


def entry_of(seen: Seen, plan: str, reason: Optional[str] = None) -> Entry:
    """Make an entry of a workload as it is now."""
    return Entry(
        id=seen.id,
        plan=plan,
        name=seen.name,
        project=seen.project,
        owner=seen.owner,
        cluster_id=seen.cluster_id,
        type=seen.type,
        interactive=seen.interactive,
        gpus=seen.gpus,
        phase_before=seen.phase,
        reason=reason,
    )


def plan_stop(selected: Iterable[Seen], claimed: Mapping[str, Claim]) -> list[Entry]:
    """Return an entry for each selected workload that is active, or stopped by another open record.

    ``claimed`` are the workloads that such records stopped.
    """
    entries = []
    for seen in selected:
        if seen.is_active:
            if seen.suspendable is False:
                entries.append(entry_of(seen, LEAVE, UNSUSPENDABLE))
            else:
                entries.append(entry_of(seen, ACT))
        elif seen.phase in (STOPPED, STOPPING) and seen.id in claimed:
            entries.append(shared(entry_of(seen, JOIN), claimed[seen.id]))
    return entries


def shared(entry: Entry, claim: Claim) -> Entry:
    """Take over from another record's entry what it knows of the time before its stop."""
    _record, theirs = claim
    entry.plan = JOIN
    entry.phase_before = theirs.phase_before
    entry.gpus = theirs.gpus
    entry.stopped_at = theirs.stopped_at
    entry.assumed = theirs.assumed
    return entry


def check_unsuspendable(entries: Iterable[Entry], policy: str, prefix: str) -> None:
    """Raise RecordError when what can't be suspended is not to be left; variables have the ``prefix``."""
    stuck = [entry for entry in entries if entry.plan == LEAVE and entry.reason == UNSUSPENDABLE]
    if stuck and policy == REFUSE:
        raise RecordError(
            "{0} can't be suspended: {1}; nothing was sent. Say {2}unsuspendable: leave to leave what can't "
            "be suspended running, or {2}exclude".format(
                counted(len(stuck), "selected workload"), name_some(stuck), prefix
            ),
            Remedy({"unsuspendable": "leave"}),
            [
                problem_row(entry.name or entry.id, entry.project, entry.owner, "can't be suspended")
                for entry in stuck[:MOST_ROWS]
            ],
        )


def check_ceilings(entries: Sequence[Entry], active: Optional[int], ceilings: Ceilings, prefix: str) -> None:
    """Raise RecordError when ``entries`` are more than a ceiling allows to be acted on; it says whose.

    ``active`` is how many are active in scope; it is needed where ``max_percent`` is set.
    """
    affected = len(entries)
    if ceilings.max_affected is not None and affected > ceilings.max_affected:
        raise RecordError(
            "{0}max_affected is {1}, but {2} would be acted on, {3} more; nothing was sent".format(
                prefix, ceilings.max_affected, affected, affected - ceilings.max_affected
            ),
            Remedy({"max_affected": _HIGHER}),
            _group_rows(entries),
        )
    if ceilings.max_percent is not None and affected:
        percent = 100.0 * affected / active if active else 100.0
        if percent > ceilings.max_percent:
            raise RecordError(
                "{0}max_percent is {1:g}, but {2} of {3} in scope would be acted on, that is {4:.1f} %; "
                "nothing was sent".format(prefix, ceilings.max_percent, affected, active or 0, percent),
                Remedy({"max_percent": _HIGHER}),
                _group_rows(entries),
            )


def check_crossing(entries: Iterable[Entry], target: Optional[str], versions: Mapping[str, str]) -> None:
    """Raise RecordError when workloads would have to be resumed on the far side of the upgrade to 3.0.

    What was submitted before that upgrade can't be suspended or resumed after it until it is submitted
    again (Run:ai 3.0, migration of legacy workloads). That goes for a stop that is shared, too: the record
    that comes last brings it back. ``versions`` are those of the clusters, by uuid; one that is not known
    counts as older, and a target that can't be read as newer.
    """
    major = _major(target)
    if target is None or (major is not None and major < 3):
        return
    stuck = [
        entry
        for entry in entries
        if entry.plan != LEAVE and (_major(versions.get(entry.cluster_id or "")) or 0) < 3
    ]
    if stuck:
        joined = sum(entry.plan == JOIN for entry in stuck)
        words = (
            ". Another open record has stopped {0} of them: end that one before the upgrade".format(joined)
            if joined
            else ""
        )
        raise RecordError(
            "{0} could not be resumed after the upgrade to {1}, since what was submitted before 3.0 "
            "can't be: {2}; nothing was sent. Let such workloads finish, or have their owners submit them "
            "again{3}".format(counted(len(stuck), "workload"), target, name_some(stuck), words)
        )


def name_some(entries: Sequence[Entry], most: int = 5) -> str:
    """Return the names of the first few, and how many more there are."""
    names = [
        "{0} ({1})".format(entry.name or entry.id, entry.project or "no project") for entry in entries[:most]
    ]
    more = len(entries) - len(names)
    return ", ".join(names) + (" and {0} more".format(more) if more > 0 else "")


class Group(NamedTuple):
    """How many workloads, and GPUs, one owner has in one project."""

    project: str
    owner: str
    workloads: int
    gpus: float


def group(entries: Iterable[Entry]) -> list[Group]:
    """Count by project and owner; most GPUs first."""
    found: dict[tuple[str, str], list[float]] = {}
    for entry in entries:
        found.setdefault((entry.project or "-", entry.owner or "-"), []).append(entry.gpus)
    groups = [Group(*key, len(gpus), round(sum(gpus), 2)) for key, gpus in found.items()]
    return sorted(groups, key=lambda one: (-one.gpus, -one.workloads, one.project, one.owner))


def _group_rows(entries: Iterable[Entry]) -> list[str]:
    return [
        problem_row(
            counted(one.workloads, "workload"),
            one.project,
            one.owner,
            "{0:g} {1}".format(one.gpus, "GPU" if one.gpus == 1 else "GPUs"),
        )
        for one in group(entries)[:MOST_ROWS]
    ]


def _major(version: Optional[str]) -> Optional[int]:
    found = re.match(r"[vV]?([0-9]+)(?![^.+-])", version or "")
    return int(found.group(1)) if found else None
