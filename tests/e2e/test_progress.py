# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress lines of runai_workload_batch: live where they can be had, and never in anyone's way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner
import pexpect  # type: ignore[import-untyped]
import pytest
import yaml

from simulator.server import Handle, running
from simulator.settings import CLIENT_SECRET, Settings
from tests.e2e.playbook import JOB_TIMES, LOST_JOB, PLUGINS, PlaybookRun, PlaybookRunner
from tests.support.waiting import PATIENCE
from tests.support.workloads import fleet, workload_ids, workload_row
from tools.cores import LATEST, OLDEST, environment_with, python_for_latest

# Apart from the plugins that every run gets, which would take these for its own kind.
FOLDER = Path(__file__).parent
MODULE = "gpuops.runai.runai_workload_batch"
LINE = r"(?m)^runai \w+: [^\r\n]*"
PHASES_AND_BATCHES = [
    "runai suspend: reading the state of 5 workloads",
    "runai suspend: acting on 5 workloads",
    "runai suspend: 2/5 ids, 2 changed, batch 1 of 3",
    "runai suspend: 4/5 ids, 4 changed, batch 2 of 3",
    "runai suspend: 5/5 ids, 5 changed, batch 3 of 3",
    "runai suspend: 5 changed of 5",
]
# All that one job shows, each task with five workloads of its own; the connection is a default of the group.
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  module_defaults: &defaults
    group/gpuops.runai.runai:
      base_url: "{{ url }}"
      client_id: rehearsal
      client_secret: "{{ 'rehearsal' }}-secret"
  tasks:
    - name: batches
      gpuops.runai.runai_workload_batch:
        {action: suspend, ids: "{{ sets[0] }}", batch_size: 2, concurrency: 1}
    - name: loop
      gpuops.runai.runai_workload_batch:
        {action: "{{ item }}", ids: "{{ sets[1] }}", wait: true, wait_interval: 0.05}
      loop: [suspend, resume]
      register: done
      until: done is succeeded
      retries: 2
      delay: 0
    - name: no log
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ sets[2] }}"}
      no_log: true
    - name: refused
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ sets[3] }}"}
      ignore_errors: true
    - name: another host
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ sets[4] }}"}
      vars: {ansible_connection: elsewhere}
    - name: another user
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ sets[5] }}"}
      become: true
      vars: {ansible_become_method: sudo, ansible_become_exe: "{{ sudo }}"}
    - name: environment
      gpuops.runai.runai_workload_batch: {base_url: "", action: suspend, ids: "{{ sets[6] }}"}
      environment: {RUNAI_BASE_URL: "{{ url }}"}
    - name: timeout
      gpuops.runai.runai_workload_batch:
        {action: suspend, ids: "{{ frozen }}", wait: true, wait_timeout: 3600, wait_interval: 0.1}
      timeout: 5
      ignore_errors: true
    - name: environment and pipes
      ansible.builtin.shell: env; echo pipes; find "$ANSIBLE_LOCAL_TEMP" -name 'runai-*'
- hosts: far.example.com
  gather_facts: false
  module_defaults: *defaults
  tasks:
    - name: delegated
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ sets[7] }}"}
      delegate_to: localhost
- hosts: [red, blue]
  gather_facts: false
  strategy: free
  connection: local
  module_defaults: *defaults
  tasks:
    - name: several hosts
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ sets[8] }}"}
      check_mode: true
"""
SETS = [workload_ids(5, 5 * number) for number in range(9)]
FROZEN = range(1000, 1005)


def environment_of(name: str) -> Path:
    """The environment with the ansible-core of this name."""
    if name == "newest":
        return Path(sys.prefix)
    if name == "oldest":
        return environment_with(OLDEST)
    python = python_for_latest()
    if sys.version_info >= (3, 12) or python is None:
        pytest.skip("the newest here is the latest" if python else "no Python for the latest ansible-core")
    return environment_with(LATEST, python)


def lines_of(output: str) -> list[str]:
    return re.findall(LINE, output)


@dataclass(frozen=True)
class Job:
    """A job with the most verbose output: its events and its terminal."""

    rc: int
    events: list[dict[str, Any]]
    terminal: str

    def shown(self, task: str) -> str:
        """All that was printed while this task was the current one."""
        current, found = "", []
        for event in self.events:
            if event["event"] == "playbook_on_task_start":
                current = event["event_data"]["task"]
            if current == task:
                found.append(event["stdout"])
        return "\n".join(found)

    def lines(self, task: str) -> list[str]:
        return lines_of(self.shown(task))

    def results(self, task: str) -> list[dict[str, Any]]:
        """What the task returned, for each item and each host."""
        ends = ("runner_on_ok", "runner_on_failed")
        data = [event["event_data"] for event in self.events if event["event"] in ends]
        return [one["res"] for one in data if one["task"] == task]

    def one(self, task: str) -> dict[str, Any]:
        (found,) = self.results(task)
        return found


@pytest.fixture(scope="module", params=["newest", "oldest", "latest"])
def job(request: pytest.FixtureRequest, collections: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """One job on each of the two ansible-cores that all is tested with, and on the latest of all."""
    core, folder = environment_of(request.param), tmp_path_factory.mktemp("job")
    (folder / "project").mkdir()
    (folder / "project" / "play.yml").write_text(PLAYBOOK)
    # Hands on nothing of the environment, as sudo does.
    sudo = folder / "sudo"
    sudo.write_text('#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec env -i PATH="$PATH" "$@"\n')
    sudo.chmod(0o755)
    (folder / "inventory").mkdir()
    (folder / "inventory" / "hosts").write_text("far.example.com\nred\nblue\n")
    workloads = fleet(5 * len(SETS))["workloads"]
    workloads += [workload_row(number, "Stopping", frozen=True) for number in FROZEN]
    refusal = {"kind": "refuse_ids", "ids": SETS[3], "message": f"{CLIENT_SECRET} is refused"}
    faults = [{"match": {"action": "suspend"}, "times": "always", "fault": refusal}]
    settings = Settings(fleet={"workloads": workloads}, transition_seconds=0.05, faults=faults)
    with running(settings) as simulator:
        done = ansible_runner.run(
            private_data_dir=str(folder),
            playbook="play.yml",
            extravars={
                "url": simulator.url,
                "sets": SETS,
                "frozen": [row["id"] for row in workloads[-5:]],
                "sudo": str(sudo),
            },
            envvars=PlaybookRunner(collections, core, folder).environment(folder / "record")
            | {
                "ANSIBLE_BECOME_ALLOW_SAME_USER": "true",
                "ANSIBLE_CONNECTION_PLUGINS": str(FOLDER / "connection"),
                "ANSIBLE_INJECT_INVOCATION": "true",
                "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            },
            verbosity=4,
            quiet=True,
        )
    with done.stdout as terminal:
        return Job(done.rc, list(done.events), terminal.read())


def test_progress_of_a_task_shows_each_phase_and_each_batch_and_the_message_last(job: Job) -> None:
    assert job.rc == 0, job.terminal
    assert job.lines("batches") == PHASES_AND_BATCHES
    assert "runai " + job.one("batches")["msg"] == PHASES_AND_BATCHES[-1]


def test_progress_in_the_events_of_a_job_has_the_words_of_the_terminal(job: Job) -> None:
    told = [event["stdout"] for event in job.events if event["event"] == "verbose"]
    told = [line for line in told if re.match(LINE, line)]
    assert told == lines_of(job.terminal)
    assert told[:6] == PHASES_AND_BATCHES


def test_progress_of_a_loop_with_until_shows_the_lines_of_each_item(job: Job) -> None:
    assert [line for line in job.lines("loop") if line.endswith(" of 5")] == [
        "runai suspend: 5 changed of 5",
        "runai resume: 5 changed of 5",
    ]


def test_progress_with_no_log_shows_nothing(job: Job) -> None:
    assert len(job.results("no log")) == 1
    assert job.lines("no log") == []
    assert "5 changed" not in job.shown("no log")


def test_progress_with_a_secret_in_a_refusal_hides_it(job: Job) -> None:
    assert job.lines("refused")[-1] == (
        "runai suspend: 0 changed, 5 failed of 5 (409 ******** is refused: 5)"
    )
    assert CLIENT_SECRET not in job.terminal


@pytest.mark.parametrize("elsewhere", ["another host", "another user"])
def test_progress_of_a_module_that_runs_elsewhere_shows_nothing(job: Job, elsewhere: str) -> None:
    assert job.one(elsewhere)["summary"]["changed"] == 5
    assert job.lines(elsewhere) == []


@pytest.mark.parametrize("task", ["delegated", "environment"])
def test_progress_of_a_task_with_its_own_keywords_shows_lines(job: Job, task: str) -> None:
    assert job.one(task)["summary"]["changed"] == 5
    assert job.lines(task)[-1] == "runai suspend: 5 changed of 5"


def test_progress_of_several_hosts_at_once_names_the_host_of_each_line(job: Job) -> None:
    assert len(job.results("several hosts")) == 2
    for host in ("red", "blue"):
        assert re.findall(rf"(?m)^\[{host}\] (runai [^\r\n]*)", job.shown("several hosts")) == [
            "runai suspend: reading the state of 5 workloads",
            "runai suspend: 5 would change of 5",
        ]
    assert job.lines("several hosts") == []


def test_progress_of_a_task_that_timed_out_leaves_nothing(job: Job) -> None:
    assert re.search("[Tt]imed? ?out|expected time frame", job.one("timeout")["msg"])
    # On a slow machine the module comes less far.
    lines = [
        "runai suspend: reading the state of 5 workloads",
        "runai suspend: waiting for 5 workloads to be Stopped",
    ]
    told = job.lines("timeout")
    assert told == lines[: len(told)]
    assert job.one("environment and pipes")["stdout"].splitlines()[-1] == "pipes"


def test_progress_channel_is_shown_nowhere(job: Job) -> None:
    documented = set(yaml.safe_load(_documentation())["options"])
    assert documented < set(job.one("batches")["invocation"]["module_args"])
    assert "PATH=" in job.one("environment and pipes")["stdout"]
    assert "_GPUOPS" not in json.dumps(job.events) + job.terminal
    assert "/progress" not in job.terminal


def _documentation() -> str:
    """The module's own options; those of the fragments are not among them."""
    source = FOLDER.parent.parent / "plugins" / "modules" / "runai_workload_batch.py"
    (text,) = re.findall(r'(?s)^DOCUMENTATION = r"""(.*?)"""', source.read_text(), re.MULTILINE)
    return str(text)


@pytest.fixture
def simulator() -> Iterator[Handle]:
    with running(Settings(fleet=fleet(5), transition_seconds=3600)) as handle:
        yield handle


def play(simulator: Handle, *, options: dict[str, Any] | None = None, **task: Any) -> str:
    """A play that suspends the whole fleet, with further options of the module and keywords of the task."""
    arguments = {
        "action": "suspend",
        "base_url": simulator.url,
        "client_id": "rehearsal",
        "client_secret": CLIENT_SECRET,
        "ids": workload_ids(5),
        **(options or {}),
    }
    tasks = [{MODULE: arguments, **task}]
    return yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}], sort_keys=False)


def assert_worked(run: PlaybookRun) -> None:
    assert run.rc == 0, run.output
    assert not run.warnings
    assert run.one(MODULE)["summary"]["changed"] == 5


@pytest.mark.parametrize(
    ("core", "number"),
    [("newest", signal.SIGTERM), ("oldest", signal.SIGINT), ("latest", signal.SIGINT)],
)
def test_progress_lines_come_while_the_module_works_and_a_killed_play_leaves_nothing(
    simulator: Handle, collections: Path, tmp_path: Path, core: str, number: signal.Signals
) -> None:
    local = tmp_path / "local"
    playbook = tmp_path / "play.yml"
    playbook.write_text(play(simulator, options={"wait": True, "wait_timeout": 3600, "wait_interval": 0.1}))
    runner = PlaybookRunner(collections, environment_of(core), tmp_path)
    child = pexpect.spawn(
        str(runner.core / "bin" / "ansible-playbook"),
        [str(playbook)],
        cwd=str(tmp_path),
        env={**runner.environment(tmp_path / "record"), "ANSIBLE_LOCAL_TEMP": str(local)},
        encoding="utf-8",
        dimensions=(50, 300),
        timeout=PATIENCE,
    )
    # No workload stops, so the line was not held back until the end of the task.
    child.expect_exact("runai suspend: waiting for 5 workloads to be Stopped")
    child.kill(number)
    child.expect(pexpect.EOF)
    child.wait()
    # Ansible's own folder stays after a TERM.
    assert list(local.rglob("runai-*")) == []


def test_progress_of_an_asynchronous_task_shows_nothing(run_playbook: PlaybookRunner) -> None:
    for seconds in JOB_TIMES:
        in_background: dict[str, Any] = {"async": seconds, "poll": 1}
        with running(Settings(fleet=fleet(5))) as simulator:
            run = run_playbook(play(simulator, **in_background))
        if not LOST_JOB.search(run.output):
            break
    assert_worked(run)
    assert lines_of(run.output) == []


def test_progress_with_output_for_programs_leaves_it_alone(
    run_playbook: PlaybookRunner, simulator: Handle
) -> None:
    callbacks = os.pathsep.join([str(PLUGINS), str(FOLDER / "callback")])
    env = {"ANSIBLE_STDOUT_CALLBACK": "json", "ANSIBLE_CALLBACK_PLUGINS": callbacks}
    run = run_playbook(play(simulator), env=env)
    assert_worked(run)
    assert json.loads(run.stdout) == {"ended": True}


def test_module_without_its_action_plugin_works(collections: Path, simulator: Handle, tmp_path: Path) -> None:
    """Run it as `ansible-test` and others do: by itself, with its options on standard input."""
    (arguments,) = (task[MODULE] for task in yaml.safe_load(play(simulator))[0]["tasks"])
    done = subprocess.run(
        [
            str(environment_with(OLDEST) / "bin" / "python"),
            "-m",
            "ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch",
        ],
        check=False,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(collections)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    result = json.loads(done.stdout)
    assert result["summary"]["changed"] == 5, result
    assert not done.stderr
