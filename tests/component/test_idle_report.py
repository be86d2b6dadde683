# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of idle GPUs, by the simulator's history of GPU use."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._selection import idle_report
from ansible_collections.gpuops.runai.plugins.module_utils._selection.idle_report import (
    idle_report_argument_spec,
    run_idle_report,
)

from simulator.server import Handle
from simulator.settings import CLIENT_ID, CLIENT_SECRET
from tests.component.conftest import Start
from tests.component.maintenance_site import completed
from tests.support.workloads import workload_id

IDLE = {"percent": 0.4}


def _row(number: int, history: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": workload_id(number),
        "name": f"job-{number}",
        "projectName": "vision" if number % 2 else "nlp",
        "submittedBy": "ada@example.com",
        "createdAt": "2026-01-01T00:00:00Z",
        "phaseUpdatedAt": "2026-01-01T00:00:00Z",
        "phase": "Running",
        "gpus": 8,
        "gpuHistory": history,
        **fields,
    }


@pytest.fixture
def simulator(start: Start) -> Handle:
    rows = [
        _row(1, IDLE),
        _row(2, IDLE, gpus=2, submittedBy="bob@example.com"),
        _row(3, {"percent": 90}),
        _row(4, {**IDLE, "response": "partial"}),
    ]
    return start(fleet={"workloads": rows})


def _report(simulator: Handle, check: bool = False, **options: Any) -> ModuleResult:
    given = {
        "base_url": simulator.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "select": {"idle_for": "2h"},
        **options,
    }
    return run_idle_report(completed(idle_report_argument_spec(), given), given, {}, check)


def test_idle_report_with_files_counts_measured_workloads_alone(simulator: Handle, tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("idle.csv", "idle.md", "idle.html")]
    keep = [{"owner": "bob@example.com", "until": "2999-01-01"}, {"name": "*", "until": "2020-01-01"}]
    done = _report(simulator, paths=paths, keep=keep)
    assert not done.failed, done.result
    result = done.result
    assert (result["count"], result["idle_gpu_hours"], result["changed"]) == (2, 20.0, False)
    assert [(one["name"], one["idle_gpu_hours"]) for one in result["owners"]] == [
        ("ada@example.com", 16.0),
        ("bob@example.com", 4.0),
    ]
    assert [one["kept_until"] for one in result["workloads"]] == ["", "2999-01-01"]
    assert [one["id"] for one in result["undecided"]] == [workload_id(4)]
    assert any(line.startswith("1 workload not counted") for line in result["lines"])
    assert result["lines"][-1] == "keep: ignored, since it has run out: name *, until 2020-01-01"
    assert result["paths"] == paths
    with Path(paths[0]).open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == [workload_id(1), workload_id(2)]
    for path in paths:
        assert Path(path).stat().st_mode & 0o777 == 0o600
    assert [one for one in simulator.requests() if one["action"]] == []


def test_idle_report_in_check_mode_writes_no_file(simulator: Handle, tmp_path: Path) -> None:
    done = _report(simulator, check=True, paths=[str(tmp_path / "idle.csv")])
    assert (done.result["count"], done.result["paths"]) == (2, [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": {"projects": ["vision"]}}, "select: idle_for is not set"),
        ({"select": None}, "select: idle_for is not set"),
        ({"select": {"idle_for": "2h", "ids": []}}, "select: ids is empty"),
        ({"paths": ["/tmp/idle.pdf"]}, "paths: '/tmp/idle.pdf' does not end in .csv or .md or .html"),
        ({"paths": ["/nowhere/idle.csv"]}, "/nowhere/idle.csv: cannot be written"),
        ({"keep": [{"name": "llm"}]}, "keep: entry 1: until is missing"),
    ],
)
def test_idle_report_with_a_wrong_option_is_rejected_before_any_request(
    simulator: Handle, options: dict[str, Any], message: str
) -> None:
    done = _report(simulator, **options)
    assert done.failed
    assert done.result["msg"].startswith(message)
    assert done.result["lines"] == [done.result["msg"]]
    assert simulator.requests() == []


def test_idle_report_without_permission_for_metrics_fails_with_all_keys(simulator: Handle) -> None:
    denied = {"kind": "status", "status": 403}
    simulator.faults({"match": {"path": "/api/v1/workloads/*/metrics"}, "times": "always", "fault": denied})
    done = _report(simulator)
    assert done.failed
    assert "HTTP 403" in done.result["msg"]
    assert done.fault is not None
    assert done.result["lines"] == [done.result["msg"]]
    assert done.result["control_plane"]["base_url"] == simulator.url
    assert (done.result["count"], done.result["owners"], done.result["paths"]) == (0, [], [])


def test_idle_report_with_a_file_that_fails_keeps_the_report(
    simulator: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, text: str) -> None:
        raise RunaiError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(idle_report, "write_whole", fail)
    done = _report(simulator, paths=[str(tmp_path / "idle.csv")])
    assert done.failed
    assert done.result["msg"].endswith("No space left on device")
    assert (done.result["count"], done.result["paths"]) == (2, [])


def test_idle_report_too_large_for_job_viewers_is_cut_with_a_warning(
    simulator: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle_report, "LARGEST_RESULT", 0)
    done = _report(simulator)
    assert (done.result["workloads"], done.result["workloads_truncated"]) == ([], True)
    assert done.result["ids"] == [workload_id(1), workload_id(2)]
    assert done.warnings[-1].startswith("workloads: the first 0 of 2 rows, so that job viewers can show")
