# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the runbooks of the roles, run as typed and in order; and the examples of the roles."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.pages import blocks, commands, last_of_each, page
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import workload
from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT

# Those of nodes, of a rehearsal and of a reclaim have tests of their own.
PAGES = ("runbook_cluster_upgrade", "runbook_quota_emergency", "runbook_nightly_cleanup")
LONG_AGO = (datetime.now(UTC) - timedelta(days=20)).isoformat().replace("+00:00", "Z")
FLEET: dict[str, Any] = {
    "workloads": [
        *(workload(number, nodes=["gpu-17"]) for number in (1, 2)),
        *(workload(number, nodes=["gpu-18"], preemptible=True, priority=number) for number in (3, 4, 5, 6)),
        workload(25, nodes=["gpu-19"], actionsSupport={"suspend": False, "delete": True}),
        *(
            workload(number, "Completed", completedAt=LONG_AGO, phaseUpdatedAt=LONG_AGO)
            for number in range(8, 18)
        ),
    ]
}
# The control plane refuses one workload of each action from one of these headings until the next one.
REFUSES = ("Begin", "Run it each night")
REFUSES_NO_MORE = "When a few failed"
REFUSALS: dict[str, Any] = {
    "match": {"path": "/api/v1/workloads/batch"},
    "times": "always",
    "fault": {
        "kind": "refuse_ids",
        "ids": [workload(number)["id"] for number in (3, 8)],
        "message": "owned by another",
    },
}
ACTS = ("maintenance_begin", "runai.cleanup")


def headed_commands(text: str) -> list[tuple[str, str]]:
    """The shell commands of a page in order, each with the heading that it stands below."""
    parts = re.split(r"^(.+)\n-+\n", text, flags=re.MULTILINE)
    return [
        (heading, command)
        for heading, part in zip(parts[1::2], parts[2::2], strict=True)
        for command in commands(part)
    ]


def steps(text: str) -> list[tuple[str, bool]]:
    """The commands in order, each with whether the control plane refuses a part of it."""
    found: list[tuple[str, bool]] = []
    is_refusing = False
    for heading, command in headed_commands(text):
        is_refusing = heading in REFUSES or (is_refusing and heading != REFUSES_NO_MORE)
        found.append((command, is_refusing and any(one in command for one in ACTS)))
    return last_of_each(found)


@pytest.mark.parametrize("name", PAGES)
def test_runbook_each_command_works_as_typed(name: str, run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    place = tmp_path / "srv"
    place.mkdir(mode=0o700)
    (place / "records").mkdir(mode=0o700)
    text = page(name).replace("/srv/runai", str(place))
    (variables,) = blocks(text, "yaml")
    (name_of_file,) = set(re.findall(r"-e @(\S+)", text))
    (tmp_path / name_of_file).write_text(variables)
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        environment = run_playbook.environment(tmp_path / "record.jsonl")
        environment |= {"RUNAI_BASE_URL": simulator.url, "RUNAI_BEARER_TOKEN": "rehearsal-token"}
        for command, is_refused in steps(text):
            simulator.faults(*([REFUSALS] if is_refused else []))
            done = subprocess.run(
                ["sh", "-c", command],
                check=False,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            expected = 2 if is_refused else 0
            assert done.returncode == expected, command + "\n" + done.stdout + done.stderr
            assert is_refused <= ("owned by another" in done.stdout)
        assert "Stopped" not in {one.phase for one in simulator.state.live()}


@pytest.mark.parametrize("role", ["workload_maintenance", "workload_cleanup"])
def test_role_example_of_its_readme_works(role: str, run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    text = (CHECKOUT / "roles" / role / "README.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    example = example.replace("/srv/runai", str(tmp_path))
    (tmp_path / "records").mkdir(mode=0o700)
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        environment = {"RUNAI_BASE_URL": simulator.url, "RUNAI_BEARER_TOKEN": "rehearsal-token"}
        done = run_playbook(example, env=environment)
        assert done.rc == 0, done.output
        assert done.warnings == []
        assert sum(simulator.summary()["batches"].values()) == 1
