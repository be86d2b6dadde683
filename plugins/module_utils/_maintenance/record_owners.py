# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom to tell: the owners of what a record stopped or deleted, or is going to."""

from __future__ import annotations

from typing import Any

from .._batch.outcome import FAILED, NOT_ATTEMPTED
from .._workload.phases import FINISHED_PHASES
from .record import (
    ACT,
    CLEANUP,
    PLANNED,
    Entry,
    Record,
)
from .record_claims import may_be_done
from .record_seen import is_active

# Names told for one owner; the record has them all.
_MOST_NAMES = 20


def owners_of(record: Record) -> list[dict[str, Any]]:
    """Return an object an owner, most GPUs first, with what of theirs was done, or may have been.

    Before anything was asked, with what is planned. What was refused, or not attempted, still runs.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in record.workloads:
        if not _concerns_its_owner(record, entry):
            continue
        owner = found.setdefault(
            entry.owner or "-", {"owner": entry.owner or "-", "gpus": 0.0, "count": 0, "workloads": []}
        )
        owner["gpus"] = round(owner["gpus"] + entry.gpus, 2)
        owner["count"] += 1
        if len(owner["workloads"]) < _MOST_NAMES:
            owner["workloads"].append("{0}/{1}".format(entry.project or "-", entry.name or entry.id))
    return sorted(found.values(), key=lambda one: (-one["gpus"], one["owner"]))


def _concerns_its_owner(record: Record, entry: Entry) -> bool:
    if entry.plan != ACT:
        return False
    return record.state == PLANNED or (may_be_done(entry.act) and not _is_seen_spared(record, entry))


def _is_seen_spared(record: Record, entry: Entry) -> bool:
    """Tell whether it was refused or not attempted, and seen not to be done by an earlier ask either.

    The record still claims it: an earlier ask may show later.
    """
    act, phase = entry.act, entry.phase_now
    if act is None or act.outcome not in (FAILED, NOT_ATTEMPTED) or entry.resume is not None or phase is None:
        return False
    return phase in FINISHED_PHASES if record.kind == CLEANUP else is_active(phase)
