# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the control plane, by the dates of its responses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats


def _date(seconds: float) -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("date", [None, "", "yesterday", "1"])
def test_clock_ahead_without_a_date_is_not_known(date: Optional[str]) -> None:
    stats = RequestStats(())
    stats.compare_clocks(date)
    assert stats.clock_ahead is None


def test_clock_ahead_with_several_dates_is_the_largest() -> None:
    stats = RequestStats(())
    for seconds in (-3600, -7200):
        # Another one was on its way for long, or kept by a proxy.
        stats.compare_clocks(_date(seconds))
    assert stats.clock_ahead is not None
    assert round(stats.clock_ahead / 3600) == -1
