# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole module without AnsibleModule: plan, ceilings, failures, report."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import transport as _transport
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    NotDelivered,
    RequestError,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchResponse
from ansible_collections.gpuops.runai.plugins.module_utils._batch import progress as _progress
from ansible_collections.gpuops.runai.plugins.module_utils._batch import run as _batch_run
from ansible_collections.gpuops.runai.tests.support.memory_client import (
    KEYS,
    OPTIONS,
    PHASES,
    BatchControlPlane,
    MemoryClient,
    control_plane_of,
    memory_as_control_plane,
    outcome_by_id,
    run,
    run_with_lines,
    same,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True, scope="module")
def no_network() -> Iterator[None]:
    with memory_as_control_plane():
        yield


ALL = workload_ids(40)
some = st.lists(st.sampled_from(ALL), max_size=8, unique=True)


@st.composite
def fleets(draw: st.DrawFn) -> BatchControlPlane:
    phases = draw(st.lists(st.none() | st.sampled_from(PHASES), min_size=len(ALL), max_size=len(ALL)))
    treatment = {name: draw(some) for name in ("unsupported", "forbidden", "refused", "omitted", "frozen")}
    return control_plane_of(dict(zip(ALL, phases)), **treatment)


asked = st.permutations(ALL).flatmap(lambda ids: st.integers(0, len(ids)).map(lambda size: ids[:size]))
tasks = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["suspend", "resume", "delete"]),
        "ids": asked,
        "protect": some,
        "only_phases": st.none() | st.lists(st.sampled_from(PHASES[:-1]), min_size=1, max_size=12),
        "tolerate": st.lists(st.sampled_from(["missing", "finished", "unsupported", "deleting"])),
        "batch_size": st.integers(1, 12),
        "concurrency": st.integers(1, 4),
        "wait_timeout": st.just(0.02),
    }
)
breakers = st.sampled_from(["0", "1", "3", "0%", "10%", "50%", "100%"])


@given(fleets(), tasks, breakers, st.booleans(), st.none() | st.integers(0, 10))
def test_run_batch_any_fleet_gives_each_id_one_outcome(
    control_plane: BatchControlPlane,
    task: dict[str, Any],
    max_failures: str,
    wait: bool,
    max_affected: Optional[int],
) -> None:
    finished = run(control_plane, **task, max_failures=max_failures, wait=wait, max_affected=max_affected)
    result = finished.result
    assert set(result) == set(KEYS)
    assert sum(map(len, result["outcomes"].values())) == len(task["ids"])
    assert set(outcome_by_id(finished)) == set(task["ids"])
    # In the order asked.
    for ids in (*result["outcomes"].values(), result["not_reached"]):
        assert ids == [one for one in task["ids"] if one in ids]
    # What the control plane did is what the result says was changed, and it did nothing twice.
    assert sorted(control_plane.applied) == sorted(result["outcomes"]["changed"])
    assert result["changed"] is bool(control_plane.applied)
    assert all(0 < len(batch) <= task["batch_size"] for batch in control_plane.batches)
    assert not {one for batch in control_plane.batches for one in batch} & set(task["protect"])
    assert result["summary"]["batches"] <= len(control_plane.batches) == result["summary"]["requests"]
    bad = any(result["outcomes"][name] for name in ("failed", "unknown", "not_attempted"))
    assert finished.failed is (bad or bool(result["not_reached"]))
    if (
        max_affected is not None
        and len({one for batch in control_plane.batches for one in batch}) > max_affected
    ):
        raise AssertionError("more was sent than max_affected allows")


@given(fleets(), tasks, st.booleans())
def test_run_batch_check_mode_plans_like_the_real_run(
    control_plane: BatchControlPlane, task: dict[str, Any], obliging: bool
) -> None:
    if obliging:
        control_plane.refused, control_plane.omitted, control_plane.frozen = set(), set(), set()
        task["wait_timeout"] = 5.0
    before = copy.deepcopy(control_plane.workloads)
    checked = run(control_plane, check_mode=True, **task)
    assert control_plane.batches == []
    assert set(checked.result) == set(KEYS)
    control_plane.workloads = before
    control_plane.read_ids.clear()
    really = run(control_plane, **task)
    was, would = outcome_by_id(really), outcome_by_id(checked)
    if obliging:
        assert was == would
        assert checked.failed is really.failed
        assert checked.result["changed"] is really.result["changed"]
    # What the plan settles it settles alike, and nothing changes that check mode did not predict.
    assert {one for one, name in was.items() if name == "changed"} <= {
        one for one, name in would.items() if name == "changed"
    }
    assert {one: was[one] for one, name in would.items() if name != "changed"} == {
        one: name for one, name in would.items() if name != "changed"
    }


@given(fleets(), tasks)
def test_run_batch_repeated_sends_nothing(control_plane: BatchControlPlane, task: dict[str, Any]) -> None:
    control_plane.refused, control_plane.frozen = set(), set()
    task["wait_timeout"] = 5.0
    first = run(control_plane, **task)
    again = run(control_plane, **task)
    assert control_plane.batches == []
    assert again.result["changed"] is False
    assert set(first.result["outcomes"]["changed"]) <= {
        one for one, name in outcome_by_id(again).items() if name in ("unchanged", "skipped")
    }


def test_run_batch_1000_ids_are_ten_batches() -> None:
    control_plane = same(1000, "Running")
    finished = run(control_plane, ids=workload_ids(1000))
    assert sorted(map(len, control_plane.batches)) == [100] * 10
    assert finished.result["summary"]["batches"] == 10
    assert len(finished.result["batches"]) == 10
    assert not finished.failed


def test_run_batch_without_ids_makes_no_call() -> None:
    control_plane = same(1, "Running")
    finished = run(control_plane, ids=[])
    assert (finished.failed, finished.result["changed"]) == (False, False)
    assert (control_plane.batches, control_plane.read_ids) == ([], Counter())
    assert finished.result["msg"] == "suspend: 0 changed of 0"


@pytest.mark.parametrize(
    ("text", "asked"),
    [("{0},{1},", 2), ("{0},,{1}", 2), (",\n{0}\n", 1), (" , ", 0), ("", None), ("{0}, x", None)],
)
def test_run_batch_ids_in_one_text_are_split(text: str, asked: Optional[int]) -> None:
    ids = workload_ids(2)
    given = text.format(*ids)
    control_plane = MemoryClient.control_plane = same(2, "Running")
    # As Ansible makes a list of it.
    params = {**OPTIONS, "ids": given.split(",")}
    finished = _batch_run.run_batch(params, {}, False, False, given={"ids": given})
    if asked is None:
        assert finished.failed
        assert control_plane.batches == []
    else:
        assert not finished.failed
        assert finished.result["outcomes"]["changed"] == ids[:asked]
    # Of a list, an element that is empty is a null.
    assert _batch_run.run_batch(
        {**OPTIONS, "ids": [ids[0], ""]}, {}, False, False, given={"ids": [ids[0], None]}
    ).failed


@pytest.mark.parametrize(
    ("option", "text", "changed"),
    [
        ("protect", "{0},", 2),
        ("protect", "{0}, {1},\n", 1),
        ("only_phases", "Running,", 2),
        ("only_phases", "stopped,\nRUNNING,", 3),
        ("protect", ",", None),
        ("protect", "{0},x", None),
        ("only_phases", " , ", None),
        ("only_phases", "", None),
    ],
)
def test_run_batch_protect_in_one_text_is_split(option: str, text: str, changed: Optional[int]) -> None:
    ids = workload_ids(3)
    text = text.format(*ids)
    control_plane = MemoryClient.control_plane = same(3, "Running")
    if option == "only_phases":
        control_plane.move(ids[2], "Stopped", "owner")
    params = {**OPTIONS, "action": "delete", "ids": ids, option: text.split(",")}
    finished = _batch_run.run_batch(params, {}, False, False, given={option: text})
    assert len(control_plane.applied) == (changed or 0)
    assert finished.failed is (changed is None)
    assert finished.warnings == []


def test_run_batch_without_requests_fails_only_for_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "REQUESTS_IMPORT_ERROR", "ImportError: not here")
    assert not run(same(1, "Running"), ids=[" "]).failed
    with pytest.raises(_transport.RequestsMissing, match="ImportError: not here"):
        run(same(1, "Running"), ids=workload_ids(1))


def test_run_batch_without_ids_needs_no_control_plane(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    nowhere: dict[str, Any] = {"base_url": None, "token": None, "report_path": str(report)}
    for check_mode in (True, False):
        finished = run(same(1, "Running"), check_mode, ids=[" \n"], **nowhere)
        assert (finished.failed, finished.result["changed"], finished.warnings) == (False, False, [])
        assert finished.result["summary"]["requested"] == 0
    assert report.read_text() == ""
    # That it was meant to be none is still made sure of.
    assert run(same(1, "Running"), ids=[""], **nowhere).failed
    assert run(same(1, "Running"), ids=workload_ids(1), **nowhere).failed


def test_run_batch_above_max_affected_sends_nothing() -> None:
    for check_mode in (True, False):
        control_plane = same(12, "Running")
        finished = run(control_plane, check_mode, ids=workload_ids(12), max_affected=11)
        assert finished.failed
        assert not control_plane.batches
        assert finished.result["summary"]["not_attempted"] == 12
        assert "max_affected is 11, but 12 would be acted on, 1 more" in finished.result["msg"]
    assert not run(same(12, "Running"), ids=workload_ids(12), max_affected=12).failed


def test_run_batch_max_affected_counts_stopping_workloads() -> None:
    control_plane = same(3, "Stopping")
    assert run(control_plane, action="resume", ids=workload_ids(3), max_affected=2).failed
    assert not control_plane.batches


def test_run_batch_above_max_failures_sends_no_further_batch() -> None:
    ids = workload_ids(50)
    control_plane = same(50, "Running", refused=ids[:8])
    finished = run(control_plane, ids=ids, batch_size=5, concurrency=1, max_failures="5")
    # Five in the first batch are not more than five; the second brings three more.
    assert control_plane.batches == [ids[:5], ids[5:10]]
    assert finished.result["outcomes"]["failed"] == ids[:8]
    assert finished.result["outcomes"]["changed"] == ids[8:10]
    assert finished.result["outcomes"]["not_attempted"] == ids[10:]
    assert "max_failures (5) is exceeded: 8 of 50 refused" in finished.result["msg"]
    assert finished.failed
    assert finished.result["changed"]


def test_run_batch_max_failures_percentage_counts_planned_ids() -> None:
    ids = workload_ids(40)
    control_plane = control_plane_of(
        {one: "Running" if number < 20 else "Stopped" for number, one in enumerate(ids)}, refused=ids[:3]
    )
    finished = run(control_plane, ids=ids, batch_size=1, concurrency=1, max_failures="10%")
    assert len(control_plane.batches) == 3
    assert finished.result["summary"]["not_attempted"] == 17


def test_run_batch_failed_in_the_plan_does_not_count_to_max_failures() -> None:
    ids = workload_ids(20)
    control_plane = control_plane_of(dict(zip(ids, [None] * 10 + ["Running"] * 10)))
    finished = run(control_plane, ids=ids, batch_size=1, max_failures="0")
    assert finished.result["summary"]["changed"] == 10
    assert finished.result["summary"]["failed"] == 10


def test_run_batch_delete_stops_at_the_first_refusal_by_default() -> None:
    ids = workload_ids(9)
    control_plane = same(9, "Running", refused=ids[:1])
    finished = run(control_plane, action="delete", ids=ids, batch_size=3, concurrency=None, max_failures=None)
    assert control_plane.batches == [ids[:3]]
    assert finished.result["outcomes"]["changed"] == ids[1:3]


@pytest.mark.parametrize(
    ("fault", "outcome", "lines"),
    [
        (StatusError("POST", "/batch", 403, "no right to suspend"), "failed", "no right to suspend"),
        (StatusError("POST", "/batch", 401, "bad token"), "not_attempted", "bad token"),
        (
            NotDelivered("POST", "/batch", "connection refused", "connection refused"),
            "not_attempted",
            "refused",
        ),
        (StatusError("POST", "/batch", 404, "no such page"), "failed", "batches need Run:ai 2.19"),
    ],
)
def test_run_batch_lasting_fault_stops_the_task(fault: RequestError, outcome: str, lines: str) -> None:
    ids = workload_ids(30)
    control_plane = same(30, "Running")
    control_plane.fault = fault
    finished = run(control_plane, ids=ids, batch_size=10, concurrency=1)
    assert control_plane.batches == [ids[:10]]
    assert outcome_by_id(finished) == {
        **dict.fromkeys(ids[:10], outcome),
        **dict.fromkeys(ids[10:], "not_attempted"),
    }
    assert lines in finished.result["msg"]
    assert finished.failed


@pytest.mark.parametrize("status", [400, 413])
def test_run_batch_one_refused_batch_fails_its_ids_only(status: int) -> None:
    ids = workload_ids(30)
    control_plane = same(30, "Running")
    apply = control_plane.apply
    control_plane.fault = StatusError("POST", "/batch", status, "too much", code=status)

    def batch(client: MemoryClient, action: str, sent: Sequence[str]) -> BatchResponse:
        if ids[0] in sent:
            control_plane.batches.append(list(sent))
            raise StatusError("POST", "/batch", status, "too much", code=status)
        control_plane.batches.append(list(sent))
        for one in sent:
            apply(action, one)
        return BatchResponse(None, list(sent), {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryClient, "batch", batch)
        finished = run(control_plane, ids=ids, batch_size=10, concurrency=1, max_failures="10")
        assert len(control_plane.batches) == 3
        assert finished.result["outcomes"]["failed"] == ids[:10]
        assert finished.result["outcomes"]["changed"] == ids[10:]
        assert "{0} too much: 10".format(status) in finished.result["msg"]
        assert finished.result["workloads"][0]["code"] == status
        stopped = run(same(30, "Running"), ids=ids, batch_size=10, concurrency=1, max_failures="9")
        assert stopped.result["summary"]["not_attempted"] == 20


def test_run_batch_internal_error_keeps_other_batches() -> None:
    ids = workload_ids(30)
    control_plane = same(30, "Running")
    apply = control_plane.apply

    def failing(action: str, one: str) -> None:
        if one == ids[15]:
            raise KeyError(one)
        apply(action, one)

    control_plane.apply = failing  # type: ignore[method-assign]
    finished = run(control_plane, ids=ids, batch_size=10, concurrency=1)
    assert finished.result["outcomes"]["changed"] == ids[:10]
    assert finished.result["outcomes"]["unknown"] == ids[10:20]
    assert finished.result["outcomes"]["not_attempted"] == ids[20:]
    assert "internal error in this collection (KeyError)" in finished.result["msg"]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"ids": ["train-7"]},
        {"ids": [""]},
        {"protect": ["train-7"]},
        {"only_phases": []},
        {"max_failures": "many"},
        {"batch_size": 101},
        {"concurrency": 0},
        {"deadline": 0},
        {"token": None},
        {"token": "with space"},
        {"token": None, "client_id": "half"},
        {"base_url": None},
        {"base_url": "ftp://127.0.0.1"},
        {"base_url": "http://user:word@127.0.0.1"},
        {"proxy": "nonsense"},
        {"ca_path": "/no/such/file.pem"},
        {"timeout": 0.0},
        {"retry_timeout": -1.0},
        {"report_path": "/no/such/folder/report"},
    ],
)
def test_run_batch_wrong_options_keep_the_keys(options: dict[str, Any], check_mode: bool) -> None:
    control_plane = same(3, "Running")
    finished = run(control_plane, check_mode, **{"ids": workload_ids(3), **options})
    if check_mode and "report_path" in options:
        assert not finished.failed
        return
    assert finished.failed
    assert set(finished.result) == set(KEYS)
    assert finished.result["changed"] is False
    assert control_plane.batches == []
    assert not control_plane.read_ids
    assert finished.result["msg"]
    assert "word" not in finished.result["msg"].replace("password", "")
    if "ids" not in options:
        assert finished.result["outcomes"]["not_attempted"] == workload_ids(3)
        assert [row["id"] for row in finished.result["workloads"]] == workload_ids(3)
    for row in finished.result["workloads"]:
        assert row["reason"] == "stopped"
        assert row["message"] in finished.result["msg"]
    assert finished.result["workloads_truncated"] is False


@pytest.mark.parametrize(("limit", "rows"), [(0, 0), (2, 2), (-1, 3), (None, 3)])
def test_run_batch_rejected_has_rows_and_diff(limit: Optional[int], rows: int) -> None:
    options: dict[str, Any] = {"ids": workload_ids(3), "batch_size": 0, "workloads_limit": limit}
    result = run(same(3, "Running"), with_diff=True, **options).result
    assert len(result["workloads"]) == rows
    assert result["workloads_truncated"] is (rows < 3)
    assert result["diff"] == {"before": "", "after": ""}


def test_run_batch_rejected_fits_into_job_viewers() -> None:
    ids = workload_ids(10_000)
    options = {**OPTIONS, "ids": ids, "batch_size": 0, "workloads_limit": 10_000}
    rows = [
        len(_batch_run.run_batch(options, {}, False, False, verbosity=verbosity).result["workloads"])
        for verbosity in (0, 3)
    ]
    assert 0 < rows[1] < rows[0] < 10_000


def test_run_batch_malformed_ids_leave_the_others_not_attempted() -> None:
    ids = workload_ids(2)
    result = run(same(2, "Running"), ids=[ids[0].upper(), f"train-7, {ids[1]} {ids[0]}", ""]).result
    assert result["outcomes"]["not_attempted"] == ids
    assert result["summary"]["requested"] == result["summary"]["not_attempted"] == 2
    assert result["summary"]["duplicates"] == 1
    assert "element 3 of 3 is empty" in result["msg"]
    assert run(same(2, "Running"), ids=None).result["summary"]["requested"] == 0


def test_run_batch_without_state_sends_nothing() -> None:
    ids = workload_ids(3)
    control_plane = same(3, "Running")

    def broken(one: str) -> dict[str, Any]:
        raise StatusError("GET", "/api/v1/workloads", 500, "out of order")

    control_plane.row = broken  # type: ignore[method-assign]
    finished = run(control_plane, ids=ids)
    assert control_plane.batches == []
    assert finished.failed
    assert finished.result["outcomes"]["not_attempted"] == ids
    assert "HTTP 500, out of order" in finished.result["msg"]


def test_run_batch_forbidden_id_fails_alone() -> None:
    ids = workload_ids(5)
    finished = run(same(5, "Running", forbidden=ids[:1]), ids=ids)
    assert finished.result["outcomes"]["failed"] == ids[:1]
    assert finished.result["outcomes"]["changed"] == ids[1:]
    assert finished.result["workloads"][0]["reason"] == "forbidden"


def test_run_batch_deadline_keeps_the_outcomes() -> None:
    ids = workload_ids(30)
    control_plane = same(30, "Running")
    apply = control_plane.apply

    def slow(action: str, one: str) -> None:
        apply(action, one)
        if one == ids[9]:
            cancellation._deadline = 1e-9

    cancellation: Cancellation

    def remember(*arguments: Any) -> Cancellation:
        nonlocal cancellation
        cancellation = Cancellation(*arguments)
        return cancellation

    control_plane.apply = slow  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch_run, "Cancellation", remember)
        finished = run(control_plane, ids=ids, batch_size=10, concurrency=1, deadline=3600)
    assert finished.result["outcomes"]["changed"] == ids[:10]
    assert finished.result["outcomes"]["not_attempted"] == ids[10:]
    assert {row["reason"] for row in finished.result["workloads"][:20]} == {"deadline"}
    assert "deadline" in finished.result["msg"]
    assert finished.failed


def test_run_batch_report_has_a_line_for_each_id_and_no_secret(tmp_path: Path) -> None:
    ids = workload_ids(5)
    control_plane = control_plane_of(
        dict(zip(ids, ["Running", "Stopped", None, "Completed", "Running"])), refused=ids[4:]
    )
    path = tmp_path / "report.jsonl"
    finished = run(control_plane, ids=ids, report_path=str(path))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {line["id"]: line["outcome"] for line in lines} == outcome_by_id(finished)
    assert len(lines) == 5
    assert [set(line) for line in lines] == [set(finished.result["workloads"][0])] * 5
    assert path.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "report.jsonl.part").exists()


def test_run_batch_check_mode_writes_no_report(tmp_path: Path) -> None:
    run(same(1, "Running"), check_mode=True, ids=workload_ids(1), report_path=str(tmp_path / "report"))
    assert list(tmp_path.iterdir()) == []


def test_run_batch_progress_lines_are_as_documented() -> None:
    control_plane = same(1000, "Running", refused=workload_ids(2))
    finished, lines = run_with_lines(control_plane, ids=workload_ids(1000), batch_size=4, concurrency=1)
    batches = [line for line in lines if ", batch " in line]
    assert 40 <= len(batches) <= 50
    assert batches[-1] == "runai suspend: 1000/1000 ids, 998 changed, 2 failed, batch 250 of 250"
    assert lines[0] == "runai suspend: reading the state of 1000 workloads"
    assert lines[-1] == "runai {0}".format(finished.result["msg"])


def test_run_batch_progress_after_a_first_wait_shows_the_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_progress, "_READING_SILENCE", 3600.0)
    _finished, lines = run_with_lines(
        same(3, "Stopping"), action="resume", ids=workload_ids(3), wait_timeout=5.0
    )
    assert lines == [
        "runai resume: reading the state of 3 workloads",
        "runai resume: waiting for 3 workloads to stop before they are resumed",
        "runai resume: acting on 3 workloads",
        "runai resume: 3/3 ids, 3 changed, batch 1 of 1",
        "runai resume: 3 changed of 3",
    ]


def test_run_batch_progress_of_a_long_read_shows_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_READING_SILENCE", 0.0)
    monkeypatch.setattr(_progress, "_READING_SHARE", 0.0)
    count = MemoryClient.count

    def count_late(client: MemoryClient) -> int:
        client.on_trouble("HTTP 503", 90.0)
        return count(client)

    monkeypatch.setattr(MemoryClient, "count", count_late)
    ids = workload_ids(20)
    control_plane = control_plane_of(
        {**dict.fromkeys(ids), **dict.fromkeys(workload_ids(30)[20:], "Running")}
    )
    _finished, lines = run_with_lines(control_plane, action="delete", ids=ids)
    assert lines[1].endswith("control plane unavailable (HTTP 503); retrying for up to 90 s")
    assert "runai delete: reading the state from the list: 10 of 10" in lines
    assert any(line.startswith("runai delete: reading the state one by one: ") for line in lines)
    assert len(lines) <= 24


def test_run_batch_progress_of_a_wait_shows_no_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_READING_SILENCE", 0.0)
    monkeypatch.setattr(_progress, "_READING_SHARE", 0.0)
    _finished, lines = run_with_lines(same(3, "Running"), ids=workload_ids(3), wait=True)
    acting = lines.index("runai suspend: acting on 3 workloads")
    assert "runai suspend: reading the state one by one: 3 of 3" in lines[:acting]
    assert not [line for line in lines[acting:] if "reading the state" in line]
