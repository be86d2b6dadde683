# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet exported, the simulator started on it, and a maintenance rehearsed there and nowhere else."""

from __future__ import annotations

import stat
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._fleet_export import run_export
from ansible_collections.gpuops.runai.plugins.modules.runai_fleet_export import ARGUMENT_SPEC

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import told, workload

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


def _lasting_phases(simulator: Handle) -> dict[str, str]:
    """The phases that do not move on by themselves, by id."""
    moving = ("Creating", "Initializing", "Resuming", "Updating", "Stopping", "Deleting")
    return {one.id: one.phase for one in simulator.state.live() if one.phase not in moving}


def test_the_real_fleet_is_exported_and_rehearsed_on(run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    with running(Settings(workloads=60, seed=3, tenant_id=1234, transition_seconds=3600)) as real:
        environment = {"RUNAI_BASE_URL": real.url, **ENVIRONMENT}
        export = {"fleet_export_path": str(path)}
        checked = run_playbook("gpuops.runai.fleet_export", extra_vars=export, env=environment, check=True)
        assert checked.rc == 0, checked.output
        assert "would be exported to" in checked.output
        assert not path.exists()
        done = run_playbook("gpuops.runai.fleet_export", extra_vars=export, env=environment)
        assert done.rc == 0, done.output
        assert done.warnings == []
        assert all(one["method"] == "GET" for one in real.requests() if "token" not in one["path"])
        people = {one.fixed["submittedBy"] for one in real.state.live()}
        phases = _lasting_phases(real)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert people
    assert not [person for person in people if person in text]
    assert "images" not in text

    with running(Settings(fleet=path, transition_seconds=0.05)) as rehearsal:
        lasting = _lasting_phases(rehearsal)
        assert phases
        assert {one: lasting[one] for one in phases} == phases
        # All that could lead elsewhere is there, and leads nowhere.
        said: dict[str, Any] = {
            **SAID,
            "rehearsal_base_url": rehearsal.url,
            "workload_maintenance_base_url": NOWHERE,
        }
        said |= {
            "workload_maintenance_record_dir": str(tmp_path / "real"),
            "workload_maintenance_proxy": NOWHERE,
            "workload_maintenance_timeout": 20,
            "workload_maintenance_retry_timeout": 60,
            "workload_maintenance_summary_path": str(tmp_path / "real.md"),
        }
        elsewhere = {
            "RUNAI_BASE_URL": NOWHERE,
            "RUNAI_BEARER_TOKEN": "the-real-one",
            "RUNAI_PROXY": NOWHERE,
            "HTTP_PROXY": NOWHERE,
            "http_proxy": NOWHERE,
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
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
        assert done.stdout.count("REHEARSAL on a simulator") >= 4
        assert "plan went well, begin went well, status went well, end went well" in done.stdout
    assert not (tmp_path / "real").exists()
    assert not (tmp_path / "real.md").exists()
    assert not list((tmp_path / "local").glob("*"))


@pytest.mark.parametrize(
    "address",
    [
        "https://acme.run.ai",
        "http://127.0.0.1.acme.run.ai",
        "http://localhost@acme.run.ai",
    ],
)
def test_any_other_address_is_refused(run_playbook: PlaybookRunner, address: str) -> None:
    run = run_playbook(
        "gpuops.runai.maintenance_rehearse", extra_vars={**SAID, "rehearsal_base_url": address}
    )
    assert run.rc == 2
    assert "a rehearsal only reaches this machine" in told(run)


def test_where_no_simulator_answers_it_is_said_how_to_start_one(
    run_playbook: PlaybookRunner, nowhere: str
) -> None:
    address = f"http://{nowhere}"
    run = run_playbook(
        "gpuops.runai.maintenance_rehearse", extra_vars={**SAID, "rehearsal_base_url": address}
    )
    assert run.rc == 2
    assert told(run).startswith(f"No simulator responds at {address} (")
    port = nowhere.partition(":")[2]
    assert f"Next: python3 -m simulator --port {port} --fleet " in told(run)


def test_rehearsal_names_what_would_fail_for_real_and_ends_what_it_began(
    run_playbook_on_each_core: PlaybookRunner, tmp_path: Path
) -> None:
    fleet = {
        "workloads": [
            workload(1, nodes=["gpu-17"]),
            workload(2, nodes=["gpu-17"]),
            workload(3, nodes=["gpu-17"], actionsSupport={"delete": True, "suspend": False}),
        ]
    }
    said: dict[str, Any] = {**SAID, "workload_maintenance_nodes": "gpu-17"}
    del said["workload_maintenance_all"]
    with running(Settings(fleet=fleet, transition_seconds=0.05)) as simulator:
        refuse = {"kind": "refuse_ids", "ids": [workload(2)["id"]], "message": "conflict, try later"}
        simulator.faults({"match": {"action": "suspend"}, "times": "always", "fault": refuse})
        run = run_playbook_on_each_core(
            "gpuops.runai.maintenance_rehearse",
            extra_vars={**said, "rehearsal_base_url": simulator.url},
            env={"ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")},
        )
        assert run.rc == 2, run.output
        assert set(simulator.summary()["batches"]) == {"suspend", "resume"}
    verdict = run.tasks[-1].result["msg"]
    assert verdict[0].endswith(": plan went well, begin failed, status failed, end went well")
    assert "For real this would fail: begin: " in verdict[1]
    assert "1 of 2 suspended; 1 workload not suspended" in verdict[1]
    assert "Next: " not in run.stdout
    assert not list((tmp_path / "local").glob("*"))


def test_rehearsal_of_nothing_says_so(run_playbook: PlaybookRunner) -> None:
    fleet = {"workloads": [workload(1, submittedBy="owner-001")]}
    said = {**SAID, "workload_maintenance_submitted_by": "ada@example.com"}
    with running(Settings(fleet=fleet)) as simulator:
        run = run_playbook(
            "gpuops.runai.maintenance_rehearse", extra_vars={**said, "rehearsal_base_url": simulator.url}
        )
        assert simulator.summary()["batches"] == {}
    assert run.rc == 2, run.output
    verdict = run.tasks[-1].result["msg"]
    assert verdict[0].endswith(": plan failed")
    assert "For real this would fail: plan: select: no active workload meets it" in verdict[1]
    assert "People have pseudonyms in an export" in verdict[2]


@pytest.mark.parametrize(
    ("kind", "said", "actions"),
    [
        ("cleanup", {"older_than": "7d"}, {"delete"}),
        (
            "reclaim",
            {"name": "weekend", "reason": "idle", "idle_for": "2h", "notice": "24h"},
            {"suspend", "resume"},
        ),
    ],
)
def test_a_clean_up_and_a_reclaim_are_rehearsed_too(
    run_playbook: PlaybookRunner, kind: str, said: dict[str, Any], actions: set[str]
) -> None:
    long_ago = "2020-01-01T00:00:00Z"
    idle = workload(2, idleAllocatedGpus=2, createdAt=long_ago, phaseUpdatedAt=long_ago)
    rows = [workload(1, "Completed", completedAt=long_ago), idle]
    with running(Settings(fleet={"workloads": rows}, transition_seconds=0.05)) as simulator:
        variables = {"max_affected": "none", "max_percent": "none", "wait_interval": 0.1, **said}
        run = run_playbook(
            "gpuops.runai.maintenance_rehearse",
            extra_vars={
                **{f"workload_{kind}_{name}": value for name, value in variables.items()},
                "rehearsal_of": kind,
                "rehearsal_base_url": simulator.url,
            },
            env={"RUNAI_BASE_URL": NOWHERE, "RUNAI_BEARER_TOKEN": "the-real-one"},
        )
        assert run.rc == 0, run.output
        assert run.warnings == []
        assert set(simulator.summary()["batches"]) == actions


def test_a_fleet_is_exported_as_far_as_it_may_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    with running(Settings(workloads=20, seed=3)) as real:
        denied = {"kind": "status", "status": 403}
        lists = ("/api/v1/clusters", "/api/v1/nodes", "/api/v1/workloads/pods")
        real.faults(*({"match": {"path": one}, "times": "always", "fault": denied} for one in lists))
        defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
        said = {"path": str(path), "base_url": real.url, "token": "rehearsal-token"}
        finished = run_export({**defaults, **said}, {}, check_mode=False)
    assert not finished.failed, finished.result
    assert finished.result["workloads"] == 20
    assert [warning.partition(" (403): ")[0].rpartition(" ")[2] for warning in finished.warnings] == [
        "pods",
        "clusters",
        "nodes",
    ]
    with running(Settings(fleet=path)) as rehearsal:
        assert len(rehearsal.state.live()) == 20


class Tunnel(BaseHTTPRequestHandler):
    """Hands everything on but what only a simulator has, as a tunnel to a real control plane would."""

    target = ""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/_simulator"):
            self._answer(404, b"{}")
            return
        request = urllib.request.Request(
            self.target + self.path, headers={"Authorization": "Bearer rehearsal-token"}
        )
        with urllib.request.urlopen(request) as answer:
            self._answer(answer.status, answer.read())

    def do_POST(self) -> None:
        self.asked.append("POST " + self.path)
        self._answer(500, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def test_a_tunnel_to_a_real_control_plane_is_refused(run_playbook: PlaybookRunner) -> None:
    with running(Settings(workloads=5)) as real, ThreadingHTTPServer(("127.0.0.1", 0), Tunnel) as tunnel:
        Tunnel.target = real.url
        threading.Thread(target=tunnel.serve_forever, daemon=True).start()
        said = {**SAID, "rehearsal_base_url": f"http://127.0.0.1:{tunnel.server_port}"}
        run = run_playbook("gpuops.runai.maintenance_rehearse", extra_vars=said)
        tunnel.shutdown()
    assert run.rc == 2, run.output
    assert f"Another server than the simulator responds at {said['rehearsal_base_url']}" in told(run)
    assert "nothing was rehearsed.\nNext: python3 -m simulator --port 8080 --fleet " in told(run)
    assert "/_simulator/summary" in Tunnel.asked
    assert not [one for one in Tunnel.asked if one.startswith("POST")]
