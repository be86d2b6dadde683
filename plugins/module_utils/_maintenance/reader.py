# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a maintenance reads of a control plane, and what these reads return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, Protocol

from .._api.auth import TokenSource
from .._record.ownership import PhaseChange
from .._selection.places import Unlisted
from .._workload.workload import Workload


class Identity(NamedTuple):
    """Which control plane responds, its clusters by UUID, and the versions of these.

    ``clock_ahead`` are the seconds by which its clock is ahead of this one, where that is known.
    """

    base_url: str
    tenant_id: str
    clusters: Mapping[str, str]
    simulator: bool
    all_clusters: bool
    versions: Mapping[str, str]
    clock_ahead: Optional[float] = None


class Selected(NamedTuple):
    """The workloads that meet a selection, in order, and its values that none of them met, by option.

    ``unlisted`` are those of these values that the control plane does not list, with similar ones.
    ``active_in_scope`` are the active workloads of its clusters, or of all, where they were asked for.
    """

    workloads: list[Workload]
    unmatched: Mapping[str, Sequence[str]]
    active_in_scope: frozenset[str] = frozenset()
    unlisted: Mapping[str, Unlisted] = {}


class PodsOnNode(NamedTuple):
    """Number of visible pods on a node, number of their projects, and ids of their workloads."""

    node: str
    pods: int
    projects: int
    workloads: tuple[str, ...] = ()


class Reader(Protocol):
    """The reads of a maintenance. All raise RunaiError when the control plane does not respond."""

    warnings: list[str]
    secrets: set[str]
    # Of the last read; no read after it has to make a token again.
    tokens: Optional[TokenSource]

    def identity(self) -> Identity:
        """Return which control plane responds."""

    def select(self, selection: Mapping[str, Any], with_scope: bool = False) -> Selected:
        """Return the workloads that meet options of the info module; ``with_scope`` also all active ones."""

    def read_workloads(self, ids: Sequence[str]) -> dict[str, Workload]:
        """Return those of ``ids`` that are visible."""

    def deleted(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that the list of deleted workloads shows."""

    def histories(self, ids: Sequence[str]) -> dict[str, list[PhaseChange]]:
        """Return the phase changes in the history of each of ``ids``; none where it can't be read."""

    def pods(self, nodes: Sequence[str], clusters: Optional[Sequence[str]]) -> list[PodsOnNode]:
        """Count the pods on each of ``nodes``."""

    def warn_once(self, message: str) -> None:
        """Add a warning that is not there yet."""
