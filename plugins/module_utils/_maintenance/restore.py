# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``ended``: resume what the record stopped, and close it once nothing is owed and nothing is in doubt."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from .._record.events import ACT, BEGUN, ENDED, ENDING, OTHERS, PLANNED
from .._record.ownership import (
    LATE,
    NOT_VISIBLE,
    OURS,
    RESUMED_SINCE,
    SETTLED,
    TO_RESUME,
    TOUCHED,
    UNCERTAIN,
    VERDICTS,
    Holder,
    uncertain_if_few,
)
from .._record.record import RecordError
from .._workload.phases import RESUME, RUNNING, STOPPED, STOPPING
from .._workload.workload import Workload
from .node_pods import read_node_pods
from .plan_rules import row_of
from .results import Outcome, Problem
from .session import Session, age_of

# A record that was handed over may be older than a begin of the same plan.
_MAY_BE_BEGUN = (
    "stopped now, perhaps by a begin. This record has only the plan: use the one that begin returned"
)


def end(session: Session) -> Outcome:
    """Resume the workloads that this record stopped, and those that may still stop."""
    record = session.record
    if not record.state:
        raise RecordError("name: there is no record {0}, so nothing to resume".format(record.name))
    session.check_same_control_plane()
    if record.state == PLANNED:
        return _close_plan(session)
    if record.state == ENDED:
        return _end_again(session)
    if not session.check_mode:
        _wait_for_requests_in_flight(session)
        # Before the other records are read: of two that end at once neither leaves it to the other.
        session.enter_state(ENDING)
    now = session.read_recorded()
    session.note_phases(now)
    held = session.holders(now)
    found = session.verdicts(now, held)
    if "resume_touched" in session.options.given and not session.options.resume_touched:
        # The operator has decided.
        touched = uncertain_if_few(found)
        session.note_attribution(now, dict.fromkeys(touched, OTHERS))
        found.update(dict.fromkeys(touched, TOUCHED))
    wanted = [*TO_RESUME, *((TOUCHED, UNCERTAIN) if session.options.resume_touched else ())]
    ids = [workload_id for workload_id, verdict in found.items() if verdict in wanted]
    return _resume(session, ids, now, found, held)


def _end_again(session: Session) -> Outcome:
    """Resume workloads that an ended record left to another record, if that is gone; nothing else is owed."""
    record = session.record
    now = session.read_recorded()
    held = session.holders(now)
    found = _verdicts_of_ended(session.verdicts_of_phases(now, held))
    wanted = (TOUCHED,) if session.options.resume_touched else ()
    ids = [
        one
        for one, verdict in found.items()
        if verdict in wanted or (verdict == OURS and record.workloads[one].was_stopped)
    ]
    if ids:
        session.enter_state(ENDING)
        return _resume(session, ids, now, found, held)
    return Outcome(record, now, found, held)


def _resume(
    session: Session,
    ids: Sequence[str],
    now: dict[str, Workload],
    found: Mapping[str, str],
    held: Mapping[str, Holder],
) -> Outcome:
    """Resume workloads, and close the record unless anything is owed or in doubt then."""
    record, asked = session.record, frozenset(ids)
    if session.check_mode:
        problems = [
            _problem(session, one, found[one], now)
            for one in found
            if (now[one].can_suspend is False if one in asked else found[one] not in SETTLED)
        ]
        return Outcome(record, now, found, held, changed=bool(ids), to_send=len(ids), problems=problems)
    if ids:
        late = [workload_id for workload_id in ids if found[workload_id] == LATE]
        ran = [one for one in ids if record.workloads[one].phase == RUNNING]
        for part in (ran, [one for one in ids if record.workloads[one].phase != RUNNING]):
            if part:
                session.send(RESUME, part, now, send_anyway=late)
        now = session.read_recorded()
        session.note_phases(now)
        held = session.holders(now)
        found = session.verdicts(now, held)
    problems = [
        _problem(session, one, verdict, now)
        for one, verdict in found.items()
        if verdict not in SETTLED or (verdict == TOUCHED and one in asked)
    ]
    if not problems:
        session.enter_state(ENDED)
    return Outcome(record, now, found, held, changed=session.has_changed, problems=problems)


def _verdicts_of_ended(found: Mapping[str, str]) -> dict[str, str]:
    """Return the verdicts of an ended record: the last of several holders has resumed a workload."""
    closed = {LATE: RESUMED_SINCE, UNCERTAIN: TOUCHED}
    return {one: closed.get(verdict, verdict) for one, verdict in found.items()}


def _problem(session: Session, workload_id: str, verdict: str, now: Mapping[str, Workload]) -> Problem:
    """Return a workload that is owed or in doubt, or would be after the real run of a check."""
    one = session.record.workloads[workload_id]
    message = session.not_sent.get(workload_id) or (one.message if one.is_resume_asked else "")
    phase = " (now {0})".format(now[workload_id].phase) if workload_id in now else ""
    row = row_of(one, "{0}{1}{2}".format(VERDICTS[verdict], phase, ": " + message if message else ""))
    return Problem(row, workload_id)


def status(session: Session) -> Outcome:
    """Compare a record with the control plane; write nothing."""
    record = session.record
    if not record.id:
        raise RecordError("there is no record {0}".format(record.name))
    session.check_same_control_plane()
    now = session.read_recorded()
    session.note_phases(now)
    held = session.holders(now)
    if record.state == PLANNED:
        return Outcome(record, now)
    found = session.verdicts(now, held)
    if record.state == ENDED:
        found = _verdicts_of_ended(found)
    pods = read_node_pods(session)
    problems = [Problem(pods.problem, "")] if pods.problem and record.state == BEGUN else []
    problems += [
        Problem(row_of(record.workloads[one], VERDICTS[NOT_VISIBLE]), one)
        for one, verdict in found.items()
        if verdict == NOT_VISIBLE and record.state != ENDED
    ]
    return Outcome(
        record,
        now,
        found,
        held,
        notes=pods.notes,
        problems=problems,
        pods_left=pods.left_on_purpose,
    )


def _close_plan(session: Session) -> Outcome:
    """Close a plan that was never begun; that of a record which was handed over may have been."""
    record = session.record
    if session.was_handed_over:
        now = session.read_recorded()
        problems = [
            Problem(row_of(one, _MAY_BE_BEGUN), one.id)
            for one in record.covered()
            if one.plan == ACT and one.id in now and now[one.id].phase in (STOPPED, STOPPING)
        ]
        if problems:
            return Outcome(record, now, problems=problems)
    if not session.check_mode:
        session.enter_state(ENDED)
    return Outcome(record, {}, changed=True, notes=["Nothing was sent: the plan is closed"])


def _wait_for_requests_in_flight(session: Session) -> None:
    """Wait until requests of a run that was cut off have arrived or are lost."""
    covered = session.record.covered()
    stamps = [one.asked_at for one in covered if one.is_in_flight or one.has_unknown_outcome]
    if not stamps:
        return
    # A clock that was set back makes stamps of the future.
    seconds = session.options.settle_time - max(0.0, min(age_of(stamp) for stamp in stamps))
    if seconds > 0:
        session.say(
            "runai end: waiting {0:.0f} s for the last requests of a run that was cut off".format(seconds)
        )
        time.sleep(seconds)
