# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A workload with the values that a plan needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from .._common.text import NAME_LENGTH, clean
from .phases import DELETE, UNKNOWN

SEEN = "seen"
MISSING = "missing"
FORBIDDEN = "forbidden"


# The keys of one of the API's rows that a Workload is made of.
ROW_KEYS = ("id", "name", "projectName", "clusterId", "submittedBy", "phase", "deletedAt", "actionsSupport")


class Workload(NamedTuple):
    """What the control plane shows of one id.

    ``presence`` is SEEN, MISSING (a 404, or a row that says it was deleted: gone, or not visible to
    this account) or FORBIDDEN (403 for its GET); but for SEEN the other fields are empty.
    ``can_suspend`` (it covers resume as well) and ``can_delete`` are ``None`` where the control plane
    does not say.
    """

    id: str
    presence: str
    name: str = ""
    project: str = ""
    cluster: str = ""
    submitted_by: str = ""
    phase: str = ""
    can_suspend: Optional[bool] = None
    can_delete: Optional[bool] = None

    def supports(self, action: str) -> bool:
        """Tell whether the control plane leaves ``action`` open; saying nothing does."""
        return (self.can_delete if action == DELETE else self.can_suspend) is not False


def workload_from_row(workload_id: str, row: Mapping[str, Any]) -> Workload:
    """Make a Workload of one of the API's rows; what is missing or of a wrong type counts as not said."""
    support = row.get("actionsSupport")
    support = support if isinstance(support, dict) else {}
    return Workload(
        workload_id,
        SEEN,
        name=clean(row.get("name"), NAME_LENGTH),
        project=clean(row.get("projectName"), NAME_LENGTH),
        cluster=clean(row.get("clusterId"), NAME_LENGTH),
        submitted_by=clean(row.get("submittedBy"), NAME_LENGTH),
        phase=clean(row.get("phase"), 40) or UNKNOWN,
        can_suspend=_flag(support.get("suspend")),
        can_delete=_flag(support.get("delete")),
    )


def _flag(value: object) -> Optional[bool]:
    return value if isinstance(value, bool) else None
