# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps around the batches of `begin`: what to send, what came of it, and what is true afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Optional

from .._batch.outcome import CHANGED
from .._common.errors import RunaiError
from .._common.text import counted
from .._workload.phases import FINISHED_PHASES, RESUME
from .context import (
    Context,
    Identity,
    Step,
    check_same_plane,
    fold_reports,
    new_report,
    take_part,
)
from .handed import (
    assume_begun,
    fill_in,
    may_have_begun,
)
from .next import variables_of
from .plan import (
    check_plan_settings,
    check_scope,
    make_plan_record,
    scope_of,
    selection_of,
    unordered,
)
from .pods import look_on_nodes
from .record import (
    ACTING,
    BEGUN,
    CLEANUP,
    ENDED,
    ENDING,
    MAINTENANCE,
    PLANNED,
    RECLAIM,
    Record,
    RecordError,
    Remedy,
    utc_now,
)
from .record_begin import (
    ask_to_act,
    ask_to_resume,
    drift_of,
    fold,
    ids_to_retry,
    observe_stops,
    settle_by_look,
    stopped_and_to_stop,
    turn_to_act,
)
from .record_claims import (
    claims,
    is_settled,
)
from .record_cleanup import turn_to_delete
from .record_plan import (
    check_crossing,
    check_unsuspendable,
)
from .record_playbooks import (
    END_PLAYBOOK,
    PLAN_PLAYBOOK,
)
from .record_rows import MOST_ROWS, problem_row
from .record_seen import Seen
from .record_words import begun_page, plan_page
from .reports import (
    outcomes_of,
    read_report,
)
from .sampling import Sampling
from .settings import to_fill_in
from .trouble import (
    begin_trouble,
    check_trouble,
    overtaken_trouble,
    rehearsal_notes,
    unseen_trouble,
)


def begin_step(context: Context, sampling: Optional[Sampling] = None) -> Step:
    """Plan if there is no plan yet, check again, write down what is going to be sent, and return its ids.

    Check mode shows all that first, and then fails for what the real run would be refused for.
    """
    _stop_for(context, _no_place(context))
    notes: list[str] = []
    drift_fault: Optional[RecordError] = None
    with context.locked():
        record = context.load()
        if record is None:
            _check_may_plan(context)
        else:
            _check_may_begin(context, record)
        if record is None or _is_to_plan_anew(context, record):
            check_plan_settings(context.settings)
            _stop_for(context, _no_fence(context, selection_of(context.settings)))
            identity = context.reader.identity()
            if record is not None:
                check_same_plane(record, identity.control_plane)
            record, now, notes = make_plan_record(context, identity, sampling)
            if record.kind == CLEANUP and not record.workloads:
                # Nothing to delete, so nothing to keep a record of.
                context.enter(record, ENDED)
                return Step(record, plan_page(record, notes))
            context.save(record)
        else:
            identity = context.reader.identity()
            check_same_plane(record, identity.control_plane)
            fold_reports(context, record)
            now = context.reader.look(record.entry_ids())
            drift_fault = _note_drift(context, record)
            _stop_for(context, drift_fault)
            fill_in(record, now)
            if may_have_begun(context, record):
                notes = assume_begun(record, now)
        step = _act(context, record, now, identity, notes)
    fault = _no_place(context) or _no_fence(context, record.selection) or drift_fault
    return step if fault is None else step._replace(trouble=check_trouble(context, fault))


def fold_step(
    context: Context, action: str, lists: Mapping[str, Any], report_name: str, is_last: bool = False
) -> Step:
    """Take over what a batch call said; return what another pass may mend, unless this was the last one."""
    with context.locked():
        record = context.need()
        outcomes = outcomes_of(lists)
        for report in record.reports:
            if report.name == report_name and context.folder is not None:
                outcomes.update(read_report(context.folder.beside(report.name)))
                report.folded = True
        fold(record.workloads, action, outcomes)
        is_stale = action != RESUME and record.state in (ENDING, ENDED)
        if is_stale and any(outcome.outcome == CHANGED for outcome in outcomes.values()):
            # An end ran while this begin was still at work: there is more to bring back.
            record.state = ENDING
        mendable = [] if is_last or is_stale else ids_to_retry(record.workloads, action)
        again = [one for one in mendable if one in outcomes]
        following = None
        if again:
            following = new_report(record, action)
            (ask_to_resume if action == RESUME else ask_to_act)(record.workloads, again, utc_now())
        context.save(record)
    return Step(record, ids=again, report=following)


def begun_step(context: Context) -> Step:
    """Look again once the batches are through, and note the time of each stop."""
    with context.locked():
        record = context.need()
        fold_reports(context, record)
        if record.state in (ENDING, ENDED):
            return Step(record, begun_page(record), trouble=overtaken_trouble(context))
        try:
            now = context.reader.look(record.entry_ids())
            observe_stops(record.workloads, now)
            settle_by_look(record.workloads, now, is_deletion=record.kind == CLEANUP)
            # The times of the stops must not be lost to whatever comes after.
            context.save(record)
            take_part(context, record, now)
            left = look_on_nodes(context, record)
            deleted = _deleted(context, record, now)
        except RunaiError as fault:
            context.save(record)
            return Step(record, begun_page(record), trouble=unseen_trouble(context, record, fault))
        trouble = begin_trouble(context, record, now, deleted, left)
        before = record.state
        is_done = record.kind == CLEANUP and trouble is None
        context.enter(record, ENDED if is_done else BEGUN)
        context.save(record)
    page = begun_page(record, left, rehearsal_notes(context, left))
    return Step(record, page, changed=record.state != before, trouble=trouble)


def _deleted(context: Context, record: Record, now: Mapping[str, Seen]) -> Collection[str]:
    """Return what is known to be gone of what was asked to stop, and is not known to have."""
    missing = [
        entry.id
        for entry in record.concerned()
        if entry.id not in now and entry.act is not None and not is_settled(entry.act)
    ]
    return context.reader.deleted(missing) if missing and record.kind != CLEANUP else ()


def _act(
    context: Context, record: Record, now: Mapping[str, Seen], identity: Identity, notes: Sequence[str]
) -> Step:
    settings, limits = context.settings, {**record.settings, **context.settings.values}
    already = ""
    if record.kind == CLEANUP:
        ids = turn_to_delete(record.workloads, now, limits.get("phases") or FINISHED_PHASES)
    else:
        turn = turn_to_act(record.workloads, now, claims(context.others(record), now))
        ids = turn.ask
        if turn.left:
            already = "{0} finished, stopped or gone since the plan: left alone".format(
                counted(turn.left, "workload")
            )
        check_unsuspendable(record.workloads, limits.get("unsuspendable") or "refuse", settings.variable(""))
        to_bring_back = stopped_and_to_stop(record.workloads, now, ids)
        check_crossing(to_bring_back, limits.get("crosses_version"), identity.versions)
    wanted = set(ids)
    to_send = [entry for entry in record.workloads if entry.id in wanted]
    check_scope(context, to_send, record.selection, limits)
    report = None
    if ids or record.state == PLANNED:
        context.enter(record, ACTING)
    if ids:
        ask_to_act(record.workloads, ids, utc_now())
        report = new_report(record, record.action)
    context.save(record)
    now_words = "{0} to send now".format(counted(len(ids), "workload"))
    words = "{0}; {1}".format(now_words, already) if already else now_words
    return Step(record, plan_page(record, [*notes, words]), changed=bool(ids), ids=ids, report=report)


def _check_may_plan(context: Context) -> None:
    """Raise RecordError where a plan seems to have been meant that is not there: its name was misspelt.

    A selection and ceilings made up on the spot would stop something else.
    """
    settings = context.settings
    ceilings = [name for name in ("max_affected", "max_percent") if not settings.said(name)]
    if context.kind != MAINTENANCE or not ceilings or settings.has_criterion:
        return
    close = context.close_names()
    raise RecordError(
        "{0}; a begin without a plan needs a selection and ceilings ({1}); nothing was done".format(
            context.missing_words(), ", ".join(settings.variable(name) for name in ceilings)
        ),
        Remedy({"name": close[0]} if close else to_fill_in(settings.role, ["name"])),
    )


def _check_may_begin(context: Context, record: Record) -> None:
    if record.kind != context.kind:
        raise RecordError(
            "the record {0} is a {1}, not a {2}; nothing was sent".format(
                record.name, record.kind, context.kind
            ),
            Remedy({"name": context.free_name()}),
        )
    if record.state not in (PLANNED, ACTING, BEGUN):
        raise RecordError(
            "the record {0} is already {1}; a new {2} needs another {3}; nothing was sent".format(
                record.name, record.state, record.kind, context.settings.variable("name")
            ),
            Remedy(playbook=END_PLAYBOOK) if record.state == ENDING else _anew(context, record),
        )
    said, planned = unordered(selection_of(context.settings)), unordered(record.selection)
    if context.settings.selection and said != planned:
        differ = sorted(key for key in {*said, *planned} if said.get(key) != planned.get(key))
        raise RecordError(
            "the record {0} was planned with another selection ({1} {2}); say the same again, or choose "
            "another {3}; nothing was sent".format(
                record.name,
                ", ".join(differ),
                "differs" if len(differ) == 1 else "differ",
                context.settings.variable("name"),
            ),
            _as_planned(context, record),
        )
    _stop_for(context, _no_fence(context, record.selection))


def _is_to_plan_anew(context: Context, record: Record) -> bool:
    """Tell whether a begin that was cut off before it sent anything left a plan that holds no longer.

    What idled for the reads of that time may be at work by now; the reads of this time say what idles.
    """
    return record.kind == RECLAIM and record.state == PLANNED and not may_have_begun(context, record)


def _stop_for(context: Context, fault: Optional[RecordError]) -> None:
    if fault is not None and not context.check_mode:
        raise fault


def _no_place(context: Context) -> Optional[RecordError]:
    if context.durable or context.packed is not None:
        return None
    return RecordError(
        "nothing would outlive this job: a killed one would strand what it stopped. Give {0}, a folder "
        "that stays, or {1}, the record of a plan job that has finished; nothing was done".format(
            context.settings.variable("record_dir"), context.settings.variable("record")
        ),
        Remedy({"record_dir": "<a folder that stays>"}),
    )


def _no_fence(context: Context, selection: Mapping[str, Any]) -> Optional[RecordError]:
    if not selection.get("nodes") or context.settings.get("node_fenced"):
        return None
    return RecordError(
        "keep new pods off the nodes first (kubectl cordon, or a taint with NoSchedule: one with "
        "NoExecute evicts what runs there before it is suspended), then say {0}: true; nothing was "
        "sent".format(context.settings.variable("node_fenced")),
        Remedy({"node_fenced": True}),
    )


def _as_planned(context: Context, record: Record) -> Remedy:
    """Return how to go on with the record; only a maintenance may leave its selection to it."""
    selection = context.settings.selection_names()
    planned = variables_of(record)
    again = (
        {} if record.kind == MAINTENANCE else {name: planned[name] for name in selection if name in planned}
    )
    return Remedy(again, leave_out=selection)


def _anew(context: Context, record: Record) -> Remedy:
    """Return how to do the same once more under another name."""
    if record.kind != MAINTENANCE:
        return Remedy({"name": context.free_name()})
    return Remedy({**variables_of(record), "name": context.free_name()}, playbook=PLAN_PLAYBOOK)


def _note_drift(context: Context, record: Record) -> Optional[RecordError]:
    """List what is active in scope now and was not when it was planned; it is never acted on.

    What to raise where that is more than ``max_drift`` is returned.

    The scope is the selection without what takes only so many of it: what such a cut has passed over
    is not new. Where that is not known, and once this begin has acted, nothing is listed.
    """
    scope = scope_of(record.selection)
    is_known = scope == record.selection or record.passed_over is not None
    if record.state != PLANNED or record.kind != MAINTENANCE or not scope or not is_known:
        return None
    new = drift_of(record, context.reader.select(scope).workloads)
    record.drift = [
        {"id": seen.id, "name": seen.name, "project": seen.project, "owner": seen.owner, "phase": seen.phase}
        for seen in new
    ]
    most = context.settings.get("max_drift", record.settings.get("max_drift"))
    if most is None or len(new) <= most:
        return None
    words = "1 workload meets" if len(new) == 1 else "{0} workloads meet".format(len(new))
    return RecordError(
        "{0} the selection now and did not when it was planned, more than {1} ({2}); nothing was sent. "
        "Plan again under another name".format(words, context.settings.variable("max_drift"), most),
        _anew(context, record),
        [
            problem_row(seen.name or seen.id, seen.project, seen.owner, "new, {0}".format(seen.phase))
            for seen in new[:MOST_ROWS]
        ],
    )
