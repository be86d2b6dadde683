# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control plane in memory, with a clock of its own, for the steps of a maintenance."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.context import (
    Context,
    Identity,
    Selected,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next import Caller
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import ControlPlane
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_file import RecordFolder
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_nodes import PodsOnNode
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_seen import Seen
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.settings import read_settings
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import SEND, WAIT, meaning

CLUSTER = "11111111-1111-4111-8111-111111111111"
_EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass
class FakeWorkload:
    """One workload; ``since`` counts the fake's ticks."""

    id: str
    phase: str
    since: int = 0
    suspendable: Optional[bool] = None
    gpus: float = 1.0
    type: str = "Training"
    idle_gpus: float = 1.0


class CrashError(BaseException):
    """What stands for kill -9: nothing in the code under test may catch it."""


class CrashPoint:
    """Blows after so many sparks; each moment at which a process can be killed is one."""

    def __init__(self, sparks: int) -> None:
        self.left = sparks

    def hit(self) -> None:
        """Raise CrashError when it is time."""
        self.left -= 1
        if self.left == 0:
            raise CrashError


class FakeControlPlane:
    """Answers the reads of a step, and takes batches. A tick is a second; each change takes one."""

    def __init__(self, phases: Sequence[str]) -> None:
        self.tick = 0
        self.tenant: Optional[str] = "1001"
        self.clusters = {CLUSTER: "berlin"}
        # Whether this account may list them.
        self.all_clusters = True
        self.versions = {CLUSTER: "2.24.1"}
        self.workloads: dict[str, FakeWorkload] = {}
        self.gone: set[str] = set()
        self.hidden: set[str] = set()
        self.pods_left = 0
        # Whose pods they are.
        self.pods_of: tuple[str, ...] = ()
        self.pods_fault: Optional[RunaiError] = None
        self.reads = 0
        self.fuse = CrashPoint(0)
        # Ids whose last change was our own suspend.
        self.ours: set[str] = set()
        for number, phase in enumerate(phases):
            workload_id = str(uuid.UUID(int=number + 1))
            self.workloads[workload_id] = FakeWorkload(workload_id, phase)

    @property
    def ids(self) -> list[str]:
        """All ids ever, in order."""
        return sorted({*self.workloads, *self.gone})

    def set_phase(self, workload_id: str, phase: str) -> None:
        """Change a phase, as the control plane or somebody else does."""
        self.tick += 1
        workload = self.workloads[workload_id]
        workload.phase, workload.since = phase, self.tick
        self.ours.discard(workload_id)

    def delete(self, workload_id: str) -> None:
        """Delete a workload for good."""
        self.tick += 1
        del self.workloads[workload_id]
        self.ours.discard(workload_id)
        self.gone.add(workload_id)

    def send(self, action: str, ids: Sequence[str], refuse: Sequence[str] = ()) -> dict[str, list[str]]:
        """Do what a batch call does; return the batch module's outcomes."""
        outcomes: dict[str, list[str]] = {"changed": [], "unchanged": [], "skipped": [], "failed": []}
        for workload_id in ids:
            self.fuse.hit()
            workload = self.workloads.get(workload_id)
            if workload is None or workload_id in self.hidden or workload_id in refuse:
                outcomes["failed"].append(workload_id)
            elif meaning(action, workload.phase) in (SEND, WAIT):
                if action == "delete":
                    self.delete(workload_id)
                else:
                    self.set_phase(workload_id, "Stopped" if action == "suspend" else "Running")
                    self.ours |= {workload_id} if action == "suspend" else set()
                outcomes["changed"].append(workload_id)
            elif meaning(action, workload.phase) == "unchanged":
                outcomes["unchanged"].append(workload_id)
            else:
                outcomes["skipped"].append(workload_id)
        return outcomes

    def identity(self) -> Identity:
        """Tell which control plane this is."""
        self.reads += 1
        clusters = dict(self.clusters)
        control_plane = ControlPlane(
            "https://a.example", self.tenant, clusters, all_clusters=self.all_clusters
        )
        return Identity(control_plane, dict(self.versions))

    def select(self, selection: Mapping[str, Any]) -> Selected:
        """Return all workloads, or those of the ids, phases, projects or idle GPUs asked for."""
        self.reads += 1
        self.fuse.hit()
        wanted = selection.get("ids")
        meant = [
            self._seen(workload)
            for workload in self.workloads.values()
            if workload.id not in self.hidden
            and (wanted is None or workload.id in wanted)
            and ("phases" not in selection or workload.phase in selection["phases"])
            and "p" in selection.get("projects", "p")
            and workload.idle_gpus >= selection.get("min_idle_gpus", 0)
        ]
        found = [seen for seen in meant if seen.id not in selection.get("exclude", ())]
        there = {seen.id for seen in meant}
        unmatched = {
            "exclude": [one for one in selection.get("exclude", ()) if one not in there],
            "projects": [one for one in selection.get("projects", ()) if one != "p"],
        }
        return Selected(found, {option: names for option, names in unmatched.items() if names})

    def look(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Return those that are there."""
        self.reads += 1
        return {seen.id: seen for seen in self.select({"ids": list(ids)}).workloads}

    def unlisted(self, option: str, names: Sequence[str], clusters: Optional[Sequence[str]]) -> list[str]:
        """Return those that are called misspelt."""
        return [name for name in names if name.startswith("misspelt")]

    def deleted(self, ids: Sequence[str]) -> set[str]:
        """Return those that were deleted."""
        return self.gone & set(ids)

    def pods(self, nodes: Sequence[str], clusters: Optional[Sequence[str]]) -> list[PodsOnNode]:
        """Return as many pods on each node as ``pods_left`` says."""
        if self.pods_fault is not None:
            raise self.pods_fault
        return [PodsOnNode(node, self.pods_left, min(self.pods_left, 1), self.pods_of) for node in nodes]

    def _seen(self, workload: FakeWorkload) -> Seen:
        since = (_EPOCH + datetime.timedelta(seconds=workload.since)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Seen(
            id=workload.id,
            name="w-" + workload.id[-4:],
            project="p",
            owner="ada@example.com",
            cluster_id=CLUSTER,
            type=workload.type,
            interactive=workload.type == "Workspace",
            phase=workload.phase,
            phase_since=since,
            completed_at=None,
            gpus=workload.gpus,
            suspendable=workload.suspendable,
        )


SAID: dict[str, Any] = {"reason": "fan", "all": True, "max_affected": "none", "max_percent": "none"}


def context(
    control_plane: FakeControlPlane,
    folder: Optional[str],
    *,
    name: str = "night",
    role: str = "workload_maintenance",
    packed: Optional[str] = None,
    durable: bool = True,
    check_mode: bool = False,
    **variables: Any,
) -> Context:
    """Make a step's context; ``variables`` are the role's, without its prefix."""
    given = {"name": name, **variables}
    settings = read_settings(role, {"{0}_{1}".format(role, key): value for key, value in given.items()})
    return Context(
        caller=Caller(settings, "maintenance_begin"),
        folder=RecordFolder(folder) if folder else None,
        durable=durable,
        packed=packed,
        reader=control_plane,
        by={"user": "ada"},
        check_mode=check_mode,
    )
