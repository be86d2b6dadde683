# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._workload import row as _row
from hypothesis import given
from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"allocatedResources": {"gpu": 1.5}}, 1.5),
        ({"allocatedResources": {"gpu": "2"}}, 2.0),
        ({"allocatedResources": {"gpu": " .5 "}}, 0.5),
        ({"allocatedResources": {"gpu": 0}}, 0.0),
        ({"allocatedResources": {"gpu": True}}, None),
        ({"allocatedResources": {"gpu": "many"}}, None),
        ({"allocatedResources": {"gpu": "1_0"}}, None),
        ({"allocatedResources": {"gpu": "\uff11"}}, None),
        ({"allocatedResources": {"gpu": float("nan")}}, None),
        ({"allocatedResources": {"gpu": 10**400}}, None),
        ({"allocatedResources": {"gpu": -1}}, None),
        ({"allocatedResources": None}, None),
        ({"allocatedResources": {}}, None),
        ({}, None),
    ],
)
def test_allocated_gpus_of_any_value_is_a_number_or_none(row: dict[str, Any], expected: float | None) -> None:
    assert _row.allocated_gpus(row) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"idleAllocatedGpus": 1, "idleGpus": 3}, 1.0),
        ({"idleAllocatedGpus": None, "idleGpus": 3}, 3.0),
        ({"idleGpus": "3"}, 3.0),
        ({"idleAllocatedGpus": 0, "idleGpus": 3}, 0.0),
        ({}, None),
    ],
)
def test_idle_gpus_without_the_new_field_uses_the_old_one(
    row: dict[str, Any], expected: float | None
) -> None:
    assert _row.idle_gpus(row) == expected


def test_moment_zero_time_of_go_is_none() -> None:
    assert _row.moment({"completedAt": "0001-01-01T00:00:00Z"}, "completedAt") is None
    assert _row.moment({"completedAt": "2026-01-01T00:00:00Z"}, "completedAt") is not None


@given(ANYTHING)
def test_row_readers_of_any_value_return_their_type(value: Any) -> None:
    row = {"x": value, "allocatedResources": value, "idleGpus": value, "actionsSupport": value}
    for read in (_row.text, _row.texts, _row.flag, _row.number, _row.moment, _row.nested):
        read(row, "x")
    for measure in (_row.allocated_gpus, _row.idle_gpus, _row.suspendable):
        measure(row)
