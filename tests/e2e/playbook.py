# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run real playbooks with an installed collection, and read what their tasks returned."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.waiting import PATIENCE
from tools.paths import environment

PLUGINS = Path(__file__).parent / "plugins"
CONFIG = Path(__file__).parent / "ansible.cfg"
# What Ansible says of an asynchronous job that it lost: one that needs longer than 2.5 s to begin dies.
LOST_JOB = re.compile("could not find job|did not complete within|Timeout exceeded")
# Seconds for a job, one for each try; Ansible waits as long for a lost one.
JOB_TIMES = (60, 300, 1200)


@dataclass(frozen=True)
class TaskResult:
    """What one task returned for one host; status is ok, failed, ignored, skipped or unreachable."""

    task: str
    action: str
    host: str
    status: str
    result: dict[str, Any]


@dataclass(frozen=True)
class PlaybookRun:
    """What a run of ansible-playbook said and did."""

    rc: int
    stdout: str
    stderr: str
    tasks: list[TaskResult]

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def warnings(self) -> list[str]:
        """Lines of the output that are warnings of any kind."""
        return re.findall(r"(?im)^.*\[(?:deprecation )?(?:warning|deprecated)\b.*$", self.output)

    def of(self, action: str) -> list[TaskResult]:
        """Results of a module's tasks, by its name with or without the collection's."""
        return [task for task in self.tasks if task.action.rpartition(".")[2] == action.rpartition(".")[2]]

    def one(self, action: str) -> dict[str, Any]:
        """What the module returned in the only task that used it."""
        (task,) = self.of(action)
        return task.result


@dataclass(frozen=True)
class PlaybookRunner:
    """Runs playbooks in a folder, with one collections path and one environment's ansible-core."""

    collections: Path
    core: Path
    folder: Path

    def __call__(
        self,
        playbook: str,
        *arguments: str,
        extra_vars: Mapping[str, Any] | None = None,
        check: bool = False,
        diff: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> PlaybookRun:
        """Run a playbook, given as its text (more than one line) or as a path or a name.

        :param arguments: further arguments of ansible-playbook
        :param env: further environment variables
        """
        options = [*arguments, *(["--check"] if check else []), *(["--diff"] if diff else [])]
        if extra_vars:
            options += ["--extra-vars", json.dumps(extra_vars)]
        record = self.folder / f"record-{uuid.uuid4().hex}.jsonl"
        done = subprocess.run(
            [str(self.core / "bin" / "ansible-playbook"), self._path(playbook), *options],
            check=False,
            cwd=self.folder,
            env={**self.environment(record), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        lines = record.read_text().splitlines() if record.exists() else []
        tasks = [TaskResult(**json.loads(line)) for line in lines]
        return PlaybookRun(done.returncode, done.stdout, done.stderr, tasks)

    def environment(self, record: Path) -> dict[str, str]:
        """Environment of the runs, for tests that start ansible-playbook themselves."""
        return environment(self.collections, self.core) | {
            "ANSIBLE_CONFIG": str(CONFIG),
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
            "ANSIBLE_CALLBACKS_ENABLED": "record,keep_modules",
            "RECORD_PATH": str(record),
        }

    def _path(self, playbook: str) -> str:
        if "\n" not in playbook:
            return playbook
        path = self.folder / f"playbook-{uuid.uuid4().hex}.yml"
        path.write_text(playbook)
        return str(path)
