# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long to go on after a fault, and how long to pause before the next try."""

from __future__ import annotations

import random
import time
from typing import Callable, Optional

from .cancellation import Cancellation
from .errors import MalformedResponse, RequestError, RetriesExhausted
from .stats import RequestStats

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
# Retries that go on for so many seconds are reported meanwhile.
_LONG = 30.0
# A response of another shape rarely mends itself: most often base_url is not a control plane. To what is
# optional, a control plane may respond with a server error where it lacks an endpoint.
_TRIES_WITHOUT_HOPE = 3


class RetryBudget:
    """What is left of ``retry_timeout`` (seconds) for one request and all its retries.

    The time counts from the first fault. Several calls that settle the same question, e.g. the
    reads after a lost response, share one. ``is_optional``: what is asked can be done without or asked
    otherwise, so that a 500 is not waited out. ``on_trouble`` is called once if the retries take long, with
    the kind of the fault and the seconds that are left.
    """

    def __init__(
        self,
        seconds: float,
        cancellation: Cancellation,
        stats: RequestStats,
        is_optional: bool = False,
        on_trouble: Callable[[str, float], None] = lambda kind, left: None,
    ) -> None:
        self.seconds = seconds
        self._on_trouble = on_trouble
        self._is_reported = False
        self._is_optional = is_optional
        self._cancellation = cancellation
        self._stats = stats
        self._since: Optional[float] = None
        self._tries = 0
        self._tries_without_hope = 0

    @property
    def left(self) -> float:
        if self._since is None:
            return self.seconds
        return self.seconds - (time.monotonic() - self._since)

    def start(self) -> None:
        """Start the clock, if it does not run yet."""
        if self._since is None:
            self._since = time.monotonic()

    def pause(self, fault: RequestError, before_write: bool = False, is_transient: bool = False) -> None:
        """Sleep before the next try, or raise: the fault itself if it lasts, or RetriesExhausted.

        Sleeps for as long as Retry-After asks, but never less than without it: a server that asks for
        no pause, again and again, would be asked without end. One that asks for more than is left is
        tried once more when the time is over, since it may be back earlier than it said.
        Raises Interrupted when the cancellation forbids the next call. ``is_transient`` is for a fault that
        lasts in general, but not here.
        """
        if not (fault.is_transient or is_transient):
            raise fault
        self.start()
        self._tries += 1
        self._tries_without_hope += isinstance(fault, MalformedResponse) or (
            self._is_optional and fault.status == 500
        )
        if self.left <= 0 or self._tries_without_hope >= _TRIES_WITHOUT_HOPE:
            if self._tries == 1:
                raise fault
            raise RetriesExhausted(fault, self.seconds - self.left, self._tries)
        left = self.left
        pause = min(max(fault.retry_after or 0.0, _backoff(self._tries)), left)
        if not self._is_reported and self.seconds - left + pause >= _LONG:
            self._is_reported = True
            self._on_trouble(fault.kind, left)
        self._cancellation.sleep(pause, before_write)
        self._stats.count_retry(fault.kind)


def _backoff(tries: int) -> float:
    """Return an exponential pause in seconds, with jitter so that clients do not come back as one."""
    ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(tries - 1, 10))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311
