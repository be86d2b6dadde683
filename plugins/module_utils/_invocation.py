# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task as its result repeats them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 3


def shown_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes under ``invocation``: the options, with long lists cut to their beginning."""
    return {"module_args": {option: _short(value) for option, value in params.items()}}


def _short(value: Any) -> Any:
    if not isinstance(value, list) or len(value) <= _SHOWN + 1:
        return value
    return [*value[:_SHOWN], "and {0} more".format(len(value) - _SHOWN)]
