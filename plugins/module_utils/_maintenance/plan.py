# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first step: select, check what must hold, and write the plan, which is the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Optional
from uuid import uuid4

from .._common.text import clean, counted, some_of
from .._common.times import parse_age
from .._workload.phases import (
    FINISHED_PHASES,
)
from .context import (
    LISTED,
    Context,
    Identity,
    Selected,
    Step,
    Unmatched,
)
from .kinds import kind_of_role
from .record import (
    ACT,
    CLEANUP,
    LEAVE,
    PLANNED,
    RECLAIM,
    Entry,
    Record,
    RecordError,
    Remedy,
)
from .record_claims import claims
from .record_cleanup import Keep, plan_cleanup
from .record_cut import check_enough, cut
from .record_plan import (
    REFUSE,
    Ceilings,
    check_ceilings,
    check_crossing,
    check_unsuspendable,
    plan_stop,
)
from .record_seen import Seen
from .record_words import plan_page
from .sampling import Sampling, check_sampled
from .settings import (
    ANY,
    CLEANUP_ROLE,
    Settings,
    to_fill_in,
)

# What a later `begin` must know of what the plan was allowed.
_KEPT_SETTINGS = (
    "max_affected",
    "max_percent",
    "max_drift",
    "unsuspendable",
    "crosses_version",
    "phases",
    "idle_for",
    "samples",
    "older_than",
    "keep_names",
    "keep_projects",
    "keep_newest",
)
# What takes only so many of a selection.
_CUTS = ("limit", "until_gpus", "partial")


class Planned(NamedTuple):
    """A new record, the workloads as they were when it was made, and what to say of the selection."""

    record: Record
    now: dict[str, Seen]
    notes: list[str]


def plan_step(context: Context, sampling: Optional[Sampling] = None) -> Step:
    """Write the plan; one that is there already and was not begun is made anew."""
    check_plan_settings(context.settings)
    with context.locked():
        # One that was handed over is of an earlier job: a plan is where a record begins.
        before = context.kept()
        if before is not None and before.state != PLANNED:
            raise RecordError(
                "the record {0} is already {1} (since {2}); choose another {3}".format(
                    before.name,
                    before.state,
                    before.times.get(before.state, "?"),
                    context.settings.variable("name"),
                ),
                Remedy({"name": context.free_name()}),
            )
        planned = make_plan_record(context, context.reader.identity(), sampling)
        record = planned.record
        changed = before is None or _essence(before) != _essence(record)
        if not changed and before is not None:
            record = before
        else:
            context.save(record)
    return Step(record, plan_page(record, planned.notes), changed)


def check_plan_settings(settings: Settings) -> None:
    """Raise RecordError unless all that a plan needs was said."""
    needed = ["name", "reason", "max_affected", "max_percent"]
    settings.require(*needed)
    if not settings.has_criterion and settings.role != CLEANUP_ROLE:
        raise RecordError(
            "no criterion was given, so that every workload would be meant; give one, or say "
            "{0}: true; nothing was done".format(settings.variable("all")),
            Remedy({"projects": "<projects>"}),
        )


def _check_places(context: Context, selection: Mapping[str, Any], unmatched: Unmatched) -> None:
    """Raise RecordError for a place that does not exist: a misspelt one must not look like an empty one."""
    for option, kind in LISTED.items():
        names = unmatched.get(option, ())
        unlisted = context.reader.unlisted(option, names, selection.get("clusters")) if names else []
        if unlisted:
            raise RecordError(
                "{0}: the control plane lists no {1} {2}; nothing was done".format(
                    context.settings.variable(option), kind, some_of(unlisted)
                ),
                Remedy(to_fill_in(context.settings.role, [option])),
            )


def _notes(settings: Settings, selected: Selected, entries: Sequence[Entry]) -> list[str]:
    """Say what of the selection met nothing, and why a plan may be empty although something was selected."""
    notes = []
    said = [
        "{0}={1}".format(settings.variable(option), clean(some_of(values), 300))
        for option, values in selected.unmatched.items()
        if option != "exclude" and option in settings.selection
    ]
    if said:
        notes.append("No workload meets {0}".format("; ".join(said)))
    number = len(selected.workloads)
    is_idle = not any(seen.is_active for seen in selected.workloads)
    if number and is_idle and not entries and settings.role != CLEANUP_ROLE:
        notes.append(
            "1 workload meets the selection, but it is not active"
            if number == 1
            else "{0} workloads meet the selection, but none of them is active".format(number)
        )
    return notes


def make_plan_record(context: Context, identity: Identity, sampling: Optional[Sampling]) -> Planned:
    """Select and check; return the plan as a record that is not written yet.

    For a reclaim, ``sampling`` says what idled at the reads before, and for how long these were made.
    """
    if context.kind == RECLAIM:
        check_sampled(context.settings, sampling, datetime.now(timezone.utc))
    selected = select_checked(context)
    if sampling is not None:
        wanted = set(sampling.ids)
        selected = selected._replace(workloads=[seen for seen in selected.workloads if seen.id in wanted])
    return draft_record(context, identity, selected)


def select_checked(context: Context) -> Selected:
    """Select; raise RecordError for an exemption that matches nothing and for a place that does not exist.

    What takes only so many of a selection comes later: what can't be suspended must not use that up.
    """
    scope = scope_of(selection_of(context.settings))
    selected = context.reader.select(scope)
    _check_exemptions(context.settings, _unmatched_exemptions(context, scope, selected), ["exclude"])
    _check_places(context, scope, selected.unmatched)
    return selected


def _unmatched_exemptions(context: Context, scope: Mapping[str, Any], selected: Selected) -> Sequence[str]:
    unmatched = selected.unmatched.get("exclude", ())
    if not unmatched or context.kind != RECLAIM:
        return unmatched
    # A workload that is to be spared may well be at work at this moment.
    wider = {**scope, "all": True}
    wider.pop("min_idle_gpus", None)
    return context.reader.select(wider).unmatched.get("exclude", ())


def draft_record(context: Context, identity: Identity, selected: Selected) -> Planned:
    """Check what was selected, and make a record of it."""
    settings, workloads = context.settings, selected.workloads
    selection = selection_of(settings)
    if context.kind == CLEANUP:
        entries = _cleanup_entries(settings, workloads)
    else:
        policy = settings.get("unsuspendable", REFUSE)
        entries = cut(
            plan_stop(workloads, claims(context.others(), {seen.id: seen for seen in workloads})),
            selection.get("limit"),
            selection.get("until_gpus"),
            counts_left=policy == REFUSE,
        )
        check_unsuspendable(entries, policy, settings.variable(""))
        if not selection.get("partial"):
            check_enough(entries, selection.get("until_gpus"), settings.variable(""))
        check_crossing(entries, settings.get("crosses_version"), identity.versions)
    if context.caller.is_rehearsal:
        _check_is_anything_planned(settings, entries)
    check_scope(context, [entry for entry in entries if entry.plan == ACT], selection, settings.values)
    record = Record(
        id=str(uuid4()),
        name=settings.name,
        kind=context.kind,
        action=kind_of_role(settings.role).action,
        state=PLANNED,
        reason=settings.get("reason"),
        control_plane=identity.control_plane,
        selection=selection,
        settings={key: settings.values[key] for key in _KEPT_SETTINGS if key in settings.values},
        times={},
        by={},
        workloads=entries,
        passed_over=None if scope_of(selection) == selection else _passed_over(workloads, entries),
    )
    context.enter(record, PLANNED)
    return Planned(record, {seen.id: seen for seen in workloads}, _notes(settings, selected, entries))


def _check_is_anything_planned(settings: Settings, entries: Sequence[Entry]) -> None:
    """Raise RecordError where a rehearsal would go through all its steps with nothing to do."""
    if any(entry.plan != LEAVE for entry in entries):
        return
    is_by_people = "submitted_by" in settings.selection
    why = "; people have pseudonyms in an export: select by something else than {0}".format(
        settings.variable("submitted_by")
    )
    raise RecordError(
        "no workload of the rehearsal's fleet is in the plan, so that nothing would be rehearsed{0}".format(
            why if is_by_people else ""
        ),
        Remedy({"submitted_by": ANY} if is_by_people else {}),
    )


def scope_of(selection: Mapping[str, Any]) -> dict[str, Any]:
    """Return the selection without what takes only so many of it."""
    return {option: value for option, value in selection.items() if option not in _CUTS}


def unordered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options for comparison: in which order the names of a list are said does not matter."""
    return {
        name: sorted(set(map(str, value))) if isinstance(value, list) else value
        for name, value in values.items()
    }


def _passed_over(selected: Iterable[Seen], taken: Iterable[Entry]) -> list[str]:
    """Return what was active in scope but not taken, for `begin` to know what is new by then."""
    ids = {entry.id for entry in taken}
    return [seen.id for seen in selected if seen.is_active and seen.id not in ids]


def selection_of(settings: Settings) -> dict[str, Any]:
    """Return the options of the info module that say which workloads are meant."""
    if settings.role == CLEANUP_ROLE:
        phases = clean_phases(settings)
        return {**settings.selection, "phases": phases}
    return dict(settings.selection)


def clean_phases(settings: Settings) -> list[str]:
    """Return the phases that a clean-up deletes from; only finished ones can be said."""
    phases = list(settings.get("phases") or FINISHED_PHASES)
    if not set(phases) <= set(FINISHED_PHASES):
        raise RecordError(
            "{0} can only hold {1}; nothing was done".format(
                settings.variable("phases"), " and ".join(FINISHED_PHASES)
            ),
            Remedy({"phases": FINISHED_PHASES}),
        )
    return phases


def check_scope(
    context: Context, entries: Sequence[Entry], selection: Mapping[str, Any], limits: Mapping[str, Any]
) -> None:
    """Check the ceilings of what would be acted on; what is in scope is counted only for a percentage."""
    ceilings = Ceilings(limits.get("max_affected"), limits.get("max_percent"))
    in_scope: Optional[int] = None
    if ceilings.max_percent is not None and entries:
        scope: dict[str, Any] = (
            {"clusters": selection["clusters"]} if "clusters" in selection else {"all": True}
        )
        everything = context.reader.select(scope).workloads
        if context.kind == CLEANUP:
            in_scope = sum(seen.phase in FINISHED_PHASES for seen in everything)
        else:
            in_scope = sum(seen.is_active for seen in everything)
    check_ceilings(entries, in_scope, ceilings, context.settings.role + "_")


def _cleanup_entries(settings: Settings, workloads: Sequence[Seen]) -> list[Entry]:
    age = parse_age(settings.get("older_than") or "")
    if age is None:
        settings.require("older_than")
    latest = datetime.now(timezone.utc) - (age or timedelta())
    keep = Keep(
        settings.get("keep_names") or (),
        settings.get("keep_projects") or (),
        settings.get("keep_newest") or 0,
    )
    cleanup = plan_cleanup(workloads, clean_phases(settings), latest, keep)
    _check_exemptions(settings, cleanup.unmatched, ["keep_names", "keep_projects"])
    return cleanup.entries


def _check_exemptions(settings: Settings, unmatched: Sequence[str], variables: Sequence[str]) -> None:
    if unmatched and settings.get("unmatched_exemptions", "refuse") == "refuse":
        said = [name for name in variables if set(settings.get(name) or ()) & set(unmatched)]
        # An id that was said in capitals is told in small letters.
        wrong = said or variables
        raise RecordError(
            "{0} of {1} that {2} no selected workload: {3}; nothing was done. Correct what is misspelt, or "
            "say {4}: allow".format(
                counted(len(unmatched), "exemption"),
                " and ".join(map(settings.variable, wrong)),
                "matches" if len(unmatched) == 1 else "match",
                some_of(unmatched),
                settings.variable("unmatched_exemptions"),
            ),
            Remedy(to_fill_in(settings.role, wrong)),
        )


def _essence(record: Record) -> tuple[Any, ...]:
    """What of a plan matters for whether it is the same one."""
    workloads = [(entry.id, entry.plan, entry.phase_before) for entry in record.workloads]
    said = unordered(record.selection), unordered(record.settings), record.reason
    return *said, record.control_plane.tenant_id, workloads
