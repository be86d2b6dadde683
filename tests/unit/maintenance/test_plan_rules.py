# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan is rejected for."""

from __future__ import annotations

from typing import Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.plan_rules import (
    check_ceilings,
    check_crossing,
    check_unsuspendable,
    owners_of,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import ACT, LEAVE
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import RecordedWorkload, RecordError


def _entries(number: int, plan: str = ACT) -> list[RecordedWorkload]:
    return [
        RecordedWorkload(str(one), plan, f"w{one}", "p", "ada", "c", gpus=2.0, phase="Running")
        for one in range(number)
    ]


@pytest.mark.parametrize(
    ("most", "percent", "in_scope", "message"),
    [
        (3, 100.0, 3, None),
        (3, 100.0, 2, None),
        (2, None, None, "max_affected: 3 workloads would be suspended, 1 more than 2"),
        (None, 49.9, 6, "max_percent: 3 of 6 active workloads would be suspended, 50.0%, more than 49.9%"),
        (None, 50.0, 6, None),
    ],
)
def test_ceilings_are_held(
    most: Optional[int], percent: Optional[float], in_scope: Optional[int], message: Optional[str]
) -> None:
    active = {str(one) for one in range(in_scope or 0)}
    if message is None:
        check_ceilings(_entries(3), active, most, percent)
        return
    with pytest.raises(RecordError, match=message) as fault:
        check_ceilings(_entries(3), active, most, percent)
    assert fault.value.rows == ["3 workloads | p | ada | 6 GPUs"]


def test_unsuspendable_workloads_are_rejected_unless_they_are_left() -> None:
    check_unsuspendable(_entries(2, LEAVE), "leave")
    check_unsuspendable([], "refuse")
    with pytest.raises(RecordError, match="2 selected workloads can't be suspended: w0"):
        check_unsuspendable(_entries(2, LEAVE), "refuse")


@pytest.mark.parametrize(
    ("target", "version", "is_rejected"),
    [("3.0", "2.24", True), ("3.0", "3.0.1", False), ("2.25", "2.24", False), ("v3", "", True)],
)
def test_crossing_of_the_upgrade_to_3_is_rejected(target: str, version: str, is_rejected: bool) -> None:
    if is_rejected:
        with pytest.raises(RecordError, match="could not be resumed after the upgrade"):
            check_crossing(_entries(1), target, {"c": version})
    else:
        check_crossing(_entries(1), target, {"c": version})


def test_owners_have_the_most_gpus_first() -> None:
    few, many = _entries(1), _entries(2)
    few[0].owner = "bob"
    assert [(one["owner"], one["gpus"]) for one in owners_of([*few, *many])] == [("ada", 4.0), ("bob", 2.0)]
