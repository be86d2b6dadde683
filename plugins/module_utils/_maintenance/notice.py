# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is to be told before a suspend, and what may be suspended since its owner was told.

A notice counts from its time on for six days. It counts no more once the workload was suspended, was
started again, was not selected when it was due, or is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Optional

from .._common.text import counted
from .._common.times import format_age, parse_timestamp, utc_now
from .._record.record import ACTING, BEGUN, PLANNED, RecordedWorkload, RecordError, told_event
from .._selection.keep import Keep
from .reader import Identity
from .results import Outcome, Problem
from .session import Session

NOT_TOLD, WAITING, DUE, EXPIRED = "not told", "waiting", "due", "expired"
COUNTS_FOR = timedelta(days=6)


class NoticeResult(NamedTuple):
    """What a plan takes of the selected workloads.

    ``to_tell`` has an object an owner. ``untold`` are ids for which an earlier notice counts no more.
    """

    entries: list[RecordedWorkload]
    to_tell: list[dict[str, Any]]
    untold: list[str]
    notes: list[str]


def notice_status(told_at: Optional[str], since: str, notice: timedelta, now: datetime) -> str:
    """Return where a workload stands that is in its phase since ``since``."""
    told = parse_timestamp(told_at or "")
    if told is None:
        return NOT_TOLD
    started = parse_timestamp(since)
    if (started is not None and started > told) or now > told + notice + COUNTS_FOR:
        return EXPIRED
    return WAITING if now < told + notice else DUE


def apply_notice(
    entries: Sequence[RecordedWorkload],
    told: Mapping[str, str],
    keep: Keep,
    notice: Optional[timedelta],
    suspends: bool,
    now: datetime,
) -> NoticeResult:
    """Return what is planned. With ``suspends`` and a notice that is what is due, else all but the kept."""
    kept = {one.id for one in entries if keep.entry_for(one.name, one.project, one.owner) is not None}
    free = [one for one in entries if one.id not in kept]
    wait = notice or timedelta()
    found = {one.id: notice_status(told.get(one.id), one.since, wait, now) for one in free}
    notes = keep.notes()
    if kept:
        notes.append("{0} left alone: kept by their owners".format(counted(len(kept), "workload")))
    if not suspends:
        # A notice that was given counts as long as it is followed by the selection.
        untold = [one for one in told if found.get(one, EXPIRED) == EXPIRED]
        fresh = [one for one in free if found[one.id] in (NOT_TOLD, EXPIRED)]
        nobodys = [one for one in fresh if not one.owner]
        notes += _count_note(len(free) - len(fresh), "told before")
        notes += _count_note(
            len(nobodys), "without an owner: nobody can be told, and they are never suspended"
        )
        return NoticeResult(free, _by_owner([one for one in fresh if one.owner], now + wait), untold, notes)
    if notice is None:
        return NoticeResult(free, [], [], notes)
    due = [one for one in free if found[one.id] == DUE]
    untold = [
        one
        for one, at in told.items()
        if found.get(one, EXPIRED) == EXPIRED and notice_status(at, "", notice, now) != WAITING
    ]
    counts = {word: sum(one == word for one in found.values()) for word in (NOT_TOLD, WAITING, EXPIRED)}
    notes += _count_note(counts[NOT_TOLD], "not told, left alone")
    notes += _count_note(counts[WAITING], "told less than {0} ago, left alone".format(format_age(notice)))
    notes += _count_note(counts[EXPIRED], "started again since, or told too long ago, left alone")
    gone = [one for one in untold if one not in found]
    notes += _count_note(len(gone), "told, and not idle any more or kept, left alone")
    return NoticeResult(due, [], untold, notes)


def record_told(session: Session, identity: Identity) -> Outcome:
    """Write down who was told."""
    record = session.require_record()
    if record.state not in (PLANNED, ACTING, BEGUN):
        raise RecordError("told: the record {0} is {1}. Plan first".format(record.name, record.state))
    session.check_same_control_plane(identity)
    at, events, problems = utc_now(), [], []
    for one in session.options.told:
        ids = [workload_id for workload_id in one.ids if workload_id in record.workloads]
        if ids:
            events.append(told_event(one.owner, ids, at))
        if len(ids) < len(one.ids):
            words = "{0} not in the plan any more".format(counted(len(one.ids) - len(ids), "workload"))
            problems.append(Problem("{0} | {1}".format(one.owner, words), ""))
    if events:
        session.write(*events)
    return Outcome(record, {}, changed=bool(events), problems=problems)


def _count_note(number: int, message: str) -> list[str]:
    return ["{0} {1}".format(counted(number, "workload"), message)] if number else []


def _by_owner(entries: Sequence[RecordedWorkload], suspend_after: datetime) -> list[dict[str, Any]]:
    owners: dict[str, list[RecordedWorkload]] = {}
    for one in entries:
        owners.setdefault(one.owner, []).append(one)
    after = suspend_after.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: list[dict[str, Any]] = [
        {
            "owner": owner,
            "workloads": [
                {"id": one.id, "name": one.name, "project": one.project, "gpus": one.gpus} for one in theirs
            ],
            "gpus": round(sum(one.gpus for one in theirs), 2),
            "suspend_after": after,
        }
        for owner, theirs in owners.items()
    ]
    return sorted(found, key=lambda one: (-one["gpus"], one["owner"]))
