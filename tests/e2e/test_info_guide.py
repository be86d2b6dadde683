# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task of the guide on selecting, run as it stands there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.support.workloads import workload_row
from tools.paths import CHECKOUT

GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "guide_select.rst"
WEST = "11111111-0000-4000-8000-000000000001"
EAST = "22222222-0000-4000-8000-000000000002"


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat().replace("+00:00", "Z")


def row(number: int, name: str, days: float = 0.5, **fields: Any) -> dict[str, Any]:
    """A workload that has been in its phase for so many days."""
    usual = {
        "name": name,
        "clusterId": WEST,
        "projectName": "other",
        "departmentName": "other",
        "submittedBy": "bob@example.com",
        "createdAt": days_ago(days + 1),
        "phaseUpdatedAt": days_ago(days),
        "actionsSupport": {"delete": True, "suspend": True},
    }
    return workload_row(number, **{"phase": "Stopped", **usual, **fields})


LOW: dict[str, Any] = {"phase": "Running", "preemptible": True}
HELD: dict[str, Any] = {"phase": "Running", "preemptible": False, "nodes": ["n"], "clusterId": EAST}
MORNING = [{"secondsAgo": 3 * 86_400, "percent": 90}, {"secondsAgo": 36_000, "percent": 0}]
FLEET = {
    "clusters": [{"uuid": WEST, "name": "west"}, {"uuid": EAST, "name": "east"}],
    "workloads": [
        row(1, "on-node", phase="Running", nodes=["gpu-17"]),
        row(2, "on-node-too", phase="Degraded", nodes=["gpu-17", "gpu-18"]),
        row(3, "same-node-name", phase="Running", nodes=["gpu-17"], clusterId=EAST),
        row(4, "stopped", nodes=["gpu-17"]),
        row(5, "half-idle", phase="Running", gpus=4, idleAllocatedGpus=2, nodes=["n"], preemptible=False),
        row(6, "all-idle", phase="Running", gpus=8, idleAllocatedGpus=8, nodes=["n"], preemptible=False),
        row(
            7,
            "fraction-idle",
            phase="Running",
            gpus=0.5,
            idleAllocatedGpus=0.5,
            nodes=["n"],
            preemptible=False,
        ),
        row(8, "done-long-ago", days=8, phase="Completed"),
        row(9, "failed-long-ago", days=30, phase="Failed"),
        row(10, "done-lately", days=6, phase="Completed"),
        row(11, "keep-this", days=90, phase="Completed"),
        row(12, "ada-s", projectName="vision", submittedBy="ada@example.com"),
        row(13, "bob-s", projectName="vision"),
        row(14, "eve-s", projectName="vision", submittedBy="eve@example.com", departmentName="research"),
        row(
            15, "cheap", **LOW, priority=10, gpus=8, category="Train", currentNodePools=["a100"], nodes=["n"]
        ),
        row(
            16,
            "cheaper",
            **LOW,
            priority=5,
            gpus=8,
            category="Train",
            requestedNodePools=["h100"],
            nodes=["n"],
        ),
        row(17, "dear", **LOW, priority=50, gpus=8, category="Train", nodes=["n"]),
        row(18, "researching", phase="Degraded", departmentName="research", nodes=["n"]),
        row(19, "old-notebook", days=3, phase="Running", category="Build", nodes=["n"]),
        row(20, "new-notebook", days=1, phase="Running", category="Build", nodes=["n"]),
        row(21, "waiting", days=2, phase="Pending"),
        row(22, "waiting-longer", days=5, phase="Pending"),
        row(23, "waiting-a-little", days=0.5, phase="Pending"),
        row(24, "serving", phase="Running", actionsSupport={"delete": True, "suspend": False}, nodes=["n"]),
        row(
            25,
            "serving-elsewhere",
            phase="Running",
            actionsSupport={"suspend": False},
            clusterId=EAST,
            nodes=["n"],
        ),
        row(26, "gone", projectName="vision", phase="Running", deletedAt=days_ago(1)),
        row(
            27,
            "running-vision",
            projectName="vision",
            phase="Running",
            submittedBy="ada@example.com",
            nodes=["n"],
        ),
        row(28, "unused", **HELD, days=2, gpus=8, gpuHistory={"percent": 0.4}),
        row(29, "unused-small", **HELD, days=2, gpus=2, gpuHistory={"percent": 0}),
        row(30, "used-this-morning", **HELD, days=2, gpus=8, gpuHistory={"steps": MORNING}),
        row(
            31,
            "model-loaded",
            **HELD,
            days=0.9,
            category="Build",
            gpus=1,
            gpuHistory={"percent": 0.1, "memoryBytes": 2e10},
        ),
        row(32, "one-of-eight", **HELD, days=2, gpus=8, idleAllocatedGpus=7, gpuHistory={"percent": [97, 0]}),
    ],
}
# What each task selects, in order; the heading of the guide is the task's name.
EXPECTED = {
    "Select the running workloads of a project": ["running-vision"],
    "Select by the values of a survey": ["ada-s", "bob-s", "eve-s", "running-vision"],
    "Everything on a node": ["on-node", "on-node-too"],
    "Idle now": ["all-idle", "one-of-eight", "half-idle"],
    "Finished more than a week ago": ["failed-long-ago", "done-long-ago"],
    "All of a project except those of one owner": ["bob-s", "eve-s"],
    "Preemptible training in a node pool": ["cheap"],
    "Active workloads of a department": ["researching"],
    "Notebooks left running": ["old-notebook"],
    "Pending for more than a day": ["waiting-longer", "waiting"],
    "Enough to free 16 GPUs": ["cheaper", "cheap"],
    "Workloads of a cluster that can't be suspended": ["serving"],
    "Workloads of a list that still run": ["on-node"],
    "Deleted workloads of a project": ["gone"],
    "Idle for a day, with at least 4 GPUs": ["unused"],
    "Memory held, GPUs not used": ["model-loaded"],
    "At most one of eight GPUs used now": ["one-of-eight", "all-idle"],
}


def blocks(guide: str) -> list[str]:
    """The indented lines of each YAML block of a guide."""
    found = []
    for part in guide.split(".. code-block:: yaml\n\n")[1:]:
        lines = []
        for line in part.splitlines():
            if line and not line.startswith("    "):
                break
            lines.append(line[4:])
        found.append("\n".join(lines))
    return found


def test_guide_select_every_task_selects_what_it_names(run_playbook: PlaybookRunner) -> None:
    tasks = [task for block in blocks(GUIDE.read_text()) for task in yaml.safe_load(block)]
    headings = GUIDE.read_text().partition("Fifteen selections\n")[2].split("\n^^^")[:-1]
    assert len(headings) == 15
    # What acts comes last, so that all others meet the same fleet.
    tasks.sort(key=lambda task: "gpuops.runai.runai_workload_batch" in task)
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    with running(Settings(fleet=FLEET)) as simulator:
        env = {
            "RUNAI_BASE_URL": simulator.url,
            "RUNAI_CLIENT_ID": "rehearsal",
            "RUNAI_CLIENT_SECRET": "rehearsal-secret",
        }
        run = run_playbook(yaml.safe_dump(play), extra_vars={"survey_projects": "vision"}, env=env)
    assert run.rc == 0, run.output
    assert run.warnings == []
    selected = {task.task: task.result for task in run.of("runai_workload_info")}
    names = {task: [one["name"] for one in result["workloads"]] for task, result in selected.items()}
    assert names == EXPECTED
    assert {heading.rpartition("\n")[2] for heading in headings} <= set(names)
    assert all(len(result["ids"]) == len(EXPECTED[task]) for task, result in selected.items())
    assert run.one("runai_workload_batch")["summary"]["changed"] == 1
