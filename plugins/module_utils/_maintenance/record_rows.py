# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows below a sentence that says what is wrong: whom and what it is about."""

from __future__ import annotations

from typing import Optional

from .._common.text import clean

# More than these nobody reads; the sentence has the number.
MOST_ROWS = 20
_LONGEST_CELL = 160


def problem_row(
    name: str, project: Optional[str], owner: Optional[str], words: str, code: Optional[int] = None
) -> str:
    """Return one row: name, project, owner, code, and what is to be said."""
    cells = (name, project or "-", owner or "-", "-" if code is None else str(code), words)
    return " | ".join(clean(cell, _LONGEST_CELL) for cell in cells)
