# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many batches may be in flight: a number that follows the responses of the control plane."""

from __future__ import annotations

import threading
import time
from collections import deque
from statistics import median
from typing import Optional

from .._common.option_values import MOST_CONCURRENT

# Where concurrency is not given.
_FIRST = 4
# Multiples of the fastest response: as fast as before up to the first, slower above the second.
_AS_FAST = 1.5
_SLOWER = 2.0
# Responses at the ceiling before one more batch is tried, as a multiple of the ceiling. Each failed try
# doubles it.
_PROBE_AFTER = 8


class ConcurrencyLimit:
    """The ``limit`` of batches in flight: ``fixed``, or from 1 to ``most``. Safe to use from several threads.

    It grows by one with each fast response and halves when the control plane is overloaded. It then grows
    back to the number of batches that the control plane accepted, and tries one more from time to time.
    """

    def __init__(self, fixed: Optional[int]) -> None:
        self.limit = self._limit_before = fixed or _FIRST
        self.most = self._ceiling = fixed or MOST_CONCURRENT
        self._least = fixed or 1
        self._lock = threading.Lock()
        self._refused = 0
        self._halved_at = float("-inf")
        self._fastest = float("inf")
        self._recent: deque[float] = deque(maxlen=self.limit)
        self._responses_at_ceiling = 0
        self._probe_after = _PROBE_AFTER

    def record_response(self, seconds: float) -> None:
        """Take in that a batch of full size got a response at its first call, after ``seconds``."""
        with self._lock:
            # A halving counts for all calls in flight then.
            if time.monotonic() - seconds <= self._halved_at:
                return
            self._fastest = min(self._fastest, seconds)
            self._recent.append(seconds)
            if len(self._recent) == self._recent.maxlen and median(self._recent) > _SLOWER * self._fastest:
                # The new speed is the measure from here on: a control plane that is slow at any
                # number of batches must not end with a single one.
                self._fastest = median(self._recent)
                self._halve()
                self._ceiling = self.limit
            elif seconds <= _AS_FAST * self._fastest:
                self._grow()

    def record_overload(self, began: float) -> None:
        """Take in that the first call of a batch, made at ``began``, got a 429, a 503 or no response."""
        with self._lock:
            if began > self._halved_at:
                self._refused = 0
                self._halve()
            self._refused += 1
            self._ceiling = max(self.limit, self._limit_before - self._refused)

    def _grow(self) -> None:
        if self.limit < self._ceiling:
            self._set_limit(self.limit + 1)
            return
        self._responses_at_ceiling += 1
        if self._ceiling < self.most and self._responses_at_ceiling >= self._probe_after * self._ceiling:
            self._ceiling += 1
            self._set_limit(self._ceiling)
            self._probe_after *= 2

    def _halve(self) -> None:
        self._halved_at = time.monotonic()
        self._limit_before = self.limit
        self._set_limit(max(self._least, self.limit // 2))

    def _set_limit(self, limit: int) -> None:
        self.limit = limit
        self._responses_at_ceiling = 0
        self._recent = deque(maxlen=limit)
