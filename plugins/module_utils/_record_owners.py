# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom to tell: the owners of what a record stopped or deleted, or is going to."""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.runai.plugins.module_utils._record import ACT, PLANNED, Entry, Record
from ansible_collections.gpuops.runai.plugins.module_utils._record_claims import may_be_done

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
    return entry.plan == ACT and (record.state == PLANNED or may_be_done(entry.act))
