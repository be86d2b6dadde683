# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance, by its playbooks, against the batch module with `wait: true` on the same ids."""

from __future__ import annotations

import json
import shutil
from typing import Any

from benchmarks.control_plane import ControlPlane
from benchmarks.cost import RunFailed, measure
from benchmarks.runs import HERE, WORK, Run
from simulator.settings import CLIENT_ID, CLIENT_SECRET
from tools.paths import LINKED_TREE, command, environment

# Each step of a maintenance, what it is compared with, and the action that both send.
STEPS = {"begin": ("batch suspend", "suspend"), "end": ("batch resume", "resume")}
TITLES = {
    "batch suspend": "runai_workload_batch, suspend and wait",
    "begin": "maintenance_begin",
    "batch resume": "runai_workload_batch, resume and wait",
    "end": "maintenance_end",
}
_WAIT_INTERVAL = 1


def run_turn(control_plane: ControlPlane) -> dict[str, Run]:
    """Suspend and resume the whole fleet, once by each way. Raises RunFailed."""
    ids_file, records = WORK / "ids.txt", WORK / "records"
    ids_file.write_text("\n".join(control_plane.ids))
    shutil.rmtree(records, ignore_errors=True)
    connection = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    runs: dict[str, Run] = {}
    control_plane.prepare()
    for batch, action in STEPS.values():
        more = {"url": control_plane.url, "ids_file": str(ids_file), "action_of_batch": action}
        runs[batch] = _play(
            str(HERE / "contenders" / "batch_wait.yml"), connection | more, control_plane, action
        )
    said: dict[str, Any] = {
        "name": "bench",
        "reason": "a benchmark",
        "all": True,
        "max_affected": "none",
        "max_percent": "100",
        "record_dir": str(records),
        "base_url": control_plane.url,
        "wait_interval": _WAIT_INTERVAL,
        **connection,
    }
    variables = {f"workload_maintenance_{key}": value for key, value in said.items()}
    control_plane.prepare()
    _play("gpuops.runai.maintenance_plan", variables, control_plane)
    for step, (_batch, action) in STEPS.items():
        runs[step] = _play(f"gpuops.runai.maintenance_{step}", variables, control_plane, action)
    return runs


def _play(playbook: str, variables: dict[str, Any], control_plane: ControlPlane, action: str = "") -> Run:
    """Run a playbook, and make sure that it sent every id once."""
    given = WORK / "given.json"
    given.write_text(json.dumps(variables))
    before = control_plane.summary()["requests"]
    words = [command("ansible-playbook"), "--extra-vars", f"@{given}", playbook]
    cost = measure(words, environment(LINKED_TREE), WORK / "output.txt")
    summary = control_plane.summary()
    sent = summary["ids_sent"].get(action, {})
    if action and (set(sent.values()) != {1} or len(sent) != len(control_plane.ids)):
        raise RunFailed(f"{playbook} did not do what it is measured for: {summary['batches']}")
    return Run(cost, summary["requests"] - before)
