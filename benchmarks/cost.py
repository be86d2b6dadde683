# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process costs from its start to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class RunFailed(Exception):
    """A process did not end with 0; the text is what it said."""


@dataclass(frozen=True)
class Cost:
    """Of a process and all that it started: time by the clock, CPU time, and the largest one's memory."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def measure(command: Sequence[str], env: Mapping[str, str], output: Path, given: bytes | None = None) -> Cost:
    """Run a command; what it says goes to the file `output`. Raises RunFailed.

    A small process of its own starts it: a process inherits the peak memory of the one that starts it.
    """
    starter = [sys.executable, "-I", "-S", __file__, str(output), *command]
    done = subprocess.run(starter, env=dict(env), input=given or b"", stdout=subprocess.PIPE, check=True)
    status, *cost = json.loads(done.stdout)
    if status:
        raise RunFailed(f"{command[0]} ended with {status}:\n{output.read_text()[-2000:]}")
    return Cost(*cost)


def main(output: str, *command: str) -> None:
    """Run a command with this process's input, and print its status and its cost."""
    with open(output, "wb") as file:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    cost = (seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    print(json.dumps((os.waitstatus_to_exitcode(status), *cost)))


if __name__ == "__main__":
    main(*sys.argv[1:])
