# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which workloads a record may have stopped, and which it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ansible_collections.gpuops.runai.plugins.module_utils._outcome import CHANGED, UNKNOWN_OUTCOME
from ansible_collections.gpuops.runai.plugins.module_utils._phases import SUSPEND
from ansible_collections.gpuops.runai.plugins.module_utils._record import (
    ENDING,
    JOIN,
    OPEN_STATES,
    Asked,
    Entry,
    Record,
)

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


def claims(others: Sequence[Record]) -> dict[str, tuple[Record, Entry]]:
    """Return the workloads that other open records hold, each with the record that holds it.

    What was already asked to resume by a record that is ending, or was given up, is held no longer. A
    clean-up holds nothing.
    """
    held: dict[str, tuple[Record, Entry]] = {}
    for record in others:
        if record.action != SUSPEND or record.state not in OPEN_STATES:
            continue
        for entry in record.workloads:
            is_coming_back = record.state == ENDING and entry.resume is not None
            if is_claimed(entry) and not is_coming_back and entry.standing not in GIVEN_UP:
                held.setdefault(entry.id, (record, entry))
    return held
