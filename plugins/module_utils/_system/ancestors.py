# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the play that started this process is still there.

A module outlives a killed ``ansible-playbook`` and a task that ran into its ``timeout``. Its chain
of parents tells: when one of them dies, the kernel gives its children another parent.
"""

from __future__ import annotations

from typing import Callable

from .processes import (
    ancestors,
    arguments_of,
    is_play,
)

# With these among the ancestors, parents go away on purpose.
_DETACHING = ("async_wrapper",)


def watch_ancestors() -> Callable[[], bool]:
    """Remember the ancestors up to the play, and return a function that tells if all are still there.

    Where no play is among them (a remote host), the two nearest count; in an asynchronous task, whose
    parents go away on purpose, none do.
    """
    chain = ancestors()
    watched = min(2, len(chain))
    for position, pid in enumerate(chain):
        arguments = arguments_of(pid)
        if any(name in argument for argument in arguments for name in _DETACHING):
            return lambda: True
        if is_play(arguments):
            watched = position + 1
    remembered = chain[:watched]
    return lambda: ancestors(watched) == remembered
