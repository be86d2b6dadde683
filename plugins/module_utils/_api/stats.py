# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts of what was sent and of what went wrong on the way, reported to the user once each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Optional

from .._common.text import is_hideable
from .._common.times import parse_http_date


class RequestStats:
    """Counters that all threads of a task share, and the secrets of its connection."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._faults: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._secrets = set(secrets)
        self.requests = 0
        self.retries = 0
        # Seconds by which the control plane's clock is ahead of this one; None where it sends no date.
        self.clock_ahead: Optional[float] = None

    def count_request(self) -> None:
        with self._lock:
            self.requests += 1

    def count_retry(self, kind: str) -> None:
        """Count one request that is sent again because of a fault of this kind."""
        with self._lock:
            self.retries += 1
            self._faults[kind] += 1

    def compare_clocks(self, date: Optional[str]) -> None:
        """Compare the date of a response that came in now with the clock here. It lacks the fraction."""
        sent = parse_http_date(date or "")
        if sent is not None:
            ahead = (sent - datetime.now(timezone.utc)).total_seconds()
            with self._lock:
                self.clock_ahead = ahead if self.clock_ahead is None else max(self.clock_ahead, ahead)

    def warn_once(self, text: str) -> None:
        """Note something odd in a response; the same warning is shown once, with a count."""
        with self._lock:
            self._warnings[text] += 1

    def add_secret(self, value: str) -> None:
        """Note a value that must never be shown, e.g. a token that was made."""
        if is_hideable(value):
            with self._lock:
                self._secrets.add(value)

    @property
    def secrets(self) -> set[str]:
        """The secrets of the connection, and all values noted by ``add_secret``."""
        with self._lock:
            return set(self._secrets)

    def warnings(self) -> list[str]:
        """Return one sentence for each kind of fault and each warn_once."""
        with self._lock:
            found = [
                "requests to the control plane were retried {0} because of: {1}".format(_times(count), kind)
                for kind, count in self._faults.items()
            ]
            found += [
                text if count == 1 else "{0} ({1})".format(text, _times(count))
                for text, count in self._warnings.items()
            ]
        return found


def _times(count: int) -> str:
    return "once" if count == 1 else "{0} times".format(count)
