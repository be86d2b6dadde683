# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run hands to the module at its end, and how large it may be. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple, Optional

from .errors import RunaiError

# Job viewers blank a result over 700,000 characters, and many ways to print one add to it.
LARGEST_RESULT = 460_000
# From so many ``v`` on, results are printed at length: with a line for each of their values.
AT_LENGTH = 3
# What a list may take however full the result is: 150 batches, 500 ids, or some 50 rows.
_LEAST_SHARE = 20_000
# The same where 10,000 ids printed at length nearly fill an event: 5 batches, 20 ids, or 2 rows.
_LEAST_INDENTED_SHARE = 1_300
# An event holds the result and, where it is printed, its text. What is left of a million characters is
# for the options and the text around them.
_LARGEST_EVENT = 990_000
_INDENT = 4
# Most viewers ask for colour, and each line has its own.
_BETWEEN_LINES = "\x1b[0m\r\n\x1b[0;31m"


class ResultBudget:
    """The characters that a result has left: lists take their share of them, one after the other.

    ``verbosity`` is how many ``v`` the play was started with: how a result is printed depends on it.
    """

    def __init__(self, result: Mapping[str, Any], verbosity: int) -> None:
        is_indented = verbosity >= AT_LENGTH
        self.size = indented_size if is_indented else characters
        self._least = _LEAST_INDENTED_SHARE if is_indented else _LEAST_SHARE
        self.left = LARGEST_RESULT - self.size(result)

    def take(self, items: Iterable[Any], share: float = 1.0) -> list[Any]:
        """Return the first of ``items``, as many as fit into this share of what is left."""
        found, taken = fitting(items, max(int(self.left * share), self._least), self.size)
        self.left -= taken
        return found


class ModuleResult(NamedTuple):
    """A run that came to its end, well or not; ``secrets`` are values that must never be shown.

    ``fault`` is what a failed run ended on, where it was one fault.
    """

    result: dict[str, Any]
    failed: bool
    warnings: list[str]
    secrets: set[str]
    fault: Optional[RunaiError] = None


def characters(value: Any) -> int:
    """Return how many characters a part of a result takes."""
    return len(json.dumps(value))


def fitting(
    items: Iterable[Any], budget: int, size: Callable[[Any], int] = characters
) -> tuple[list[Any], int]:
    """Return the first of ``items``, as many as fit into ``budget`` characters, and how many they take."""
    found = []
    taken = 0
    for item in items:
        # What one more of its kind takes at its place, which is deep in the result.
        more = size([[item, item]]) - size([[item]])
        if taken + more > budget:
            break
        taken += more
        found.append(item)
    return found, taken


def indented_size(value: Any) -> int:
    """Return what a part of a result takes where it is printed indented, and the event gets full first.

    It is converted to characters of a result: what fills an event fills a result.
    """
    printed = json.dumps(value, indent=_INDENT, ensure_ascii=False).replace("\n", _BETWEEN_LINES)
    in_event = characters(value) + characters(printed)
    return max(characters(value), in_event * LARGEST_RESULT // _LARGEST_EVENT)
