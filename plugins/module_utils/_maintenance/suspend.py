# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``planned`` and ``begun``: select and check workloads, record the plan, and suspend them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Optional, Union

from .._batch.outcome import CHANGED
from .._common.text import clean, counted, some_of
from .._common.times import format_age, utc_now
from .._record.events import (
    ACTING,
    BEGUN,
    ENDED,
    ENDING,
    PLANNED,
    Line,
    PlanEvent,
    StateEvent,
    UntoldEvent,
)
from .._record.ownership import HELD, SETTLED, TOUCHED, UNCERTAIN, Holder
from .._record.record import LIMITS, Record, RecordedWorkload, RecordError, workloads_events
from .._selection.places import Unlisted, unlisted_message
from .._workload.phases import FINISHED_PHASES, RUNNING, STOPPED, STOPPING, SUSPEND
from .._workload.workload import Workload
from .control_plane import Selected
from .node_pods import read_node_pods
from .notice import apply_notice
from .options import LIMITING_CRITERIA, NONE, check_plan_options
from .plan_rules import (
    MOST_ROWS,
    check_ceilings,
    check_crossing,
    check_plan,
    check_unsuspendable,
    plan_workloads,
    row_of,
)
from .results import Outcome, Problem
from .session import Session, age_of


def plan(session: Session) -> Outcome:
    """Write the plan; one that was not begun yet is made anew."""
    record = _reused(session)
    may_add = session.options.is_repeated and record.is_open
    if record.state not in ("", PLANNED) and not may_add:
        raise _state_error(record)
    return _make_plan(session)[0]


def begin(session: Session) -> Outcome:
    """Suspend the planned workloads that are active; plan first where there is no plan."""
    options = session.options
    if options.notice is not None and (not session.record.id or session.record.state == ENDED):
        raise RecordError(
            "notice: nobody was told under the name {0}. Tell the owners first".format(options.name),
            next_state=PLANNED,
        )
    record = _reused(session)
    if record.state in (ENDING, ENDED):
        raise _state_error(record)
    if not record.state or options.is_repeated:
        _check_fence(session, options.select)
        made, planned_ids = _make_plan(session, suspends=True)
        others = {one.id for one in session.record.covered()} - planned_ids
        return _suspend(session, made.now, made.notes, others)
    if record.limits.get("notice"):
        raise RecordError(
            "notice: not set, and the record {0} is one of a reclaim, which suspends after a notice. "
            "Set notice".format(record.name)
        )
    session.check_same_control_plane()
    _check_same_selection(session)
    _check_fence(session, record.select)
    selected = _select_again(session)
    now = session.read_workloads(record.workloads, {one.id: one for one in selected.workloads})
    _check_handed_over(session, now)
    left_alone = _left_alone(session, now, selected)
    drift = _drift(session, selected)
    notes = options.keep.notes()
    notes += _named("new since the plan, never acted on", drift)
    if options.reason not in ("", record.reason):
        notes.append("The reason of the plan counts: {0}".format(clean(record.reason, 120)))
    for why, number in sorted(Counter(left_alone.values()).items()):
        notes.append("{0} left alone: {1}".format(counted(number, "workload"), why))
    return _suspend(session, now, notes, set(left_alone), selected.active_in_scope)


def _reused(session: Session) -> Record:
    """Return the record, or an empty one where it has ended and its name may be used again."""
    if session.record.state == ENDED and session.options.is_repeated:
        session.archive_record()
    return session.record


def _read_held(session: Session) -> tuple[dict[str, Workload], list[str], int]:
    """Return the workloads of an open record now, ids that it no longer holds, and how many it holds."""
    record = session.record
    if not record.is_open:
        return {}, [], 0
    now = session.read_recorded()
    ours = [one for one in record.covered() if one.is_ours]
    found = session.verdicts(now, session.holders(now))
    settled = [one.id for one in ours if found[one.id] in SETTLED and found[one.id] != HELD]
    return now, settled, len(ours) - len(settled)


def _make_plan(session: Session, suspends: bool = False) -> tuple[Outcome, set[str]]:
    """Write a plan; return it, and the ids in it: the record may hold more, of earlier plans."""
    options, content = session.options, _plan_content(session.record)
    check_plan_options(options)
    session.check_same_control_plane()
    before, settled, held_number = _read_held(session)
    selected = _select(session, options.select, options.max_percent is not None)
    for option, unlisted in selected.unlisted.items():
        raise _unlisted_error(option, options.select[option], unlisted)
    now = {one.id: one for one in selected.workloads}
    planned = plan_workloads(selected.workloads, session.holders(now), options)
    notified = apply_notice(
        planned, session.record.notices, options.keep, options.notice, suspends, datetime.now(timezone.utc)
    )
    check_plan(notified.entries, selected, session.reader.identity().versions, options)
    ids = {entry.id for entry in notified.entries}
    limits = {name: getattr(options, name) for name in LIMITS}
    if options.is_repeated:
        limits["notice"] = NONE if options.notice is None else format_age(options.notice)
    lines: list[Line] = [
        PlanEvent(
            event="plan",
            reason=options.reason,
            select=options.select,
            limits=limits,
            passed_over=[one.id for one in selected.workloads if one.is_active and one.id not in ids],
            settled=settled,
        ),
        *workloads_events(notified.entries),
    ]
    if not held_number:
        # A record that holds workloads stays as it is.
        lines.append(StateEvent(event="state", state=PLANNED, at=utc_now(), by=session.by))
    if notified.expired:
        lines.append(UntoldEvent(event="untold", ids=notified.expired))
    session.write_plan(lines)
    notes = list(notified.notes)
    if held_number:
        notes.append("{0} of earlier runs still stopped".format(counted(held_number, "workload")))
    made = Outcome(
        session.record,
        {**before, **now},
        changed=content != _plan_content(session.record),
        notes=notes,
        to_tell=notified.to_tell if options.is_repeated else (),
    )
    return made, ids


def _select(session: Session, criteria: dict[str, Any], with_scope: bool) -> Selected:
    """Return all workloads that meet criteria; the plan limits them."""
    scope = {option: value for option, value in criteria.items() if option not in LIMITING_CRITERIA}
    return session.reader.select(scope, with_scope)


def _suspend(
    session: Session,
    now: Mapping[str, Workload],
    notes: Sequence[str],
    left_alone: set[str],
    active_in_scope: Optional[Collection[str]] = None,
) -> Outcome:
    """Suspend the planned workloads that are active. ``active_in_scope`` is for a ceiling in percent."""
    record = session.record
    active = [
        one
        for one in record.covered()
        if one.id in now and now[one.id].is_active and one.id not in left_alone
    ]
    unsuspendable = [one for one in active if now[one.id].can_suspend is False]
    left_running = left_alone | {one.id for one in unsuspendable}
    to_ask = [one for one in active if one.id not in left_running]
    to_share = _to_share(session, now, left_running)
    check_unsuspendable(unsuspendable, _limit(session, "unsuspendable"))
    crosses_version = session.options.crosses_version or record.limits["crosses_version"]
    check_crossing(to_ask, crosses_version, session.reader.identity().versions)
    percent = None if active_in_scope is None else _percent(session)
    check_ceilings(to_ask, active_in_scope, _limit(session, "max_affected"), percent)
    if record.state == PLANNED and not (active or to_share or session.options.allow_empty):
        _check_any_active(record, now)
    if session.check_mode:
        return Outcome(record, now, changed=bool(to_ask), to_send=len(to_ask), notes=notes)
    if to_ask or to_share or record.state == PLANNED:
        session.enter_state(ACTING)
    session.note_shared(to_share)
    session.note_phases(now)
    session.send(SUSPEND, [one.id for one in to_ask], now)
    now = session.read_recorded()
    # What another record stopped just before the suspend was refused is held by both from now on.
    session.note_shared(_to_share(session, now, left_running))
    session.note_phases(now)
    notes = [*notes, *_not_ours_notes(session, now)]
    pods = read_node_pods(session, [one.id for one in unsuspendable])
    problems = _problems(session, now, left_running)
    if pods.problem:
        problems.append(Problem(pods.problem, ""))
    if record.covered():
        session.enter_state(BEGUN)
    elif not session.options.is_repeated:
        # Without a workload there is nothing to end. A repeated maintenance keeps its notices.
        session.enter_state(ENDED)
    return Outcome(
        record,
        now,
        changed=session.has_changed,
        notes=[*notes, *pods.notes],
        problems=problems,
        pods_left=pods.left_on_purpose,
    )


def _to_share(session: Session, now: Mapping[str, Workload], left_running: set[str]) -> dict[str, Holder]:
    """Return the stopped workloads that another open record stopped, and their holders."""
    stopped = [
        one.id
        for one in session.record.covered()
        if not one.is_ours
        and one.id not in left_running
        and one.id in now
        and now[one.id].phase in (STOPPED, STOPPING)
    ]
    holders = session.holders(now) if stopped else {}
    return {one: holders[one] for one in stopped if one in holders}


def _limit(session: Session, name: str) -> Any:
    """Return a limit of this task, or else of the plan."""
    return getattr(session.options, name) if name in session.options.given else session.record.limits[name]


def _percent(session: Session) -> Optional[float]:
    """Return the ceiling in percent. That of the plan counts until its begin has acted."""
    is_counted = "max_percent" in session.options.given or session.record.state == PLANNED
    percent: Optional[float] = _limit(session, "max_percent")
    return percent if is_counted else None


def _problems(session: Session, now: Mapping[str, Workload], left_running: set[str]) -> list[Problem]:
    """Return workloads that were not suspended or are not visible."""
    problems = []
    covered = [one for one in session.record.covered() if one.may_stop or one.id not in left_running]
    missing = [one.id for one in covered if one.id not in now and not one.was_stopped]
    deleted = session.reader.deleted(missing) if missing else ()
    for one in covered:
        workload = now.get(one.id)
        if workload is None:
            if one.id in missing and one.id not in deleted:
                problems.append(Problem(row_of(one, "not visible any more"), one.id))
        elif workload.is_active or workload.phase == STOPPING:
            why = session.not_sent.get(one.id) or one.message or one.outcome or "not sent"
            if one.outcome == CHANGED:
                why = "the suspend was accepted, and not carried out in time"
            problems.append(Problem(row_of(one, "still {0}: {1}".format(workload.phase, why)), one.id))
    return problems


def _not_ours_notes(session: Session, now: Mapping[str, Workload]) -> list[str]:
    """Return lines about planned workloads that this begin did not stop, and that do not run."""
    covered = session.record.covered()
    found = session.verdicts(now, ())
    others = [one for one in covered if one.id in now and not one.is_ours]
    before = "stopped by somebody else before the suspend; not resumed by end"
    groups = (
        (before, [one for one in covered if found[one.id] == TOUCHED]),
        ("probably " + before, [one for one in covered if found[one.id] == UNCERTAIN]),
        ("finished since the plan", [one for one in others if now[one.id].phase in FINISHED_PHASES]),
        (
            "stopped before this begin; not resumed by end",
            [one for one in others if now[one.id].phase in (STOPPED, STOPPING)],
        ),
    )
    return [line for message, group in groups for line in _named(message, group)]


def _named(message: str, workloads: Sequence[Union[Workload, RecordedWorkload]]) -> list[str]:
    """Return a line that names workloads, or none."""
    names = [one.name or one.id for one in workloads]
    if not names:
        return []
    return ["{0} {1}: {2}".format(counted(len(names), "workload"), message, some_of(names, 5))]


def _unlisted_error(option: str, values: Sequence[str], unlisted: Unlisted) -> RecordError:
    corrected = [
        "<{0}>".format(" or ".join(unlisted[one]) or "another name") if one in unlisted else one
        for one in values
    ]
    return RecordError(
        "{0}. Correct the name".format(unlisted_message(option, unlisted)),
        corrections={option: ",".join(clean(one, 300) for one in corrected)},
    )


def _state_error(record: Record) -> RecordError:
    problem, next_state = "has ended at {0}; a plan is used once. Use another name", PLANNED
    if record.is_open:
        problem = "is {1} since {0}. To go on, run begin; to give up, run end"
        next_state = BEGUN
    elif record.state == ENDING:
        problem, next_state = "is ending since {0}. Run end again", ENDED
    since = record.times.get(record.state, "?")
    return RecordError(
        "name: the record {0} {1}".format(record.name, problem.format(since, record.state)), next_state
    )


def _check_fence(session: Session, select: dict[str, Any]) -> None:
    if select.get("nodes") and not session.options.node_fenced:
        raise RecordError(
            "node_fenced: not true. Keep new pods off the nodes first: kubectl cordon {0}".format(
                " ".join(select["nodes"])
            ),
            next_state=BEGUN,
        )


def _check_same_selection(session: Session) -> None:
    record, select = session.record, session.options.select
    if select and _unordered(select) != _unordered(record.select):
        differ = sorted(key for key in {*select, *record.select} if select.get(key) != record.select.get(key))
        raise RecordError(
            "select: the record {0} was planned with another selection ({1}). Leave select out, or plan "
            "again".format(record.name, ", ".join(differ)),
            next_state=PLANNED,
        )


def _check_handed_over(session: Session, now: Mapping[str, Workload]) -> None:
    """Raise RecordError for a plan that is too old or was used. Without a folder, phases show the use."""
    record, max_age = session.record, session.options.record_max_age
    if session.options.record is None or record.state != PLANNED:
        return
    if age_of(record.times[PLANNED]) > max_age.total_seconds():
        raise RecordError(
            "record: the plan was made at {0}, longer ago than {1}. Plan again".format(
                record.times[PLANNED], format_age(max_age)
            ),
            next_state=PLANNED,
        )
    ran = [
        one
        for one in record.covered()
        if one.phase == RUNNING and one.since and one.id in now and now[one.id].is_active
    ]
    moved = [one for one in ran if now[one.id].phase_since != one.since]
    if len(moved) * 2 > len(ran):
        raise RecordError(
            "record: {0} of {1} workloads were stopped and started again since the plan. A maintenance has "
            "probably used it. Plan again".format(len(moved), len(ran)),
            next_state=PLANNED,
        )


def _select_again(session: Session) -> Selected:
    """Return the workloads that meet the record's selection now, if anything needs them."""
    record, counts_percent = session.record, _percent(session) is not None
    if record.state == PLANNED or session.options.recheck or counts_percent:
        return _select(session, record.select, counts_percent)
    return Selected([], {})


def _left_alone(session: Session, now: Mapping[str, Workload], selected: Selected) -> dict[str, str]:
    """Return the planned workloads that are not acted on, and why."""
    options, found = session.options, {}
    ids = {one.id for one in selected.workloads}
    for one in session.record.covered():
        if one.is_ours:
            continue
        if options.keep.entry_for(one.name, one.project, one.owner) is not None:
            found[one.id] = "kept by their owners"
        elif options.recheck and one.id in now and one.id not in ids:
            found[one.id] = "not selected any more"
    return found


def _drift(session: Session, selected: Selected) -> list[Workload]:
    """Return workloads that are active and selected now, but were not planned. None of them is acted on."""
    record, most = session.record, _limit(session, "max_drift")
    if record.state != PLANNED:
        return []
    known = {*record.workloads, *record.passed_over}
    new = [one for one in selected.workloads if one.is_active and one.id not in known]
    if most is not None and len(new) > most:
        raise RecordError(
            "max_drift: {0} not planned and selected now, more than {1}. Plan again".format(
                counted(len(new), "workload"), most
            ),
            next_state=PLANNED,
            rows=[
                "{0} | {1} | {2}".format(one.name, one.project, one.submitted_by) for one in new[:MOST_ROWS]
            ],
        )
    return new


def _check_any_active(record: Record, now: Mapping[str, Workload]) -> None:
    """Raise RecordError for a plan without active workloads: its begin would pass for one that is done."""
    planned = record.covered()
    if not planned or any(one.is_ours for one in planned):
        return
    stopped = sum(one.id in now and now[one.id].phase in (STOPPED, STOPPING) for one in planned)
    raise RecordError(
        "plan: none of {0} is active and selected now; {1} stopped already, not by this maintenance. "
        "Plan again, or set allow_empty: true".format(
            counted(len(planned), "planned workload"), "1 is" if stopped == 1 else "{0} are".format(stopped)
        ),
        next_state=PLANNED,
    )


def _unordered(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: sorted(map(str, value)) if isinstance(value, list) else value for key, value in values.items()
    }


def _plan_content(record: Record) -> Any:
    if not record.state:
        return None
    rows = [(one.id, one.plan, one.phase) for one in record.workloads.values()]
    return record.reason, _unordered(record.select), record.limits, rows
