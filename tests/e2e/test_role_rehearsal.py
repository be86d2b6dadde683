# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet exported, the simulator started on it, and a maintenance rehearsed there and nowhere else."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import told

ENVIRONMENT = {"RUNAI_CLIENT_ID": "rehearsal", "RUNAI_CLIENT_SECRET": "rehearsal-secret"}
SAID: dict[str, Any] = {
    "workload_maintenance_name": "night",
    "workload_maintenance_reason": "new fan",
    "workload_maintenance_all": True,
    "workload_maintenance_unsuspendable": "leave",
    "workload_maintenance_max_affected": "none",
    "workload_maintenance_max_percent": "none",
    "workload_maintenance_wait_interval": 0.1,
}
NOWHERE = "http://127.0.0.1:9"


def test_the_real_fleet_is_exported_and_rehearsed_on(run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    with running(Settings(workloads=60, seed=3, tenant_id=1234)) as real:
        environment = {"RUNAI_BASE_URL": real.url, **ENVIRONMENT}
        export = {"fleet_export_path": str(path)}
        checked = run_playbook("gpuops.runai.fleet_export", extra_vars=export, env=environment, check=True)
        assert checked.rc == 0, checked.output
        assert not path.exists()
        done = run_playbook("gpuops.runai.fleet_export", extra_vars=export, env=environment)
        assert done.rc == 0, done.output
        assert done.warnings == []
        assert all(one["method"] == "GET" for one in real.requests() if "token" not in one["path"])
        people = {one.fixed["submittedBy"] for one in real.state.live()}
        phases = {one.id: one.phase for one in real.state.live()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert people
    assert not [person for person in people if person in text]
    assert "images" not in text

    with running(Settings(fleet=path, transition_seconds=0.05)) as rehearsal:
        assert {one.id: one.phase for one in rehearsal.state.live()} == phases
        # All that could lead elsewhere is there, and leads nowhere.
        said: dict[str, Any] = {
            **SAID,
            "rehearsal_base_url": rehearsal.url,
            "workload_maintenance_base_url": NOWHERE,
        }
        said |= {
            "workload_maintenance_record_dir": str(tmp_path / "real"),
            "workload_maintenance_proxy": NOWHERE,
        }
        elsewhere = {
            "RUNAI_BASE_URL": NOWHERE,
            "RUNAI_BEARER_TOKEN": "the-real-one",
            "RUNAI_PROXY": NOWHERE,
            "HTTP_PROXY": NOWHERE,
            "http_proxy": NOWHERE,
            "TMPDIR": str(tmp_path),
        }
        checked = run_playbook(
            "gpuops.runai.maintenance_rehearse", extra_vars=said, env=elsewhere, check=True
        )
        assert checked.rc == 0, checked.output
        assert rehearsal.summary()["batches"] == {}
        done = run_playbook("gpuops.runai.maintenance_rehearse", "-vvvv", extra_vars=said, env=elsewhere)
        assert done.rc == 0, done.output
        assert done.warnings == []
        assert "the-real-one" not in done.output
        assert set(rehearsal.summary()["batches"]) == {"suspend", "resume"}
        assert done.stdout.count("REHEARSAL on a simulator") >= 5
    assert not (tmp_path / "real").exists()
    (record,) = tmp_path.glob("runai-rehearsal.*/night.record.json")
    found: dict[str, Any] = json.loads(record.read_text())
    assert found["state"] == "ended"
    assert found["control_plane"]["simulator"] is True
    assert found["control_plane"]["tenant_id"] == "9000"


@pytest.mark.parametrize(
    "address",
    [
        "https://acme.run.ai",
        "http://127.0.0.1.acme.run.ai",
        "http://localhost@acme.run.ai",
        "http://10.0.0.1:8080",
        "",
    ],
)
def test_any_other_address_is_refused(run_playbook: PlaybookRunner, address: str) -> None:
    run = run_playbook(
        "gpuops.runai.maintenance_rehearse", extra_vars={**SAID, "rehearsal_base_url": address}
    )
    assert run.rc == 2
    assert "only ever talks to this machine" in told(run)


def test_what_is_no_simulator_is_refused(run_playbook: PlaybookRunner) -> None:
    """A tunnel to the real control plane is on this machine, too."""
    with running(Settings(workloads=5)) as tunnel:
        tunnel.faults(
            {
                "match": {"path": "/_simulator/*"},
                "times": "always",
                "fault": {"kind": "status", "status": 404},
            }
        )
        said: dict[str, Any] = {**SAID, "rehearsal_base_url": tunnel.url}
        run = run_playbook("gpuops.runai.maintenance_rehearse", extra_vars=said)
        if "REHEARSAL" in run.stdout:
            pytest.skip("the simulator's own pages can't be made to fail")
        assert run.rc == 2
        assert tunnel.summary()["batches"] == {}
