# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role workload_maintenance as people run it: by its playbooks, from one file of variables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.e2e.site import Site, next_command, told, workload

FLEET: dict[str, Any] = {
    "workloads": [
        workload(1),
        workload(2),
        workload(3, "Pending"),
        workload(4, "Stopped"),
        workload(5, "Completed"),
        workload(6, actionsSupport={"delete": True, "suspend": False}, type="inference"),
    ]
}
ACTIVE = [workload(number)["id"] for number in (1, 2, 3)]
SAID: dict[str, Any] = {
    "name": "night",
    "reason": "new fan",
    "projects": ["vision", "nlp"],
    "unsuspendable": "leave",
    "max_affected": 9,
    "max_percent": "none",
}
# What is started again may be at any of these.
BACK = ("Resuming", "Pending", "Initializing", "Running")

Open = Callable[..., AbstractContextManager[Site]]


@pytest.fixture
def open_site(run_playbook: PlaybookRunner, tmp_path: Path) -> Open:
    """Starts a simulator with a fleet of one's choice."""

    @contextmanager
    def opened(runner: PlaybookRunner = run_playbook, **settings: Any) -> Iterator[Site]:
        with running(Settings(**{"fleet": FLEET, "transition_seconds": 0.05, **settings})) as simulator:
            yield Site(simulator, runner, tmp_path / "records")

    return opened


def _play(site: Site, states: str, *arguments: str) -> PlaybookRun:
    """Run playbooks as the guide does, with all variables in one file."""
    playbooks = [f"gpuops.runai.maintenance_{state}" for state in states.split()]
    return site.run(*playbooks, "-e", "@night.yml", *arguments, env={"RUNAI_CLIENT_ID": CLIENT_ID})


def _printed(run: PlaybookRun) -> list[str]:
    """The lines of the run that hold anything."""
    return [line for line in run.stdout.splitlines() if line.strip()]


def test_role_maintenance_planned_begun_and_ended_restores_what_it_suspended(
    open_site: Open, run_playbook_on_the_oldest_core: PlaybookRunner
) -> None:
    with open_site(run_playbook_on_the_oldest_core) as site:
        before = site.phases()
        more = {
            "record_dir": str(site.folder),
            "base_url": site.simulator.url,
            "client_secret": CLIENT_SECRET,
            "wait_interval": 0.1,
            "settle_time": 0,
        }
        variables = {f"workload_maintenance_{key}": value for key, value in {**SAID, **more}.items()}
        (site.run.folder / "night.yml").write_text(json.dumps(variables))

        checked = _play(site, "plan", "--check")
        assert checked.rc == 0, checked.output
        assert not site.folder.exists()
        assert next_command(checked) == ["gpuops.runai.maintenance_plan", "-e", "@night.yml"]
        planned = _play(site, "plan", "-e", "awx_user_name=ada")
        assert planned.rc == 0, planned.output
        assert next_command(planned) == ["gpuops.runai.maintenance_begin", "-e", "@night.yml"]
        assert (site.recorded().state, site.recorded().by["awx_user_name"]) == ("planned", "ada")
        assert site.writes() == []

        begun = _play(site, "begin")
        assert begun.rc == 0, begun.output
        assert begun.warnings == []
        assert CLIENT_SECRET not in begun.output
        assert len(_printed(begun)) <= 60
        assert begun.stdout.count("\nTASK [") <= 6
        assert "skipped=0" in begun.stdout
        assert "begun: 3 of 3 suspended" in begun.stdout
        assert next_command(begun) == ["gpuops.runai.maintenance_end", "-e", "@night.yml"]
        assert set(site.sent("suspend")) == set(ACTIVE)

        # All that may follow, in one go: what is done already changes nothing.
        rest = _play(site, "begin status end end")
        assert rest.rc == 0, rest.output
        assert [task.result["changed"] for task in rest.of("runai_maintenance")] == [False, True, False]
        assert "3 stopped by this maintenance" in rest.stdout
        # That of the begin and that of the status.
        assert rest.stdout.count("Next: ") == 2
        assert site.recorded().state == "ended"
        assert site.sent("resume") == site.sent("suspend")
        assert all(site.phases()[one] in BACK for one in ACTIVE)
        assert {one: site.phases()[one] for one in before if one not in ACTIVE} == {
            one: before[one] for one in before if one not in ACTIVE
        }


PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/gpuops.runai.runai: &connection
      base_url: "{{ url }}"
      token: rehearsal-token
  vars:
    record_dir: "{{ folder }}"
  tasks:
    - name: Begin in check mode by keyword
      gpuops.runai.runai_maintenance: &begin
        name: 17
        state: begun
        record_dir: "{{ folder }}"
        reason: 2026-11-30
        select:
          created_before: 2026-11-30
          projects: vision
        max_affected: 5
        max_percent: none
        wait_interval: 0.1
      check_mode: true
    - name: Begin
      gpuops.runai.runai_maintenance: *begin
      check_mode: false
    - name: List
      gpuops.runai.runai_maintenance_info:
        record_dir: "{{ folder }}"
    - name: End in the mode of the play
      gpuops.runai.runai_maintenance:
        name: 17
        state: ended
        record_dir: "{{ folder }}"
"""


def test_maintenance_module_takes_what_yaml_makes_of_values_and_its_own_check_mode(
    open_site: Open, run_playbook_on_each_core: PlaybookRunner
) -> None:
    fleet = {"workloads": [workload(number, createdAt="2026-01-01T00:00:00Z") for number in (1, 2)]}
    with open_site(run_playbook_on_each_core, fleet=fleet) as site:
        said = {"url": site.simulator.url, "folder": str(site.folder)}
        run = site.run(PLAYBOOK, extra_vars=said, check=True)
        assert run.rc == 0, run.output
        predicted, begun, ended = (one.result for one in run.of("runai_maintenance"))
        assert [one["check_mode"] for one in (predicted, begun, ended)] == [True, False, True]
        assert "CHECK MODE, 1 workload would be suspended" in predicted["msg"]
        assert begun["msg"] == "Maintenance 17 (2026-11-30), begun: 1 of 1 suspended"
        assert "CHECK MODE, 1 workload would be resumed" in ended["msg"]
        (listed,) = run.one("runai_maintenance_info")["records"]
        assert (listed["name"], listed["state"], listed["workloads"]) == ("17", "begun", 1)
        assert set(site.sent("suspend")) == {workload(1)["id"]}
        assert not site.sent("resume")


def test_role_maintenance_begin_refused_names_the_worst_and_the_command_that_goes_on(open_site: Open) -> None:
    rows = [workload(number) for number in range(1, 31)]
    with open_site(fleet={"workloads": rows}) as site:
        ids = [one["id"] for one in rows[:25]]
        refuse = {"kind": "refuse_ids", "ids": ids, "message": "conflict, try later"}
        site.simulator.faults({"match": {"action": "suspend"}, "times": "always", "fault": refuse})
        said = {**SAID, "record_dir": str(site.folder), "max_affected": "none", "max_failures": "100%"}
        run = site.play("maintenance_begin", **said)
        assert run.rc == 2
        lines = told(run).splitlines()
        assert lines[0].endswith("begun: 5 of 30 suspended; 25 workloads not suspended")
        assert len([line for line in lines if line.endswith("still Running: conflict, try later")]) == 20
        assert "and 5 more" in lines
        assert len(run.output) < 20_000
        assert site.sent("suspend")[ids[0]] == 2
        site.simulator.faults()
        secret = {"workload_maintenance_client_secret": CLIENT_SECRET}
        again = site.run(*next_command(run), extra_vars=secret)
        assert again.rc == 0, again.output
        assert "30 of 30 suspended" in again.stdout


def test_role_maintenance_record_travels_by_the_artifacts_of_jobs(open_site: Open) -> None:
    with open_site() as site:
        show = {"ANSIBLE_SHOW_CUSTOM_STATS": "1"}
        job = json.dumps({"awx_job_id": 12})
        planned = site.play("maintenance_plan", "-e", job, env=show, **SAID)
        assert planned.rc == 0, planned.output
        assert "Next: in AWX, run the job template of maintenance_begin with " in planned.stdout
        begun = site.play("maintenance_begin", env=show, name="night", record=_artifact(planned))
        assert begun.rc == 0, begun.output
        ended = site.play("maintenance_end", name="night", record=_artifact(begun))
        assert ended.rc == 0, ended.output
        assert site.sent("resume") == site.sent("suspend")
        assert not site.folder.exists()


def test_role_maintenance_without_an_entry_point_says_how_to_use_it(run_playbook: PlaybookRunner) -> None:
    run = run_playbook(
        "- hosts: localhost\n  gather_facts: false\n  roles: [gpuops.runai.workload_maintenance]\n"
    )
    assert "Set tasks_from to plan, begin, end or status" in told(run)


def _artifact(run: PlaybookRun) -> str:
    (found,) = set(re.findall(r"runai-record-1:[A-Za-z0-9+/=]+", run.stdout))
    return str(found)
