# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task as its result repeats them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 3
# A survey's text may hold thousands of ids in one string.
_LONGEST = 500


def shown_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes under ``invocation``: the options, with long lists and their texts cut short."""
    return {"module_args": {option: _short(value) for option, value in params.items()}}


def _short(value: Any) -> Any:
    # An option's own text stays whole: a secret that is cut is not recognised as one any more.
    if not isinstance(value, list):
        return value
    shown = [_shorter(element) for element in value[:_SHOWN]]
    rest = value[_SHOWN:]
    return [*shown, "and {0} more".format(len(rest))] if len(rest) > 1 else [*shown, *map(_shorter, rest)]


def _shorter(element: Any) -> Any:
    if not isinstance(element, str) or len(element) <= _LONGEST:
        return element
    return "{0}... and {1} more characters".format(element[:_LONGEST], len(element) - _LONGEST)
