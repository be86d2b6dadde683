# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose a stop is: a pure function of a recorded workload, of its phase now and of its history.

A stop is ours when the workload was planned, active before, and asked to stop by us. A suspend that was
accepted, or has no known result, may still be carried out until the workload was seen stopped or a resume
was accepted. A time stamp that does not fit makes a stop uncertain; the history of the workload decides then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Optional

from .._common.times import parse_timestamp
from .._workload.phases import (
    FINISHED_PHASES,
    RUNNING,
    STOPPED,
    STOPPING,
    is_active,
    is_unclear,
)
from .._workload.workload import Workload
from .events import OTHERS, US, Maker
from .record import Record, RecordedWorkload

NOT_STOPPED = "not_stopped"
BACK = "back"
STARTING = "starting"
RESUMED_SINCE = "resumed_since"
FINISHED = "finished"
GONE = "gone"
HELD = "held"
TOUCHED = "touched"
RESTOPPED = "restopped"
OURS = "ours"
LATE = "late"
UNCERTAIN = "uncertain"
UNCLEAR = "unclear"
NOT_VISIBLE = "not_visible"

# Worst first, each with a text for people.
VERDICTS: dict[str, str] = {
    LATE: "may still stop: a suspend was sent and its effect was not seen yet",
    OURS: "stopped by this maintenance",
    UNCERTAIN: "stopped; the time stamps do not show by whom",
    UNCLEAR: "in an indeterminate phase",
    NOT_VISIBLE: "not visible and not listed as deleted",
    HELD: "held by another open maintenance",
    TOUCHED: "stopped by somebody else",
    RESTOPPED: "resumed, and stopped by somebody else since",
    STARTING: "resumed, not running yet",
    RESUMED_SINCE: "resumed by somebody else since",
    GONE: "deleted since",
    FINISHED: "finished since",
    NOT_STOPPED: "not stopped by this maintenance",
    BACK: "running again",
}
TO_RESUME = (OURS, LATE)
# Nothing is owed and nothing is in doubt.
SETTLED = (HELD, TOUCHED, RESTOPPED, STARTING, RESUMED_SINCE, GONE, FINISHED, NOT_STOPPED, BACK)
# Above this share, and more than one, time stamps prove nothing: an upgrade moves those of all workloads.
_MOST_TOUCHED = 0.1


class PhaseChange(NamedTuple):
    """A workload entered a phase, by its history."""

    at: datetime
    phase: str


def verdict_of(one: RecordedWorkload, now: Optional[Workload], is_deleted: bool, is_held: bool) -> str:
    """Return the verdict of a workload. ``is_held``: another open record holds it stopped."""
    if not one.is_ours:
        return NOT_STOPPED
    if now is None:
        return GONE if is_deleted else NOT_VISIBLE
    if now.phase == "Deleting":
        return GONE
    if now.phase in FINISHED_PHASES:
        return FINISHED
    is_stopped = now.phase in (STOPPED, STOPPING)
    if is_held and (is_stopped or one.may_stop):
        return HELD
    if is_stopped:
        return _stopped(one, now)
    if one.may_stop:
        return LATE
    if is_unclear(now.phase):
        return BACK if one.is_resumed and now.phase == one.phase else UNCLEAR
    if one.is_resumed:
        return BACK if now.phase == RUNNING else STARTING
    return RESUMED_SINCE


def _stopped(one: RecordedWorkload, now: Workload) -> str:
    if one.attributed_to and now.phase_since == one.attributed_since:
        return OURS if one.attributed_to == US else TOUCHED
    if not one.was_stopped:
        return OURS
    if one.was_back:
        return RESTOPPED
    return UNCERTAIN if _has_moved(one, now) or one.was_stopped_before else OURS


def _has_moved(one: RecordedWorkload, now: Workload) -> bool:
    return now.phase_since != one.stopped_since


def verdicts_of(
    record: Record,
    now: Mapping[str, Workload],
    deleted: Collection[str] = (),
    held: Collection[str] = (),
) -> dict[str, str]:
    """Return the verdict of each workload that the plan covers.

    Stops of many that are older than the suspend prove that clocks differ, and nothing else.
    """
    found = {
        one.id: verdict_of(one, now.get(one.id), one.id in deleted, one.id in held)
        for one in record.covered()
    }
    uncertain = [record.workloads[one] for one, verdict in found.items() if verdict == UNCERTAIN]
    early = [one.id for one in uncertain if not _has_moved(one, now[one.id])]
    if _are_many(early, found):
        found.update(dict.fromkeys(early, OURS))
    return found


def uncertain_if_few(found: Mapping[str, str]) -> list[str]:
    """Return the workloads whose stop is uncertain, or none where they are many."""
    uncertain = [one for one, verdict in found.items() if verdict == UNCERTAIN]
    return [] if _are_many(uncertain, found) else uncertain


def in_need_of_history(record: Record, found: Mapping[str, str], now: Mapping[str, Workload]) -> list[str]:
    """Return the few workloads whose history decides who stopped them.

    Of a stop that is older than the suspend it does so only where another stop shows that clocks agree.
    """
    do_clocks_agree = OURS in found.values()
    return [
        one
        for one in uncertain_if_few(found)
        if do_clocks_agree or _has_moved(record.workloads[one], now[one])
    ]


def _are_many(part: Collection[str], found: Mapping[str, str]) -> bool:
    stopped = sum(verdict in (TOUCHED, UNCERTAIN, OURS) for verdict in found.values())
    return len(part) > max(1, stopped * _MOST_TOUCHED)


def maker_by_history(one: RecordedWorkload, now: Workload, history: Iterable[PhaseChange]) -> Optional[Maker]:
    """Return who made a stop: US, OTHERS, or None if unknown.

    A time stamp that moved is of another stop if the workload was active in between. A stop that began before
    the suspend was sent is of somebody else.
    """
    changes = sorted(history)
    if _has_moved(one, now):
        first_stop = parse_timestamp(one.stopped_since)
        if first_stop is None or not any(change.at <= first_stop for change in changes):
            return None
        if any(change.at > first_stop and is_active(change.phase) for change in changes):
            return OTHERS
        # It is the stop that was seen first.
        if one.attributed_to or not one.was_stopped_before:
            return one.attributed_to or US
    sent = parse_timestamp(one.sent_at)
    active = [number for number, change in enumerate(changes) if is_active(change.phase)]
    stops = changes[active[-1] + 1 if active else 0 :]
    if sent is None or not stops or stops[0].phase not in (STOPPED, STOPPING):
        return None
    return OTHERS if stops[0].at < sent else US


class Holder(NamedTuple):
    """An open record that holds a workload, and its times of the stop."""

    name: str
    stopped_since: str
    sent_at: str


def held_by(others: Iterable[Record], now: Mapping[str, Workload]) -> dict[str, Holder]:
    """Return the workloads that open records hold, stopped or about to be.

    Of several records that hold a workload, one counts that surely stopped it.
    """
    found: dict[str, Holder] = {}
    for other in others:
        if not other.is_open:
            continue
        for workload_id, verdict in verdicts_of(other, now).items():
            one = other.workloads[workload_id]
            if verdict in TO_RESUME or (verdict == UNCERTAIN and workload_id not in found):
                found[workload_id] = Holder(other.name, one.stopped_since, one.sent_at)
    return found
