# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interrupts, as a wish to stop: what is under way is awaited and noted, nothing more is begun.

A terminal sends its Ctrl-C to the module as well as to the play, and a play that is terminated passes
that on. Ended at once, the module would know nothing of the calls that it had in flight.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def heeded_interrupts() -> Iterator[Callable[[], bool]]:
    """Give a function that reports whether an interrupt has come since; a second one ends the process.

    What is ignored, as in a job in the background, stays ignored. Outside of the main thread, where
    interrupts can't be heeded, none is.
    """
    came = threading.Event()
    found: dict[signal.Signals, Any] = {}

    def heed(number: int, frame: object) -> None:
        came.set()
        for one in found:
            signal.signal(one, signal.SIG_DFL)

    if threading.current_thread() is threading.main_thread():
        for one in _SIGNALS:
            handler = signal.getsignal(one)
            if handler not in (signal.SIG_IGN, None):
                found[one] = handler
                signal.signal(one, heed)
    try:
        yield came.is_set
    finally:
        for one, handler in found.items():
            signal.signal(one, handler)
