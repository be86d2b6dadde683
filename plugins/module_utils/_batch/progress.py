# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words that say how far a task is, while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Callable, Optional

from .._common.text import counted
from .outcome import CHANGED, OUTCOMES, spelled

MOST_LINES = 50
# However long a wait takes, or the batches between two lines, nobody should wonder whether it still lives.
_LONGEST_SILENCE = 300.0
# What takes no longer to read is not told, and later only this part of the time gone by since the start:
# 50 lines in the first hour.
_READING_SILENCE = 10.0
_READING_SHARE = 0.1


class Progress:
    """Says through ``say`` what is going on, a line at a time.

    However large the task, there are at most 50 lines for its batches; while it waits, there is one
    every fiftieth part of that time. Where that would make a silence of five minutes, there are more.
    What the threads of the client tell, how much they read and that they get no answer, comes more rarely
    the longer the task takes.
    """

    def __init__(
        self, action: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefix = "runai {0}: ".format(action)
        self._tell = say
        self._clock = clock
        self._lock = threading.Lock()
        self._began = self._last_line = clock()
        self._last_trouble: Optional[float] = None
        self._batch_lines = 0
        self._last_batch_line = clock()
        self._waited_for = ""
        self._next_waiting_line = 0.0

    def phase(self, words: str) -> None:
        """Name what begins now, e.g. reading the state."""
        self._say(self._prefix + words)

    def reading(self, way: str, read: int, total: Optional[int]) -> None:
        """Say how far a read of the state is, if it takes long. ``way`` says how it is read."""
        with self._lock:
            now = self._clock()
            silence = min(max(_READING_SILENCE, (now - self._began) * _READING_SHARE), _LONGEST_SILENCE)
            if now - self._last_line < silence:
                return
            self._last_line = now
        of = "" if total is None else " of {0}".format(total)
        self._say("{0}reading the state {1}: {2}{3}".format(self._prefix, way, read, of))

    def trouble(self, kind: str, left: float) -> None:
        """Say that requests keep failing for a reason of this ``kind``, and for how many seconds to go on."""
        with self._lock:
            now = self._clock()
            if self._last_trouble is not None and now - self._last_trouble < _LONGEST_SILENCE:
                return
            self._last_trouble = now
        self._say(
            "{0}the control plane does not answer as it should ({1}), trying for up to {2:.0f} s more".format(
                self._prefix, kind, left
            )
        )

    def batch(self, counts: Mapping[str, int], settled: int, asked: int, done: int, batches: int) -> None:
        """Say how far it is after ``done`` of ``batches``; thinned so that the last one is told.

        ``counts`` are ids by outcome, ``settled`` of the ``asked`` ids have one.
        """
        due = done * min(MOST_LINES, batches) // max(batches, 1)
        now = self._clock()
        if due <= self._batch_lines and now - self._last_batch_line < _LONGEST_SILENCE:
            return
        self._batch_lines = max(due, self._batch_lines)
        self._last_batch_line = now
        told = ["{0} changed".format(counts.get(CHANGED, 0))]
        told += [
            "{0} {1}".format(counts[outcome], spelled(outcome))
            for outcome in OUTCOMES
            if outcome != CHANGED and counts.get(outcome)
        ]
        self._say(
            "{0}{1}/{2} ids, {3}, batch {4} of {5}".format(
                self._prefix, settled, asked, ", ".join(told), done, batches
            )
        )

    def waiting(self, left: int, words: str, timeout: float) -> None:
        """Say how many workloads are still waited for, of a wait that takes at most ``timeout`` seconds."""
        now = self._clock()
        if not left or (words == self._waited_for and now < self._next_waiting_line):
            return
        self._waited_for = words
        self._next_waiting_line = now + min(timeout / MOST_LINES, _LONGEST_SILENCE)
        self._say("{0}waiting for {1} {2}".format(self._prefix, counted(left, "workload"), words))

    def end(self, message: str) -> None:
        """Say the last line: the ``msg`` of the result."""
        self._say("runai " + message)

    def _say(self, line: str) -> None:
        self._last_line = self._clock()
        self._tell(line)
