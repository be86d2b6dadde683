# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``ended``: resume what the record stopped, and close it once nothing is owed and nothing is in doubt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Callable

from .._record.ownership import (
    HELD,
    LATE,
    NOT_VISIBLE,
    SETTLED,
    STAMPS_MOVED,
    TO_RESUME,
    TOUCHED,
    VERDICTS,
    verdicts,
)
from .._record.record import BEGUN, ENDED, ENDING, PLANNED, Record, RecordError
from .._workload.phases import RESUME, RUNNING
from .node_pods import read_node_pods
from .plan_rules import row_of
from .results import Outcome, Problem
from .seen import Identity, Seen
from .session import Session, age_of, as_now


def end(session: Session, identity: Identity, sleep: Callable[[float], None] = time.sleep) -> Outcome:
    """Resume what is still stopped and ours, and what may still stop."""
    record = session.record
    if record is None or not record.state:
        raise RecordError("name: there is no record {0}, so nothing to resume".format(session.options.name))
    session.check_same_plane(identity)
    if record.state == PLANNED:
        return _give_up(session, record)
    if not session.check_mode:
        _settle(session, record, sleep)
        # Before the other records are read: of two that end at once neither leaves it to the other.
        session.enter(ENDING)
    now = session.look()
    held = session.held(now)
    found = verdicts(record, as_now(now), _deleted(session, record, now), held)
    wanted = [*TO_RESUME, *((TOUCHED, STAMPS_MOVED) if session.options.resume_touched else ())]
    ids = [workload_id for workload_id, word in found.items() if word in wanted]
    if session.check_mode:
        return Outcome(record, as_now(now), found, held, changed=bool(ids), to_send=len(ids))
    session.note({one: now[one] for one in ids if found[one] in TO_RESUME})
    late = [workload_id for workload_id in ids if found[workload_id] == LATE]
    ran = [one for one in ids if record.workloads[one].phase == RUNNING]
    for part in (ran, [one for one in ids if record.workloads[one].phase != RUNNING]):
        if part:
            session.send(RESUME, part, anyway=late, wait_for="active")
    if ids:
        now = session.look()
        session.note(now)
        found = verdicts(record, as_now(now), _deleted(session, record, now), session.held(now))
    problems = [
        Problem(row_of(one, _problem_words(session, record, one.id, found[one.id], now)), one.id)
        for one in record.concerned()
        if found[one.id] not in SETTLED
    ]
    if not problems:
        session.enter(ENDED)
    held = {one: held[one] for one in held if found.get(one) == HELD}
    return Outcome(record, as_now(now), found, held, changed=session.has_sent, problems=problems)


def status(session: Session, identity: Identity) -> Outcome:
    """Compare a record with the control plane; write nothing."""
    record = session.need()
    session.check_same_plane(identity)
    now = session.look()
    held = session.held(now)
    if record.state == PLANNED:
        return Outcome(record, as_now(now))
    found = verdicts(record, as_now(now), _deleted(session, record, now), held)
    pods = read_node_pods(session, record)
    problems = [Problem(pods.words(), "")] if pods.is_in_the_way and record.state == BEGUN else []
    problems += [
        Problem(row_of(one, VERDICTS[NOT_VISIBLE]), one.id)
        for one in record.concerned()
        if found[one.id] == NOT_VISIBLE and record.state != ENDED
    ]
    return Outcome(
        record,
        as_now(now),
        found,
        held,
        notes=pods.notes(),
        problems=problems,
        pods_left=pods.number_left,
    )


def _give_up(session: Session, record: Record) -> Outcome:
    """Close a plan that was never begun."""
    if not session.check_mode:
        session.enter(ENDED)
    return Outcome(record, {}, {}, changed=True, notes=["Nothing was sent: the plan is closed"])


def _settle(session: Session, record: Record, sleep: Callable[[float], None]) -> None:
    """Wait until requests of a run that was cut off have arrived or are lost."""
    stamps = [one.asked_at for one in record.concerned() if one.is_unanswered]
    if not stamps:
        return
    left = session.options.settle_time - min(age_of(stamp) for stamp in stamps)
    if left > 0:
        session.say(
            "runai end: waiting {0:.0f} s for the last requests of a run that was cut off".format(left)
        )
        sleep(left)


def _deleted(session: Session, record: Record, now: Mapping[str, Seen]) -> set[str]:
    missing = [one.id for one in record.concerned() if one.is_ours and one.id not in now]
    return session.reader.deleted(missing) if missing else set()


def _problem_words(
    session: Session, record: Record, workload_id: str, word: str, now: Mapping[str, Seen]
) -> str:
    one = record.workloads[workload_id]
    said = session.left.get(workload_id) or one.message
    seen = now.get(workload_id)
    phase = " (now {0})".format(seen.phase) if seen is not None else ""
    return "{0}{1}{2}".format(VERDICTS[word], phase, ": " + said if said and one.is_resume_asked else "")
