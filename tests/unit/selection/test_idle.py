# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Union

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import (
    Measurements,
    Sample,
    parse_measurements,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.idle import (
    IdleWindow,
    idle_window,
    judge,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.order import newest
from ansible_collections.gpuops.runai.tests.support.client_calls import json_response
from ansible_collections.gpuops.runai.tests.support.workloads import workload_row
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
# 121 samples, one a minute.
WINDOW = idle_window(timedelta(hours=2), 1.0, NOW)


def series(*values: Optional[float], window: IdleWindow = WINDOW) -> list[Sample]:
    """Samples at equal distances over the whole window; None is a sample that is missing."""
    step = (window.end - window.start) / (len(values) - 1)
    return [
        Sample(window.start + step * number, value)
        for number, value in enumerate(values)
        if value is not None
    ]


def flat(value: float, without: range = range(0), window: IdleWindow = WINDOW) -> list[Sample]:
    """The same value all the time, but for the samples with the numbers ``without``."""
    values = [None if number in without else value for number in range(window.samples)]
    return series(*values, window=window)


IDLE = flat(0.5)
ONCE_USED = [*IDLE[:60], IDLE[60]._replace(value=97.0), *IDLE[61:]]


@pytest.mark.parametrize(
    ("measured", "gpus", "expected"),
    [
        ([IDLE], 1, 0.5),
        ([IDLE], 0.5, 0.5),
        ([IDLE, flat(0.0)], 2, 0.5),
        ([IDLE, ONCE_USED], 2, 97.0),
        ([ONCE_USED], 1, 97.0),
        # A GPU more than the row names, as of pods that share one.
        ([IDLE, flat(3.0)], 1, 3.0),
        ([IDLE], 1.0000001, 0.5),
        ([], 1, "no measurements"),
        ([[]], 1, "no measurement for 2h"),
        ([IDLE], 2, "of 1 of 2 GPUs"),
        ([IDLE], 1.5, "of 1 of 2 GPUs"),
        ([IDLE, []], 2, "no measurement for 2h"),
        # Twice the distance is no hole, and more is, also at the borders.
        ([flat(0.5, without=range(60, 61))], 1, 0.5),
        ([flat(0.5, without=range(60, 62))], 1, "no measurement for 3m"),
        ([flat(0.5, without=range(2))], 1, 0.5),
        ([flat(0.5, without=range(3))], 1, "no measurement for 3m"),
        ([flat(0.5, without=range(119, 121))], 1, 0.5),
        ([flat(0.5, without=range(118, 121))], 1, "no measurement for 3m"),
        ([IDLE, flat(0.5, without=range(60, 90))], 2, "no measurement for 31m"),
        # A GPU in use does not make up for a hole: the measurements are not whole.
        ([ONCE_USED, flat(0.5, without=range(60, 62))], 2, "no measurement for 3m"),
    ],
)
def test_judge_each_case_gives_its_peak_or_reason(
    measured: list[list[Sample]], gpus: float, expected: Union[float, str]
) -> None:
    found = judge(Measurements(measured, is_partial=False), gpus, WINDOW)
    assert (expected in found) if isinstance(expected, str) and isinstance(found, str) else found == expected


def test_judge_partial_response_is_not_known() -> None:
    assert judge(Measurements([IDLE], is_partial=True), 1, WINDOW) == (
        "the control plane returned a part of the measurements"
    )


def test_judge_shortest_window_without_a_sample_is_not_known() -> None:
    window = idle_window(timedelta(minutes=1), 1.0, NOW)
    assert "no measurement" in str(judge(Measurements([[]], is_partial=False), 1, window))
    assert judge(Measurements([flat(0.5, window=window)], is_partial=False), 1, window) == 0.5


percents = st.lists(st.floats(0, 100, allow_nan=False), min_size=WINDOW.samples, max_size=WINDOW.samples)


@given(gpus=st.lists(percents, min_size=1, max_size=3), data=st.data())
def test_judge_whole_measurements_gives_the_highest_sample(
    gpus: list[list[float]], data: st.DataObject
) -> None:
    measured = [data.draw(st.permutations(series(*values))) for values in gpus]
    before = Sample(WINDOW.start - timedelta(seconds=30), 1000.0)
    after = Sample(WINDOW.end + timedelta(seconds=1), 1000.0)
    found = judge(Measurements([[before, *one, after] for one in measured], False), len(gpus), WINDOW)
    assert found == max(max(values) for values in gpus)


@given(data=st.data(), length=st.integers(2, 120))
def test_judge_any_hole_in_any_series_is_not_known(data: st.DataObject, length: int) -> None:
    begin = data.draw(st.integers(1, WINDOW.samples - 1 - length)) if length < 119 else 0
    measured = [IDLE, IDLE, flat(0.5, without=range(begin, begin + length + (begin == 0)))]
    assert isinstance(judge(Measurements(data.draw(st.permutations(measured)), False), 3, WINDOW), str)


@given(seconds=st.integers(60, 90 * 86_400), threshold=st.floats(0, 100))
def test_idle_window_any_duration_has_what_the_api_permits(seconds: int, threshold: float) -> None:
    window = idle_window(timedelta(seconds=seconds), threshold, NOW.replace(microsecond=999))
    assert window.end - window.start == timedelta(seconds=seconds)
    assert window.end <= NOW.replace(microsecond=999)
    assert 2 <= window.samples <= 1000
    assert window.distance <= timedelta(seconds=max(60, seconds / 999))


def measurement(**fields: Any) -> dict[str, Any]:
    values = [{"value": "0.5", "timestamp": "2026-03-01T12:00:00Z"}]
    return {"type": "GPU_UTILIZATION", "labels": {"gpu": "0"}, "values": values, **fields}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([{"value": "0.5", "timestamp": "2026-03-01 12:00:00.000"}], [Sample(NOW, 0.5)]),
        ([{"value": 7, "timestamp": "2026-03-01T12:00:00Z"}], [Sample(NOW, 7.0)]),
        ([{"value": "NaN", "timestamp": "2026-03-01T12:00:00Z"}], []),
        ([{"value": "-1", "timestamp": "2026-03-01T12:00:00Z"}], []),
        ([{"value": "+Inf", "timestamp": "2026-03-01T12:00:00Z"}], []),
        ([{"value": True, "timestamp": "2026-03-01T12:00:00Z"}], []),
        ([{"value": None, "timestamp": "2026-03-01T12:00:00Z"}], []),
        ([{"value": "0", "timestamp": None}], []),
        ([{"value": "0", "timestamp": "yesterday"}], []),
        ([{"timestamp": "2026-03-01T12:00:00Z"}, "0", None], []),
        (None, []),
    ],
)
def test_parse_measurements_odd_values_are_no_samples(values: Any, expected: list[Sample]) -> None:
    response = {"measurements": [measurement(values=values), measurement(type="GPU_ALLOCATION"), None]}
    assert parse_measurements(json_response(response), "GPU_UTILIZATION") == Measurements([expected], False)


def test_newest_rows_are_counted_in_each_project_of_each_cluster() -> None:
    west, east = (workload_row(number)["id"] for number in (901, 902))
    rows = [
        workload_row(1, clusterId=west, projectName="a", createdAt="2026-01-01", completedAt="2026-01-09"),
        workload_row(2, clusterId=west, projectName="a", createdAt="2026-01-02", completedAt="2026-01-05"),
        workload_row(3, clusterId=west, projectName="a", createdAt="2026-01-06"),
        workload_row(4, clusterId=east, projectName="a", createdAt="2026-01-01"),
        workload_row(5, clusterId=west, projectName="b"),
        workload_row(6, clusterId=west, projectName="b", createdAt="2025-01-01"),
    ]
    for number, expected in ((0, []), (1, [1, 4, 6]), (2, [1, 3, 4, 5, 6]), (9, [1, 2, 3, 4, 5, 6])):
        assert newest(rows, number) == {workload_row(one)["id"] for one in expected}
        assert newest(rows[::-1], number) == newest(rows, number)
