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
from pathlib import Path
from typing import Any

import ansible_runner
import pexpect  # type: ignore[import-untyped]
import pytest
import yaml

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.playbook import JOB_TIMES, LOST_JOB, PLUGINS, PlaybookRun, PlaybookRunner
from tests.support.waiting import PATIENCE
from tests.support.workloads import fleet
from tools.cores import LATEST, OLDEST, environment_with, python_for_latest

# Apart from the plugins that every run gets, which would take these for its own kind.
FOLDER = Path(__file__).parent
MODULE = "gpuops.runai.runai_workload_batch"


def settings(size: int) -> Settings:
    return Settings(fleet=fleet(size), transition_seconds=0.1)


@pytest.fixture(params=["newest", "oldest", "latest"])
def run_playbook_on_every_core(
    request: pytest.FixtureRequest, collections: Path, tmp_path: Path
) -> PlaybookRunner:
    """Run a playbook with the two ansible-cores that all is tested with, and with the latest of all."""
    core = Path(sys.prefix)
    if request.param == "oldest":
        core = environment_with(OLDEST)
    elif request.param == "latest":
        python = python_for_latest()
        if sys.version_info >= (3, 12) or python is None:
            pytest.skip(
                "the newest here is the latest" if python else "no Python for the latest ansible-core"
            )
        core = environment_with(LATEST, python)
    return PlaybookRunner(collections, core, tmp_path)


@pytest.fixture
def simulator() -> Iterator[Handle]:
    with running(settings(5)) as handle:
        yield handle


def play(simulator: Handle, *, options: dict[str, Any] | None = None, **task: Any) -> str:
    """A play that suspends the whole fleet, with further options of the module and keywords of the task."""
    arguments = {
        "action": "suspend",
        "base_url": simulator.url,
        "client_id": "rehearsal",
        "client_secret": "{{ 'rehearsal' }}-secret",
        "ids": [workload.id for workload in simulator.state.live()],
        "concurrency": 1,
        **(options or {}),
    }
    return yaml.safe_dump(
        [
            {
                "hosts": "localhost",
                "gather_facts": False,
                "tasks": [{MODULE: arguments, "register": "done", **task}],
            }
        ],
        sort_keys=False,
    )


def lines_of(output: str) -> list[str]:
    return re.findall(r"(?m)^runai \w+: [^\r\n]*", output)


def assert_worked(run: PlaybookRun, simulator: Handle) -> dict[str, Any]:
    assert run.rc == 0, run.output
    assert not run.warnings
    result = run.one(MODULE)
    assert result["changed"]
    assert result["summary"]["changed"] == 5
    assert {simulator.state.phase(one.id) for one in simulator.state.live()} <= {"Stopping", "Stopped"}
    return result


def test_lines_come_while_the_module_works(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle, tmp_path: Path
) -> None:
    simulator.configure(transition_seconds=3600)
    runner = run_playbook_on_every_core
    playbook = tmp_path / "play.yml"
    playbook.write_text(play(simulator, options={"wait": True, "wait_interval": 0.1}))
    child = pexpect.spawn(
        str(runner.core / "bin" / "ansible-playbook"),
        [str(playbook)],
        cwd=str(tmp_path),
        env=runner.environment(tmp_path / "record"),
        encoding="utf-8",
        dimensions=(50, 300),
        timeout=PATIENCE,
    )
    child.expect_exact("runai suspend: waiting for 5 workloads to be Stopped")
    # The task can't end before this, so the line was not held back until its end.
    for workload in simulator.state.live():
        simulator.state.set_phase(workload.id, "Stopped")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_each_phase_and_each_batch_is_told_and_the_message_last(
    run_playbook_on_each_core: PlaybookRunner, simulator: Handle
) -> None:
    run = run_playbook_on_each_core(play(simulator, options={"batch_size": 2}))
    result = assert_worked(run, simulator)
    assert lines_of(run.stdout) == [
        "runai suspend: reading the state of 5 workloads",
        "runai suspend: acting on 5 workloads",
        "runai suspend: 2/5 ids, 2 changed, batch 1 of 3",
        "runai suspend: 4/5 ids, 4 changed, batch 2 of 3",
        "runai suspend: 5/5 ids, 5 changed, batch 3 of 3",
        "runai suspend: 5 changed of 5",
    ]
    assert "runai " + result["msg"] == lines_of(run.stdout)[-1]


def test_job_events_have_the_words_of_the_terminal(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle, tmp_path: Path
) -> None:
    data = tmp_path / "runner"
    (data / "project").mkdir(parents=True)
    (data / "project" / "play.yml").write_text(play(simulator, options={"batch_size": 2}))
    run = ansible_runner.run(
        private_data_dir=str(data),
        playbook="play.yml",
        envvars=run_playbook_on_every_core.environment(tmp_path / "record"),
        quiet=True,
    )
    assert run.rc == 0
    told = [event["stdout"] for event in run.events if event["event"] == "verbose"]
    assert told == [
        "runai suspend: reading the state of 5 workloads",
        "runai suspend: acting on 5 workloads",
        "runai suspend: 2/5 ids, 2 changed, batch 1 of 3",
        "runai suspend: 4/5 ids, 4 changed, batch 2 of 3",
        "runai suspend: 5/5 ids, 5 changed, batch 3 of 3",
        "runai suspend: 5 changed of 5",
    ]


def test_many_batches_are_thinned(run_playbook: PlaybookRunner) -> None:
    with running(settings(120)) as simulator:
        run = run_playbook(play(simulator, options={"batch_size": 1, "concurrency": 8}))
    told = [line for line in lines_of(run.stdout) if " batch " in line]
    assert len(told) == 50
    assert told[-1] == "runai suspend: 120/120 ids, 120 changed, batch 120 of 120"


def test_check_mode_tells_what_would_change(run_playbook: PlaybookRunner, simulator: Handle) -> None:
    run = run_playbook(play(simulator), check=True)
    assert run.rc == 0
    assert lines_of(run.stdout) == [
        "runai suspend: reading the state of 5 workloads",
        "runai suspend: 5 would change of 5",
    ]


def test_a_loop_and_until_work_as_ever(run_playbook_on_each_core: PlaybookRunner, simulator: Handle) -> None:
    run = run_playbook_on_each_core(
        play(
            simulator,
            options={"action": "{{ item }}", "wait": True, "wait_interval": 0.05},
            loop=["suspend", "resume"],
            until="done is succeeded",
            retries=2,
            delay=0,
        )
    )
    assert run.rc == 0, run.output
    assert not run.warnings
    assert [item["action"] for item in run.one(MODULE)["results"]] == ["suspend", "resume"]
    assert [line for line in lines_of(run.stdout) if line.endswith(" of 5")] == [
        "runai suspend: 5 changed of 5",
        "runai resume: 5 changed of 5",
    ]


def test_defaults_of_the_group_reach_the_module(
    run_playbook_on_each_core: PlaybookRunner, simulator: Handle
) -> None:
    run = run_playbook_on_each_core(
        f"""
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/gpuops.runai.runai:
      base_url: "{simulator.url}"
      client_id: rehearsal
      client_secret: "{{{{ 'rehearsal' }}}}-secret"
  tasks:
    - {MODULE}:
        action: suspend
        ids: "{{{{ ids }}}}"
""",
        extra_vars={"ids": [one.id for one in simulator.state.live()]},
    )
    assert_worked(run, simulator)


@pytest.mark.parametrize("verbosity", [(), ("-vvvv",)])
def test_no_log_has_no_lines(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle, verbosity: tuple[str, ...]
) -> None:
    run = run_playbook_on_every_core(play(simulator, no_log=True), *verbosity)
    assert run.rc == 0
    assert lines_of(run.output) == []
    assert "5 changed" not in run.output


def test_secrets_in_the_control_planes_words_are_hidden(
    run_playbook: PlaybookRunner, simulator: Handle
) -> None:
    words = "rehearsal-secret is refused"
    simulator.faults(
        {"match": {"action": "suspend"}, "fault": {"kind": "refuse_ids", "count": "all", "message": words}}
    )
    run = run_playbook(play(simulator))
    assert run.rc == 2
    assert lines_of(run.stdout)[-1] == (
        "runai suspend: 0 changed, 5 failed of 5 (409 ******** is refused: 5)"
    )
    assert "rehearsal-secret" not in run.output


def test_nothing_of_the_channel_is_shown(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle
) -> None:
    playbook = play(simulator) + yaml.safe_dump(
        [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.command": "env"}]}]
    )
    run = run_playbook_on_every_core(playbook, "-vvvv", env={"ANSIBLE_INJECT_INVOCATION": "true"})
    assert run.rc == 0, run.output
    result = run.one(MODULE)
    documented = set(yaml.safe_load(_documentation(run_playbook_on_every_core))["options"])
    assert documented < set(result["invocation"]["module_args"])
    assert "_GPUOPS" not in json.dumps([task.result for task in run.tasks]) + run.output
    assert "/progress" not in run.output


def _documentation(runner: PlaybookRunner) -> str:
    """The module's own options; those of the fragments are not among them."""
    source = runner.collections / "ansible_collections/gpuops/runai/plugins/modules/runai_workload_batch.py"
    (text,) = re.findall(r'(?s)^DOCUMENTATION = r"""(.*?)"""', source.read_text(), re.MULTILINE)
    return str(text)


def test_an_asynchronous_task_works_without_lines(run_playbook_on_every_core: PlaybookRunner) -> None:
    for seconds in JOB_TIMES:
        in_background: dict[str, Any] = {"async": seconds, "poll": 1}
        with running(settings(5)) as simulator:
            run = run_playbook_on_every_core(play(simulator, **in_background))
        if not LOST_JOB.search(run.output):
            break
    assert_worked(run, simulator)
    assert lines_of(run.output) == []


def test_another_host_works_without_lines(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle
) -> None:
    run = run_playbook_on_every_core(
        play(simulator, vars={"ansible_connection": "elsewhere"}),
        env={"ANSIBLE_CONNECTION_PLUGINS": str(FOLDER / "connection")},
    )
    assert_worked(run, simulator)
    assert lines_of(run.output) == []


def test_a_delegated_task_has_lines(run_playbook_on_every_core: PlaybookRunner, simulator: Handle) -> None:
    playbook = play(simulator, delegate_to="localhost").replace("hosts: localhost", "hosts: all")
    run = run_playbook_on_every_core(playbook, "-i", "far.example.com,")
    assert_worked(run, simulator)
    assert lines_of(run.stdout)[-1] == "runai suspend: 5 changed of 5"


def test_another_user_works_without_lines(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle, tmp_path: Path
) -> None:
    # Hands on nothing of the environment, as sudo does.
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec env -i PATH="$PATH" "$@"\n')
    sudo.chmod(0o755)
    run = run_playbook_on_every_core(
        play(simulator, become=True, become_method="sudo"),
        env={"ANSIBLE_BECOME_EXE": str(sudo), "ANSIBLE_BECOME_ALLOW_SAME_USER": "true"},
    )
    assert_worked(run, simulator)
    assert lines_of(run.output) == []


def test_lines_of_several_hosts_at_once_name_theirs(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle
) -> None:
    playbook = play(simulator).replace("hosts: localhost", "hosts: all\n  strategy: free")
    run = run_playbook_on_every_core(playbook, "--inventory=red,blue,", "--connection=local", check=True)
    assert run.rc == 0, run.output
    for host in ("red", "blue"):
        assert re.findall(rf"(?m)^\[{host}\] (runai [^\r\n]*)", run.stdout) == [
            "runai suspend: reading the state of 5 workloads",
            "runai suspend: 5 would change of 5",
        ]
    assert lines_of(run.stdout) == []


def test_an_environment_of_the_task_reaches_the_module(
    run_playbook_on_every_core: PlaybookRunner, simulator: Handle
) -> None:
    run = run_playbook_on_every_core(
        play(simulator, options={"base_url": ""}, environment={"RUNAI_BASE_URL": simulator.url})
    )
    assert_worked(run, simulator)
    assert lines_of(run.stdout)[-1] == "runai suspend: 5 changed of 5"


def test_output_for_programs_is_left_alone(
    run_playbook_on_each_core: PlaybookRunner, simulator: Handle
) -> None:
    callbacks = os.pathsep.join([str(PLUGINS), str(FOLDER / "callback")])
    run = run_playbook_on_each_core(
        play(simulator), env={"ANSIBLE_STDOUT_CALLBACK": "json", "ANSIBLE_CALLBACK_PLUGINS": callbacks}
    )
    assert_worked(run, simulator)
    assert json.loads(run.stdout) == {"ended": True}


def test_a_task_that_ran_into_its_timeout_leaves_nothing(
    run_playbook_on_each_core: PlaybookRunner, simulator: Handle, tmp_path: Path
) -> None:
    simulator.configure(transition_seconds=3600)
    local = tmp_path / "local"
    run = run_playbook_on_each_core(
        play(simulator, options={"wait": True, "wait_timeout": 3600, "wait_interval": 0.1}, timeout=6),
        env={"ANSIBLE_LOCAL_TEMP": str(local)},
    )
    assert run.rc == 2
    # On a slow machine the module comes less far.
    lines = [
        "runai suspend: reading the state of 5 workloads",
        "runai suspend: acting on 5 workloads",
        "runai suspend: 5/5 ids, 5 changed, batch 1 of 1",
        "runai suspend: waiting for 5 workloads to be Stopped",
    ]
    told = lines_of(run.stdout)
    assert told == lines[: len(told)]
    assert list(local.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_leaves_nothing(
    run_playbook_on_each_core: PlaybookRunner, simulator: Handle, tmp_path: Path, number: signal.Signals
) -> None:
    simulator.configure(transition_seconds=3600)
    local = tmp_path / "local"
    playbook = tmp_path / "play.yml"
    playbook.write_text(play(simulator, options={"wait": True, "wait_timeout": 60, "wait_interval": 0.1}))
    runner = run_playbook_on_each_core
    child = pexpect.spawn(
        str(runner.core / "bin" / "ansible-playbook"),
        [str(playbook)],
        cwd=str(tmp_path),
        env={**runner.environment(tmp_path / "record"), "ANSIBLE_LOCAL_TEMP": str(local)},
        encoding="utf-8",
        dimensions=(50, 300),
        timeout=PATIENCE,
    )
    child.expect_exact("runai suspend: waiting for 5 workloads to be Stopped")
    child.kill(number)
    child.expect(pexpect.EOF)
    child.wait()
    # Ansible's own folder stays after a TERM.
    assert list(local.rglob("runai-*")) == []


def test_the_module_works_without_its_action_plugin(
    run_playbook_on_each_core: PlaybookRunner, simulator: Handle, tmp_path: Path
) -> None:
    """Run it as `ansible-test` and others do: by itself, with its options on standard input."""
    runner = run_playbook_on_each_core
    (arguments,) = (task[MODULE] for task in yaml.safe_load(play(simulator))[0]["tasks"])
    arguments["client_secret"] = "rehearsal-secret"
    done = subprocess.run(
        [
            str(runner.core / "bin" / "python"),
            "-m",
            "ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch",
        ],
        check=False,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(runner.collections)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    result = json.loads(done.stdout)
    assert result["summary"]["changed"] == 5, result
    assert not done.stderr
