# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the simulator takes the time from: the machine's clock, or one that tests move by hand."""

from __future__ import annotations

import time
from typing import Protocol

from .timestamps import whole


class Clock(Protocol):
    """Anything that tells the time as seconds since 1970, UTC."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""


class RealClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return whole(time.time())


class ManualClock:
    """Stands still until it is advanced."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = start

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return whole(self._now)

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`, which must not be negative (ValueError)."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._now += seconds
