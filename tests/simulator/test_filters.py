# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of filterBy."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.api.contract import ApiError
from simulator.api.filters import parse, select
from simulator.api.versions import ApiVersion

KNOWN = ApiVersion("2.25").workload_fields()


def holds(item: str, value: Any) -> bool:
    return bool(select(parse([item], KNOWN), ["thing"], lambda thing, field: value))


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        ("name==a", "a", True),
        ("name==a", "A", False),
        ("name!=a", "b", True),
        ("name!=a", "a", False),
        ("name=@mid", "a mid b", True),
        ("name=@mid", "none", False),
        ("name!@mid", "none", True),
        ("name!@mid", "a mid b", False),
        ("name=^pre", "prefix", True),
        ("name=^pre", "no pre", False),
        ("name=$fix", "prefix", True),
        ("name=$fix", "fixed", False),
        ("name==a==b", "a==b", True),
        ("allocatedGPU>=2", 2.0, True),
        ("allocatedGPU>=2", 10.0, True),
        ("allocatedGPU>=2", 1.5, False),
        ("allocatedGPU<=2", 2.5, False),
        ("allocatedGPU==0.5", 0.5, True),
        ("createdAt>=2026-01-01T00:00:00Z", 1_767_225_600.0, True),
        ("createdAt>=2026-01-01T00:00:00.001Z", 1_767_225_600.0, False),
        ("createdAt<=2026-01-01T01:00:00+01:00", 1_767_225_600.0, True),
        ("completedAt==2026-01-01T00:00:00Z", None, False),
        ("completedAt!=2026-01-01T00:00:00Z", None, True),
        ("idleAllocatedGpus>=0", None, False),
        ("nodepool==a", ["b", "a"], True),
        ("nodepool!=a", ["b", "a"], False),
        ("nodepool!=a", [], True),
        ("nodepool==a", [], False),
    ],
)
def test_condition_on_value_holds_as_expected(item: str, value: Any, expected: bool) -> None:
    assert holds(item, value) is expected


@pytest.mark.parametrize(
    "item",
    [
        "",
        "name",
        "name=a",
        "name==",
        "==a",
        "id==x",
        "Name==a",
        "createdAt=@2026",
        "createdAt>=yesterday",
        "allocatedGPU>=many",
        " name==a",
    ],
)
def test_filter_outside_the_grammar_is_refused(item: str) -> None:
    with pytest.raises(ApiError) as error:
        parse([item], KNOWN)
    assert error.value.status == 400


def test_filter_of_several_conditions_needs_all() -> None:
    conditions = parse(["name=@a", "type==b"], KNOWN)
    things = [{"name": "a", "type": "b"}, {"name": "a", "type": "c"}, {"name": "x", "type": "b"}]
    assert select(conditions, things, lambda thing, field: thing[field]) == things[:1]


def test_filter_of_more_than_ten_items_is_refused() -> None:
    assert len(parse(["name==a"] * 10, KNOWN)) == 10
    with pytest.raises(ApiError):
        parse(["name==a"] * 11, KNOWN)


@pytest.mark.parametrize(
    ("field", "since"),
    [
        ("phase", 18),
        ("idleAllocatedGpus", 20),
        ("phaseUpdatedAt", 21),
        ("category", 22),
        ("priority", 22),
        ("priorityClassName", 23),
    ],
)
def test_workload_field_exists_since_its_version(field: str, since: int) -> None:
    for minor in range(18, 26):
        assert (field in ApiVersion(f"2.{minor}").workload_fields()) == (minor >= since)


def test_pod_fields_exist_since_their_version() -> None:
    assert "workloadId" not in ApiVersion("2.20").pod_fields()
    assert "workloadId" in ApiVersion("2.21").pod_fields()
