# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All modules and playbooks on each ansible-core from the oldest supported to the newest pre-release.

`make test-matrix` runs this; `make test` does not. The modules run once with the Python of ansible-core
itself, and once with the oldest Python and `requests` that are supported for targets.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e import test_role_cleanup, test_role_maintenance, test_role_reclaim
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.e2e.site import Site
from tools.cores import environment_of_any_python, oldest_target, supported_versions
from tools.paths import CHECKOUT

MODULES = """
- hosts: localhost
  gather_facts: false
  tasks:
    - gpuops.runai.runai_workload_info:
        projects: [vision]
        phases: [Running]
        suspendable: true
      register: found
    - gpuops.runai.runai_workload_batch:
        action: "{{ item }}"
        ids: "{{ found.ids }}"
        wait: true
        wait_interval: 0.1
      loop: [suspend, resume, delete]
"""
MAINTENANCE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - gpuops.runai.runai_maintenance:
        name: matrix
        state: "{{ item }}"
        record_dir: "{{ folder }}"
        reason: "{{ (item == 'begun') | ternary('matrix', omit) }}"
        select: "{{ (item == 'begun') | ternary({'projects': ['vision']}, omit) }}"
        unsuspendable: leave
        max_affected: none
        max_percent: none
        wait_interval: 0.1
      loop: [begun, ended]
    - gpuops.runai.runai_maintenance_info:
        record_dir: "{{ folder }}"
    - gpuops.runai.runai_idle_report:
        select: {projects: [vision], idle_for: 2h}
        paths: ["{{ folder }}/idle.csv", "{{ folder }}/idle.html"]
    - ansible.builtin.assert:
        that: groups.ungrouped | length > 2
"""
INVENTORY = "plugin: gpuops.runai.runai_nodes\nstrict: true\n"


@pytest.fixture(scope="module", params=supported_versions())
def core(request: pytest.FixtureRequest) -> Path:
    """Virtual environment with this ansible-core."""
    found = environment_of_any_python(request.param)
    if found is None:
        pytest.skip(f"no interpreter here runs ansible-core {request.param}")
    return found


@pytest.fixture(params=["its own Python", "the oldest target"])
def interpreter(request: pytest.FixtureRequest, core: Path) -> Path:
    """Python that runs the modules."""
    if request.param == "its own Python":
        return core / "bin" / "python"
    found = oldest_target()
    if found is None:
        pytest.skip("no interpreter here is the oldest supported one")
    return found / "bin" / "python"


def check(run: PlaybookRun) -> set[str]:
    """Names of the modules that it used. Fails on a failed run, and on any warning."""
    assert run.rc == 0, run.output
    assert run.warnings == []
    return {task.action.rpartition(".")[2] for task in run.tasks}


def test_modules_and_playbooks_run_without_warnings(
    collections: Path, core: Path, interpreter: Path, tmp_path: Path
) -> None:
    runner = PlaybookRunner(collections, core, tmp_path)
    env = {"ANSIBLE_PYTHON_INTERPRETER": str(interpreter)}
    used: set[str] = set()

    def play_all(fleet: Any, *plays: Callable[[Site], PlaybookRun]) -> None:
        with running(Settings(fleet=fleet, transition_seconds=0.05)) as simulator:
            site = Site(simulator, runner, tmp_path / "records")
            for play in plays:
                used.update(check(play(site)))

    def role(playbook: str, **said: Any) -> Callable[[Site], PlaybookRun]:
        return lambda site: site.play(playbook, env=env, record_dir=str(site.folder), **said)

    def plain(playbook: str, *arguments: str, **variables: Any) -> Callable[[Site], PlaybookRun]:
        def play(site: Site) -> PlaybookRun:
            connection = {
                "RUNAI_BASE_URL": site.simulator.url,
                "RUNAI_CLIENT_ID": CLIENT_ID,
                "RUNAI_CLIENT_SECRET": CLIENT_SECRET,
            }
            return runner(playbook, *arguments, env={**env, **connection}, extra_vars=variables)

        return play

    maintenance = test_role_maintenance.SAID
    name = maintenance["name"]
    play_all(
        test_role_maintenance.FLEET,
        role("maintenance_plan", **maintenance),
        role("maintenance_begin", **maintenance),
        role("maintenance_status", name=name),
        role("maintenance_end", name=name),
        plain("gpuops.runai.fleet_export", fleet_export_path=str(tmp_path / "fleet.json")),
        plain(MODULES),
    )
    (tmp_path / "runai_nodes.yml").write_text(INVENTORY)
    (tmp_path / "private").mkdir(mode=0o700)
    with running(Settings(workloads=30, transition_seconds=0.05)) as simulator:
        play = plain(MAINTENANCE, "-i", str(tmp_path / "runai_nodes.yml"), folder=str(tmp_path / "private"))
        used.update(check(play(Site(simulator, runner, tmp_path / "records"))))
    play_all(
        {"workloads": test_role_cleanup.FLEET},
        role("cleanup", **{**test_role_cleanup.SAID, "max_percent": 100}),
    )
    play_all(
        {"workloads": test_role_reclaim.FLEET},
        role("reclaim_report", **test_role_reclaim.SAID),
        role("reclaim", **{**test_role_reclaim.SAID, "notice": "none"}),
    )
    files = (CHECKOUT / "plugins" / "modules").glob("*.py")
    # The roles' own tasks are named by the module that they run.
    assert {file.stem for file in files} - {"runai_role_task"} <= used
