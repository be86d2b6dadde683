# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress lines of a task while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Callable, Optional

from .._common.text import counted
from .outcome import describe_counts

MOST_LINES = 50
# Maximum seconds between two lines, however long a wait or a batch takes.
_LONGEST_SILENCE = 300.0
# Seconds before the first line of a read. Later the pause between two lines is this share of the time since
# the start: 50 lines in the first hour.
_READING_SILENCE = 10.0
_READING_SHARE = 0.1


class Progress:
    """Passes progress lines to ``say``.

    There are at most 50 lines for the batches of a task, and for a wait one each fiftieth of its time. There
    are more where five minutes would pass without a line. Lines about reads and retries become rarer the
    longer the task takes.
    """

    def __init__(
        self, action: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefix = "runai {0}: ".format(action)
        self._show = say
        self._clock = clock
        self._lock = threading.Lock()
        self._began = self._last_line = clock()
        self._last_trouble: Optional[float] = None
        self._batch_lines = 0
        self._last_batch_line = clock()
        self._waited_for = ""
        self._next_waiting_line = 0.0

    def phase(self, step: str) -> None:
        """Report the step that begins, e.g. reading the state."""
        self._say(self._prefix + step)

    def reading(self, way: str, read: int, total: Optional[int]) -> None:
        """Report a read of the state that takes long. ``way`` is how it is read."""
        with self._lock:
            now = self._clock()
            silence = min(max(_READING_SILENCE, (now - self._began) * _READING_SHARE), _LONGEST_SILENCE)
            if now - self._last_line < silence:
                return
            self._last_line = now
        of = "" if total is None else " of {0}".format(total)
        self._say("{0}reading the state {1}: {2}{3}".format(self._prefix, way, read, of))

    def trouble(self, kind: str, left: float) -> None:
        """Report that requests fail with this ``kind`` of fault, and how many seconds of retries are left."""
        with self._lock:
            now = self._clock()
            if self._last_trouble is not None and now - self._last_trouble < _LONGEST_SILENCE:
                return
            self._last_trouble = now
        self._say(
            "{0}control plane unavailable ({1}); retrying for up to {2:.0f} s".format(
                self._prefix, kind, left
            )
        )

    def batch(self, counts: Mapping[str, int], asked: int, done: int, batches: int) -> None:
        """Report the state after ``done`` of ``batches``. Not every batch has a line, but the last one has.

        ``counts`` are ids by outcome, of the ``asked`` ids.
        """
        due = done * min(MOST_LINES, batches) // max(batches, 1)
        now = self._clock()
        if due <= self._batch_lines and now - self._last_batch_line < _LONGEST_SILENCE:
            return
        self._batch_lines = max(due, self._batch_lines)
        self._last_batch_line = now
        self._say(
            "{0}{1}/{2} ids, {3}, batch {4} of {5}".format(
                self._prefix, sum(counts.values()), asked, describe_counts(counts), done, batches
            )
        )

    def waiting(self, left: int, purpose: str, timeout: float) -> None:
        """Report how many workloads are left in a wait of at most ``timeout`` seconds."""
        now = self._clock()
        if not left or (purpose == self._waited_for and now < self._next_waiting_line):
            return
        self._waited_for = purpose
        self._next_waiting_line = now + min(timeout / MOST_LINES, _LONGEST_SILENCE)
        self._say("{0}waiting for {1} {2}".format(self._prefix, counted(left, "workload"), purpose))

    def end(self, message: str) -> None:
        """Report the last line: the ``msg`` of the result."""
        self._say("runai " + message)

    def _say(self, line: str) -> None:
        self._last_line = self._clock()
        self._show(line)
