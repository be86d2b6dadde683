# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands between the collection and its next call: the deadline, a vanished play, a breaker."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional

from .errors import Interrupted

# How long a sleep may last before the next check that the play is still there.
_SLICE = 1.0


# Reasons for an id that was not attempted.
DEADLINE = "deadline"
ORPHANED = "orphaned"
STOPPED_EARLY = "stopped"


class Cancellation:
    """Asked before every call and during every sleep.

    Reads stop at the deadline or when the play is gone; writes stop also when ``stop_writing`` was
    called, e.g. by the breaker. Times are seconds.
    """

    def __init__(
        self, deadline: Optional[float] = None, is_cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self.started = time.monotonic()
        self._deadline = deadline
        self._is_cancelled = is_cancelled
        self._gone = False
        self._write_stop: Optional[str] = None
        self._stopped = threading.Event()

    def check(self) -> None:
        """Raise Interrupted when no further call may be made."""
        if self._gone or self._is_cancelled():
            self._gone = True
            raise Interrupted("the play or task that started this is gone, or was interrupted", ORPHANED)
        if self._deadline is not None and time.monotonic() - self.started >= self._deadline:
            raise Interrupted("the deadline of {0:g} s has passed".format(self._deadline), DEADLINE)

    def check_write(self) -> None:
        """Raise Interrupted when no further write may be sent."""
        self.check()
        if self._write_stop is not None:
            raise Interrupted(self._write_stop, STOPPED_EARLY)

    def stop_writing(self, message: str) -> None:
        """Let no further write be sent, and wake those who sleep before one. The first reason stays."""
        if self._write_stop is None:
            self._write_stop = message
            self._stopped.set()

    def sleep(self, seconds: float, before_write: bool = False) -> None:
        """Sleep, at most until the deadline; raise Interrupted as soon as the call after is off."""
        check = self.check_write if before_write else self.check
        wait: Callable[[float], object] = self._stopped.wait if before_write else time.sleep
        end = time.monotonic() + seconds
        while True:
            check()
            now = time.monotonic()
            left = end - now
            if left <= 0:
                return
            if self._deadline is not None:
                left = min(left, max(0.0, self.started + self._deadline - now))
            wait(min(left, _SLICE))
