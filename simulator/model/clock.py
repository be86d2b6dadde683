# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time: clocks that return seconds since 1970, and the timestamps of the API (ISO 8601, UTC, milliseconds).

Every time that is kept has whole milliseconds, so that what a list shows and what it filters by are the same.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_FRACTION = re.compile(r"\.(\d+)")


def whole(seconds: float) -> float:
    """The nearest whole millisecond."""
    return round(seconds, 3)


@lru_cache(maxsize=65536)
def to_text(seconds: float) -> str:
    """`1767225600.25` becomes `2026-01-01T00:00:00.250Z`."""
    moment = _NAIVE_EPOCH + timedelta(milliseconds=round(seconds * 1000))
    return moment.isoformat(timespec="milliseconds") + "Z"


def from_text(text: str) -> float:
    """Seconds since 1970; a timestamp without a zone is UTC. Raises ValueError for anything else."""
    plain = text.strip().replace("Z", "+00:00").replace("z", "+00:00")
    plain = _FRACTION.sub(lambda match: "." + (match.group(1) + "000000")[:6], plain, count=1)
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO 8601 timestamp") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) / timedelta(seconds=1)


class Clock(Protocol):
    """Anything that returns the time as seconds since 1970, UTC."""

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
