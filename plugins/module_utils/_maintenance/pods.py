# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left on the nodes of a maintenance: pods, and whose workloads they are of."""

from __future__ import annotations

from collections.abc import Sequence

from .._common.errors import RunaiError
from .._common.text import some_of
from .context import Context
from .record import LEAVE, Record
from .record_nodes import (
    NOTHING_LEFT,
    Holder,
    OnNodes,
    PodsOnNode,
)


def look_on_nodes(context: Context, record: Record) -> OnNodes:
    """Return what is left on the nodes that the record's selection names, or that it can't be read."""
    nodes = record.selection.get("nodes")
    if not nodes:
        return NOTHING_LEFT
    try:
        pods = context.reader.pods(nodes, record.selection.get("clusters"))
    except RunaiError as fault:
        return OnNodes(unread="the pods on {0} can't be read ({1})".format(some_of(nodes), fault))
    return OnNodes(tuple(pods), tuple(_holders(context, record, pods)))


def _holders(context: Context, record: Record, pods: Sequence[PodsOnNode]) -> list[Holder]:
    found = [(workload_id, one.node) for one in pods for workload_id in one.workloads]
    if not found:
        return []
    entries = {entry.id: entry for entry in record.workloads}
    try:
        now = context.reader.look(sorted({workload_id for workload_id, _node in found}))
    except RunaiError:
        # What is known must do: the pods were seen all the same.
        now = {}
    holders = []
    for workload_id, node in found:
        entry, seen = entries.get(workload_id), now.get(workload_id)
        known = seen or entry
        is_left = entry is not None and entry.plan == LEAVE
        is_asked = entry is not None and not is_left
        if is_left:
            why = "left on purpose, since it can't be suspended"
        elif is_asked:
            why = "asked to stop; now {0}".format(seen.phase if seen is not None else "not to be seen")
        else:
            why = "no part of the record"
        holders.append(
            Holder(
                name=(known.name if known is not None else None) or workload_id,
                project=known.project if known is not None else None,
                owner=known.owner if known is not None else None,
                node=node,
                why=why,
                is_left=is_left,
                is_asked=is_asked,
                is_active=is_asked and seen is not None and seen.is_active,
            )
        )
    return holders
