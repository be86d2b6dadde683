# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.times import (
    format_age,
    parse_age,
    parse_before,
    parse_timestamp,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-28T11:28:24.131Z", datetime(2026, 2, 28, 11, 28, 24, 131000)),
        ("2026-02-28T11:28:24.123456789Z", datetime(2026, 2, 28, 11, 28, 24, 123456)),
        ("2026-02-28T11:28:24+02:00", datetime(2026, 2, 28, 9, 28, 24)),
        ("2026-02-28T11:28:24-0530", datetime(2026, 2, 28, 16, 58, 24)),
        ("2026-02-28 11:28:24+00:00", datetime(2026, 2, 28, 11, 28, 24)),
        ("2026-02-28 11:28", datetime(2026, 2, 28, 11, 28)),
        ("2026-02-28", datetime(2026, 2, 28)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1)),
    ],
)
def test_parse_timestamp_any_zone_is_utc(text: str, expected: datetime) -> None:
    assert parse_timestamp(text) == expected.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7d",
        "2026-13-01",
        "2026-02-30",
        "2026-02-28T25:00Z",
        "2026-02-28T10:00+99:00",
        "yesterday",
        "20260228",
    ],
)
def test_parse_timestamp_other_text_is_none(text: str) -> None:
    assert parse_timestamp(text) is None


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(timezone.utc)))
def test_parse_timestamp_of_python_is_read_back(moment: datetime) -> None:
    assert parse_timestamp(moment.isoformat()) == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        (" 7D ", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1d12h", timedelta(hours=36)),
        ("1.5h", timedelta(minutes=90)),
        ("30s", timedelta(seconds=30)),
    ],
)
def test_parse_age_valid_text_is_a_duration(text: str, expected: timedelta) -> None:
    assert parse_age(text) == expected


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7 days", "-7d", "7y", "1e3d", "9" * 400 + "d", "7d,", "6M", "1d6M"]
)
def test_parse_age_other_text_is_none(text: str) -> None:
    assert parse_age(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2027-01-01", "lies in the future"),
        ("soon", "neither an age"),
        ("30", "neither an age"),
        ("999999w", "too long ago"),
        ("6M", "minutes or months"),
        ("1D6M", "minutes or months"),
    ],
)
def test_parse_before_other_text_is_rejected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_before(text, NOW)


def test_parse_before_age_or_timestamp_is_a_time() -> None:
    assert parse_before("12h", NOW) == datetime(2026, 3, 1, tzinfo=timezone.utc)
    assert parse_before("2026-02-01", NOW) == datetime(2026, 2, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (-5, "0s"),
        (59, "59s"),
        (3600, "1h"),
        (3661, "1h1m"),
        (86400 * 5 + 3 * 3600 + 59, "5d3h"),
        (86460, "1d"),
    ],
)
def test_format_age_any_duration_shows_two_units(seconds: int, expected: str) -> None:
    assert format_age(timedelta(seconds=seconds)) == expected
