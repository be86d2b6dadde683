# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A clock that tests move by hand."""

from __future__ import annotations

_SHORTEST = 0.001


class FakeClock:
    """Replaces the modules ``time`` and ``threading``, and a simulator's clock; a sleep moves it on."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self.seconds = start
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since 1970, in whole milliseconds."""
        return round(self.seconds, 3)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    def sleep(self, seconds: float, before_write: bool = False) -> None:
        self.slept.append(seconds)
        self.advance(max(seconds, _SHORTEST))

    def Event(self) -> FakeEvent:  # noqa: N802 - as threading names it
        return FakeEvent(self)


class FakeEvent:
    """An event that moves the clock on while a thread waits for it."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def wait(self, seconds: float) -> bool:
        if not self._is_set:
            self._clock.sleep(seconds)
        return self._is_set
