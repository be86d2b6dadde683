# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a selection to the result of the task: pure, of a constant shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from .._common.result import (
    LARGEST_RESULT,
    characters,
    fitting,
)
from .._common.text import counted
from .idle import Undecided

# What the rows may take where the ids alone fill the result: 15,000 ids are 600,000 characters.
_LEAST_FOR_ROWS = 50_000
# About a thousand of them.
_MOST_FOR_UNDECIDED = 150_000


class Selection(NamedTuple):
    """What was selected, in order.

    ``rows`` are all rows as they are to be shown; ``gpus`` is how many they hold together.
    ``control_plane``: see ``control_plane_shown``.
    """

    ids: Sequence[str]
    rows: Sequence[dict[str, Any]]
    gpus: float
    is_limited: bool
    unmatched: Mapping[str, Sequence[str]]
    undecided: Sequence[Undecided]
    control_plane: Mapping[str, Any]


def nothing(base_url: str = "") -> Selection:
    """Return the selection of no workload."""
    return Selection([], [], 0.0, False, {}, [], control_plane_shown(base_url, None, []))


def control_plane_shown(
    base_url: str, tenant_id: Optional[int], clusters: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the result says of the control plane."""
    return {"base_url": base_url, "tenant_id": tenant_id, "clusters": [dict(one) for one in clusters]}


def make_result(selection: Selection, workloads_limit: Optional[int]) -> dict[str, Any]:
    """Return the keys of the result, always the same ones.

    Without ``workloads_limit`` there are as many rows as job viewers keep; with it exactly so many.
    """
    result: dict[str, Any] = {
        "changed": False,
        "msg": selection_words(selection),
        "ids": list(selection.ids),
        "count": len(selection.ids),
        "workloads": [],
        "workloads_truncated": False,
        "limited": selection.is_limited,
        "allocated_gpus": selection.gpus,
        "unmatched": {option: list(values) for option, values in selection.unmatched.items()},
        "undecided": fitting([one._asdict() for one in selection.undecided], _MOST_FOR_UNDECIDED)[0],
        "control_plane": dict(selection.control_plane),
    }
    rows = selection.rows[:workloads_limit]
    if workloads_limit is None:
        rows, _taken = fitting(rows, max(LARGEST_RESULT - characters(result), _LEAST_FOR_ROWS))
    result["workloads"] = list(rows)
    result["workloads_truncated"] = len(rows) < len(selection.rows)
    return result


def selection_words(selection: Selection) -> str:
    """Return the one sentence of a selection."""
    if not selection.ids:
        return "no workload selected"
    words = "{0} selected, holding {1:g} GPU{2}".format(
        counted(len(selection.ids), "workload"), selection.gpus, "" if selection.gpus == 1 else "s"
    )
    return words + (", and more that limit left out" if selection.is_limited else "")


def truncation_words(result: Mapping[str, Any]) -> str:
    """Return what to tell of rows that are missing in the result."""
    return (
        "workloads holds the first {0} of {1} rows, so that job viewers can keep the result; ids is "
        "complete. Ask for fewer fields, or say with workloads_limit how many rows there may be".format(
            len(result["workloads"]), result["count"]
        )
    )
