# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance, a clean-up and a reclaim rehearsed on the simulator and nowhere else."""

from __future__ import annotations

import re
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import told, workload
from tools.paths import CHECKOUT

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


def test_rehearsal_with_the_variables_of_the_real_one_reaches_the_simulator_alone(
    run_playbook: PlaybookRunner, tmp_path: Path
) -> None:
    said: dict[str, Any] = {
        **SAID,
        "workload_maintenance_base_url": NOWHERE,
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
    rows = [workload(number) for number in range(1, 5)]
    with running(Settings(fleet={"workloads": rows}, transition_seconds=0.05)) as simulator:
        said["rehearsal_base_url"] = simulator.url
        rehearse = "gpuops.runai.maintenance_rehearse"
        checked = run_playbook(rehearse, extra_vars=said, env=elsewhere, check=True)
        assert checked.rc == 0, checked.output
        assert simulator.summary()["batches"] == {}
        done = run_playbook(rehearse, "-vvvv", extra_vars=said, env=elsewhere)
        assert done.rc == 0, done.output
        assert done.warnings == []
        assert "the-real-one" not in done.output
        assert set(simulator.summary()["batches"]) == {"suspend", "resume"}
        assert done.stdout.count("REHEARSAL on a simulator") >= 4
        assert "plan went well, begin went well, status went well, end went well" in done.stdout
    assert not (tmp_path / "real").exists()
    assert not (tmp_path / "real.md").exists()
    assert not list((tmp_path / "local").glob("*"))


@pytest.mark.parametrize(
    ("address", "is_accepted"),
    [
        ("http://127.0.0.1:8080", True),
        ("https://localhost/", True),
        ("http://[::1]:8080", True),
        ("https://acme.run.ai", False),
        ("http://127.0.0.1.acme.run.ai", False),
        ("http://localhost@acme.run.ai", False),
        ("http://127.0.0.1:8080@acme.run.ai", False),
    ],
)
def test_rehearsal_pattern_of_addresses_matches_this_machine_alone(address: str, is_accepted: bool) -> None:
    playbook = (CHECKOUT / "playbooks" / "maintenance_rehearse.yml").read_text()
    (pattern,) = re.findall(r"rehearsal_address is match\('(.+)'\)", playbook)
    assert bool(re.match(pattern, address)) is is_accepted


def test_rehearsal_on_any_other_address_is_rejected(run_playbook: PlaybookRunner) -> None:
    said = {**SAID, "rehearsal_base_url": "http://localhost@acme.run.ai"}
    run = run_playbook("gpuops.runai.maintenance_rehearse", extra_vars=said)
    assert run.rc == 2
    assert "a rehearsal only reaches this machine" in told(run)


def test_rehearsal_without_a_simulator_says_how_to_start_one(
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
    run_playbook_on_the_oldest_core: PlaybookRunner, tmp_path: Path
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
        run = run_playbook_on_the_oldest_core(
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
def test_rehearsal_of_another_kind_takes_its_steps(
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


def test_rehearsal_behind_a_tunnel_to_a_real_control_plane_is_rejected(run_playbook: PlaybookRunner) -> None:
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
