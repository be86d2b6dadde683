# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers as the API writes them: some as text."""

from __future__ import annotations

import math
from typing import Optional


def finite(value: object) -> Optional[float]:
    """Return a number, also of a text; ``None`` for anything else, ``NaN`` (of Prometheus) too."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    # Texts that are numbers in Python alone.
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
