# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other processes of this machine, as /proc shows them."""

from __future__ import annotations

import os
from typing import Callable, Optional

_STARTERS = ("ansible", "ansible-playbook", "ansible-console", "ansible-pull")
_MOST = 32
# With these among the ancestors, parents go away on purpose.
_DETACHING = ("async_wrapper",)


def parent_of(pid: int) -> Optional[int]:
    """Return the parent of a process; ``None`` without such a process or a /proc."""
    try:
        with open("/proc/{0}/stat".format(pid), "rb") as stat:
            # The command's name stands in parentheses and may itself hold some; state and parent follow it.
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def arguments_of(pid: int) -> list[str]:
    """Return a process's command line; nothing without such a process or a /proc."""
    try:
        with open("/proc/{0}/cmdline".format(pid), "rb") as cmdline:
            return cmdline.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def ancestors(most: int = _MOST) -> list[int]:
    """Return the pids of this process's ancestors, nearest first, without init."""
    chain: list[int] = []
    pid: Optional[int] = os.getppid()
    while pid is not None and pid > 1 and len(chain) < most:
        chain.append(pid)
        pid = parent_of(pid)
    return chain


def is_play(arguments: list[str]) -> bool:
    """Return whether a command line is that of a program which runs plays."""
    return any(os.path.basename(one) in _STARTERS for one in arguments[:3])


def watch_ancestors() -> Callable[[], bool]:
    """Remember the ancestors up to the play; return a function that reports whether one of them is gone.

    A module outlives a killed ``ansible-playbook`` and a task that ran into its ``timeout``: when one of
    its parents dies, the kernel gives its children another one. Where no play is among them (a remote
    host), the two nearest count; in an asynchronous task, whose parents go away on purpose, none do.
    """
    chain = ancestors()
    watched = min(2, len(chain))
    for position, pid in enumerate(chain):
        arguments = arguments_of(pid)
        if any(name in argument for argument in arguments for name in _DETACHING):
            return lambda: False
        if is_play(arguments):
            watched = position + 1
    remembered = chain[:watched]
    return lambda: ancestors(watched) != remembered
