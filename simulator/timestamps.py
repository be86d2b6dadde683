# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timestamps as the API writes them (ISO 8601, UTC, milliseconds) from and to seconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"\.(\d+)")


@lru_cache(maxsize=65536)
def to_text(seconds: float) -> str:
    """`1767225600.25` becomes `2026-01-01T00:00:00.250Z`."""
    moment = _EPOCH + timedelta(milliseconds=int(seconds * 1000))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_text(text: str) -> float:
    """Seconds since 1970; a timestamp without a zone is UTC. Raises ValueError for anything else."""
    plain = text.strip().replace("Z", "+00:00").replace("z", "+00:00")
    plain = _FRACTION.sub(lambda match: "." + (match.group(1) + "000000")[:6], plain, count=1)
    moment = datetime.fromisoformat(plain)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) / timedelta(seconds=1)
