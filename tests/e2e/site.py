# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator, a folder of records, and the collection's own playbooks between them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.gpuops.runai.plugins.module_utils._record.record import Record, record_of

from simulator.server import Handle
from simulator.settings import CLIENT_ID, CLIENT_SECRET, TOKEN
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.support.waiting import wait_until
from tests.support.workloads import workload_row

ENV_SECRET = "{{ lookup('ansible.builtin.env', 'SECRET') }}"
# Seconds; the simulator shows at once what it was asked.
SETTLE = "0.5"


@dataclass(frozen=True)
class Site:
    """Runs playbooks of the collection by their full names; ``variables`` are a role's without its prefix."""

    simulator: Handle
    run: PlaybookRunner
    folder: Path

    def play(
        self, playbook: str, /, *arguments: str, check: bool = False, env: Any = None, **variables: Any
    ) -> PlaybookRun:
        """Run a playbook with the connection's variables and those given."""
        return self.run(
            f"gpuops.runai.{playbook}",
            *arguments,
            extra_vars=self._given(playbook, variables),
            check=check,
            env={"SECRET": CLIENT_SECRET, **(env or {})},
        )

    def start(
        self, playbook: str, /, env: dict[str, str] | None = None, **variables: Any
    ) -> subprocess.Popen[str]:
        """The same, without waiting for its end."""
        return subprocess.Popen(
            [
                str(self.run.core / "bin" / "ansible-playbook"),
                f"gpuops.runai.{playbook}",
                "--extra-vars",
                json.dumps(self._given(playbook, variables)),
            ],
            env={**self.run.environment(Path(os.devnull)), "SECRET": CLIENT_SECRET, **(env or {})},
            cwd=self.run.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play_cases(
        self, role: str, cases: Sequence[Mapping[str, Any]], tasks_from: str = "main", **variables: Any
    ) -> PlaybookRun:
        """Include a role once for each case of further variables, whether or not one fails, in one play."""
        given = {"base_url": self.simulator.url, "token": TOKEN, **variables}
        included = {"name": f"gpuops.runai.{role}", "tasks_from": tasks_from, "rolespec_validate": False}
        tasks = [
            {
                "block": [{"ansible.builtin.include_role": included}],
                "vars": {
                    f"{role}_{key}": value for key, value in {**given, **case}.items() if value is not ...
                },
                "rescue": [{"ansible.builtin.meta": "noop"}],
            }
            for case in cases
        ]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        return self.run(json.dumps([play], indent=1))

    def _given(self, playbook: str, variables: dict[str, Any]) -> dict[str, Any]:
        role = "workload_" + playbook.partition("_")[0]
        said: dict[str, Any] = {
            "base_url": self.simulator.url,
            "client_id": CLIENT_ID,
            "client_secret": ENV_SECRET,
        }
        if playbook in ("maintenance_begin", "maintenance_end", "cleanup", "reclaim"):
            said["wait_interval"] = "0.1"
        if playbook == "maintenance_end":
            said["settle_time"] = SETTLE
        return {f"{role}_{key}": value for key, value in {**said, **variables}.items() if value is not ...}

    def recorded(self, name: str = "night") -> Record:
        """The record as it lies in the folder."""
        lines = (self.folder / f"{name}.record.jsonl").read_text().splitlines()
        return record_of(json.loads(line) for line in lines)

    def phases(self) -> dict[str, str]:
        """Each live workload's phase."""
        return {one.id: one.phase for one in self.simulator.state.live()}

    def writes(self, since: int = 0) -> list[dict[str, Any]]:
        """Batches that the simulator was sent."""
        return [one for one in self.simulator.requests(since) if one["action"]]

    def sent(self, action: str) -> Counter[str]:
        """How often each id was sent."""
        return Counter(one for batch in self.writes() if batch["action"] == action for one in batch["ids"])


def wait_for_play(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Return as soon as it is so; fail when the play ends before, or it never is."""

    def is_so_before_the_end() -> bool:
        if is_so():
            return True
        assert process.poll() is None, process.communicate()[0]
        return False

    wait_until(is_so_before_the_end, "a play")


@contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a play; what outlives it may go on within the block, and no longer."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    try:
        yield
    finally:
        # A worker that outlives its play waits for ever to tell it the result.
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def workload(number: int, phase: str = "Running", **fields: Any) -> dict[str, Any]:
    """A row of a fleet file."""
    usual = {
        "name": f"train-{number}",
        "projectName": "vision" if number % 2 else "nlp",
        "submittedBy": "ada@example.com",
        "allocatedResources": {"gpu": 2},
    }
    return workload_row(number, phase, **{**usual, **fields})


def told(run: PlaybookRun) -> str:
    """What the role's own task said when it failed."""
    found = told_each(run)
    assert len(found) == 1, run.output
    return found[0]


def told_each(run: PlaybookRun) -> list[str]:
    """What each task that failed said, in order."""
    messages = [task.result["msg"] for task in run.tasks if task.status == "failed"]
    return ["\n".join(one) if isinstance(one, list) else str(one) for one in messages]


def next_command(run: PlaybookRun) -> list[str]:
    """The words of the command that a role says to type next, after ``ansible-playbook``."""
    (command,) = re.findall(r'^ +"Next: ansible-playbook (.+)"$', run.stdout, re.MULTILINE)
    return shlex.split(json.loads(f'"{command}"'))
