# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which workloads a record may have stopped, and which of them it holds against others.

Whose a stop is, is told by its time: a workload that was resumed and stopped again is no business of the
record that stopped it first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Optional

from .._batch.outcome import CHANGED, UNKNOWN_OUTCOME
from .._common.times import parse_timestamp
from .._workload.phases import STOPPED, STOPPING, SUSPEND
from .record import (
    ACTING,
    BEGUN,
    ENDED,
    ENDING,
    JOIN,
    OPEN_STATES,
    Asked,
    Entry,
    Record,
)
from .record_seen import Seen

# States in which a record keeps a workload from being resumed by others. One that is ending lets go, or two
# that share a workload, and that both stay open for something else, would hold it for each other for good.
HOLDING_STATES = (ACTING, BEGUN)
# A record, and its entry of a workload.
Claim = tuple[Record, Entry]
# What a look has shown to be none of the record's business any more.
GIVEN_UP = ("touched", "resumed_since", "not_stopped", "finished", "gone")


def is_settled(asked: Optional[Asked]) -> bool:
    """Tell whether it is known that what was asked was accepted."""
    return asked is not None and asked.outcome == CHANGED and not asked.unsettled


def may_be_done(asked: Optional[Asked]) -> bool:
    """Tell whether what was asked may have been done, known or not: a crash leaves no outcome."""
    return asked is not None and (asked.outcome in (None, CHANGED, UNKNOWN_OUTCOME) or asked.unsettled)


def is_claimed(entry: Entry) -> bool:
    """Tell whether the record may be why this workload is stopped."""
    return entry.plan == JOIN or may_be_done(entry.act)


def is_later_stop(entry: Entry, seen: Seen) -> Optional[bool]:
    """Tell by the control plane's own clock whether a stop that is seen is a later one than the entry's.

    ``None`` where the two can't be compared.
    """
    ours, theirs = parse_timestamp(entry.stopped_at or ""), parse_timestamp(seen.phase_since or "")
    if ours is None or theirs is None:
        return None
    return theirs > ours or seen.phase == STOPPING


def claims(
    others: Iterable[Record], now: Mapping[str, Seen], states: Collection[str] = OPEN_STATES
) -> dict[str, Claim]:
    """Return the workloads that other records in ``states`` would bring back, each with such a record.

    What was already asked to resume by a record that is ending, or was given up, is not among them, nor
    what was stopped again since that record stopped it. A clean-up holds nothing.
    """
    held: dict[str, Claim] = {}
    for record in others:
        if record.action != SUSPEND or record.state not in states:
            continue
        for entry in record.workloads:
            is_coming_back = record.state == ENDING and entry.resume is not None
            if not is_claimed(entry) or is_coming_back or entry.standing in GIVEN_UP:
                continue
            seen = now.get(entry.id)
            if seen is None or seen.phase not in (STOPPED, STOPPING) or not is_later_stop(entry, seen):
                held.setdefault(entry.id, (record, entry))
    return held


def left_to(others: Iterable[Record], heir: Record) -> dict[str, Claim]:
    """Return the workloads that other records left stopped for this one when they ended.

    One that ended before this one acted left them to an earlier record of its name.
    """
    return {
        entry.id: (record, entry)
        for record in others
        if record.state == ENDED and record.times.get(ENDED, "") >= heir.times.get(ACTING, "")
        for entry in record.workloads
        if entry.held_by == heir.name
    }
