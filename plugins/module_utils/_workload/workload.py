# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A workload with the values that a plan needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from .._common.ids import fold_id
from .._common.text import NAME_LENGTH, clean
from .phases import DELETE, UNKNOWN, canonical, is_suspendable
from .row import allocated_gpus, flag, nested, suspendable

SEEN = "seen"
MISSING = "missing"
FORBIDDEN = "forbidden"


# The keys of one of the API's rows that a Workload is made of.
ROW_KEYS = (
    "id",
    "name",
    "projectName",
    "clusterId",
    "submittedBy",
    "phase",
    "phaseUpdatedAt",
    "deletedAt",
    "allocatedResources",
    "actionsSupport",
)


class Workload(NamedTuple):
    """What the control plane shows of one id.

    ``presence`` is SEEN, MISSING (a 404, or a row that says it was deleted: gone, or not visible to
    this account) or FORBIDDEN (403 for its GET); but for SEEN the other fields are empty.
    ``phase`` has the API's own name, ``phase_since`` is the time stamp as the control plane writes it, and
    ``gpus`` are those allocated now. ``can_suspend`` (it covers resume as well) and ``can_delete`` are
    ``None`` where the control plane does not say.
    """

    id: str
    presence: str
    name: str = ""
    project: str = ""
    cluster: str = ""
    submitted_by: str = ""
    phase: str = ""
    phase_since: str = ""
    gpus: float = 0.0
    can_suspend: Optional[bool] = None
    can_delete: Optional[bool] = None

    @property
    def is_active(self) -> bool:
        """Whether a suspend would be sent: the workload runs, waits to run, or the phase says neither."""
        return is_suspendable(self.phase)

    def supports(self, action: str) -> bool:
        """Return whether the control plane supports ``action``, or does not report it."""
        return (self.can_delete if action == DELETE else self.can_suspend) is not False


def workload_from_row(workload_id: str, row: Mapping[str, Any]) -> Workload:
    """Make a Workload of one of the API's rows; what is missing or of a wrong type counts as not said."""
    return Workload(
        workload_id,
        SEEN,
        name=clean(row.get("name"), NAME_LENGTH),
        project=clean(row.get("projectName"), NAME_LENGTH),
        cluster=fold_id(row.get("clusterId")) or clean(row.get("clusterId"), NAME_LENGTH),
        submitted_by=clean(row.get("submittedBy"), NAME_LENGTH),
        phase=phase_of(row),
        phase_since=clean(row.get("phaseUpdatedAt"), NAME_LENGTH),
        gpus=allocated_gpus(row) or 0.0,
        can_suspend=suspendable(row),
        can_delete=flag(nested(row, "actionsSupport"), "delete"),
    )


def phase_of(row: Mapping[str, Any]) -> str:
    """Return the API's own name of a row's phase."""
    return canonical(clean(row.get("phase"), 40) or UNKNOWN)
