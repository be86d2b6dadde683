# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the play that started this process is still there.

A module outlives a killed ``ansible-playbook`` and a task that ran into its ``timeout``. Its chain
of parents tells: when one of them dies, the kernel gives its children another parent.
"""

from __future__ import annotations

import os
from typing import Callable, Optional

# With these among the ancestors, parents go away on purpose.
_DETACHING = ("async_wrapper",)
_STARTERS = ("ansible", "ansible-playbook", "ansible-console", "ansible-pull")
_MOST = 32


def _parent(pid: int) -> Optional[int]:
    """Return the parent of ``pid``; ``None`` without a process or a /proc."""
    try:
        with open("/proc/{0}/stat".format(pid), "rb") as stat:
            # The command's name stands in parentheses and may itself hold some.
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _arguments(pid: int) -> list[str]:
    try:
        with open("/proc/{0}/cmdline".format(pid), "rb") as cmdline:
            return cmdline.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def _chain(length: int = _MOST) -> list[int]:
    """Return the pids of this process's ancestors, nearest first, without init."""
    chain: list[int] = []
    pid: Optional[int] = os.getppid()
    while pid is not None and pid > 1 and len(chain) < length:
        chain.append(pid)
        pid = _parent(pid)
    return chain


def watch_ancestors() -> Callable[[], bool]:
    """Remember the ancestors up to the play, and return a function that tells if all are still there.

    Where no play is among them (a remote host), the two nearest count; in an asynchronous task, whose
    parents go away on purpose, none do.
    """
    chain = _chain()
    watched = min(2, len(chain))
    for position, pid in enumerate(chain):
        arguments = _arguments(pid)
        if any(name in argument for argument in arguments for name in _DETACHING):
            return lambda: True
        if any(os.path.basename(argument) in _STARTERS for argument in arguments[:3]):
            watched = position + 1
    remembered = chain[:watched]
    return lambda: _chain(watched) == remembered
