# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One workload of the simulated fleet, its phases (fourteen in the API) and how one follows another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .gpu_history import GpuHistory

PHASES = (
    "Creating",
    "Initializing",
    "Resuming",
    "Pending",
    "Deleting",
    "Running",
    "Updating",
    "Stopped",
    "Stopping",
    "Degraded",
    "Failed",
    "Completed",
    "Terminating",
    "Unknown",
)

ACTIVE = frozenset({"Creating", "Pending", "Initializing", "Running", "Degraded", "Updating", "Resuming"})
FINISHED = frozenset({"Completed", "Failed"})

# Phases in which pods lie on nodes when the phase is reached without anything known of the time before.
ON_NODES = frozenset({"Initializing", "Running", "Degraded", "Updating", "Terminating"})

GONE = ""
"""Stands for the end of Deleting: the row moves to the list of deleted ones."""


class Move(NamedTuple):
    """What a phase turns into by itself, after which part of the transition time."""

    phase: str
    share: float


# A suspended workload is Stopped one transition time after Stopping; a resumed one runs after as long.
NEXT = {
    "Stopping": Move("Stopped", 1.0),
    "Deleting": Move(GONE, 1.0),
    "Resuming": Move("Pending", 1 / 3),
    "Creating": Move("Pending", 1 / 3),
    "Pending": Move("Initializing", 1 / 3),
    "Initializing": Move("Running", 1 / 3),
    "Updating": Move("Running", 1.0),
}


class HistoryRecord(NamedTuple):
    """Something that happened to a workload: a phase that it entered, or (without a phase) a request."""

    at: float
    phase: str
    message: str


ENTERED_BY = {"suspend": "Stopping", "resume": "Resuming", "delete": "Deleting"}


@dataclass(slots=True, eq=False)
class Workload:
    """What the control plane holds of a workload.

    `fixed` holds the API's fields that never change, under the API's names. Times are seconds since 1970.
    `nodes` are the nodes its pods lie on, a name a pod, empty while it has none;
    `past_nodes` those of a finished one. `frozen` keeps the phase
    where it is until an action is asked for. A `hidden` one is outside the caller's scope: 404, in no list.
    """

    id: str
    fixed: dict[str, Any]
    phase: str
    created_at: float
    phase_updated_at: float
    gpus: float = 0.0
    idle_gpus: float | None = None
    pod_count: int = 1
    nodes: list[str] = field(default_factory=list)
    past_nodes: list[str] = field(default_factory=list)
    actions_support: dict[str, bool] | None = None
    phase_message: str = ""
    updated_at: float = 0.0
    completed_at: float | None = None
    deleted_at: float | None = None
    frozen: bool = False
    hidden: bool = False
    incarnation: int = 0
    turn: int = 0
    gpu_history: GpuHistory | None = None
    records: list[HistoryRecord] = field(default_factory=list)
    encoded: bytes | None = None

    def history(self) -> list[HistoryRecord]:
        """What happened to it, oldest first: the phase that it came with, and what was noted since."""
        return self.records or [HistoryRecord(self.phase_updated_at, self.phase, self.phase_message)]

    def note(self, at: float, message: str, phase: str = "") -> None:
        """Add a record to its history."""
        self.records = [*self.history(), HistoryRecord(at, phase, message)]

    def supports(self, action: str) -> bool:
        """Whether its type can be suspended, resumed or deleted; unknown counts as yes."""
        if self.actions_support is None:
            return True
        return self.actions_support.get("delete" if action == "delete" else "suspend", True)
