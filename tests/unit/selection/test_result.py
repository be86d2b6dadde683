# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from ansible_collections.gpuops.runai.plugins.module_utils._selection.result import (
    EMPTY,
    Selection,
    empty_result,
    make_result,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids
from hypothesis import given
from hypothesis import strategies as st


def result_of(chosen: Selection, limit: int | None = None) -> dict[str, Any]:
    return make_result(chosen, "", ("id", "phaseReason"), limit, datetime.now(timezone.utc))


def selection(count: int, width: int = 0) -> Selection:
    ids = workload_ids(count)
    rows: list[dict[str, Any]] = [{"id": one, "phaseReason": "x" * width} for one in ids]
    return EMPTY._replace(rows=rows, gpus=2.5)


@given(
    count=st.sampled_from([0, 1, 50, 3000]),
    width=st.sampled_from([0, 300, 5000]),
    limit=st.none() | st.sampled_from([0, 1, 100, 100_000]),
)
def test_make_result_any_selection_has_the_same_keys(count: int, width: int, limit: int | None) -> None:
    chosen = selection(count, width)
    result = result_of(chosen, limit)
    assert set(result) == set(empty_result())
    assert result["changed"] is False
    assert result["ids"] == chosen.ids
    assert result["count"] == count
    shown = len(result["workloads"])
    assert result["workloads"] == chosen.rows[:shown]
    assert result["workloads_truncated"] == (shown < count)
    if limit is None:
        assert len(json.dumps(result)) <= 470_000
    else:
        assert shown == min(limit, count)


def test_make_result_15000_ids_fit_into_job_viewers() -> None:
    result = result_of(selection(15_000, 300))
    assert len(result["ids"]) == 15_000
    assert len(result["workloads"]) > 100
    assert len(json.dumps(result)) < 700_000


def test_make_result_message_names_workloads_and_gpus() -> None:
    assert empty_result()["msg"] == "no workload selected"
    assert result_of(selection(1))["msg"] == "1 workload selected, holding 2.5 GPUs"
    limited = result_of(selection(3)._replace(is_limited=True))
    assert limited["msg"] == "3 workloads selected, holding 2.5 GPUs, and more beyond limit"
    assert limited["limited"] is True
