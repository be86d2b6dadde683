# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run hands to the module at its end."""

from __future__ import annotations

from typing import Any, NamedTuple


class ModuleResult(NamedTuple):
    """A run that came to its end, well or not; ``secrets`` are values that must never be shown."""

    result: dict[str, Any]
    failed: bool
    warnings: list[str]
    secrets: set[str]
