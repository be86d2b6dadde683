# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import (
    BatchRecord,
    Outcome,
    report_row,
)
from ansible_collections.gpuops.runai.plugins.module_utils._batch.report_file import ReportFile
from ansible_collections.gpuops.runai.plugins.module_utils._batch.result import make_result
from ansible_collections.gpuops.runai.plugins.module_utils._batch.run_state import RunState
from ansible_collections.gpuops.runai.plugins.module_utils._common.ids import Ids
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import Workload
from ansible_collections.gpuops.runai.tests.support.memory_client import KEYS
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids
from hypothesis import given
from hypothesis import strategies as st

SUMMARY = [
    "requested",
    "changed",
    "unchanged",
    "skipped",
    "failed",
    "unknown",
    "not_attempted",
    "duplicates",
    "requests",
    "batches",
    "retries",
    "seconds",
]
OUTCOMES = ["changed", "unchanged", "skipped", "failed", "unknown", "not_attempted"]
WORST_FIRST = ["failed", "unknown", "not_attempted", "skipped", "changed", "unchanged"]
ROW = [
    "id",
    "name",
    "project",
    "cluster",
    "submitted_by",
    "outcome",
    "phase",
    "reason",
    "code",
    "message",
    "batch_id",
]
BATCH = ["id", "size", "succeeded", "failed", "attempts", "seconds"]
# What job viewers keep of a task's result.
LARGEST = 700_000
# What an event may hold, less the options and the texts that the result does not have.
LARGEST_EVENT = 990_000

FIGURES = {"duplicates": 1, "requests": 2, "batches": 3, "retries": 4, "seconds": 5.5}
outcome_names = st.sampled_from(OUTCOMES)


def run_state(
    outcomes: list[Outcome], action: str = "suspend", check_mode: bool = False, **other: Any
) -> RunState:
    stats = RequestStats(())
    stats.requests, stats.retries = 2, 4
    ids = Ids([outcome.id for outcome in outcomes], 1)
    found = RunState(action, ids, check_mode, stats, ReportFile(None, str))
    found.sent_batches, found.seconds = 3, 5.5
    found.state = {
        outcome.id: Workload(outcome.id, "seen", name="n" + outcome.id[:4], phase="Running")
        for outcome in outcomes
    }
    found.settle(outcomes)
    for name, value in other.items():
        assert hasattr(found, name)
        setattr(found, name, value)
    return found


@given(st.lists(outcome_names, max_size=60), st.integers(0, 70), st.booleans(), st.booleans())
def test_make_result_any_outcomes_has_each_id_once_and_the_same_keys(
    names: list[str], limit: int, with_diff: bool, check_mode: bool
) -> None:
    ids = workload_ids(len(names))
    outcomes = [Outcome(one, name) for one, name in zip(ids, names)]
    result = make_result(run_state(outcomes, check_mode=check_mode), limit, with_diff)

    assert list(result) == KEYS + (["diff"] if with_diff else [])
    assert list(result["outcomes"]) == OUTCOMES
    found = {one: name for name in OUTCOMES for one in result["outcomes"][name]}
    assert found == dict(zip(ids, names))
    assert sum(map(len, result["outcomes"].values())) == len(ids)
    assert all(listed == sorted(listed) for listed in result["outcomes"].values())
    assert result["changed"] is ("changed" in names)

    assert list(result["summary"]) == SUMMARY
    assert result["summary"] == {
        "requested": len(ids),
        **{name: names.count(name) for name in OUTCOMES},
        **FIGURES,
    }

    rows = result["workloads"]
    assert len(rows) == min(limit, len(ids))
    assert result["workloads_truncated"] is (len(rows) < len(ids))
    assert all(list(row) == ROW for row in rows)
    ranked = sorted(ids, key=lambda one: WORST_FIRST.index(found[one]))
    assert [row["id"] for row in rows] == ranked[:limit]
    assert [row["outcome"] for row in rows] == [found[row["id"]] for row in rows]
    assert result == json.loads(json.dumps(result))


@pytest.mark.parametrize("name", OUTCOMES)
def test_is_failed_bad_outcome_is_true(name: str) -> None:
    bad = name in ("failed", "unknown", "not_attempted")
    good = Outcome(workload_ids(2)[1], "changed")
    assert run_state([Outcome(workload_ids(1)[0], name), good]).is_failed is bad


def test_is_failed_stopped_or_not_reached_is_true() -> None:
    outcomes = [Outcome(workload_ids(1)[0], "changed")]
    assert not run_state(outcomes).is_failed
    assert run_state(outcomes, is_stopped=True).is_failed
    assert run_state(outcomes, not_reached=workload_ids(1)).is_failed
    assert not run_state([]).is_failed


def test_report_row_known_workload_has_all_values() -> None:
    one = workload_ids(1)[0]
    workload = Workload(one, "seen", "a name", "a project", "a cluster", "ada", "Running")
    outcome = Outcome(one, "failed", "refused", "busy\x1b[2J\n" + "x" * 600, 409, "batch-id")
    row = report_row(outcome, workload)
    assert list(row) == ROW
    assert {**row, "message": ""} == {
        "id": one,
        "name": "a name",
        "project": "a project",
        "cluster": "a cluster",
        "submitted_by": "ada",
        "outcome": "failed",
        "phase": "Running",
        "reason": "refused",
        "code": 409,
        "message": "",
        "batch_id": "batch-id",
    }
    assert row["message"].startswith("busy [2J")
    assert len(row["message"]) == 500


def test_report_row_unseen_workload_has_the_same_keys() -> None:
    row = report_row(Outcome(workload_ids(1)[0], "not_attempted", "deadline"), None)
    assert list(row) == ROW
    assert row["code"] is None
    assert all(isinstance(row[key], str) for key in ROW if key != "code")


def test_make_result_batches_are_listed() -> None:
    records = [BatchRecord("an-id", 100, 98, 2, 1, 0.5), BatchRecord(None, 3, 0, 3, 2, 1.5)]
    found = make_result(run_state([], batches=records), 1000, False)["batches"]
    assert all(list(batch) == BATCH for batch in found)
    assert found == [
        {"id": "an-id", "size": 100, "succeeded": 98, "failed": 2, "attempts": 1, "seconds": 0.5},
        {"id": "", "size": 3, "succeeded": 0, "failed": 3, "attempts": 2, "seconds": 1.5},
    ]


def test_make_result_each_outcome_is_counted() -> None:
    ids = workload_ids(250)
    outcomes = [Outcome(one, "changed") for one in ids[:240]]
    outcomes += [Outcome(one, "unchanged") for one in ids[240:248]]
    outcomes += [Outcome(one, "failed", "refused", "conflict, try later", 409) for one in ids[248:]]
    message = "suspend: 240 changed, 8 unchanged, 2 failed of 250 (409 conflict, try later: 2)"
    assert make_result(run_state(outcomes), 0, False)["msg"] == message


def test_make_result_check_mode_says_would() -> None:
    outcomes = [Outcome(one, "changed") for one in workload_ids(2)]
    assert (
        make_result(run_state(outcomes, check_mode=True), 0, False)["msg"] == "suspend: 2 would change of 2"
    )


def test_make_result_stopped_names_the_reason_and_missing_ids() -> None:
    ids = workload_ids(3)
    outcomes = [
        Outcome(ids[0], "changed"),
        Outcome(ids[1], "unchanged", "not_found"),
        Outcome(ids[2], "not_attempted", "deadline"),
    ]
    found = run_state(outcomes, action="delete", notes=["the deadline of 5 s has passed"])
    message = make_result(found, 0, False)["msg"]
    assert message.startswith("delete: 1 changed, 1 unchanged, 1 not attempted of 3")
    assert "the deadline of 5 s has passed" in message
    assert "1 not there: gone, or not visible to this account" in message


def test_make_result_refusal_without_a_message_names_the_reason() -> None:
    ids = workload_ids(4)
    outcomes = [
        Outcome(ids[0], "failed", "refused", "", None),
        Outcome(ids[1], "failed", "refused", "", 500),
        *(Outcome(one, "unknown", "lost_response", "named in neither list") for one in ids[2:]),
    ]
    message = (
        "suspend: 0 changed, 2 failed, 2 unknown of 4 (named in neither list: 2, refused: 1, 500 refused: 1)"
    )
    assert make_result(run_state(outcomes), 0, False)["msg"] == message
    # Where it was stopped, that says why they are unknown.
    stopped = make_result(run_state(outcomes[2:], notes=["it was stopped"]), 0, False)["msg"]
    assert stopped == "suspend: 0 changed, 2 unknown of 2; it was stopped"


def test_make_result_many_kinds_of_failure_stays_short() -> None:
    outcomes = [Outcome(one, "failed", "refused", one + "y" * 400, 400) for one in workload_ids(500)]
    message = make_result(run_state(outcomes), 0, False)["msg"]
    assert len(message) < 700
    assert "and 497 other reasons" in message


def test_make_result_diff_shows_phases_of_changed_ids_only() -> None:
    ids = workload_ids(2)
    outcomes = [Outcome(ids[0], "changed"), Outcome(ids[1], "unchanged")]
    for action, after in (("suspend", "Stopped"), ("resume", "Running"), ("delete", "gone")):
        diff = make_result(run_state(outcomes, action=action), 1000, True)["diff"]
        assert ids[0] in diff["before"]
        assert "Running" in diff["before"]
        assert ids[0] in diff["after"]
        assert after in diff["after"]
        assert ids[1] not in diff["before"] + diff["after"]


def test_make_result_diff_without_changes_has_equal_sides() -> None:
    diff = make_result(run_state([Outcome(workload_ids(1)[0], "unchanged")]), 1000, True)["diff"]
    assert diff["before"] == diff["after"]


def large_run_state(size: int, failures: int, batch_size: int, is_late: bool) -> RunState:
    """Return the state with the longest result of so many ids: as ASCII, each character takes six."""
    ids = workload_ids(size)
    long = "\u00fc" * 253
    outcomes = [Outcome(one, "failed", "refused", "\u00e4" * 500, 409, one) for one in ids[:failures]]
    outcomes += [Outcome(one, "changed", batch_id=one) for one in ids[failures:]]
    batches = size // batch_size
    return run_state(
        outcomes,
        state={one: Workload(one, "seen", long, long, long, long, "Running") for one in ids},
        not_reached=ids if is_late else [],
        batches=[BatchRecord(ids[0], batch_size, 0, 0, 1, 12.345)] * batches,
        sent_batches=batches,
    )


def in_event(result: dict[str, Any], between_lines: str = "\r\n") -> int:
    """Characters that a result takes of an event where it is printed indented to a terminal."""
    printed = json.dumps(result, indent=4, ensure_ascii=False).replace("\n", between_lines)
    return len(json.dumps(result)) + len(json.dumps(printed))


@pytest.mark.heavy
@pytest.mark.parametrize("verbosity", [0, 3])
@pytest.mark.parametrize("with_diff", [False, True])
@pytest.mark.parametrize(("is_late", "batch_size"), [(False, 100), (True, 1)])
@pytest.mark.parametrize("failures", [0, 1000, 10_000])
def test_make_result_10000_ids_fit_into_job_viewers(
    failures: int, batch_size: int, is_late: bool, with_diff: bool, verbosity: int
) -> None:
    whole = large_run_state(10_000, failures, batch_size, is_late)
    result = make_result(whole, 100_000, with_diff, verbosity)
    assert len(json.dumps(result)) < LARGEST
    # As callbacks print it under a host's name.
    assert len(json.dumps(result, indent=4)) < LARGEST
    assert verbosity < 3 or in_event(result) < LARGEST_EVENT
    assert sum(map(len, result["outcomes"].values())) == 10_000
    assert result["summary"]["failed"] == failures
    assert result["workloads_truncated"]
    assert result["batches"]
    assert ("not_reached holds the first " in result["msg"]) is is_late


@pytest.mark.heavy
@pytest.mark.parametrize("failures", [0, 1000, 8000])
def test_make_result_8000_ids_fit_into_an_event_in_colour(failures: int) -> None:
    result = make_result(large_run_state(8000, failures, 1, True), 100_000, True, 3)
    assert in_event(result, "\x1b[0m\r\n\x1b[0;31m") < LARGEST_EVENT


@pytest.mark.parametrize("is_late", [False, True])
def test_make_result_of_batch_15000_ids_fit_with_rows_of_the_worst(is_late: bool) -> None:
    ids = workload_ids(15_000)
    whole = large_run_state(15_000, 10, 1, is_late)
    whole.state = {one: Workload(one, "seen", phase="Running") for one in ids}
    result = make_result(whole, 1000, True)
    # The options of a task come on top.
    assert len(json.dumps(result)) < LARGEST - 20_000
    assert [row["id"] for row in result["workloads"][:5]] == ids[:5]
    assert result["workloads"][0]["message"]


@pytest.mark.parametrize("verbosity", [0, 3])
def test_make_result_small_is_complete_at_any_verbosity(verbosity: int) -> None:
    ids = workload_ids(800)
    outcomes = [Outcome(one, "changed", batch_id=one) for one in ids]
    batches = [BatchRecord(one, 100, 100, 0, 1, 0.5) for one in ids[:10]]
    whole = run_state(outcomes, batches=batches, not_reached=ids[:100])
    result = make_result(whole, 1000, False, verbosity)
    assert not result["workloads_truncated"]
    assert len(result["batches"]) == 10
    assert result["not_reached"] == ids[:100]
    assert result["msg"] == "suspend: 800 changed of 800"


@pytest.mark.heavy
@pytest.mark.parametrize("verbosity", [0, 3])
@pytest.mark.parametrize("batch_size", [1, 100])
def test_make_result_50000_ids_cuts_all_but_the_outcomes(batch_size: int, verbosity: int) -> None:
    result = make_result(large_run_state(50_000, 100, batch_size, True), 1000, True, verbosity)
    assert result["outcomes"]["failed"] == workload_ids(100)
    assert result["outcomes"]["changed"] == workload_ids(50_000)[100:]
    beside = {key: value for key, value in result.items() if key != "outcomes"}
    assert len(json.dumps(beside)) < 70_000
    late = result["not_reached"]
    assert late == workload_ids(50_000)[: len(late)]
    assert late
    assert result["msg"].endswith("; not_reached holds the first {0} of 50000".format(len(late)))
    assert 0 < len(result["batches"]) < result["summary"]["batches"] == 50_000 // batch_size
    assert result["workloads_truncated"]
    assert result["diff"]["before"].endswith(" more\n")
