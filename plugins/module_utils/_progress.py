# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words that say how far a task is, while it works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from ansible_collections.gpuops.runai.plugins.module_utils._outcome import CHANGED, OUTCOMES, UNCHANGED
from ansible_collections.gpuops.runai.plugins.module_utils._text import counted

MOST_LINES = 50


def spelled(outcome: str) -> str:
    """Return an outcome as it stands in a sentence."""
    return outcome.replace("_", " ")


class Progress:
    """Says through ``say`` what is going on, a line at a time; at most 50 lines for batches."""

    def __init__(self, action: str, say: Callable[[str], None]) -> None:
        self._prefix = "runai {0}: ".format(action)
        self._say = say
        self._batches = 0
        self._lines = 0

    def phase(self, words: str) -> None:
        """Name what begins now, e.g. reading the state."""
        self._say(self._prefix + words)

    def batch(self, counts: Mapping[str, int], settled: int, planned: int, batches: int) -> None:
        """Say how far it is after one more of ``batches``; thinned so that the last one is told."""
        self._batches += 1
        due = self._batches * min(MOST_LINES, batches) // max(batches, 1)
        if due <= self._lines:
            return
        self._lines = due
        told = ["{0} changed".format(counts.get(CHANGED, 0))]
        told += [
            "{0} {1}".format(counts[outcome], spelled(outcome))
            for outcome in OUTCOMES
            if outcome not in (CHANGED, UNCHANGED) and counts.get(outcome)
        ]
        self._say(
            "{0}{1}/{2} ids, {3}, batch {4} of {5}".format(
                self._prefix, settled, planned, ", ".join(told), self._batches, batches
            )
        )

    def waiting(self, left: int, words: str) -> None:
        """Say how many workloads are still waited for."""
        self._say("{0}waiting for {1} {2}".format(self._prefix, counted(left, "workload"), words))
