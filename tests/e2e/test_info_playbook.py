# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as ansible-playbook runs it: modes, defaults, loops, what a survey leaves blank, and secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner

DEFAULTS = """
- hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/gpuops.runai.runai:
      base_url: "{{ url }}"
      client_id: rehearsal
      client_secret: "{{ lookup('ansible.builtin.env', 'SECRET') }}"
  tasks:
"""
SECRET = "rehearsal-secret"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Handle]:
    with running(Settings(workloads=250, transition_seconds=3600)) as started:
        yield started


@pytest.mark.parametrize("check", [False, True])
def test_info_in_both_modes_selects_the_same_and_writes_nothing(
    simulator: Handle, run_playbook_on_each_core: PlaybookRunner, check: bool
) -> None:
    tasks = """
    - name: Probe each project
      gpuops.runai.runai_workload_info:
        projects: ["{{ item }}"]
        limit: 1
      loop: [vision, ads, search]
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
      register: nothing
    - name: Compare
      ansible.builtin.assert:
        that:
          - chosen.count > 0
          - not chosen.changed
          - nothing.ids == []
"""
    run = run_playbook_on_each_core(
        DEFAULTS + tasks, "-vvvv", extra_vars={"url": simulator.url}, env={"SECRET": SECRET}, check=check
    )
    assert run.rc == 0, run.output
    assert run.warnings == []
    assert SECRET not in run.output
    assert not any("rehearsal-token" in json.dumps(task.result) for task in run.tasks)
    *_probes, chosen, nothing = run.of("runai_workload_info")
    live = [
        one.id
        for one in simulator.state.live()
        if one.fixed["projectName"] in ("vision", "ads")
        and one.nodes
        and one.gpus >= 1
        and one.supports("suspend")
    ]
    assert sorted(chosen.result["ids"]) == sorted(live)
    assert set(chosen.result) - {"invocation"} == set(nothing.result) - {"invocation"}
    assert all(one["method"] == "GET" for one in simulator.requests() if "/token" not in one["path"])


# The last one is what older ansible-core says to a null in a list, before the module runs.
REFUSALS = "is empty|is null|criteria: not set|unable to convert to str"
BLANK = [
    'projects: ""',
    "projects: null",
    "projects:",
    "projects: []",
    "projects: [null]",
    "projects: [vision, '']",
    "projects: 'vision,'",
    'projects: "{{ unanswered }}"',
    "projects: ['{{ unanswered }}']",
    'phases: [Running]\n        projects: "{{ nothing }}"',
    "all: true\n        exclude: ''",
    'ids: ""',
    "ids: [null]",
    "limit: 1",
]


def test_info_blank_criteria_are_rejected_before_any_request(
    simulator: Handle, run_playbook_on_each_core: PlaybookRunner
) -> None:
    tasks = "".join(
        f"""
    - name: Blank {number}
      gpuops.runai.runai_workload_info:
        {blank}
      ignore_errors: true
"""
        for number, blank in enumerate(BLANK)
    )
    before = len(simulator.requests())
    variables = {"url": simulator.url, "unanswered": "", "nothing": None}
    run = run_playbook_on_each_core(DEFAULTS + tasks, extra_vars=variables, env={"SECRET": SECRET})
    refused = run.of("runai_workload_info")
    assert [task.status for task in refused] == ["ignored"] * len(BLANK), run.output
    for task in refused:
        assert task.result.get("ids", []) == []
        assert re.search(REFUSALS, task.result["msg"]), task
    assert len(simulator.requests()) == before


def test_info_failed_selection_keeps_its_keys(simulator: Handle, run_playbook: PlaybookRunner) -> None:
    tasks = """
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
"""
    run = run_playbook(DEFAULTS + tasks, extra_vars={"url": simulator.url}, env={"SECRET": SECRET})
    assert run.rc == 0, run.output
    assert run.one("runai_workload_info")["count"] == 0
    assert run.one("runai_workload_batch")["summary"]["requested"] == 0


def test_info_wrong_secret_is_reported_and_not_shown(simulator: Handle, run_playbook: PlaybookRunner) -> None:
    task = """
    - name: Select
      gpuops.runai.runai_workload_info:
        all: true
"""
    wrong = "wrong-secret-f00d"
    run = run_playbook(DEFAULTS + task, "-vvvv", extra_vars={"url": simulator.url}, env={"SECRET": wrong})
    assert run.rc == 2
    assert "401" in run.one("runai_workload_info")["msg"]
    assert wrong not in run.output
