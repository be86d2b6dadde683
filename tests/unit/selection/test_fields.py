# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest
import yaml
from ansible_collections.gpuops.runai.plugins.module_utils._selection.criteria import (
    AMOUNTS,
    KEYS,
    MOMENTS,
    Criteria,
    match,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.fields import (
    DEFAULT_FIELDS,
    FIELDS,
    PEAK,
    needed_keys,
    shown_rows,
    unknown_fields,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.order import SORT_KEYS
from ansible_collections.gpuops.runai.plugins.module_utils._workload.row import USED_KEYS
from ansible_collections.gpuops.runai.plugins.modules import runai_workload_info
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
WEST = workload_id(1)
EAST = workload_id(2)
CLUSTERS = {WEST: "west"}
ROW: dict[str, Any] = {
    "id": workload_id(10).upper(),
    "name": "llama\x1b[31m-3",
    "projectName": "vision",
    "projectId": "4",
    "departmentName": "research",
    "departmentId": "5",
    "clusterId": WEST.upper(),
    "namespace": "runai-vision",
    "type": "Training",
    "category": "Train",
    "phase": "Suspending",
    "phaseMessage": "pods are being removed",
    "phaseReason": "OverLimit",
    "phaseUpdatedAt": "2026-02-28T10:30:00.123456789Z",
    "createdAt": "2026-02-01T00:00:00Z",
    "completedAt": "2026-02-02T00:00:00Z",
    "deletedAt": "2026-02-03T00:00:00Z",
    "currentNodePools": ["a100"],
    "requestedNodePools": ["a100", "h100"],
    "allocatedResources": {"gpu": "1.5", "cpu": 2},
    "idleAllocatedGpus": None,
    "idleGpus": 1,
    "submittedBy": "ada@example.com",
    "priority": 50,
    "priorityClassName": "low",
    "preemptible": True,
    "actionsSupport": {"suspend": False},
    "images": ["registry.example.com/team/image:1"],
}
MEASURED = {**ROW, PEAK: 0.5}


def test_shown_rows_default_fields_are_readable() -> None:
    (row,) = shown_rows([ROW], DEFAULT_FIELDS, CLUSTERS, NOW)
    (measured,) = shown_rows([MEASURED], DEFAULT_FIELDS, CLUSTERS, NOW)
    assert measured == {**row, "peak_gpu_utilization": 0.5}
    assert row == {
        "id": workload_id(10),
        "name": "llama [31m-3",
        "project": "vision",
        "department": "research",
        "cluster": "west",
        "type": "Training",
        "phase": "Stopping",
        "phase_age": "1d1h",
        "node_pools": ["a100"],
        "allocated_gpus": 1.5,
        "idle_gpus": 1.0,
        "submitted_by": "ada@example.com",
        "suspendable": False,
    }


def test_shown_rows_all_fields_are_the_unchanged_row() -> None:
    assert shown_rows([ROW], ["all"], CLUSTERS, NOW) == [ROW]
    assert shown_rows([MEASURED], ["all"], CLUSTERS, NOW) == [MEASURED]


def test_shown_rows_other_field_is_the_key_of_the_row() -> None:
    fields = ["images", "phaseUpdatedAt", "visoin"]
    assert shown_rows([ROW], fields, CLUSTERS, NOW) == [
        {"images": ROW["images"], "phaseUpdatedAt": ROW["phaseUpdatedAt"], "visoin": None}
    ]
    assert unknown_fields([ROW], fields) == ["visoin"]
    assert unknown_fields([], fields) == []
    assert unknown_fields([ROW], ["all"]) == []


@pytest.mark.parametrize(
    ("priority", "shown"),
    [
        (50, 50),
        (0.5, 0.5),
        ("high", "high"),
        ("a\x1b[31m\n" + "x" * 10_000, "a [31m " + "x" * 245 + "\u2026"),
        (None, None),
        (True, None),
        (float("nan"), None),
        (10**400, None),
        ({"class": "high"}, None),
    ],
)
def test_shown_rows_priority_is_a_number_or_one_line(priority: object, shown: object) -> None:
    assert shown_rows([{**ROW, "priority": priority}], ["priority"], CLUSTERS, NOW) == [{"priority": shown}]


def test_shown_rows_missing_value_is_null_or_empty() -> None:
    (row,) = shown_rows([{"id": ROW["id"], "clusterId": EAST}], list(FIELDS), CLUSTERS, NOW)
    shown = {field: value for field, value in row.items() if value is not None}
    assert shown == {
        "id": workload_id(10),
        "cluster": EAST,
        "cluster_id": EAST,
        "node_pools": [],
        "requested_node_pools": [],
    }


def test_used_keys_reduced_row_gives_the_same_values() -> None:
    kept = {key: value for key, value in MEASURED.items() if key in (*USED_KEYS, PEAK)}
    assert shown_rows([kept], list(FIELDS), CLUSTERS, NOW) == shown_rows(
        [MEASURED], list(FIELDS), CLUSTERS, NOW
    )
    assert None not in shown_rows([kept], list(FIELDS), CLUSTERS, NOW)[0].values()
    for read in (*KEYS.values(), *AMOUNTS.values(), *SORT_KEYS.values()):
        assert read(kept) == read(ROW)
        assert read(kept) not in (None, ())
    for option in MOMENTS:
        assert match([kept], Criteria(before={option: NOW}, is_deleted=True)).rows == [kept]
    gone = Criteria()
    assert match([kept], gone).rows == match([ROW], gone).rows == []


def test_needed_keys_api_fields_are_added() -> None:
    assert needed_keys(["id", "images"]) == frozenset((*USED_KEYS, "id", "images"))
    assert needed_keys(["all"]) is None


def test_fields_of_our_own_are_those_that_the_option_documents() -> None:
    option = yaml.safe_load(runai_workload_info.DOCUMENTATION)["options"]["fields"]
    others = re.findall(r"V\((\w+)\)", " ".join(option["description"]))
    assert {*option["default"], *others} - {"all", "tenantId"} == set(FIELDS)
