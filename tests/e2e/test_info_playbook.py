# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as ansible-playbook runs it: modes, defaults, loops, what a survey leaves blank, and secrets."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tools.cores import OLDEST, environment_with

SECRET, WRONG = "rehearsal-secret", "wrong-secret-f00d"
# The last one is what older ansible-core says to a null in a list, before the module runs.
REFUSALS = "is empty|is null|unable to convert to str"
# Values that templates or ansible-core itself make; the unit tests have all others.
BLANK = [
    'projects: "{{ unanswered }}"',
    "projects: ['{{ unanswered }}']",
    'projects: "{{ nothing }}"',
    "projects: [null]",
]
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/gpuops.runai.runai:
      base_url: "{{ url }}"
      client_id: rehearsal
      client_secret: "{{ lookup('ansible.builtin.env', 'SECRET') }}"
  tasks:
    - name: Probe each project
      gpuops.runai.runai_workload_info:
        projects: ["{{ item }}"]
        limit: 1
      loop: [vision, ads]
    - name: Select
      gpuops.runai.runai_workload_info:
        projects: vision,ads
        min_allocated_gpus: 1
        suspendable: true
      register: chosen
    - name: Hand over
      gpuops.runai.runai_workload_batch:
        action: suspend
        ids: "{{ chosen.ids }}"
      check_mode: true
    - name: Select nothing
      gpuops.runai.runai_workload_info:
        ids: []
      register: empty
    - name: Ask for more than there is
      gpuops.runai.runai_workload_info:
        all: true
        until_gpus: 1000000
      register: short
      ignore_errors: true
    - name: Hand over all the same
      gpuops.runai.runai_workload_batch:
        action: delete
        ids: "{{ short.ids }}"
    - name: Select with a wrong secret
      gpuops.runai.runai_workload_info:
        all: true
        client_secret: "{{ lookup('ansible.builtin.env', 'WRONG') }}"
      ignore_errors: true
    - name: Compare
      ansible.builtin.assert:
        that:
          - chosen.count > 0
          - not chosen.changed
          - empty.ids == []
""" + "".join(
    f"""
    - name: Blank {number}
      gpuops.runai.runai_workload_info:
        {blank}
        phases: [Running]
      ignore_errors: true
"""
    for number, blank in enumerate(BLANK)
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Handle]:
    with running(Settings(workloads=60, transition_seconds=3600)) as started:
        yield started


@pytest.fixture(scope="module", params=["newest core, check mode", "oldest core"])
def run(
    request: pytest.FixtureRequest,
    simulator: Handle,
    collections: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> PlaybookRun:
    """One run on each ansible-core."""
    is_check = request.param.endswith("check mode")
    core = Path(sys.prefix) if is_check else environment_with(OLDEST)
    variables = {"url": simulator.url, "unanswered": "", "nothing": None}
    runner = PlaybookRunner(collections, core, tmp_path_factory.mktemp("play"))
    return runner(
        PLAYBOOK, "-vvvv", extra_vars=variables, env={"SECRET": SECRET, "WRONG": WRONG}, check=is_check
    )


def result(run: PlaybookRun, name: str) -> dict[str, Any]:
    (found,) = [task.result for task in run.tasks if task.task == name]
    return found


def test_info_in_either_mode_selects_the_same_and_writes_nothing(simulator: Handle, run: PlaybookRun) -> None:
    assert run.rc == 0, run.output
    assert run.warnings == []
    live = [
        one.id
        for one in simulator.state.live()
        if one.fixed["projectName"] in ("vision", "ads")
        and one.nodes
        and one.gpus >= 1
        and one.supports("suspend")
    ]
    chosen, nothing = result(run, "Select"), result(run, "Select nothing")
    assert sorted(chosen["ids"]) == sorted(live)
    assert set(chosen) - {"invocation"} == set(nothing) - {"invocation"}
    assert result(run, "Hand over")["summary"]["requested"] == len(live)
    assert all(one["method"] == "GET" for one in simulator.requests() if "/token" not in one["path"])


def test_info_in_a_loop_selects_for_each_item(run: PlaybookRun) -> None:
    probes = result(run, "Probe each project")["results"]
    assert [{row["project"] for row in one["workloads"]} for one in probes] == [{"vision"}, {"ads"}]


@pytest.mark.parametrize("number", range(len(BLANK)))
def test_info_with_a_blank_criterion_is_rejected(run: PlaybookRun, number: int) -> None:
    (refused,) = [task for task in run.tasks if task.task == f"Blank {number}"]
    assert refused.status == "ignored"
    assert refused.result.get("ids", []) == []
    assert re.search(REFUSALS, refused.result["msg"]), refused


def test_info_that_fails_keeps_its_keys(run: PlaybookRun) -> None:
    assert result(run, "Ask for more than there is")["count"] == 0
    assert result(run, "Hand over all the same")["summary"]["requested"] == 0


def test_info_with_a_secret_shows_it_nowhere(run: PlaybookRun) -> None:
    assert "401" in result(run, "Select with a wrong secret")["msg"]
    assert SECRET not in run.output
    assert WRONG not in run.output
    assert "rehearsal-token" not in json.dumps([task.result for task in run.tasks])
