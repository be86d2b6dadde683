# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook: its schema, and what it launches for the sample alerts with real ansible-rulebook."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.controller import controller
from tests.support.waiting import PATIENCE
from tools.cores import rulebook_environment
from tools.paths import CHECKOUT, environment

EDA = CHECKOUT / "extensions" / "eda"
RULEBOOK = EDA / "rulebooks" / "node_maintenance.yml"
SCHEMA_CHECK = """
import sys, yaml
from ansible_rulebook.rules_parser import parse_rule_sets
from ansible_rulebook.validators import Validate
data = yaml.safe_load(open(sys.argv[1]))
Validate.rulebook(data)
print(len(parse_rule_sets(data)[0].rules))
"""
PLAN, BEGIN = "Run:ai node: plan", "Run:ai node: fence, plan and begin"
END, HOLD = "Run:ai node: end after approval", "Run:ai: hold"


def samples() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((EDA / "samples" / "alerts.json").read_text())
    return found


def launches(requests: list[dict[str, Any]], folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Feed the rules with requests of Alertmanager; return what was launched."""
    venv = rulebook_environment()
    [ruleset] = yaml.safe_load(RULEBOOK.read_text())
    [source] = ruleset["sources"]
    del source["eda.builtin.webhook"]
    source["eda.builtin.generic"] = {"payload": [{"payload": one} for one in requests]}
    (folder / "rulebook.yml").write_text(yaml.safe_dump([ruleset], sort_keys=False))
    (folder / "inventory.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    with controller() as standing:
        done = subprocess.run(
            [
                *(str(venv / "bin" / "ansible-rulebook"), "-r", "rulebook.yml", "-i", "inventory.yml"),
                *("--controller-url", standing.url, "--controller-token", "a-token"),
            ],
            cwd=folder,
            env={**environment(folder, venv), "EDA_JOB_TEMPLATE_REFRESH_DELAY": "0.2"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return standing.launched


def test_rulebook_meets_the_schema_and_its_conditions_parse() -> None:
    venv = rulebook_environment()
    done = subprocess.run(
        [str(venv / "bin" / "python"), "-c", SCHEMA_CHECK, str(RULEBOOK)],
        env=environment(CHECKOUT, venv),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "4"), done.stderr


@pytest.mark.skipif(shutil.which("java") is None, reason="ansible-rulebook needs Java")
def test_rulebook_with_the_sample_alerts_launches_each_template_once(tmp_path: Path) -> None:
    name = "gpu-17-2026-11-30T070000.123Z"
    shared = {"workload_maintenance_reason": "GpuXidErrors", "workload_maintenance_clusters": "west"}
    plan = {"workload_maintenance_name": name, "workload_maintenance_nodes": "gpu-17", **shared}
    begin = {
        "workload_maintenance_name": "gpu-18-2026-11-30T070000.123Z",
        "workload_maintenance_nodes": "gpu-18",
        **shared,
    }
    hold = {"runai_hold_cluster": "west", "runai_hold_reason": "RunaiAgentPullRateLow"}
    assert sorted(launches(samples(), tmp_path), key=str) == sorted(
        [(PLAN, plan), (BEGIN, begin), (END, {"workload_maintenance_name": name}), (HOLD, hold)], key=str
    )


@pytest.mark.skipif(shutil.which("java") is None, reason="ansible-rulebook needs Java")
def test_rulebook_with_alerts_that_are_not_meant_or_hold_braces_launches_nothing(tmp_path: Path) -> None:
    [first, *_rest] = samples()
    alert = first["alerts"][0]
    # Whole templates can't be fed here: ansible-rulebook renders the arguments of a source.
    changes: list[dict[str, Any]] = [
        {"runai_maintenance": "delete"},
        {"node": "{gpu-17}"},
        {"node": "gpu-17,gpu-18"},
        {"cluster": "west, any"},
        {"alertname": "{42}"},
    ]
    odd = [{**alert, "labels": {**alert["labels"], **change}} for change in changes]
    unlabelled = {**alert, "labels": {"alertname": "Watchdog"}}
    assert launches([{"alerts": [*odd, unlabelled]}], tmp_path) == []
