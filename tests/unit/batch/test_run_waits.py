# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole module without AnsibleModule: what it waits for, and for how long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import StatusError
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchResponse
from ansible_collections.gpuops.runai.plugins.module_utils._batch.context import BatchHooks
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import Workload
from ansible_collections.gpuops.runai.tests.support.memory_client import (
    MemoryClient,
    control_plane_of,
    memory_as_control_plane,
    outcome_by_id,
    run,
    same,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids


@pytest.fixture(autouse=True, scope="module")
def no_network() -> Iterator[None]:
    with memory_as_control_plane():
        yield


def test_wait_after_a_breaker_covers_changed_ids() -> None:
    ids = workload_ids(3)
    finished = run(
        same(3, "Running", refused=ids[:1]), ids=ids, batch_size=1, concurrency=1, max_failures="1", wait=True
    )
    assert finished.result["outcomes"]["changed"] == ids[1:]
    assert finished.result["not_reached"] == []


def test_resume_of_a_stopping_workload_is_sent_after_its_stop() -> None:
    ids = workload_ids(6)
    control_plane = control_plane_of(dict(zip(ids, ["Stopping", "Stopped"] * 3)))
    finished = run(control_plane, action="resume", ids=ids, wait_timeout=5.0, wait=False)
    assert control_plane.batches == [ids[1::2], ids[0::2]]
    assert finished.result["outcomes"]["changed"] == ids
    assert not finished.failed


def test_resume_of_a_workload_that_stopped_does_not_wait_for_the_others() -> None:
    ids = workload_ids(2)
    control_plane = same(2, "Stopping", frozen=ids[1:])
    apply = control_plane.apply

    def apply_and_thaw(action: str, one: str) -> None:
        apply(action, one)
        control_plane.frozen = ()

    control_plane.apply = apply_and_thaw  # type: ignore[method-assign]
    finished = run(control_plane, action="resume", ids=ids, wait_timeout=5.0)
    assert control_plane.batches == [ids[:1], ids[1:]]
    assert finished.result["outcomes"]["changed"] == ids


def test_resume_of_a_workload_that_never_stops_fails() -> None:
    ids = workload_ids(2)
    control_plane = same(2, "Stopping", frozen=ids[:1])
    finished = run(control_plane, action="resume", ids=ids, wait_timeout=0.05)
    assert control_plane.batches == [ids[1:]]
    assert finished.result["outcomes"]["failed"] == ids[:1]
    assert finished.result["workloads"][0]["reason"] == "still_stopping"


def test_resume_of_a_workload_finishing_meanwhile_is_skipped() -> None:
    ids = workload_ids(1)
    control_plane = same(1, "Stopping", frozen=ids)
    row = control_plane.row

    def finishing(one: str) -> dict[str, Any]:
        found = row(one)
        control_plane.move(one, "Completed", "")
        return found

    control_plane.row = finishing  # type: ignore[method-assign]
    finished = run(control_plane, action="resume", ids=ids, wait_timeout=5.0)
    assert control_plane.batches == []
    assert finished.result["outcomes"]["skipped"] == ids


@pytest.mark.parametrize(
    ("action", "phase", "wait_for", "reached"),
    [
        ("suspend", "Stopping", "target", True),
        ("delete", "Deleting", "target", False),
        ("resume", "Pending", "target", False),
        ("resume", "Pending", "active", True),
    ],
)
def test_wait_covers_unchanged_ids_on_their_way(
    action: str, phase: str, wait_for: str, reached: bool
) -> None:
    ids = workload_ids(1)
    finished = run(same(1, phase), action=action, ids=ids, wait=True, wait_for=wait_for)
    assert finished.result["outcomes"]["unchanged"] == ids
    assert finished.result["not_reached"] == ([] if reached else ids)
    assert finished.failed is not reached
    assert finished.result["changed"] is False


def test_run_batch_without_wait_reads_no_state_afterwards() -> None:
    finished = run(same(1, "Deleting"), action="delete", ids=workload_ids(1), wait=False)
    assert (finished.failed, finished.result["not_reached"]) == (False, [])


def test_wait_for_a_failed_workload_ends() -> None:
    ids = workload_ids(1)
    control_plane = same(1, "Running")
    control_plane.apply = lambda action, one: control_plane.move(one, "Failed", "")  # type: ignore[method-assign]
    began = time.monotonic()
    finished = run(control_plane, ids=ids, wait=True, wait_timeout=600.0)
    assert finished.result["not_reached"] == ids
    assert time.monotonic() - began < 60


def test_resume_after_a_breaker_does_not_wait_for_stopping() -> None:
    ids = workload_ids(4)
    control_plane = control_plane_of(
        dict(zip(ids, ["Stopped", "Stopped", "Stopping", "Stopping"])), refused=ids[:2]
    )
    finished = run(control_plane, action="resume", ids=ids, max_failures="0", wait_timeout=600.0)
    assert control_plane.batches == [ids[:2]]
    assert [control_plane.read_ids[one] for one in ids] == [1, 1, 1, 1]
    assert outcome_by_id(finished) == {
        **dict.fromkeys(ids[:2], "failed"),
        **dict.fromkeys(ids[2:], "not_attempted"),
    }
    assert "max_failures (0) is exceeded: 2 of 4 refused" in finished.result["msg"]


def test_wait_with_an_unreadable_state_ends() -> None:
    ids = workload_ids(4)
    control_plane = control_plane_of(
        dict(zip(ids, ["Stopped", "Stopped", "Stopping", "Stopping"])), frozen=ids
    )
    row, asked = control_plane.row, list[str]()

    def failing(one: str) -> dict[str, Any]:
        asked.append(one)
        if len(asked) > 4:
            raise StatusError("GET", "/" + one, 500, "broken")
        return row(one)

    control_plane.row = failing  # type: ignore[method-assign]
    finished = run(
        control_plane, action="resume", ids=ids, wait=True, wait_timeout=600.0, batch_size=1, max_failures="0"
    )
    assert outcome_by_id(finished) == {
        **dict.fromkeys(ids[:2], "changed"),
        **dict.fromkeys(ids[2:], "not_attempted"),
    }
    assert "HTTP 500, broken" in finished.result["msg"]
    assert finished.result["not_reached"] == ids[:2]
    # The two that were still stopping; not the others as well, for which the wait would come next.
    assert set(asked[4:]) <= set(ids[2:])


def test_wait_timeout_shows_the_last_phase_of_each_id(tmp_path: Path) -> None:
    ids = workload_ids(7)
    after = dict(zip(ids, ["Running", "Pending", "Pending", "Failed", None, "Completed"]))
    control_plane = control_plane_of({**dict.fromkeys(ids, "Stopped"), ids[6]: "Pending"})
    control_plane.apply = lambda action, one: control_plane.move(one, after[one], "")  # type: ignore[method-assign]
    report = tmp_path / "report.jsonl"
    finished = run(control_plane, action="resume", ids=ids, wait=True, report_path=str(report))
    result = finished.result
    assert result["not_reached"] == [*ids[1:5], ids[6]]
    assert result["msg"] == (
        "resume: 6 changed, 1 unchanged of 7; 5 not Running when the wait ended: 3 Pending, 1 Failed, 1 gone"
    )
    rows = {row["id"]: (row["outcome"], row["reason"], row["message"]) for row in result["workloads"]}
    short = "not Running when the wait ended: {0}"
    assert rows == {
        ids[0]: ("changed", "", ""),
        ids[1]: ("changed", "not_reached", short.format("Pending")),
        ids[2]: ("changed", "not_reached", short.format("Pending")),
        ids[3]: ("changed", "not_reached", short.format("Failed")),
        ids[4]: ("changed", "not_reached", short.format("gone")),
        ids[5]: ("changed", "", ""),
        ids[6]: ("unchanged", "not_reached", short.format("Pending")),
    }
    # The report says the same, a line an id.
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(map(str, lines)) == sorted(map(str, result["workloads"]))


def test_wait_without_a_read_marks_ids_as_not_seen_again() -> None:
    ids = workload_ids(20)
    control_plane = same(20, "Running")
    send = MemoryClient.batch

    def batch(client: MemoryClient, action: str, sent: Sequence[str]) -> BatchResponse:
        if ids[0] not in sent:
            raise StatusError("POST", "/batch", 403, "no more")
        return send(client, action, sent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryClient, "batch", batch)
        finished = run(control_plane, ids=ids, batch_size=10, concurrency=1, wait=True)
    assert finished.result["outcomes"]["changed"] == finished.result["not_reached"] == ids[:10]
    assert "; 10 not Stopped when the wait ended: 10 not read again" in finished.result["msg"]


def test_wait_passes_on_the_workloads_that_a_read_saw_at_the_target() -> None:
    ids = workload_ids(3)
    control_plane = same(3, "Running")
    after = dict(zip(ids, ("Stopped", "Stopped", "Running"), strict=True))
    control_plane.apply = lambda action, one: control_plane.move(one, after[one], "")  # type: ignore[method-assign]
    reached: dict[str, str] = {}
    began = time.monotonic()

    def keep(read_at: float, workloads: Sequence[Workload]) -> None:
        assert began <= read_at <= time.monotonic()
        reached.update((one.id, one.phase) for one in workloads)

    run(control_plane, hooks=BatchHooks(on_reached=keep), ids=ids, wait=True, wait_timeout=0.05)
    assert reached == dict.fromkeys(ids[:2], "Stopped")
