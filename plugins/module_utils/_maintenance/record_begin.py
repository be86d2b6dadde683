# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Acting on a plan: which workloads to ask for now, what the batches said, what was seen afterwards.

Everything here changes entries in memory; nothing reads or sends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Optional

from .._batch.outcome import (
    CHANGED,
    FAILED,
    NOT_ATTEMPTED,
    REFUSED,
    UNCHANGED,
    UNKNOWN_OUTCOME,
    UNREACHABLE,
    UNSETTLED,
    Outcome,
)
from .._workload.phases import RESUME, STOPPED, STOPPING
from .record import LEAVE, Asked, Entry, Record
from .record_claims import (
    Claim,
    is_claimed,
    is_settled,
    may_be_done,
)
from .record_plan import UNSUSPENDABLE, shared
from .record_seen import Seen

# Failures that a second pass may mend; all others were settled by what the workload is.
_MENDABLE = (REFUSED, UNREACHABLE, UNSETTLED)


class Turn(NamedTuple):
    """What `begin` finds: ids to ask for, and how many of the plan are left alone.

    Those are done, being deleted, no longer there, or were stopped by somebody else since the plan.
    """

    ask: list[str]
    left: int


def turn_to_act(entries: Iterable[Entry], now: Mapping[str, Seen], claimed: Mapping[str, Claim]) -> Turn:
    """Sort the planned workloads by what they are now, and settle which stops are shared.

    ``claimed`` are those that other open records stopped. One that became unsuspendable since is planned
    no longer: the caller checks for it.
    """
    ask: list[str] = []
    left = 0
    for entry in entries:
        seen = now.get(entry.id)
        if entry.plan == LEAVE:
            continue
        if seen is not None and seen.is_active:
            # Of what was asked to stop before, and may still do so, nothing is given up.
            if seen.suspendable is False and not may_be_done(entry.act):
                entry.plan, entry.reason = LEAVE, UNSUSPENDABLE
            else:
                ask.append(entry.id)
        elif seen is None or seen.phase not in (STOPPED, STOPPING):
            left += 1
        elif may_be_done(entry.act):
            # What happened to it since that run was cut off, before it noted the stop, nobody can tell.
            entry.assumed = entry.assumed or entry.stopped_at is None
        elif entry.id in claimed:
            shared(entry, claimed[entry.id])
        elif not is_claimed(entry):
            # If it is, the record that it was shared with has ended since, and left it to this one.
            left += 1
    return Turn(ask, left)


def stopped_and_to_stop(
    entries: Iterable[Entry], now: Mapping[str, Seen], ids: Collection[str]
) -> list[Entry]:
    """Return what `end` is going to bring back: the ``ids`` to ask for, and what is stopped already."""
    asked = set(ids)
    return [
        entry
        for entry in entries
        if entry.id in asked
        or (is_claimed(entry) and entry.id in now and now[entry.id].phase in (STOPPED, STOPPING))
    ]


def share_stops(entries: Iterable[Entry], now: Mapping[str, Seen], claimed: Mapping[str, Claim]) -> None:
    """Take part in stops of other records, ``claimed``, where what this one asked for came to nothing.

    Two that act on a workload at once may both write down that they ask, and only one stops it.
    """
    for entry in entries:
        seen = now.get(entry.id)
        is_stopped = seen is not None and seen.phase in (STOPPED, STOPPING)
        if entry.plan != LEAVE and is_stopped and entry.id in claimed and not is_claimed(entry):
            shared(entry, claimed[entry.id])
            entry.assumed = entry.assumed or entry.stopped_at is None


def ask_to_act(entries: Iterable[Entry], ids: Collection[str], at: str) -> None:
    """Write down that these are going to be asked for, ahead of doing so."""
    wanted = set(ids)
    for entry in entries:
        if entry.id in wanted:
            entry.act = _asked_again(entry.act, at)
            entry.stopped_at = entry.resume = entry.standing = entry.held_by = None
            entry.assumed = False


def ask_to_resume(entries: Iterable[Entry], ids: Collection[str], at: str) -> None:
    """Write down that these are going to be resumed, ahead of doing so."""
    wanted = set(ids)
    for entry in entries:
        if entry.id in wanted:
            entry.resume = _asked_again(entry.resume, at)


def fold(entries: Iterable[Entry], action: str, outcomes: Mapping[str, Outcome]) -> None:
    """Take over what a batch call said of each workload.

    ``unchanged``, a failure and not attempted say nothing of an earlier ask whose outcome is not known:
    that one may have done it, which ``unsettled`` keeps.
    """
    for entry in entries:
        asked = entry.resume if action == RESUME else entry.act
        said = outcomes.get(entry.id)
        if asked is None or said is None:
            continue
        had_worked = asked.outcome == CHANGED
        unsettled = asked.unsettled or asked.outcome == UNKNOWN_OUTCOME
        if said.outcome == CHANGED or (had_worked and said.outcome == UNCHANGED):
            asked.outcome, asked.unsettled = CHANGED, False
            asked.batch_id = said.batch_id or asked.batch_id
            asked.reason = asked.code = asked.message = None
            continue
        asked.unsettled = unsettled or said.outcome == UNKNOWN_OUTCOME
        asked.outcome = said.outcome
        asked.reason, asked.code, asked.message = said.reason or None, said.code, said.message or None
        asked.batch_id = said.batch_id


def ids_to_retry(entries: Iterable[Entry], action: str) -> list[str]:
    """Return what a second pass may mend; nothing once something was not attempted, since that was a stop."""
    again = []
    for entry in entries:
        asked = entry.resume if action == RESUME else entry.act
        if asked is None:
            continue
        if asked.outcome == NOT_ATTEMPTED:
            return []
        if asked.outcome in (FAILED, UNKNOWN_OUTCOME) and (asked.reason is None or asked.reason in _MENDABLE):
            again.append(entry.id)
    return again


def observe_stops(entries: Iterable[Entry], now: Mapping[str, Seen]) -> None:
    """Note the control plane's own time of each stop that may be ours, for `end` to compare with.

    A stop that can't be tied to an answer is noted as assumed.
    """
    for entry in entries:
        seen = now.get(entry.id)
        entry.phase_now = seen.phase if seen is not None else None
        if seen is None or seen.phase != STOPPED or not is_claimed(entry) or entry.stopped_at is not None:
            continue
        entry.stopped_at = seen.phase_since
        entry.assumed = entry.assumed or not is_settled(entry.act)


def settle_by_look(entries: Iterable[Entry], now: Mapping[str, Seen], is_deletion: bool) -> None:
    """Settle by what is there now what was asked for and not answered.

    Comes after the stops were noted: those that no answer tells of stay flagged.
    """
    for entry in entries:
        asked, seen = entry.act, now.get(entry.id)
        if asked is None or is_settled(asked) or not may_be_done(asked):
            continue
        is_stopped = seen is not None and seen.phase in (STOPPED, STOPPING)
        if seen is None if is_deletion else is_stopped:
            asked.outcome, asked.unsettled = CHANGED, False
            asked.reason = asked.code = asked.message = None
            entry.assumed = not is_deletion


def drift_of(record: Record, selected: Sequence[Seen]) -> list[Seen]:
    """Return workloads that meet the selection now and are active, and are new to the record."""
    known = {entry.id for entry in record.workloads} | set(record.passed_over or ())
    return [seen for seen in selected if seen.is_active and seen.id not in known]


def _asked_again(earlier: Optional[Asked], at: str) -> Asked:
    is_open = earlier is not None and (earlier.unsettled or earlier.outcome in (None, UNKNOWN_OUTCOME))
    return Asked(at=at, unsettled=is_open)
