# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` as a newcomer sees it, and how it ends when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT


def start(folder: Path) -> subprocess.Popen[str]:
    # Many a network has a proxy; the way to the simulator must not lead through it.
    env = {**os.environ, "DEMO_FOLDER": str(folder), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.Popen(
        [sys.executable, "-m", "demo"],
        cwd=CHECKOUT,
        env={name: value for name, value in env.items() if name.lower() != "no_proxy"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_demo_resumes_exactly_what_it_stopped_and_a_plain_loop_does_not(tmp_path: Path) -> None:
    own = tmp_path / "notes.txt"
    own.write_text("mine")
    demo = start(tmp_path)
    output, _nothing = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, output
    assert "begun: 14 of 15 suspended; 1 workload not suspended" in output
    assert "Resumed: exactly the 14 that it stopped." in output
    assert "What the owners stopped stays stopped." in output
    rows = {line.rpartition("  ")[0].strip()[:21]: line.split()[-2:] for line in output.splitlines()}
    assert rows["Suspends sent again a"] == ["0", "14"]
    assert rows["Workloads suspended a"] == ["0", "14"]
    assert "WARNING" not in output
    readme = (CHECKOUT / "README.md").read_text().partition("<!-- demo -->\n```text\n")[2].partition("```")[0]
    assert [line for line in readme.splitlines() if line not in output.splitlines()] == []
    # The folder is the user's: nothing else is left in it, and nothing was taken.
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert own.read_text() == "mine"


@pytest.mark.parametrize(
    ("step", "number"),
    [("Installed", signal.SIGHUP), ("1. Plan", signal.SIGINT), ("2. Begin", signal.SIGTERM)],
)
def test_demo_with_an_interrupt_ends_cleanly(tmp_path: Path, step: str, number: signal.Signals) -> None:
    demo = start(tmp_path)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith(step):
            break
    # A terminal tells all of its programs, others the one that they know of.
    (os.kill if number == signal.SIGTERM else os.killpg)(demo.pid, number)
    # To the end of the output: whoever could still write to it, the playbook and its workers, is gone then.
    rest, _nothing = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 130
    assert "Interrupted" in rest
    assert "demo/__main__.py" not in rest
    assert list(tmp_path.iterdir()) == []
