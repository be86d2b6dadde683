# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._selection.fleet_export import (
    fleet_document,
    run_export,
)

ROW: dict[str, Any] = {
    "id": "x",
    "name": "train",
    "submittedBy": "ada@example.com",
    "environmentVariables": {"TOKEN": "geheim"},
    "images": ["registry/secret"],
    "urls": ["https://secret"],
    "phaseMessage": "ada@example.com said",
    "allocatedResources": {"gpu": "1.5", "other": "geheim"},
    "idleGpus": 1,
    "completedAt": None,
}


def test_fleet_document_holds_only_what_the_simulator_needs() -> None:
    pods: list[dict[str, Any]] = [
        {"workloadId": "x", "nodeName": "n", "podIp": "10.0.0.1"},
        {"workloadId": "x", "nodeName": None},
    ]
    nodes = [{"name": "n", "clusterUuid": "c", "taints": ["geheim"]}]
    found = fleet_document([ROW], pods, [{"uuid": "c", "domain": "geheim"}], nodes, "2026-01-01T00:00:00Z")
    assert found["workloads"] == [
        {
            "id": "x",
            "name": "train",
            "submittedBy": "owner-001",
            "allocatedResources": {"gpu": 1.5},
            "idleAllocatedGpus": 1.0,
        }
    ]
    assert found["pods"] == [{"workloadId": "x", "nodeName": "n"}]
    assert found["nodes"] == [{"name": "n", "clusterUuid": "c"}]
    assert found["clusters"] == [{"uuid": "c"}]
    for word in ("ada", "geheim", "secret", "10.0.0.1"):
        assert word not in json.dumps(found)


def test_fleet_document_unknown_phase_becomes_unknown() -> None:
    rows = [{"phase": phase} for phase in ("Running", "Suspending", "Something new", 7)]
    found = fleet_document(rows, [], [], [], "t")["workloads"]
    assert [row["phase"] for row in found] == ["Running", "Stopping", "Unknown", "Unknown"]


def test_fleet_document_one_owner_has_one_pseudonym() -> None:
    people = ["ada", "bob", "ada", None, 7, ""]
    rows = fleet_document([{"submittedBy": one} for one in people], [], [], [], "t")["workloads"]
    assert [row.get("submittedBy") for row in rows] == [
        "owner-001",
        "owner-002",
        "owner-001",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(("path", "problem"), [("", "is a folder"), ("fleet", "everybody can write")])
def test_fleet_export_with_an_unsafe_path_is_rejected_before_a_request(
    tmp_path: Path, path: str, problem: str
) -> None:
    tmp_path.chmod(0o777)
    params = {"path": str(tmp_path / path)}
    finished = run_export(params, {}, True)
    assert finished.failed
    assert problem in finished.result["msg"]
