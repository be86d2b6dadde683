# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the guide on maintenances and of the rehearsal, run as typed and in order."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e.pages import blocks, commands, last_of_each, page
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import workload
from tests.support.waiting import PATIENCE

FLEET: dict[str, Any] = {
    "clusters": [{"uuid": "71f69d83-ba66-4822-adf5-55ce55efd210", "name": "north"}],
    "workloads": [
        workload(1, nodes=["gpu-17"]),
        workload(2, nodes=["gpu-17"]),
        workload(3, nodes=["gpu-17"], actionsSupport={"suspend": False, "delete": True}),
    ],
}


def _run(text: str, runner: PlaybookRunner, folder: Path, address: str) -> str:
    """Run the commands of a page that start ansible-playbook; return what they print."""
    (variables,) = blocks(text, "yaml")
    (folder / "gpu-17.yml").write_text(variables.replace("/srv/runai", str(folder)) + "\n")
    environment = {
        **runner.environment(folder / "record.jsonl"),
        "RUNAI_BASE_URL": address,
        "RUNAI_CLIENT_ID": CLIENT_ID,
        "RUNAI_CLIENT_SECRET": CLIENT_SECRET,
    }
    output = ""
    for command in last_of_each(commands(text)):
        if not command.startswith("ansible-playbook"):
            continue
        if "maintenance_rehearse" in command:
            command += f" -e rehearsal_base_url={address}"
        done = subprocess.run(
            ["sh", "-c", command.replace("/srv/runai", str(folder))],
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, command + "\n" + done.stdout + done.stderr
        output += done.stdout
    return output.replace("REHEARSAL on a simulator: " + address, "Control plane https://acme.run.ai")


@pytest.mark.parametrize("name", ["guide_maintenance", "runbook_rehearsal"])
def test_guide_each_command_prints_what_the_page_shows(
    name: str, run_playbook: PlaybookRunner, tmp_path: Path
) -> None:
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        output = _run(page(name), run_playbook, tmp_path, simulator.url)
        assert {one.phase for one in simulator.state.live()} <= {
            "Resuming",
            "Pending",
            "Initializing",
            "Running",
        }
    for line in "\n".join(blocks(page(name), "text")).replace("tenant 1001", "tenant 9000").splitlines():
        assert line.strip() in output
    if name == "guide_maintenance":
        assert "train-2" in (tmp_path / "gpu-17.html").read_text()
    else:
        assert (tmp_path / "fleet.json").exists()
        assert not (tmp_path / "records").exists()
