# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook runner: a test that reads its answers must be able to fail."""

from __future__ import annotations

from tests.e2e.playbook import PlaybookRunner

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.command: "echo {{ word }}"
      changed_when: true
    - ansible.builtin.fail:
        msg: as told
"""


def test_playbook_runner_with_a_failing_task_records_each_result(run_playbook: PlaybookRunner) -> None:
    run = run_playbook(PLAYBOOK, extra_vars={"word": "hello"})
    assert run.rc == 2
    assert [task.status for task in run.tasks] == ["ok", "failed"]
    assert run.one("ansible.builtin.command")["stdout"] == "hello"
    assert run.one("fail")["msg"] == "as told"
    assert not run.warnings


def test_playbook_runner_in_check_mode_passes_it_on(run_playbook: PlaybookRunner) -> None:
    run = run_playbook(PLAYBOOK, extra_vars={"word": "hello"}, check=True)
    assert run.of("command")[0].status == "skipped"


def test_playbook_runner_of_a_play_with_a_warning_finds_it(
    run_playbook_on_each_core: PlaybookRunner,
) -> None:
    run = run_playbook_on_each_core("""
- hosts: nowhere
  tasks: []
""")
    assert run.warnings
