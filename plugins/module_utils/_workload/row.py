# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a workload's row says, read with care: a value of another type counts as not there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Optional

from .._common.numbers import finite
from .._common.times import parse_timestamp

Row = Mapping[str, Any]

# All keys of the API's rows that a criterion, a sort key or a field of our own is made from.
USED_KEYS = (
    "actionsSupport",
    "allocatedResources",
    "category",
    "clusterId",
    "completedAt",
    "createdAt",
    "currentNodePools",
    "deletedAt",
    "departmentId",
    "departmentName",
    "id",
    "idleAllocatedGpus",
    "idleGpus",
    "name",
    "namespace",
    "phase",
    "phaseMessage",
    "phaseReason",
    "phaseUpdatedAt",
    "preemptible",
    "priority",
    "priorityClassName",
    "projectId",
    "projectName",
    "requestedNodePools",
    "submittedBy",
    "tenantId",
    "type",
)

# Go's zero time, which some control planes write where there is no date.
_NO_YEAR = 1


def text(row: Row, key: str) -> Optional[str]:
    """Return a string that is not empty, or ``None``."""
    value = row.get(key)
    return value if isinstance(value, str) and value else None


def texts(row: Row, key: str) -> tuple[str, ...]:
    """Return the strings of a list."""
    value = row.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def flag(row: Row, key: str) -> Optional[bool]:
    """Return a boolean, or ``None``."""
    value = row.get(key)
    return value if isinstance(value, bool) else None


def number(row: Row, key: str) -> Optional[float]:
    """Return a number, also one that was sent as a string, or ``None``."""
    return finite(row.get(key))


def moment(row: Row, key: str) -> Optional[datetime]:
    """Return a point in time, or ``None``."""
    value = row.get(key)
    found = parse_timestamp(value) if isinstance(value, str) else None
    return found if found is not None and found.year > _NO_YEAR else None


def nested(row: Row, key: str) -> Row:
    """Return an object inside the row, empty if there is none."""
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def allocated_gpus(row: Row) -> Optional[float]:
    """Return how many GPUs (1.5 is one and a half) the workload holds."""
    return _gpus(nested(row, "allocatedResources"), "gpu")


def idle_gpus(row: Row) -> Optional[float]:
    """Return how many of its GPUs are idle; ``idleGpus`` is what came before ``idleAllocatedGpus``."""
    found = _gpus(row, "idleAllocatedGpus")
    return _gpus(row, "idleGpus") if found is None else found


def suspendable(row: Row) -> Optional[bool]:
    """Return whether the control plane says that the workload can be suspended, ``None`` if it does not."""
    return flag(nested(row, "actionsSupport"), "suspend")


def _gpus(row: Row, key: str) -> Optional[float]:
    found = number(row, key)
    return found if found is not None and found >= 0 else None
