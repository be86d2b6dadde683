# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook: its schema, and what it launches for the sample alerts with real ansible-rulebook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
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
    with controller() as (standing, address):
        done = subprocess.run(
            [
                *(str(venv / "bin" / "ansible-rulebook"), "-r", "rulebook.yml", "-i", "inventory.yml"),
                *("--controller-url", address, "--controller-token", "a-token"),
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


def plain_actions() -> list[dict[str, Any]]:
    """The commented actions that need no controller, in the order of their rules."""
    lines = re.findall(
        r"(?m)^      # ( *run_playbook:| *name: .*| *extra_vars:| *\w+_maintenance_\w+: .*|action:)$",
        RULEBOOK.read_text(),
    )
    blocks = "\n".join(lines).split("action:\n")[1:]
    return [yaml.safe_load(textwrap.dedent(block)) for block in blocks]


@pytest.mark.parametrize("is_plain", [False, True])
def test_rulebook_meets_the_schema_and_its_conditions_parse(tmp_path: Path, is_plain: bool) -> None:
    venv = rulebook_environment()
    [ruleset] = yaml.safe_load(RULEBOOK.read_text())
    if is_plain:
        for rule, action in zip(ruleset["rules"][:3], plain_actions(), strict=True):
            rule["action"] = action
    (tmp_path / "rulebook.yml").write_text(yaml.safe_dump([ruleset]))
    done = subprocess.run(
        [str(venv / "bin" / "python"), "-c", SCHEMA_CHECK, str(tmp_path / "rulebook.yml")],
        env=environment(CHECKOUT, venv),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "4"), done.stderr


def test_rulebook_names_playbooks_and_variables_that_there_are() -> None:
    plain = [one["run_playbook"] for one in plain_actions()]
    playbooks = [one["name"].rpartition(".")[2] for one in plain]
    assert playbooks == ["maintenance_plan", "node_maintenance", "maintenance_status"]
    assert all((CHECKOUT / "playbooks" / f"{name}.yml").is_file() for name in playbooks)
    named = {name for one in plain for name in one["extra_vars"]}
    specs = yaml.safe_load((CHECKOUT / "roles/workload_maintenance/meta/argument_specs.yml").read_text())
    known = {name for one in specs["argument_specs"].values() for name in one.get("options", {})}
    table = (CHECKOUT / "docs/docsite/rst/runbook_node_maintenance.rst").read_text()
    known |= set(re.findall(r"``(node_maintenance_\w+)``", table))
    assert named <= known


@pytest.mark.skipif(shutil.which("java") is None, reason="ansible-rulebook needs Java")
def test_rulebook_with_the_sample_alerts_launches_each_template_once(tmp_path: Path) -> None:
    name = "gpu-17-2026-11-30T070000.123Z"
    end = {"kit_name": name, "kit_nodes": "gpu-17"}
    shared = {"kit_reason": "GpuXidErrors", "kit_clusters": "west"}
    begin = {"kit_name": "gpu-18-2026-11-30T070000.123Z", "kit_nodes": "gpu-18", **shared}
    hold = {"kit_clusters": "west", "kit_reason": "RunaiAgentPullRateLow"}
    assert sorted(launches(samples(), tmp_path), key=str) == sorted(
        [(PLAN, {**end, **shared}), (BEGIN, begin), (END, end), (HOLD, hold)], key=str
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
