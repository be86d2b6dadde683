# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a selection to the result of the task: pure, of a constant shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

from .._common.result import LARGEST_RESULT, characters, fitting
from .._common.text import counted, counted_gpus
from .._workload.row import Row
from .criteria import row_id
from .fields import shown_rows
from .idle import Undecided
from .places import Cluster, Unlisted
from .rows import Shortfall

# What the rows may take where the ids alone fill the result: 15,000 ids are 600,000 characters.
_LEAST_FOR_ROWS = 50_000
# About a thousand of them.
_MOST_FOR_UNDECIDED = 150_000


class Selection(NamedTuple):
    """What was selected: rows of the API in order, and the number of GPUs that they hold together.

    ``is_limited``: whether ``limit`` left some out; ``unmatched`` as in Matched. ``clusters`` are those
    that this account can list; ``tenant_id`` is ``None`` where it is not reported. ``undecided`` as in
    IdleRows. ``shortfall``: the list is known to be incomplete. ``scope``: all workloads of the clusters
    that were named, or of all clusters, where they were asked for. ``unlisted``, by option: names that the
    control plane does not list.
    """

    rows: Sequence[Row]
    gpus: float
    is_limited: bool
    unmatched: Mapping[str, Sequence[str]]
    clusters: Sequence[Cluster]
    tenant_id: Optional[int]
    undecided: Sequence[Undecided]
    shortfall: Optional[Shortfall] = None
    scope: Sequence[Row] = ()
    unlisted: Mapping[str, Unlisted] = {}

    @property
    def ids(self) -> list[str]:
        """The ids of the rows."""
        return [workload_id for row in self.rows for workload_id in row_id(row)]


EMPTY = Selection([], 0.0, False, {}, [], None, [])


def empty_result(base_url: str = "") -> dict[str, Any]:
    """Return the result of a task that selected nothing."""
    return make_result(EMPTY, base_url, (), None, datetime.now(timezone.utc))


def make_result(
    selection: Selection, base_url: str, fields: Sequence[str], workloads_limit: Optional[int], now: datetime
) -> dict[str, Any]:
    """Return the keys of the result, always the same ones.

    Without ``workloads_limit`` there are as many rows as job viewers show; with it exactly so many.
    """
    ids = selection.ids
    result: dict[str, Any] = {
        "changed": False,
        "msg": selection_message(selection),
        "ids": ids,
        "count": len(ids),
        "workloads": [],
        "workloads_truncated": False,
        "limited": selection.is_limited,
        "allocated_gpus": selection.gpus,
        "unmatched": {option: list(values) for option, values in selection.unmatched.items()},
        "undecided": fitting([one._asdict() for one in selection.undecided], _MOST_FOR_UNDECIDED)[0],
        "incomplete": None if selection.shortfall is None else selection.shortfall._asdict(),
        "control_plane": {
            "base_url": base_url,
            "tenant_id": selection.tenant_id,
            "clusters": [
                {"id": one.id, "name": one.name, "version": one.version} for one in selection.clusters
            ],
        },
    }
    names = {one.id: one.name for one in selection.clusters}
    rows = shown_rows(selection.rows, fields, names, now)[:workloads_limit]
    if workloads_limit is None:
        rows, _taken = fitting(rows, max(LARGEST_RESULT - characters(result), _LEAST_FOR_ROWS))
    result["workloads"] = rows
    result["workloads_truncated"] = len(rows) < len(selection.rows)
    return result


def selection_message(selection: Selection) -> str:
    """Return the one sentence of a selection."""
    if not selection.rows:
        return "no workload selected"
    return "{0} selected, holding {1}{2}".format(
        counted(len(selection.rows), "workload"),
        counted_gpus(selection.gpus),
        ", and more beyond limit" if selection.is_limited else "",
    )
