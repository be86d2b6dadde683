# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose a stop is: a pure function of a recorded workload and of what is seen now.

A stop is ours when the workload was planned, active before, and asked to stop by us. A suspend that was
accepted, or has no known result, may still be carried out until the workload was seen stopped or a resume
was accepted. Time stamps decide between ours and touched since alone, and never for many at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Optional

from .._workload.phases import (
    FINISHED_PHASES,
    RUNNING,
    STOPPED,
    STOPPING,
    is_unclear,
)
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
STAMPS_MOVED = "stamps_moved"
UNCLEAR = "unclear"
NOT_VISIBLE = "not_visible"

# Worst first, each with what is said of one and of several workloads.
VERDICTS: dict[str, str] = {
    LATE: "may still stop: a suspend was sent and its effect was not seen yet",
    OURS: "stopped by this maintenance",
    STAMPS_MOVED: "stopped; time stamps moved on many at once, so it is not known by whom",
    UNCLEAR: "in an indeterminate phase",
    NOT_VISIBLE: "not visible and not listed as deleted",
    HELD: "held by another open maintenance",
    TOUCHED: "stopped again by somebody else since",
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
# Above this share, and more than one, moved time stamps prove nothing.
_MOST_TOUCHED = 0.1


class Now(NamedTuple):
    """What is seen of a workload at this moment."""

    phase: str
    since: str = ""


def verdict(one: RecordedWorkload, now: Optional[Now], is_deleted: bool, is_held: bool) -> str:
    """Return where a workload stands. ``is_held``: another open record holds it stopped."""
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


def _stopped(one: RecordedWorkload, now: Now) -> str:
    if one.was_stopped and one.was_back:
        return RESTOPPED
    has_moved = one.was_stopped and now.phase == STOPPED and now.since != one.stopped_since
    return TOUCHED if has_moved and not one.is_resumed else OURS


def verdicts(
    record: Record,
    now: Mapping[str, Now],
    deleted: Collection[str] = (),
    held: Collection[str] = (),
) -> dict[str, str]:
    """Return where each workload of the plan stands."""
    found = {
        one.id: verdict(one, now.get(one.id), one.id in deleted, one.id in held) for one in record.concerned()
    }
    touched = [workload_id for workload_id, word in found.items() if word == TOUCHED]
    stopped = sum(word in (TOUCHED, OURS) for word in found.values())
    if len(touched) > max(1, stopped * _MOST_TOUCHED):
        found.update(dict.fromkeys(touched, STAMPS_MOVED))
    return found


class Holder(NamedTuple):
    """An open record that holds a workload stopped."""

    name: str
    since: str


def held_by(others: Iterable[Record], now: Mapping[str, Now]) -> dict[str, Holder]:
    """Return which workloads other open records hold: theirs by right, and stopped or about to stop."""
    found: dict[str, Holder] = {}
    for other in others:
        if not other.is_open:
            continue
        for one in other.workloads.values():
            seen = now.get(one.id)
            if not one.is_ours or seen is None:
                continue
            if seen.phase in (STOPPED, STOPPING):
                if not (one.was_stopped and one.was_back):
                    found[one.id] = Holder(other.name, one.stopped_since or seen.since)
            elif one.may_stop:
                found[one.id] = Holder(other.name, "")
    return found
