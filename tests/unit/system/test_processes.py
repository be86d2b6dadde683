# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real processes, one the child of the other; the last one watches while one above it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._system import processes as _processes
from ansible_collections.gpuops.runai.plugins.module_utils._system.processes import parent_of, watch_ancestors

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="this system has no /proc")

# Starts the next of its programs; the last one watches until a line comes in. Their names come
# by the environment: among the arguments of the one above, the name of a play would be taken for it.
PROGRAM = """\
import os, subprocess, sys
print(os.getpid(), flush=True)
following, _separator, rest = os.environ["PROGRAMS"].partition(os.pathsep)
if following:
    subprocess.call([sys.executable, following], env=dict(os.environ, PROGRAMS=rest))
else:
    sys.path.insert(0, {path!r})
    from ansible_collections.gpuops.runai.plugins.module_utils._system.processes import watch_ancestors
    is_gone = watch_ancestors()
    print(is_gone(), flush=True)
    sys.stdin.readline()
    print(is_gone(), flush=True)
"""


def seen(folder: Path, names: list[str], killed: int) -> tuple[str, str]:
    """What the last of these programs sees before and after the one at ``killed`` is."""
    programs = []
    for name in names:
        program = folder / name
        program.write_text(PROGRAM.format(path=str(Path(_processes.__file__).parents[6])))
        programs.append(str(program))
    with subprocess.Popen(
        [sys.executable, programs[0]],
        env={**os.environ, "PROGRAMS": os.pathsep.join(programs[1:])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as chain:
        assert chain.stdout is not None
        assert chain.stdin is not None
        pids = [int(chain.stdout.readline()) for _name in names]
        before = chain.stdout.readline().strip()
        os.kill(pids[killed], signal.SIGKILL)
        # Gone when its parent, or whoever takes its place, knows.
        if killed == 0:
            os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
        else:
            while parent_of(pids[killed + 1]) == pids[killed]:
                pass
        chain.stdin.write("\n")
        chain.stdin.flush()
        after = chain.stdout.readline().strip()
    return before, after


@pytest.mark.parametrize(
    ("names", "killed", "after"),
    [
        # The play, or anything between it and the module.
        (["ansible-playbook", "worker", "shell", "module"], 0, "True"),
        (["ansible-playbook", "worker", "shell", "module"], 1, "True"),
        (["ansible-playbook", "worker", "shell", "module"], 2, "True"),
        (["ansible", "module"], 0, "True"),
        # What stands above the play may go.
        (["terminal", "ansible-playbook", "worker", "module"], 0, "False"),
        # Elsewhere than on the controller the nearest two count.
        (["sshd", "shell", "python", "module"], 0, "False"),
        (["sshd", "shell", "python", "module"], 1, "True"),
        # An asynchronous task outlives its parents on purpose.
        (["ansible-playbook", "async_wrapper.py", "worker", "module"], 0, "False"),
        (["ansible-playbook", "async_wrapper.py", "worker", "module"], 1, "False"),
    ],
)
def test_watch_ancestors_after_the_end_of_one_reports_that_of_the_play(
    tmp_path: Path, names: list[str], killed: int, after: str
) -> None:
    assert seen(tmp_path, names, killed) == ("False", after)


def test_watch_ancestors_without_a_change_is_false() -> None:
    is_gone = watch_ancestors()
    assert [is_gone() for _look in range(3)] == [False] * 3
