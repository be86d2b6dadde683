# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet exported, and the simulator started on it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._selection.fleet_export import run_export
from ansible_collections.gpuops.runai.plugins.modules.runai_fleet_export import ARGUMENT_SPEC

from simulator.server import Handle, running
from simulator.settings import TOKEN, Settings

MOVING = ("Creating", "Initializing", "Resuming", "Updating", "Stopping", "Deleting")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fleet.json"


def _export(simulator: Handle, path: Path, check_mode: bool = False) -> ModuleResult:
    defaults: dict[str, Any] = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
    params = {**defaults, "path": str(path), "base_url": simulator.url, "token": TOKEN}
    return run_export(params, {}, check_mode=check_mode)


def _lasting_phases(simulator: Handle) -> dict[str, str]:
    """The phases that do not move on by themselves, by id."""
    return {one.id: one.phase for one in simulator.state.live() if one.phase not in MOVING}


def test_export_of_a_fleet_is_private_and_starts_the_simulator_alike(path: Path) -> None:
    with running(Settings(workloads=60, seed=3, tenant_id=1234, transition_seconds=3600)) as real:
        checked = _export(real, path, check_mode=True)
        assert not checked.failed, checked.result
        assert "would be exported to" in checked.result["msg"]
        assert not path.exists()
        done = _export(real, path)
        assert not done.failed, done.result
        assert done.warnings == []
        assert {one["method"] for one in real.requests()} == {"GET"}
        people = {one.fixed["submittedBy"] for one in real.state.live()}
        phases = _lasting_phases(real)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert people
    assert not [person for person in people if person in text]
    assert "images" not in text
    with running(Settings(fleet=path, transition_seconds=3600)) as rehearsal:
        lasting = _lasting_phases(rehearsal)
    assert phases
    assert {one: lasting[one] for one in phases} == phases


def test_export_without_the_permission_for_some_lists_warns_of_each(path: Path) -> None:
    with running(Settings(workloads=20, seed=3)) as real:
        denied = {"kind": "status", "status": 403}
        lists = ("/api/v1/clusters", "/api/v1/nodes", "/api/v1/workloads/pods")
        real.faults(*({"match": {"path": one}, "times": "always", "fault": denied} for one in lists))
        finished = _export(real, path)
    assert not finished.failed, finished.result
    assert finished.result["workloads"] == 20
    assert [warning.partition(" (403): ")[0].rpartition(" ")[2] for warning in finished.warnings] == [
        "pods",
        "clusters",
        "nodes",
    ]
    with running(Settings(fleet=path)) as rehearsal:
        assert len(rehearsal.state.live()) == 20
