# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the workloads that were selected to a plan: pure functions.

A plan sorts each selected workload: suspend it, share the stop that another open record made, or leave it
running. Workloads that have stopped, finished or are being deleted are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Optional

from .._common.text import clean, counted, counted_gpus, some_of
from .._record.events import ACT, LEAVE, SHARE
from .._record.record import RecordedWorkload, RecordError
from .._workload.phases import STOPPED, STOPPING
from .._workload.workload import Workload
from .control_plane import Selected
from .options import REFUSE, MaintenanceOptions

# Nobody reads more rows than these. The sentence has the number.
MOST_ROWS = 20


def plan_workloads(
    selected: Iterable[Workload], held: Collection[str], options: MaintenanceOptions
) -> list[RecordedWorkload]:
    """Return the plan in the order of the selection, cut to its ``limit`` and ``until_gpus``."""
    entries = []
    for one in selected:
        if one.is_active:
            plan = LEAVE if one.can_suspend is False else ACT
        elif one.phase in (STOPPED, STOPPING) and one.id in held:
            plan = SHARE
        else:
            continue
        entries.append(
            RecordedWorkload(
                one.id,
                plan,
                name=one.name,
                project=one.project,
                owner=one.submitted_by,
                cluster_id=one.cluster,
                gpus=one.gpus,
                phase=one.phase,
                since=one.phase_since,
            )
        )
    return _cut(entries, options)


def _cut(entries: Iterable[RecordedWorkload], options: MaintenanceOptions) -> list[RecordedWorkload]:
    limit, until_gpus = options.select.get("limit"), options.select.get("until_gpus")
    taken: list[RecordedWorkload] = []
    number, gpus = 0, 0.0
    for entry in entries:
        if number == limit or (until_gpus is not None and _is_enough(gpus, until_gpus)):
            break
        if until_gpus is not None and (entry.plan == SHARE or not entry.gpus):
            continue
        taken.append(entry)
        if entry.plan != LEAVE or options.unsuspendable == REFUSE:
            number += 1
            gpus += entry.gpus
    return taken


def check_plan(
    entries: Sequence[RecordedWorkload],
    selected: Selected,
    versions: Mapping[str, str],
    options: MaintenanceOptions,
) -> None:
    """Raise RecordError for a plan that must not be carried out; nothing was sent."""
    _check_exemptions(selected, options)
    check_unsuspendable([entry for entry in entries if entry.plan == LEAVE], options.unsuspendable)
    _check_enough(entries, options)
    check_crossing(entries, options.crosses_version, versions)
    acted_on = [entry for entry in entries if entry.plan == ACT]
    check_ceilings(acted_on, selected.active_in_scope, options.max_affected, options.max_percent)
    _check_empty(entries, selected, options)


def _check_exemptions(selected: Selected, options: MaintenanceOptions) -> None:
    for option in ("exclude", "except_projects"):
        unmatched = selected.unmatched.get(option, ())
        if unmatched and options.unmatched_exemptions == REFUSE:
            raise RecordError(
                "{0}: {1} matches no selected workload. Correct it, or set "
                "unmatched_exemptions: allow".format(
                    option, some_of(["'{0}'".format(clean(one, 100)) for one in unmatched])
                )
            )


def _check_empty(
    entries: Sequence[RecordedWorkload], selected: Selected, options: MaintenanceOptions
) -> None:
    """Raise RecordError for an empty plan, since it would pass for a maintenance that is done."""
    if options.allow_empty or entries:
        return
    stopped = sum(one.phase in (STOPPED, STOPPING) for one in selected.workloads)
    raise RecordError(
        "select: no active workload meets it; {0} that meet{1} it {2} stopped already. "
        "Set allow_empty: true for an empty plan".format(
            counted(stopped, "workload"), "s" if stopped == 1 else "", "is" if stopped == 1 else "are"
        )
    )


def check_unsuspendable(stuck: Sequence[RecordedWorkload], policy: str) -> None:
    """Raise RecordError for workloads that can't be suspended, unless they are to be left running."""
    if stuck and policy == REFUSE:
        raise RecordError(
            "unsuspendable: {0} can't be suspended: {1}. Set unsuspendable: leave, or exclude them".format(
                counted(len(stuck), "selected workload"), _name_some(stuck)
            ),
            rows=[row_of(entry, "can't be suspended") for entry in stuck[:MOST_ROWS]],
        )


def _check_enough(entries: Iterable[RecordedWorkload], options: MaintenanceOptions) -> None:
    wanted = options.select.get("until_gpus")
    gpus = sum(entry.gpus for entry in entries if entry.plan == ACT)
    if wanted is None or options.select.get("partial") or _is_enough(gpus, wanted):
        return
    raise RecordError(
        "until_gpus: the selected workloads hold {0:g} of {1:g} GPUs. Set partial: true to take them".format(
            round(gpus, 2), wanted
        )
    )


def check_ceilings(
    acted_on: Sequence[RecordedWorkload],
    active_in_scope: Optional[Collection[str]],
    max_affected: Optional[int],
    max_percent: Optional[float],
) -> None:
    """Raise RecordError where more would be acted on than a ceiling allows; its rows name the owners.

    ``active_in_scope`` are the active workloads of the scope; they are needed where ``max_percent`` is set.
    """
    affected = len(acted_on)
    problem = ""
    if max_affected is not None and affected > max_affected:
        problem = "max_affected: {0} workloads would be suspended, {1} more than {2}".format(
            affected, affected - max_affected, max_affected
        )
    elif max_percent is not None and affected:
        # Workloads that only the control plane can select were read apart, and are part of the scope.
        active = len({*(active_in_scope or ()), *(entry.id for entry in acted_on)})
        percent = 100.0 * affected / active
        if percent > max_percent:
            problem = (
                "max_percent: {0} of {1} active workloads would be suspended, {2:.1f}%, more than {3:g}%"
            )
            problem = problem.format(affected, active, percent, max_percent)
    if problem:
        raise RecordError(
            problem + ". Raise the ceiling, or narrow the selection",
            rows=[
                "{0} | {projects} | {owner} | {1}".format(
                    counted(one["count"], "workload"), counted_gpus(one["gpus"]), **one
                )
                for one in owners_of(acted_on)[:MOST_ROWS]
            ],
        )


def check_crossing(
    entries: Iterable[RecordedWorkload], target: Optional[str], versions: Mapping[str, str]
) -> None:
    """Raise RecordError where workloads would have to be resumed on the far side of the upgrade to 3.0.

    What was submitted before that upgrade can't be resumed after it (Run:ai 3.0, migration of legacy
    workloads). A cluster's version that is not known counts as older.
    """
    major = _major(target)
    if target is None or (major is not None and major < 3):
        return
    stuck = [
        entry
        for entry in entries
        if entry.plan != LEAVE and (_major(versions.get(entry.cluster_id)) or 0) < 3
    ]
    if stuck:
        raise RecordError(
            "crosses_version: {0} could not be resumed after the upgrade to {1}: {2}. Let them finish, or "
            "have their owners submit them again".format(
                counted(len(stuck), "workload"), target, _name_some(stuck)
            )
        )


def owners_of(entries: Iterable[RecordedWorkload]) -> list[dict[str, Any]]:
    """Return an object an owner, most GPUs first, with the names and GPUs of the first 20 workloads."""
    return [
        {
            "owner": owner,
            "gpus": gpus,
            "count": len(theirs),
            "projects": some_of(sorted({one.project or "-" for one in theirs}), 3),
            "workloads": [
                {"name": one.name or one.id, "project": one.project, "gpus": one.gpus}
                for one in theirs[:MOST_ROWS]
            ],
        }
        for owner, gpus, theirs in by_owner(entries)
    ]


def by_owner(entries: Iterable[RecordedWorkload]) -> list[tuple[str, float, list[RecordedWorkload]]]:
    """Return each owner with the GPUs and the workloads, most GPUs first."""
    found: dict[str, list[RecordedWorkload]] = {}
    for entry in entries:
        found.setdefault(entry.owner or "-", []).append(entry)
    owners = [(owner, round(sum(one.gpus for one in theirs), 2), theirs) for owner, theirs in found.items()]
    return sorted(owners, key=lambda one: (-one[1], one[0]))


def row_of(entry: RecordedWorkload, message: str) -> str:
    """Return one row for people: name, project, owner, code and message."""
    code = "-" if entry.code is None else str(entry.code)
    cells = (entry.name or entry.id, entry.project or "-", entry.owner or "-", code, message)
    return " | ".join(clean(cell, 160) for cell in cells)


def _name_some(entries: Iterable[RecordedWorkload]) -> str:
    return some_of(
        ["{0} ({1})".format(one.name or one.id, one.project or "no project") for one in entries], 5
    )


def _is_enough(gpus: float, wanted: float) -> bool:
    # Sums of fractions of a GPU are not exact.
    return round(wanted - gpus, 6) <= 0


def _major(version: Optional[str]) -> Optional[int]:
    found = re.match(r"[vV]?([0-9]+)(?![^.+-])", version or "")
    return int(found.group(1)) if found else None
