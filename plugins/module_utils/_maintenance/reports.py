# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The batch module's report files, read back: also the unfinished one that a killed task leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .._batch.outcome import OUTCOMES, Outcome
from .._batch.report_file import PART
from .._common.ids import fold_id
from .._common.text import clean
from .record import RecordError
from .record_file import try_shared_lock


def read_report(path: str) -> dict[str, Outcome]:
    """Return what a report says of each id; nothing where there is none. A torn line is left out.

    Raises RecordError for one that can't be read.
    """
    for candidate in (path, path + PART):
        try:
            with open(candidate, encoding="utf-8", errors="replace") as handle:
                return {outcome.id: outcome for outcome in _outcomes(handle)}
        except FileNotFoundError:
            continue
        except OSError as fault:
            raise RecordError("{0} can't be read: {1}".format(candidate, fault.strerror)) from fault
    return {}


def is_being_written(path: str) -> bool:
    """Tell whether a task is still at work on a report: it keeps a lock on what there is of it."""
    try:
        handle = os.open(path + PART, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_shared_lock(handle, path)
    finally:
        os.close(handle)


def outcomes_of(lists: Mapping[str, Any]) -> dict[str, Outcome]:
    """Return the ids of the batch module's ``outcomes``, a list an outcome, as outcomes without details."""
    found = {}
    for outcome in OUTCOMES:
        for value in lists.get(outcome) or ():
            workload_id = fold_id(value)
            if workload_id is not None:
                found[workload_id] = Outcome(workload_id, outcome)
    return found


def _outcomes(lines: Iterator[str]) -> Iterator[Outcome]:
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        workload_id = fold_id(row.get("id")) if isinstance(row, dict) else None
        if workload_id is None or row.get("outcome") not in OUTCOMES:
            continue
        code = row.get("code")
        yield Outcome(
            workload_id,
            row["outcome"],
            clean(row.get("reason")),
            clean(row.get("message")),
            code if isinstance(code, int) and not isinstance(code, bool) else None,
            clean(row.get("batch_id")) or None,
        )
