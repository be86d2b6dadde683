# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch module's outcomes and waits in many situations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.component.conftest import Start
from tests.component.harness import BATCH, LIST, Rehearsal, rehearse
from tests.support.workloads import fleet, workload_ids, workload_row

IDS = workload_ids(4)
MIXED = [
    workload_row(number, phase) for number, phase in enumerate(["Running", "Stopped", "Completed", "Failed"])
]


def outcomes(done: Rehearsal) -> dict[str, list[str]]:
    """The outcomes that are not empty."""
    return {name: ids for name, ids in done.result["outcomes"].items() if ids}


def reasons(done: Rehearsal) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in done.result["workloads"] if row["reason"]}


def sent(done: Rehearsal) -> list[str]:
    """The ids of all batches."""
    batches = [one for one in done.simulator.requests() if one["path"] == BATCH["path"]]
    return [one for batch in batches for one in batch["ids"]]


@pytest.mark.parametrize(
    ("settings", "action", "options", "expected", "why"),
    [
        pytest.param(
            {"fleet": {"workloads": MIXED}},
            "delete",
            {"only_phases": ["Completed", "Failed"], "max_affected": 2},
            {"changed": IDS[2:], "skipped": IDS[:2]},
            dict.fromkeys(IDS[:2], "phase"),
            id="only_phases",
        ),
        pytest.param(
            {"fleet": {"workloads": MIXED}},
            "suspend",
            {"tolerate": []},
            {"changed": IDS[:1], "unchanged": IDS[1:2], "failed": IDS[2:]},
            dict.fromkeys(IDS[2:], "finished"),
            id="finished is not tolerated",
        ),
        pytest.param(
            {"fleet": fleet(4), "forbidden_ids": frozenset(IDS[:1])},
            "suspend",
            {},
            {"changed": IDS[1:], "failed": IDS[:1]},
            {IDS[0]: "forbidden"},
            id="one is forbidden",
        ),
        pytest.param(
            {"fleet": fleet(2)},
            "delete",
            {},
            {"changed": IDS[:2], "unchanged": IDS[2:]},
            dict.fromkeys(IDS[2:], "not_found"),
            id="delete of missing ones",
        ),
        pytest.param(
            {"fleet": fleet(2)},
            "suspend",
            {},
            {"changed": IDS[:2], "failed": IDS[2:]},
            dict.fromkeys(IDS[2:], "missing"),
            id="missing",
        ),
        pytest.param(
            {"fleet": fleet(2)},
            "suspend",
            {"tolerate": ["missing"]},
            {"changed": IDS[:2], "skipped": IDS[2:]},
            dict.fromkeys(IDS[2:], "missing"),
            id="missing is tolerated",
        ),
        pytest.param(
            {"fleet": fleet(4, actionsSupport={"delete": True, "suspend": False})},
            "suspend",
            {},
            {"failed": IDS},
            dict.fromkeys(IDS, "unsupported"),
            id="unsupported",
        ),
        pytest.param(
            {"fleet": fleet(4, actionsSupport={"delete": True, "suspend": False})},
            "suspend",
            {"tolerate": ["unsupported"]},
            {"skipped": IDS},
            dict.fromkeys(IDS, "unsupported"),
            id="unsupported is tolerated",
        ),
    ],
)
def test_batch_of_single_ids_gives_each_its_outcome_and_reason(
    start: Start,
    settings: dict[str, Any],
    action: str,
    options: dict[str, Any],
    expected: dict[str, list[str]],
    why: dict[str, str],
) -> None:
    done = rehearse(start(**settings), action, IDS, **options)
    assert outcomes(done) == expected
    assert reasons(done) == why
    assert done.failed is ("failed" in expected)
    assert not done.warnings
    assert ("2 not there: gone, or not visible to this account" in done.result["msg"]) is (
        "not_found" in why.values()
    )


@pytest.mark.parametrize("options", [{}, {"only_phases": ["Stopping"]}], ids=["any phase", "only Stopping"])
def test_batch_resume_of_stopping_workloads_is_sent_once_they_stopped(
    start: Start, options: dict[str, Any]
) -> None:
    # Stopping until all four were looked at once.
    stops = {
        "match": {"method": "GET"},
        "nth": 4,
        "fault": {"kind": "change_phase", "ids": IDS, "after": True},
    }
    simulator = start(fleet=fleet(4, "Stopping", frozen=True), faults=[stops])
    done = rehearse(simulator, "resume", IDS, wait_timeout=30.0, **options)
    assert outcomes(done) == {"changed": IDS}
    # Not sent while they were stopping, which the control plane would refuse.
    assert sorted(sent(done)) == IDS


def test_batch_resume_of_workloads_that_never_stop_sends_nothing(start: Start) -> None:
    done = rehearse(start(fleet=fleet(4, "Stopping", frozen=True)), "resume", IDS, wait_timeout=0.1)
    assert outcomes(done) == {"failed": IDS}
    assert set(reasons(done).values()) == {"still_stopping"}
    assert sent(done) == []


def test_batch_wait_that_is_over_fails_and_lists_what_was_not_reached(start: Start) -> None:
    simulator = start(fleet=fleet(4, "Stopping", frozen=True))
    done = rehearse(simulator, "suspend", IDS, wait=True, wait_timeout=0.1)
    assert outcomes(done) == {"unchanged": IDS}
    assert (done.failed, done.result["not_reached"], done.result["changed"]) == (True, IDS, False)


def test_batch_wait_without_free_gpus_ends_only_as_active(start: Start) -> None:
    # More GPUs are wanted than there are: what is resumed stays Pending.
    full = {"fleet": fleet(4, "Stopped", requestedResources={"gpu": 1}), "transition_seconds": 600.0}
    short = rehearse(start(**full), "resume", IDS, wait=True, wait_timeout=0.1)
    assert (short.failed, short.result["changed"], short.result["not_reached"]) == (True, True, IDS)
    assert short.result["msg"] == ("resume: 4 changed of 4; 4 not Running when the wait ended: 4 Resuming")
    assert {row["message"] for row in short.result["workloads"]} == {
        "not Running when the wait ended: Resuming"
    }
    active = rehearse(start(**full), "resume", IDS, wait=True, wait_for="active", wait_timeout=30.0)
    assert (active.failed, active.result["not_reached"]) == (False, [])


def test_batch_wait_for_deletes_ends_when_the_workloads_are_gone(start: Start) -> None:
    done = rehearse(
        start(fleet=fleet(4), transition_seconds=0.05), "delete", IDS, wait=True, wait_timeout=30.0
    )
    assert (done.failed, done.result["not_reached"]) == (False, [])
    assert done.simulator.state.live() == []


def test_batch_without_the_count_reads_the_list_until_its_end(start: Start) -> None:
    ids = workload_ids(1200)
    chosen = ids[:60] + ids[1140:]
    done = rehearse(start(fleet=fleet(1200), count_endpoint=False), "suspend", chosen)
    assert outcomes(done) == {"changed": chosen}
    assert len([one for one in done.simulator.requests() if one["path"] == LIST["path"]]) == 3


def test_batch_of_a_control_plane_before_2_21_makes_the_token_by_v1(start: Start) -> None:
    done = rehearse(start(fleet=fleet(4), api_version="2.20"), "suspend", IDS)
    assert outcomes(done) == {"changed": IDS}
    assert done.simulator.summary()["by_path"]["POST /api/v1/token"] == 1


def test_batch_with_a_workloads_limit_shows_failures_first(start: Start) -> None:
    ids = workload_ids(30)
    refuse = {"match": BATCH, "times": "always", "fault": {"kind": "refuse_ids", "ids": ids[20:24]}}
    options: dict[str, Any] = {"workloads_limit": 5, "max_failures": "30"}
    done = rehearse(start(fleet=fleet(30), faults=[refuse]), "suspend", ids, **options)
    assert [row["outcome"] for row in done.result["workloads"]] == ["failed"] * 4 + ["changed"]
    assert done.result["workloads_truncated"] is True
    assert done.result["msg"] == "suspend: 26 changed, 4 failed of 30 (409 conflict, try later: 4)"


def test_batch_with_a_report_that_a_killed_task_left_keeps_it_and_warns(start: Start, tmp_path: Path) -> None:
    report = tmp_path / "kept.jsonl"
    (tmp_path / "kept.jsonl.part").write_text("what a killed task left\n")
    done = rehearse(start(fleet=fleet(4)), "suspend", IDS, report_path=str(report))
    (warning,) = done.warnings
    assert f"a killed task left an unfinished report, kept as {report}.part." in warning
    (left,) = tmp_path.glob("kept.jsonl.part.*")
    assert left.read_text() == "what a killed task left\n"
    assert len(report.read_text().splitlines()) == 4
