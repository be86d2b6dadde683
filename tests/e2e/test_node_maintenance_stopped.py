# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A roll that is killed half way, or stopped at its prompt, and the commands that it printed."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import pexpect  # type: ignore[import-untyped]

from tests.e2e.site import wait_for_play
from tests.e2e.test_node_maintenance import Roll, roll, roll_with_recorded_fences, simulator
from tests.support.waiting import PATIENCE, wait_until

# Fixtures of the other tests of the roll.
__all__ = ["roll", "roll_with_recorded_fences", "simulator"]

PLAYBOOK = "gpuops.runai.node_maintenance"
NOTE = "Show what to do should the roll stop here"
# A node is noted, and held as long as there is a pipe.
HOLD = """\
- name: Work on the node
  ansible.builtin.shell: "echo {{{{ runai_name }}}} >> log; test ! -p hold || cat hold"
  args: {{chdir: "{folder}"}}
  changed_when: true
"""


def killed(roll: Roll, arguments: list[str], is_time: Callable[[], bool]) -> list[str]:
    """Kill a roll and what it started as soon as it is time; return what it had printed to do then."""
    record = roll.run.folder / "killed.jsonl"
    record.unlink(missing_ok=True)
    process = subprocess.Popen(
        [str(roll.run.core / "bin" / "ansible-playbook"), *arguments],
        cwd=roll.run.folder,
        env={**roll.run.environment(record), **roll.environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    wait_for_play(is_time, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    tasks = [json.loads(line) for line in record.read_text().splitlines()]
    [lines] = [one["result"]["msg"] for one in tasks if one["task"] == NOTE]
    found: list[str] = lines
    return found


def typed(command: str) -> list[str]:
    """Arguments of a printed command of ansible-playbook."""
    program, *arguments = shlex.split(command)
    assert program == "ansible-playbook"
    return arguments


def is_free(record: Path) -> bool:
    """Return whether no process works on the record; a module outlives its play for one response."""
    with record.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_roll_killed_in_begin_and_in_the_tasks_goes_on_and_back_by_the_printed_commands(
    roll_with_recorded_fences: Roll,
) -> None:
    roll, folder = roll_with_recorded_fences, roll_with_recorded_fences.run.folder
    arguments = roll.arguments(limit="gpu-17")
    (folder / "tasks.yml").write_text(HOLD.format(folder=folder))
    match = {"path": "/api/v1/workloads/batch"}
    roll.simulator.faults({"match": match, "nth": 1, "fault": {"kind": "slow", "seconds": 3600}})
    [_plan, *lines] = killed(roll, [PLAYBOOK, *arguments], lambda: bool(roll.simulator.summary()["batches"]))
    roll.simulator.faults()
    wait_until(lambda: is_free(folder / "records" / "fans-gpu-17.record.jsonl"), "the end of the module")
    assert roll.log() == []

    _to_go_on, again, _to_give_up, uncordon, end = lines
    os.mkfifo(folder / "hold")
    assert killed(roll, typed(again), lambda: roll.log() == ["gpu-17"])[1:] == lines
    # Let go of what outlives the play.
    os.close(os.open(folder / "hold", os.O_RDWR | os.O_NONBLOCK))
    assert roll.sent() == [("suspend", [1, 2])]
    assert roll.states() == {"fans-gpu-17": "begun"}

    assert uncordon == "kubectl uncordon gpu-17"
    playbook, *words = typed(end)
    run = roll.run(playbook, *words, env=roll.environment())
    assert run.rc == 0, run.output
    assert roll.sent() == [("suspend", [1, 2]), ("resume", [1, 2])]
    assert roll.states() == {"fans-gpu-17": "ended"}


class Terminal:
    """A roll of one node with a manual fence, in a terminal."""

    def __init__(self, roll: Roll) -> None:
        environment = {**roll.run.environment(roll.run.folder / "answers.jsonl"), **roll.environment()}
        self._child = pexpect.spawn(
            str(roll.run.core / "bin" / "ansible-playbook"),
            [PLAYBOOK, *roll.arguments(limit="gpu-17", fence="manual")],
            cwd=str(roll.run.folder),
            env={**environment, "TERM": "dumb"},
            encoding="utf-8",
            timeout=PATIENCE,
        )

    def answer(self, prompt: str, keys: str, then: str) -> None:
        """Wait for a prompt and press keys until what follows is shown."""
        self._child.expect_exact(prompt)
        wait_until(self._gives_each_key, "the terminal to give each key by itself")
        # What is typed just before Ansible reads is lost.
        while True:
            self._child.send(keys)
            if self._child.expect_exact([then, pexpect.TIMEOUT], timeout=PATIENCE / 10) == 0:
                return

    def rest(self) -> str:
        """What is printed until the end; the roll must fail."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        assert self._child.exitstatus == 2
        text: str = self._child.before
        return text

    def _gives_each_key(self) -> bool:
        flags: int = termios.tcgetattr(self._child.child_fd)[3]
        return not flags & termios.ICANON and bool(flags & termios.ECHO)


def test_roll_in_a_terminal_goes_on_after_yes_alone(roll: Roll) -> None:
    terminal = Terminal(roll)
    terminal.answer("kubectl cordon gpu-17\r\nType yes when this is done", "yes\r", "TASK [Plan]")
    terminal.answer("kubectl uncordon gpu-17\r\nType yes", "\x03", "Press 'C' to continue the play")
    terminal.answer("or 'A' to abort", "c", "not said to be unfenced")
    assert "maintenance_end -e workload_maintenance_name=fans-gpu-17" in terminal.rest()
    assert roll.sent() == [("suspend", [1, 2])]
    assert roll.log() == ["gpu-17"]
    assert roll.states() == {"fans-gpu-17": "begun"}
