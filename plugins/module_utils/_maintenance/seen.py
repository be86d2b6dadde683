# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the reads of a maintenance return: workloads, selections, pods, and which control plane answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

from .._common.text import NAME_LENGTH, clean
from .._workload.phases import UNKNOWN, canonical, is_suspendable
from .._workload.row import Row, allocated_gpus, suspendable, text
from .._workload.workload import SEEN, Workload

# What people work in by hand: a workspace, or whatever the control plane files under "Build".
_INTERACTIVE_TYPES = ("workspace", "interactive")
_INTERACTIVE_CATEGORY = "build"


class Seen(NamedTuple):
    """One workload at one look.

    ``phase_since`` is the control plane's time stamp, as it gave it. ``suspendable`` is ``None`` where
    the control plane does not say. ``gpus`` are those allocated now.
    """

    id: str
    name: Optional[str]
    project: Optional[str]
    owner: Optional[str]
    cluster_id: Optional[str]
    type: Optional[str]
    interactive: bool
    phase: str
    phase_since: Optional[str]
    completed_at: Optional[str]
    gpus: float
    suspendable: Optional[bool]

    @property
    def is_active(self) -> bool:
        """Whether a suspend would be sent."""
        return is_suspendable(self.phase)


def workload_from_row(workload_id: str, row: Row) -> Seen:
    """Make a Seen of one of the API's rows; a value of a wrong type counts as not there."""
    kind = _short(row, "type")
    words = (kind or "").lower()
    return Seen(
        id=workload_id,
        name=_short(row, "name"),
        project=_short(row, "projectName"),
        owner=_short(row, "submittedBy"),
        cluster_id=_short(row, "clusterId"),
        type=kind,
        interactive=any(word in words for word in _INTERACTIVE_TYPES)
        or (_short(row, "category") or "").lower() == _INTERACTIVE_CATEGORY,
        phase=phase_of(row),
        phase_since=_short(row, "phaseUpdatedAt"),
        completed_at=_short(row, "completedAt"),
        gpus=allocated_gpus(row) or 0.0,
        suspendable=suspendable(row),
    )


def phase_of(row: Row) -> str:
    """Return the phase of one of the API's rows."""
    return canonical(clean(row.get("phase"), 40) or UNKNOWN)


def as_state(seen: Seen) -> Workload:
    """Return what acting on a workload needs to know."""
    return Workload(
        seen.id,
        SEEN,
        name=seen.name or "",
        project=seen.project or "",
        cluster=seen.cluster_id or "",
        submitted_by=seen.owner or "",
        phase=seen.phase,
        can_suspend=seen.suspendable,
    )


def _short(row: Row, key: str) -> Optional[str]:
    return clean(text(row, key), NAME_LENGTH) or None


class Identity(NamedTuple):
    """Which control plane answers, its clusters by uuid, and the versions of these.

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

    ``active_in_scope`` are the active workloads of its clusters, or of all, where they were asked for.
    """

    workloads: list[Seen]
    unmatched: Mapping[str, Sequence[str]]
    active_in_scope: frozenset[str] = frozenset()


class PodsOnNode(NamedTuple):
    """How many pods of how many projects this account sees on a node, and of which workloads."""

    node: str
    pods: int
    projects: int
    workloads: tuple[str, ...] = ()
