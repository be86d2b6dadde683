# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole module without AnsibleModule: reasons to send no further batch, and the results then."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import NotDelivered, StatusError
from ansible_collections.gpuops.runai.plugins.module_utils._batch import fresh_state as _fresh_state
from ansible_collections.gpuops.runai.plugins.module_utils._batch import run as _batch_run
from ansible_collections.gpuops.runai.plugins.module_utils._batch.concurrency import ConcurrencyLimit
from ansible_collections.gpuops.runai.plugins.module_utils._batch.context import BatchHooks
from ansible_collections.gpuops.runai.tests.support.memory_client import (
    memory_as_control_plane,
    outcome_by_id,
    run,
    same,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

IDS = workload_ids(2)


@pytest.fixture(autouse=True, scope="module")
def no_network() -> Iterator[None]:
    with memory_as_control_plane():
        yield


def test_run_batch_delete_reads_old_state_again_and_leaves_what_runs_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_fresh_state, "MAX_AGE", -1.0)
    control_plane = same(2, "Completed")
    apply = control_plane.apply

    def apply_and_run_the_other(action: str, one: str) -> None:
        apply(action, one)
        control_plane.move(IDS[1], "Running", "its owner")

    control_plane.apply = apply_and_run_the_other  # type: ignore[method-assign]
    result = run(control_plane, action="delete", ids=IDS, batch_size=1, concurrency=1).result
    assert control_plane.batches == [IDS[:1]]
    assert result["outcomes"]["changed"] == IDS[:1]
    assert [(row["outcome"], row["reason"]) for row in result["workloads"] if row["id"] == IDS[1]] == [
        ("skipped", "phase")
    ]


def test_run_batch_delete_whose_second_read_fails_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fresh_state, "MAX_AGE", -1.0)
    control_plane = same(2, "Completed")
    row = control_plane.row

    def row_once(one: str) -> dict[str, Any]:
        if control_plane.read_ids[one]:
            raise StatusError("GET", "/" + one, 500, "down")
        return row(one)

    control_plane.row = row_once  # type: ignore[method-assign]
    finished = run(control_plane, action="delete", ids=IDS, batch_size=1, concurrency=1)
    assert control_plane.batches == []
    assert outcome_by_id(finished) == dict.fromkeys(IDS, "not_attempted")
    assert finished.result["workloads"][0]["reason"] == "unreachable"
    assert "the state could not be read again before a delete: GET /" in finished.result["msg"]
    assert finished.fault is not None


def test_run_batch_fault_of_the_only_batch_is_in_the_message() -> None:
    control_plane = same(2, "Running")
    control_plane.fault = NotDelivered("POST", "/batch", "connection refused", "connection refused")
    finished = run(control_plane, ids=IDS)
    assert outcome_by_id(finished) == dict.fromkeys(IDS, "not_attempted")
    assert finished.result["msg"].endswith("POST /batch: connection refused")
    assert finished.fault is not None


def test_run_batch_whose_play_is_gone_leaves_its_report_unfinished(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settled: list[str] = []
    monkeypatch.setattr(_batch_run, "watch_ancestors", lambda: lambda: bool(settled))
    hooks = BatchHooks(on_settled=lambda outcomes: settled.extend(one.id for one in outcomes))
    report = tmp_path / "report.jsonl"
    # The file stays open until the process ends, which here it does not.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run(same(2, "Running"), hooks=hooks, ids=IDS, batch_size=1, concurrency=1, report_path=str(report))
        gc.collect()
    assert settled == IDS[:1]
    assert [path.name for path in tmp_path.iterdir()] == ["report.jsonl.part"]


def test_run_batch_without_concurrency_follows_full_batches_and_overloads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted: list[str] = []
    monkeypatch.setattr(ConcurrencyLimit, "record_response", lambda self, seconds: noted.append("response"))
    monkeypatch.setattr(ConcurrencyLimit, "record_overload", lambda self, began: noted.append("overload"))
    ids = workload_ids(5)
    run(same(5, "Running"), ids=ids, batch_size=2, concurrency=None)
    # The third batch is too short to compare.
    assert noted == ["response"] * 2
    noted.clear()
    busy = same(5, "Running")
    busy.fault = StatusError("POST", "/batch", 429, "busy")
    run(busy, ids=ids, concurrency=None)
    assert noted == ["overload"]
