# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The notices before a suspend: which owners to notify, and which workloads may be suspended after a notice.

A notice is valid for six days from the moment it is due. It expires as soon as the workload was suspended,
was started again, is kept, or is not selected when it is planned or due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Optional

from .._common.text import counted
from .._common.times import format_age, parse_timestamp, utc_now
from .._record.events import ACTING, BEGUN, PLANNED, ToldEvent
from .._record.record import RecordedWorkload, RecordError
from .._selection.keep import Keep
from .plan_rules import by_owner
from .results import Outcome, Problem
from .session import Session

NOT_TOLD, WAITING, DUE, EXPIRED = "not told", "waiting", "due", "expired"
VALID_FOR = timedelta(days=6)


class NoticeResult(NamedTuple):
    """The part of the selected workloads that a plan takes.

    ``to_tell`` has one object for each owner. ``expired`` are ids with a notice that has expired.
    """

    entries: list[RecordedWorkload]
    to_tell: list[dict[str, Any]]
    expired: list[str]
    notes: list[str]


def notice_status(told_at: Optional[str], since: str, notice: timedelta, now: datetime) -> str:
    """Return the status of the notice for a workload that is in its phase since ``since``."""
    told = parse_timestamp(told_at or "")
    if told is None:
        return NOT_TOLD
    started = parse_timestamp(since)
    if (started is not None and started > told) or now > told + notice + VALID_FOR:
        return EXPIRED
    return WAITING if now < told + notice else DUE


def apply_notice(
    entries: Sequence[RecordedWorkload],
    notices: Mapping[str, str],
    keep: Keep,
    notice: Optional[timedelta],
    suspends: bool,
    now: datetime,
) -> NoticeResult:
    """Return what a plan takes: with ``suspends`` and a notice the due workloads, else all but the kept."""
    kept = {one.id for one in entries if keep.entry_for(one.name, one.project, one.owner) is not None}
    free = [one for one in entries if one.id not in kept]
    wait = notice or timedelta()
    found = {one.id: notice_status(notices.get(one.id), one.since, wait, now) for one in free}
    notes = keep.notes() + _count_note(len(kept), "left alone: kept by their owners")
    if not suspends:
        # A notice stays valid only while each plan selects its workload.
        expired = [one for one in notices if found.get(one, EXPIRED) == EXPIRED]
        fresh = [one for one in free if found[one.id] in (NOT_TOLD, EXPIRED)]
        nobodys = [one for one in fresh if not one.owner]
        notes += _count_note(len(free) - len(fresh), "with an earlier notice")
        if notice is not None:
            notes += _count_note(
                len(nobodys), "without an owner: nobody gets a notice, so that they are never suspended"
            )
        return NoticeResult(free, _messages([one for one in fresh if one.owner], now + wait), expired, notes)
    if notice is None:
        return NoticeResult(free, [], [], notes)
    due = [one for one in free if found[one.id] == DUE]
    expired = [
        one
        for one, at in notices.items()
        if found.get(one, EXPIRED) == EXPIRED and notice_status(at, "", notice, now) != WAITING
    ]
    for status, why in (
        (NOT_TOLD, "no notice was given"),
        (WAITING, "notice given less than {0} ago".format(format_age(notice))),
        (EXPIRED, "started again since the notice, or the notice has expired"),
    ):
        notes += _count_note(sum(one == status for one in found.values()), "left alone: " + why)
    gone = [one for one in expired if one not in found]
    notes += _count_note(len(gone), "left alone in spite of a notice: not selected any more, or kept")
    return NoticeResult(due, [], expired, notes)


def record_told(session: Session) -> Outcome:
    record = session.record
    if record.state not in (PLANNED, ACTING, BEGUN):
        raise RecordError(
            "told: the record {0} is {1}. Plan first".format(record.name, record.state or "not planned")
        )
    session.check_same_control_plane()
    at, lines, problems = utc_now(), [], []
    for owner, given_ids in session.options.told:
        ids = [one for one in given_ids if one in record.workloads]
        if ids:
            lines.append(ToldEvent(event="told", owner=owner, ids=ids, at=at))
        if len(ids) < len(given_ids):
            missing = counted(len(given_ids) - len(ids), "workload")
            problems.append(Problem("{0} | {1} not in the plan any more".format(owner, missing), ""))
    if lines:
        session.write(*lines)
    return Outcome(record, {}, changed=bool(lines), problems=problems)


def _count_note(number: int, message: str) -> list[str]:
    return ["{0} {1}".format(counted(number, "workload"), message)] if number else []


def _messages(entries: Sequence[RecordedWorkload], suspend_after: datetime) -> list[dict[str, Any]]:
    after = suspend_after.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "owner": owner,
            "workloads": [
                {"id": one.id, "name": one.name, "project": one.project, "gpus": one.gpus} for one in theirs
            ],
            "gpus": gpus,
            "suspend_after": after,
        }
        for owner, gpus, theirs in by_owner(entries)
    ]
