# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process costs from its start to its end."""

from __future__ import annotations

import os
import subprocess
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
    """Run a command; what it says goes to the file `output`. Raises RunFailed."""
    with output.open("wb") as file:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        if process.stdin is not None and given is not None:
            process.stdin.write(given)
            process.stdin.close()
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RunFailed(f"{command[0]} ended with {process.returncode}:\n{output.read_text()[-2000:]}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
