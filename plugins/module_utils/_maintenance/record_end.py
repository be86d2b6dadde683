# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has become of the workloads of a record: the one table that `end` and `status` decide by.

Only the list of deleted workloads proves that one is gone; what is merely not seen is not visible, and
keeps the record open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Optional

from .._batch.outcome import (
    CHANGED,
    FAILED,
    NOT_ATTEMPTED,
    SKIPPED,
)
from .._workload.phases import (
    FINISHED_PHASES,
    RUNNING,
    STOPPED,
    STOPPING,
)
from .record import (
    JOIN,
    LEAVE,
    Asked,
    Entry,
)
from .record_claims import (
    Claim,
    is_claimed,
    is_later_stop,
    may_be_done,
)
from .record_seen import Seen, is_unclear

# Stopped by us, and still so.
OURS = "ours"
# The same, but our stop is not known in time to be compared with the one that is seen, e.g. after a crash.
ASSUMED = "assumed"
# Stopped by us, but now in a phase that says neither that it is nor that it is not.
UNCLEAR = "unclear"
BACK = "back"
NOT_RUNNING_YET = "not_running_yet"
HELD = "held"
TOUCHED = "touched"
RESUMED_SINCE = "resumed_since"
FINISHED = "finished"
GONE = "gone"
NOT_VISIBLE = "not_visible"
NOT_STOPPED = "not_stopped"
RESUME_FAILED = "failed"
RESUME_UNKNOWN = "unknown"

STANDINGS = (
    RESUME_FAILED,
    RESUME_UNKNOWN,
    NOT_VISIBLE,
    UNCLEAR,
    ASSUMED,
    OURS,
    HELD,
    TOUCHED,
    NOT_RUNNING_YET,
    RESUMED_SINCE,
    FINISHED,
    GONE,
    NOT_STOPPED,
    BACK,
)
TO_RESUME = (OURS, ASSUMED, UNCLEAR)
# What an earlier look has shown to have left our stop behind.
_SEEN_TO_MOVE_ON = (BACK, NOT_RUNNING_YET, TOUCHED)
# For these `end` fails, and the record stays open.
BAD = (RESUME_FAILED, RESUME_UNKNOWN, NOT_VISIBLE)

# What each standing means, for people: of one workload, and of several.
_WORDS = {
    RESUME_FAILED: ("could not be resumed", "could not be resumed"),
    RESUME_UNKNOWN: (
        "was asked to resume, and does not show it yet",
        "were asked to resume, and do not show it yet",
    ),
    NOT_VISIBLE: (
        "is not to be seen, and not in the list of deleted ones either",
        "are not to be seen, and not in the list of deleted ones either",
    ),
    UNCLEAR: (
        "is in a phase that says neither that it runs nor that it is stopped",
        "are in a phase that says neither that they run nor that they are stopped",
    ),
    ASSUMED: (
        "is stopped, by us as far as can be told",
        "are stopped, by us as far as can be told",
    ),
    OURS: ("is stopped by us", "are stopped by us"),
    HELD: ("stays stopped for another open record", "stay stopped for another open record"),
    TOUCHED: (
        "was stopped again by somebody else: left alone",
        "were stopped again by somebody else: left alone",
    ),
    NOT_RUNNING_YET: ("was resumed and waits to run", "were resumed and wait to run"),
    RESUMED_SINCE: ("was resumed by somebody else", "were resumed by somebody else"),
    FINISHED: ("has finished", "have finished"),
    GONE: ("was deleted", "were deleted"),
    NOT_STOPPED: ("was never stopped by us", "were never stopped by us"),
    BACK: ("is back", "are back"),
}


# Of a clean-up, where its own words say more.
_CLEANUP_WORDS = {
    FINISHED: ("was to be deleted, and is still there", "were to be deleted, and are still there"),
    RESUMED_SINCE: ("was to be deleted, and is at work again", "were to be deleted, and are at work again"),
    NOT_STOPPED: ("was not deleted by us", "were not deleted by us"),
    **dict.fromkeys(
        (UNCLEAR, ASSUMED, TOUCHED, OURS, HELD),
        ("was to be deleted, and is there, not finished", "were to be deleted, and are there, not finished"),
    ),
}


def standing_words(standing: str, number: int, joint: str = "", is_cleanup: bool = False) -> str:
    """Return e.g. ``3 are stopped by us``; ``joint`` comes in between, as in ``3 that are stopped by us``."""
    words = {**_WORDS, **_CLEANUP_WORDS} if is_cleanup else _WORDS
    return "{0} {1}{2}".format(number, joint, words[standing][number != 1])


def stand(
    entries: Iterable[Entry],
    now: Mapping[str, Seen],
    deleted: Collection[str],
    claimed: Mapping[str, Claim],
) -> None:
    """Set ``standing``, ``held_by`` and ``phase_now`` of each entry by what is true now.

    ``claimed`` are the workloads that other records hold.
    """
    for entry in entries:
        if entry.plan == LEAVE:
            continue
        seen = now.get(entry.id)
        entry.phase_now = seen.phase if seen is not None else None
        entry.standing = _standing(entry, seen, entry.id in deleted, entry.id in claimed)
        entry.held_by = claimed[entry.id][0].name if entry.standing == HELD else None


def may_stop_late(entry: Entry) -> bool:
    """Tell whether the workload was asked to stop, has not been seen to, and may all the same.

    A call that was in flight when a crash came may be carried out after any look.
    """
    is_open = entry.standing in (None, NOT_STOPPED, RESUMED_SINCE)
    return is_open and may_be_done(entry.act) and entry.stopped_at is None and entry.resume is None


def note_stops(entries: Iterable[Entry], now: Mapping[str, Seen]) -> None:
    """Before `end` resumes what it takes for ours: note the time of the stop, to tell a later one from it."""
    for entry in entries:
        seen = now.get(entry.id)
        is_ours = entry.standing in TO_RESUME and seen is not None and seen.phase == STOPPED
        if is_ours and seen is not None and entry.stopped_at is None:
            entry.stopped_at, entry.assumed = seen.phase_since, True


def judge_resumes(entries: Iterable[Entry], with_touched: bool = False) -> None:
    """After `end` has asked: what is still stopped failed to come back, or has not been seen to."""
    for entry in entries:
        if entry.resume is None:
            continue
        refused = entry.resume.outcome in (FAILED, NOT_ATTEMPTED, SKIPPED)
        # What was resumed and is stopped again was touched once more.
        if entry.standing not in TO_RESUME and not (with_touched and refused and entry.standing == TOUCHED):
            continue
        entry.standing = RESUME_FAILED if refused else RESUME_UNKNOWN


def ids_to_resume(entries: Iterable[Entry], with_touched: bool) -> tuple[list[str], list[str]]:
    """Return the ids to resume: those that ran before, and those that only waited to run."""
    wanted = (*TO_RESUME, TOUCHED) if with_touched else TO_RESUME
    first: list[str] = []
    second: list[str] = []
    for entry in entries:
        if entry.standing in wanted:
            (first if entry.phase_before == RUNNING else second).append(entry.id)
    return first, second


def foresee_refusals(entries: Iterable[Entry], now: Mapping[str, Seen]) -> None:
    """Before `end` sends what it asks for: what the control plane says it can't resume is going to fail."""
    for entry in entries:
        if entry.resume is not None and entry.id in now and now[entry.id].suspendable is False:
            entry.standing = RESUME_FAILED
            entry.resume.outcome, entry.resume.message = (
                FAILED,
                "the control plane says that it can't be resumed",
            )


def is_over(entries: Iterable[Entry]) -> bool:
    """Tell whether nothing is left that the record has to bring back or to find."""
    return all(entry.standing not in (*BAD, *TO_RESUME) for entry in entries if entry.plan != LEAVE)


def _standing(entry: Entry, seen: Optional[Seen], is_deleted: bool, is_held: bool) -> str:
    if not is_claimed(entry):
        return NOT_STOPPED
    if seen is None:
        # The control plane lists a deleted one for some days only: that it was there once is proof enough.
        return GONE if is_deleted or entry.standing == GONE else NOT_VISIBLE
    if seen.phase == "Deleting":
        return GONE
    if seen.phase in (STOPPED, STOPPING):
        return HELD if is_held else _stopped(entry, seen)
    if entry.resume is not None:
        return _resumed(entry, seen)
    if seen.phase in FINISHED_PHASES:
        return FINISHED
    if is_unclear(seen.phase):
        return HELD if is_held else UNCLEAR
    if entry.plan != JOIN and entry.stopped_at is None and not _was_accepted(entry.act):
        return NOT_STOPPED
    return RESUMED_SINCE


def _resumed(entry: Entry, seen: Seen) -> str:
    if seen.phase in (RUNNING, *FINISHED_PHASES):
        return BACK
    if not is_unclear(seen.phase):
        return NOT_RUNNING_YET
    # That is how it was before, too.
    return BACK if seen.phase == entry.phase_before and _was_accepted(entry.resume) else UNCLEAR


def _stopped(entry: Entry, seen: Seen) -> str:
    """Tell our own stop from a later one, by the control plane's own clock."""
    is_later = is_later_stop(entry, seen)
    if is_later or entry.standing in _SEEN_TO_MOVE_ON:
        return TOUCHED
    return ASSUMED if is_later is None or entry.assumed else OURS


def _was_accepted(asked: Optional[Asked]) -> bool:
    return asked is not None and asked.outcome == CHANGED
