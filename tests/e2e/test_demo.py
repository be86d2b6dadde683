# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` as a newcomer sees it, and how it ends when it is interrupted or fails."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT

COMMAND = [sys.executable, "-m", "demo"]


def start(folder: Path, *options: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    # Many a network has a proxy; the way to the simulator must not lead through it.
    env = {**os.environ, "DEMO_FOLDER": str(folder), "http_proxy": "http://127.0.0.1:9"}
    env = {name: value for name, value in env.items() if name.lower() != "no_proxy"}
    return subprocess.Popen(
        [*COMMAND, *options],
        cwd=CHECKOUT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_each_step_says_what_came_of_it(tmp_path: Path) -> None:
    demo = start(tmp_path)
    output, _nothing = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, output
    assert re.search(r"suspend: (\d+) would change.*of 250$", output, re.M)
    assert re.search(r"suspend: [1-9]\d* changed.*of 250$", output, re.M)
    assert re.search(r"suspend: 0 changed.*of 250$", output, re.M)
    assert re.search(r"resume: [1-9]\d* changed", output)
    writes = [int(count) for count in re.findall(r"has seen so far: (\d+)$", output, re.M)]
    assert len(writes) == 4
    assert writes[0] == 0 < writes[1] == writes[2] < writes[3]
    assert "what was resumed is what was suspended" in output
    assert "WARNING" not in output


def test_a_fleet_with_nothing_to_see_is_refused(tmp_path: Path) -> None:
    demo = start(tmp_path, "--workloads", "1")
    output, _nothing = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 2
    assert output.splitlines()[-1].endswith("a fleet has 10 workloads or more, not 1")


def test_demo_folder_that_it_did_not_make_is_refused_and_kept(tmp_path: Path) -> None:
    own = tmp_path / "notes.txt"
    own.write_text("mine")
    demo = start(tmp_path)
    output, _nothing = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1
    assert f"{tmp_path} was not made by the demo" in output
    assert own.read_text() == "mine"


def test_demo_folder_that_it_made_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".made-by-the-demo").touch()
    left_over = tmp_path / "left-over"
    left_over.touch()
    demo = start(tmp_path)
    assert demo.stdout is not None
    assert demo.stdout.readline().startswith("Installed")
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=PATIENCE)
    assert not left_over.exists()


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("Installed", signal.SIGTERM),
        ("A simulated control plane", signal.SIGHUP),
        ("1. Which workloads", signal.SIGINT),
        ("3. Suspend", signal.SIGTERM),
    ],
)
def test_an_interrupt_ends_it_cleanly(tmp_path: Path, step: str, number: signal.Signals) -> None:
    # A pipe that holds a single write: the demo can't go on to its end before the rest is read.
    reading, writing = os.pipe2(os.O_DIRECT)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    demo = start(tmp_path, stdout=writing)
    os.close(writing)
    demo.stdout = os.fdopen(reading)
    for line in demo.stdout:
        if line.startswith(step):
            break
    # A terminal tells all of its programs, others the one that they know of.
    (os.kill if number == signal.SIGTERM else os.killpg)(demo.pid, number)
    # To the end of the output: whoever could still write to it, the playbook and its workers, is gone then.
    rest, _nothing = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 130
    assert "Interrupted after" in rest
    assert "demo/__main__.py" not in rest
