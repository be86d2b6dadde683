# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the guide on maintenances and of the rehearsal, run as typed and in order."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import workload
from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT

PAGES = CHECKOUT / "docs" / "docsite" / "rst"
FLEET: dict[str, Any] = {
    "clusters": [{"uuid": "71f69d83-ba66-4822-adf5-55ce55efd210", "name": "north"}],
    "workloads": [
        workload(1, nodes=["gpu-17"]),
        workload(2, nodes=["gpu-17"]),
        workload(3, nodes=["gpu-17"], actionsSupport={"suspend": False, "delete": True}),
    ],
}


def _blocks(page: str, language: str) -> list[str]:
    text = (PAGES / f"{page}.rst").read_text()
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text)
    return [textwrap.dedent(block).strip() for block in found]


def _run(page: str, runner: PlaybookRunner, folder: Path, address: str) -> str:
    """Run the commands of a page that start ansible-playbook; return what they print."""
    (variables,) = _blocks(page, "yaml")
    (folder / "gpu-17.yml").write_text(variables.replace("/srv/runai", str(folder)) + "\n")
    environment = {
        **runner.environment(folder / "record.jsonl"),
        "RUNAI_BASE_URL": address,
        "RUNAI_CLIENT_ID": CLIENT_ID,
        "RUNAI_CLIENT_SECRET": CLIENT_SECRET,
    }
    commands = [one for block in _blocks(page, "shell") for one in block.split("\n\n")]
    output = ""
    for command in commands:
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


@pytest.mark.parametrize("page", ["guide_maintenance", "runbook_rehearsal"])
def test_every_command_of_the_page_works(page: str, run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        output = _run(page, run_playbook, tmp_path, simulator.url)
        assert {one.phase for one in simulator.state.live()} <= {
            "Resuming",
            "Pending",
            "Initializing",
            "Running",
        }
    for line in "\n".join(_blocks(page, "text")).replace("tenant 1001", "tenant 9000").splitlines():
        assert line.strip() in output
    if page == "guide_maintenance":
        assert "train-2" in (tmp_path / "gpu-17.html").read_text()
    else:
        assert (tmp_path / "fleet.json").exists()
        assert not (tmp_path / "records").exists()
