# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phases of a workload (Run:ai API 2.18 to 2.25, fourteen values) and how one follows another."""

from __future__ import annotations

from typing import NamedTuple

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

ENTERED_BY = {"suspend": "Stopping", "resume": "Resuming", "delete": "Deleting"}
