# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import uuid
from typing import Any

from ansible_collections.gpuops.runai.plugins.module_utils._selection.result import (
    Selection,
    make_result,
    nothing,
)
from hypothesis import given
from hypothesis import strategies as st


def selection(count: int, width: int = 0) -> Selection:
    ids = [str(uuid.UUID(int=number)) for number in range(count)]
    rows: list[dict[str, Any]] = [{"id": one, "name": "x" * width} for one in ids]
    return nothing()._replace(ids=ids, rows=rows, gpus=2.5)


@given(
    count=st.sampled_from([0, 1, 50, 3000]),
    width=st.sampled_from([0, 300, 5000]),
    limit=st.none() | st.sampled_from([0, 1, 100, 100_000]),
)
def test_make_result_any_selection_has_the_same_keys(count: int, width: int, limit: int | None) -> None:
    chosen = selection(count, width)
    result = make_result(chosen, limit)
    assert set(result) == set(make_result(nothing(), None))
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
    result = make_result(selection(15_000, 300), None)
    assert len(result["ids"]) == 15_000
    assert len(result["workloads"]) > 100
    assert len(json.dumps(result)) < 700_000


def test_make_result_message_names_workloads_and_gpus() -> None:
    assert make_result(nothing(), None)["msg"] == "no workload selected"
    assert make_result(selection(1), None)["msg"] == "1 workload selected, holding 2.5 GPUs"
    limited = make_result(selection(3)._replace(is_limited=True), None)
    assert limited["msg"] == "3 workloads selected, holding 2.5 GPUs, and more that limit left out"
    assert limited["limited"] is True
