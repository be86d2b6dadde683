# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task as its result repeats them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._api.connection import (
    SECRET_OPTIONS,
    is_usable_address,
)
from ._common.text import HIDDEN, shortened, some_of

_SHOWN = 3


def shown_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes under ``invocation``: the options, with long lists and texts cut short.

    Secrets stay whole, for Ansible to take out: one that is cut is not recognised any more. An address
    that can't be used is hidden: what makes it one may be a password or a token.
    """
    shown = {option: value if option in SECRET_OPTIONS else _short(value) for option, value in params.items()}
    if shown.get("base_url") and not is_usable_address(shown["base_url"]):
        shown["base_url"] = HIDDEN
    return {"module_args": shown}


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        # No option takes one: most often it is the whole of what was registered.
        return "a dictionary: {0}".format(some_of([str(key) for key in value]))
    if not isinstance(value, list):
        return _shorter(value)
    shown = [_shorter(element) for element in value[:_SHOWN]]
    rest = value[_SHOWN:]
    return [*shown, "and {0} more".format(len(rest))] if len(rest) > 1 else [*shown, *map(_shorter, rest)]


def _shorter(element: Any) -> Any:
    # A survey's text may hold thousands of ids in one string.
    return shortened(element) if isinstance(element, str) else element
