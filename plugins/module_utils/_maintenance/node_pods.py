# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pods that are left on the nodes of a maintenance, and their workloads."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from .._common.errors import RunaiError
from .._common.text import clean, counted, some_of
from .._record.events import LEAVE
from .control_plane import PodsOnNode
from .session import Session


class NodePods(NamedTuple):
    """Pods on the nodes.

    ``names`` are of workloads that were not left on purpose. ``fault`` is why the pods can't be read.
    """

    pods: tuple[PodsOnNode, ...] = ()
    names: tuple[str, ...] = ()
    is_left_on_purpose: bool = False
    fault: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether pods are left that were not left on purpose, or the pods can't be read."""
        return bool(self.fault) or (any(one.pods for one in self.pods) and not self.is_left_on_purpose)

    @property
    def number_left_on_purpose(self) -> int:
        """Number of pods that were left on purpose."""
        return sum(one.pods for one in self.pods) if self.is_left_on_purpose else 0

    def describe(self) -> str:
        """Return in one sentence which pods are left."""
        if self.fault:
            return self.fault
        pods = "; ".join(
            "{0}: {1} in {2}".format(one.node, counted(one.pods, "pod"), counted(one.projects, "project"))
            for one in self.pods
            if one.pods
        )
        return "{0}, of {1}".format(pods, some_of(self.names, 3)) if self.names else pods

    def notes(self) -> list[str]:
        """Return lines about pods that were left on purpose."""
        if self.pods and not self.fault and not any(one.pods for one in self.pods):
            return ["0 pods visible to this account on {0}".format(some_of([one.node for one in self.pods]))]
        if not self.is_left_on_purpose:
            return []
        nodes = " ".join(one.node for one in self.pods if one.pods)
        return [
            "{0} left on purpose ({1})".format(counted(self.number_left_on_purpose, "pod"), self.describe()),
            "To evict them: kubectl taint nodes {0} maintenance=:NoExecute".format(nodes),
        ]


def read_node_pods(session: Session, unsuspendable: Collection[str] = ()) -> NodePods:
    """Return the pods that are left on the nodes that the record's selection names."""
    record = session.record
    nodes = record.nodes
    if not nodes:
        return NodePods()
    try:
        pods = session.reader.pods(nodes, record.select.get("clusters"))
        ids = sorted({workload_id for one in pods for workload_id in one.workloads})
        found = session.reader.read_workloads(ids) if ids else {}
    except RunaiError as error:
        return NodePods(fault="the pods on {0} can't be read ({1})".format(some_of(nodes), error))
    on_purpose = {one.id for one in record.workloads.values() if one.plan == LEAVE} | set(unsuspendable)
    others = [workload_id for workload_id in ids if workload_id not in on_purpose]
    names = []
    for workload_id in others:
        one = found.get(workload_id)
        name = clean(one.name if one is not None else workload_id, 80) or workload_id
        owner = clean(one.submitted_by if one is not None else "", 80) or "-"
        names.append("{0} of {1}".format(name, owner))
    is_anything_unknown = any(one.pods and not one.workloads for one in pods)
    return NodePods(
        tuple(pods),
        tuple(names),
        is_left_on_purpose=bool(ids) and not others and not is_anything_unknown,
    )
