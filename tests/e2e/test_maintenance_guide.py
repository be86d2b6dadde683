# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the guide on maintenances, run as it stands there and in its order."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import workload
from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT

GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "guide_maintenance.rst"
FLEET: dict[str, Any] = {
    "clusters": [{"uuid": "71f69d83-ba66-4822-adf5-55ce55efd210", "name": "north"}],
    "workloads": [
        workload(1, nodes=["gpu-17"]),
        workload(2, nodes=["gpu-17"]),
        workload(3, nodes=["gpu-17"], actionsSupport={"suspend": False, "delete": True}),
    ],
}
# There is no cluster here.
KUBECTL = "#!/bin/sh\n"


def _blocks(language: str) -> list[str]:
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", GUIDE.read_text())
    return [textwrap.dedent(block).strip() for block in found]


def test_every_command_of_the_guide_works(run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    (variables,) = _blocks("yaml")
    (tmp_path / "gpu-17.yml").write_text(variables.replace("/srv/runai", str(tmp_path)) + "\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").write_text(KUBECTL)
    (tmp_path / "bin" / "kubectl").chmod(0o755)
    environment = run_playbook.environment(tmp_path / "record.jsonl")
    environment["PATH"] = os.pathsep.join([str(tmp_path / "bin"), environment["PATH"]])
    commands = [
        command for block in _blocks("shell") for command in re.split(r"\n\n", block) if "ansible" in command
    ]
    output = ""
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        more = {
            "RUNAI_BASE_URL": simulator.url,
            "RUNAI_CLIENT_ID": CLIENT_ID,
            "RUNAI_CLIENT_SECRET": CLIENT_SECRET,
        }
        for command in commands:
            done = subprocess.run(
                ["sh", "-c", command.replace("/srv/runai", str(tmp_path))],
                check=False,
                cwd=tmp_path,
                env=environment | more,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            assert done.returncode == 0, command + "\n" + done.stdout + done.stderr
            output += done.stdout
    shown = output.replace("REHEARSAL on a simulator: " + simulator.url, "Control plane https://acme.run.ai")
    for line in "\n".join(_blocks("text")).replace("tenant 1001", "tenant 9000").splitlines():
        assert line.strip() in shown
    assert "train-2" in (tmp_path / "gpu-17.html").read_text()
