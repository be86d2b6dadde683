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
# Kinds of lines. The kind of a line about a wait is the purpose of that wait.
_ANY = "any"
_BATCH = "batch"
_TROUBLE = "trouble"


class Progress:
    """Passes progress lines to ``say``.

    There are at most 50 lines for the batches of a task, and for a wait one each fiftieth of its time. There
    are more where five minutes would pass without a line. Lines about reads and retries become rarer the
    longer the task takes.
    """

    def __init__(self, action: str, say: Callable[[str], None]) -> None:
        self._prefix = "runai {0}: ".format(action)
        self._show = say
        self._lock = threading.Lock()
        self._began = time.monotonic()
        # When the last line of a kind was shown.
        self._shown_at = {_ANY: self._began, _BATCH: self._began}
        self._batch_lines = 0

    def phase(self, step: str) -> None:
        """Report the step that begins, e.g. reading the state."""
        self._say(step)

    def reading(self, way: str, read: int, total: Optional[int]) -> None:
        """Report a read of the state that takes long. ``way`` is how it is read."""
        silence = max(_READING_SILENCE, (time.monotonic() - self._began) * _READING_SHARE)
        of = "" if total is None else " of {0}".format(total)
        self._say("reading the state {0}: {1}{2}".format(way, read, of), _ANY, silence)

    def trouble(self, kind: str, left: float) -> None:
        """Report that requests fail with this ``kind`` of fault, and how many seconds of retries are left."""
        line = "control plane unavailable ({0}); retrying for up to {1:.0f} s".format(kind, left)
        self._say(line, _TROUBLE, _LONGEST_SILENCE)

    def batch(self, counts: Mapping[str, int], asked: int, done: int, batches: int) -> None:
        """Report the state after ``done`` of ``batches``. Not every batch has a line, but the last one has.

        ``counts`` are ids by outcome, of the ``asked`` ids.
        """
        due = done * min(MOST_LINES, batches) // max(batches, 1)
        silence = 0.0 if due > self._batch_lines else _LONGEST_SILENCE
        self._batch_lines = max(due, self._batch_lines)
        line = "{0}/{1} ids, {2}, batch {3} of {4}".format(
            sum(counts.values()), asked, describe_counts(counts), done, batches
        )
        self._say(line, _BATCH, silence)

    def waiting(self, left: int, purpose: str, timeout: float) -> None:
        """Report how many workloads are left in a wait of at most ``timeout`` seconds."""
        if left:
            line = "waiting for {0} {1}".format(counted(left, "workload"), purpose)
            self._say(line, purpose, timeout / MOST_LINES)

    def end(self, message: str) -> None:
        """Report the last line: the ``msg`` of the result."""
        self._show("runai " + message)

    def _say(self, line: str, kind: str = _ANY, silence: float = 0.0) -> None:
        """Show a line unless one of its kind was shown less than ``silence`` seconds ago."""
        with self._lock:
            now = time.monotonic()
            if now - self._shown_at.get(kind, float("-inf")) < min(silence, _LONGEST_SILENCE):
                return
            self._shown_at[kind] = self._shown_at[_ANY] = now
        self._show(self._prefix + line)
