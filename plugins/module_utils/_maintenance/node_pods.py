# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pods that are left on the nodes of a maintenance, and their workloads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from .._common.errors import RunaiError
from .._common.text import clean, counted, some_of
from .._record.events import LEAVE
from .session import Session


class NodePods(NamedTuple):
    """Pods on the nodes: why a run fails for them, lines about them, and how many were left on purpose."""

    problem: str = ""
    notes: Sequence[str] = ()
    left_on_purpose: int = 0


def read_node_pods(session: Session, unsuspendable: Collection[str] = ()) -> NodePods:
    """Return the pods on the nodes of the record. Those of ``unsuspendable`` are left on purpose."""
    record, nodes = session.record, session.record.nodes
    if not nodes:
        return NodePods()
    try:
        found = session.reader.pods(nodes, record.select.get("clusters"))
        ids = sorted({workload_id for one in found for workload_id in one.workloads})
        workloads = session.reader.read_workloads(ids) if ids else {}
    except RunaiError as error:
        return NodePods("the pods on {0} can't be read ({1})".format(some_of(nodes), error))
    pods = [one for one in found if one.pods]
    if not pods:
        return NodePods(notes=["0 pods visible to this account on {0}".format(some_of(nodes))])
    description = "; ".join(
        "{0}: {1} in {2}".format(one.node, counted(one.pods, "pod"), counted(one.projects, "project"))
        for one in pods
    )
    on_purpose = {one.id for one in record.workloads.values() if one.plan == LEAVE} | set(unsuspendable)
    names = []
    for workload_id in ids:
        if workload_id not in on_purpose:
            one = workloads.get(workload_id)
            name = clean(one.name if one is not None else workload_id, 80) or workload_id
            owner = clean(one.submitted_by if one is not None else "", 80) or "-"
            names.append("{0} of {1}".format(name, owner))
    if names:
        return NodePods("{0}, of {1}".format(description, some_of(names, 3)))
    if not all(one.workloads for one in pods):
        return NodePods(description)
    number = sum(one.pods for one in pods)
    taint = "kubectl taint nodes {0} maintenance=:NoExecute".format(" ".join(one.node for one in pods))
    notes = [
        "{0} left on purpose ({1})".format(counted(number, "pod"), description),
        "To evict them: {0}".format(taint),
    ]
    return NodePods("", notes, number)
