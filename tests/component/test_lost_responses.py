# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever becomes of a batch's response, the state is read again and nothing is done twice or lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchResponse
from ansible_collections.gpuops.runai.plugins.module_utils._batch import delivery as _delivery

from tests.component.conftest import Start
from tests.component.harness import (
    BATCH,
    COUNT,
    DONE,
    LIST,
    ONE,
    READS,
    READY,
    Rehearsal,
    is_acted_on,
    rehearse,
)
from tests.component.in_process_simulator import Fault, InProcessSimulator
from tests.support.clock import FakeClock
from tests.support.workloads import fleet, workload_id

IDS = [workload_id(number) for number in range(3)]
ACTIONS = ("suspend", "resume", "delete")

# Each loses the response; with apply, after the control plane has carried out the batch.
EITHER: dict[str, dict[str, Any]] = {
    "timeout": {"kind": "hang"},
    "cut": {"kind": "cut"},
    "reset": {"kind": "cut", "reset": True},
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502, "body": "html"},
    "504": {"kind": "status", "status": 504, "body": "empty"},
    "408": {"kind": "status", "status": 408},
    "520 of a proxy": {"kind": "status", "status": 520, "body": "unknown error"},
    "html": {"kind": "html"},
    "empty body": {"kind": "empty"},
    "no content": {"kind": "empty", "status": 204},
    "an array": {"kind": "other_json", "body": []},
    "a string": {"kind": "other_json", "body": "done"},
    "null": {"kind": "other_json", "body": None},
    "succeeded is no list": {"kind": "other_json", "body": {"succeeded": {"id": IDS[0]}}},
    "failed is no list": {"kind": "other_json", "body": {"succeeded": IDS, "failed": "none"}},
    "another object": {"kind": "other_json", "body": {"hello": "world"}},
}
# These lose a response that the control plane had already begun.
ALWAYS_APPLIED: dict[str, dict[str, Any]] = {
    "cut within the body": {"kind": "cut_in_body"},
    "reset within the body": {"kind": "cut_in_body", "reset": True},
    "half a document": {"kind": "half_json"},
    "a response in drops": {"kind": "dribble", "seconds": 3600, "pieces": 20_000},
}
APPLIED = {**{name: {**fault, "apply": True} for name, fault in EITHER.items()}, **ALWAYS_APPLIED}


@pytest.fixture
def short_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response to the first batch is not waited for as long as the others, which may take their time."""
    send = Client.batch
    seconds = iter([0.5])

    def send_and_wait_for_less(client: Client, action: str, ids: Sequence[str]) -> BatchResponse:
        transport = client._transport
        usual = transport._connection
        transport._connection = usual._replace(timeout=next(seconds, usual.timeout))
        try:
            return send(client, action, ids)
        finally:
            transport._connection = usual

    monkeypatch.setattr(Client, "batch", send_and_wait_for_less)


def run_with_lost_response(
    start: Start, request: pytest.FixtureRequest, action: str, fault: dict[str, Any]
) -> Rehearsal:
    """Return a run in which the first batch loses its response, and in which all workloads change."""
    if fault["kind"] in ("hang", "dribble"):
        request.getfixturevalue("short_of_patience")
    simulator = start(phase=READY[action])
    simulator.faults({"match": BATCH, "fault": fault})
    run = rehearse(simulator, action, IDS)
    assert run.counts == {"changed": 3}, run.result["msg"]
    assert not run.failed
    assert all(is_acted_on(simulator, action, one) for one in IDS)
    return run


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("fault", APPLIED.values(), ids=APPLIED)
def test_batch_lost_response_applied_is_changed_and_not_repeated(
    start: Start, request: pytest.FixtureRequest, action: str, fault: dict[str, Any]
) -> None:
    run = run_with_lost_response(start, request, action, fault)
    assert set(run.sent.values()) == {1}


# What the control plane never says to a batch that it has carried out, but something before it may.
DOUBTFUL: dict[str, dict[str, Any]] = {
    "501": {"kind": "status", "status": 501, "body": "html"},
    "505": {"kind": "status", "status": 505, "body": "html"},
    "418 of a proxy": {"kind": "status", "status": 418, "body": "html"},
    "444 of a proxy": {"kind": "status", "status": 444, "body": "empty"},
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("fault", DOUBTFUL.values(), ids=DOUBTFUL)
def test_batch_doubtful_refusal_reads_the_state(start: Start, action: str, fault: dict[str, Any]) -> None:
    simulator = start(phase=READY[action])
    simulator.faults({"match": BATCH, "fault": {**fault, "apply": True}})
    run = rehearse(simulator, action, IDS)
    assert run.counts == {"changed": 3}, run.result["msg"]
    assert set(run.sent.values()) == {1}


@pytest.mark.parametrize("fault", DOUBTFUL.values(), ids=DOUBTFUL)
def test_batch_doubtful_refusal_confirmed_by_the_state_is_failed(start: Start, fault: dict[str, Any]) -> None:
    simulator = start()
    simulator.faults({"match": BATCH, "fault": fault})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"failed": 3}, run.result["msg"]
    assert {row["code"] for row in run.rows("failed")} == {fault["status"]}
    assert set(run.sent.values()) == {1}


@pytest.mark.parametrize("phase", ["Completed", "Failed"])
def test_batch_stopped_workload_that_finishes_is_changed(start: Start, phase: str) -> None:
    simulator = start(phase="Stopped")
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "cut", "apply": True}},
        {"match": ONE, "nth": 4, "fault": {"kind": "change_phase", "phase": phase, "ids": IDS}},
    )
    run = rehearse(simulator, "resume", IDS)
    assert run.counts == {"changed": 3}, run.result["msg"]
    assert set(run.sent.values()) == {1}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("fault", EITHER.values(), ids=EITHER)
def test_batch_lost_response_not_applied_is_sent_again(
    start: Start, request: pytest.FixtureRequest, action: str, fault: dict[str, Any]
) -> None:
    run = run_with_lost_response(start, request, action, fault)
    assert set(run.sent.values()) == {2}
    assert run.result["summary"]["retries"] == 1
    assert len([warning for warning in run.warnings if "retried once because of" in warning]) == 1


def test_batch_lost_delete_of_a_missing_workload_is_changed(start: Start) -> None:
    simulator = start(transition_seconds=0.0)
    simulator.faults({"match": BATCH, "fault": {"kind": "cut", "apply": True}})
    run = rehearse(simulator, "delete", IDS)
    assert run.counts == {"changed": 3}
    assert [simulator.state.phase(one) for one in IDS] == [None] * 3


GONE = {"kind": "edit_rows", "set": {"deletedAt": "2026-01-02T03:04:05Z"}}


@pytest.mark.parametrize(("count", "match"), [(3, ONE), (60, LIST)], ids=["single reads", "the list"])
@pytest.mark.parametrize("apply", [True, False])
def test_batch_row_with_deleted_at_is_gone(
    start: Start, count: int, match: dict[str, Any], apply: bool
) -> None:
    simulator = start(count)
    ids = [workload_id(number) for number in range(count)]
    gone = {"match": match, "times": "always", "fault": {**GONE, "count": "all"}}
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "cut", "apply": apply}},
        {**gone, "nth": (count if match is ONE else 1) + 1},
    )
    run = rehearse(simulator, "delete", ids, wait=True)
    assert run.counts == {"changed": count}, run.result["msg"]
    assert not run.failed
    assert set(run.sent.values()) == {1}
    simulator.faults(gone)
    for action, counts in (("delete", {"unchanged": count}), ("suspend", {"failed": count})):
        run = rehearse(simulator, action, ids)
        assert run.counts == counts, run.result["msg"]
        assert run.sent == (run.sent if action == "delete" else {})
    assert {row["reason"] for row in run.rows("failed")} == {"missing"}


@pytest.mark.parametrize("status", [400, 404, 409])
def test_batch_refused_delete_of_missing_workloads_is_unchanged(start: Start, status: int) -> None:
    simulator = start(transition_seconds=0.0)
    simulator.faults({"match": BATCH, "fault": {"kind": "status", "status": status, "apply": True}})
    run = rehearse(simulator, "delete", IDS)
    assert run.counts == {"unchanged": 3}, run.result["msg"]
    assert {row["reason"] for row in run.rows("unchanged")} == {"not_found"}
    assert set(run.sent.values()) == {1}


def test_batch_phase_behind_the_lost_response_is_awaited(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_delivery, "_LAG_SECONDS", 3600.0)
    clock = FakeClock()
    simulator = start(lag_seconds=5.0, clock=clock)
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "cut", "apply": True}},
        # What it shows until its cluster has caught up: some reads, each of three GETs.
        {"match": ONE, "nth": 13, "fault": {"kind": "change_phase", "phase": "Stopping", "ids": IDS}},
    )
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert set(run.sent.values()) == {1}


@pytest.mark.parametrize("action", ACTIONS)
def test_batch_refusal_after_a_lost_response_reads_the_state(
    start: Start, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One read only each time: the plan's GET, the one behind the cut, the one behind the refusal.
    monkeypatch.setattr(_delivery, "_LAG_SECONDS", 0.0)
    simulator = start(1, READY[action])
    simulator.faults(
        {"match": BATCH, "fault": "cut"},
        {"match": BATCH, "nth": 2, "fault": {"kind": "refuse_ids", "count": "all"}},
        {"match": ONE, "nth": 3, "fault": {"kind": "change_phase", "phase": DONE[action][0], "ids": IDS[:1]}},
    )
    run = rehearse(simulator, action, IDS[:1])
    assert run.counts == {"changed": 1}, run.result["msg"]
    assert run.batches == 2


def test_batch_delete_done_by_another_is_unchanged(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = start(3)
    refuse = {"kind": "refuse_ids", "ids": IDS[2:]}
    simulator.faults({"match": BATCH, "fault": refuse, "times": "always"})
    send = Client.batch

    def send_after_another(client: Client, action: str, ids: Sequence[str]) -> BatchResponse:
        simulator.state.remove(IDS[0])
        return send(client, action, ids)

    monkeypatch.setattr(Client, "batch", send_after_another)
    run = rehearse(simulator, "delete", IDS)
    assert run.result["outcomes"] == {
        "skipped": [],
        "unknown": [],
        "not_attempted": [],
        "unchanged": IDS[:1],
        "changed": IDS[1:2],
        "failed": IDS[2:],
    }
    assert run.rows("unchanged")[0]["reason"] == "not_found"


@pytest.mark.parametrize("action", ACTIONS)
def test_batch_refusal_after_a_lost_response_confirmed_is_failed(start: Start, action: str) -> None:
    simulator = start(1, READY[action])
    simulator.faults(
        {"match": BATCH, "fault": "cut"},
        {"match": BATCH, "nth": 2, "fault": {"kind": "refuse_ids", "count": "all"}},
    )
    run = rehearse(simulator, action, IDS[:1])
    assert run.counts == {"failed": 1}
    (row,) = run.rows("failed")
    assert (row["code"], row["message"], row["reason"]) == (409, "conflict, try later", "refused")


def test_batch_whole_refusal_after_a_lost_response_reads_the_state(start: Start) -> None:
    simulator = start(redundant="fail")
    simulator.faults(
        {"match": BATCH, "fault": "cut"},
        {"match": BATCH, "nth": 2, "fault": {"kind": "status", "status": 400, "apply": True}},
    )
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}


def test_batch_refusal_after_a_lost_response_without_state_is_unknown(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_delivery, "_LAG_SECONDS", 0.0)
    simulator = start(1)
    simulator.faults(
        {"match": BATCH, "fault": "cut"},
        {"match": BATCH, "nth": 2, "fault": {"kind": "refuse_ids", "count": "all"}},
        {"match": ONE, "nth": 3, "times": "always", "fault": {"kind": "status", "status": 500}},
    )
    run = rehearse(simulator, "suspend", IDS[:1], retry_timeout=0.5)
    assert run.counts == {"unknown": 1}
    assert run.failed


def test_batch_lost_response_repeats_only_unchanged_ids(start: Start) -> None:
    # The control plane did one of the three before it fell over.
    simulator = start()
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "status", "status": 500}},
        {"match": ONE, "nth": 4, "fault": {"kind": "change_phase", "phase": "Stopping", "ids": IDS[:1]}},
    )
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert run.sent == {IDS[0]: 1, IDS[1]: 2, IDS[2]: 2}


def test_batch_workload_ended_meanwhile_is_not_repeated(start: Start) -> None:
    simulator = start()
    simulator.faults(
        {"match": BATCH, "fault": "cut"},
        {"match": ONE, "nth": 4, "fault": {"kind": "change_phase", "phase": "Completed", "ids": IDS[:1]}},
    )
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 2, "skipped": 1}
    assert run.sent[IDS[0]] == 1
    assert run.rows("skipped")[0]["reason"] == "finished"


@pytest.mark.parametrize("apply", [False, True])
def test_batch_lost_response_without_state_is_unknown(start: Start, apply: bool) -> None:
    simulator = start()
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "cut", "apply": apply}},
        {"match": READS, "nth": 4, "times": "always", "fault": {"kind": "status", "status": 502}},
    )
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0.5)
    assert run.counts == {"unknown": 3}
    assert run.failed
    assert not run.result["changed"]
    assert set(run.sent.values()) == {1}
    assert "unknown" in run.result["msg"]


@pytest.mark.parametrize("status", [500, 403])
@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        ({"kind": "status", "status": 502, "body": "html"}, "HTTP 502"),
        ({"kind": "cut"}, "the connection was cut before a response"),
        ({"kind": "status", "status": 503}, "HTTP 503"),
        ({"kind": "omit_ids", "count": "all"}, "the response omitted it"),
    ],
    ids=["502", "cut", "503", "silence"],
)
def test_batch_lost_response_without_state_names_both_faults(
    start: Start, fault: dict[str, Any], lost: str, status: int
) -> None:
    simulator = start(60)
    simulator.faults(
        {"match": BATCH, "fault": {**fault, "apply": True}},
        {"match": LIST, "nth": 2, "times": "always", "fault": {"kind": "status", "status": status}},
    )
    ids = [workload_id(number) for number in range(60)]
    run = rehearse(simulator, "suspend", ids, retry_timeout=0.5)
    assert run.counts == {"unknown": 60}
    cause = f"GET /api/v1/workloads: HTTP {status}, injected fault"
    assert lost in run.result["msg"]
    assert cause in run.result["msg"]
    for row in run.rows("unknown"):
        assert lost in row["message"]
        assert f"; the state could not be read: {cause}" in row["message"]


def test_batch_lost_response_with_forbidden_state_names_both_faults(start: Start) -> None:
    simulator = start()
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "cut", "apply": True}},
        {"match": ONE, "nth": 4, "times": "always", "fault": {"kind": "status", "status": 403}},
    )
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"unknown": 3}
    message = "the connection was cut before a response; its state can no longer be read (403)"
    assert {row["message"] for row in run.rows("unknown")} == {message}
    assert run.warnings == []


def test_batch_many_lost_responses_give_one_warning(start: Start) -> None:
    simulator = start(40)
    lost = {"kind": "status", "status": 502, "body": "html", "apply": True}
    refused = {"kind": "status", "status": 418, "body": "html", "apply": True}
    simulator.faults(
        {"match": BATCH, "times": 6, "fault": lost},
        {"match": BATCH, "nth": 7, "times": 2, "fault": refused},
    )
    run = rehearse(simulator, "suspend", [workload_id(number) for number in range(40)], batch_size=5)
    assert run.counts == {"changed": 40}
    assert set(run.sent.values()) == {1}
    expected = "the response of a batch was lost (HTTP {}); its result was read from the state ({})"
    assert sorted(run.warnings) == [expected.format(418, "2 times"), expected.format(502, "6 times")]


def test_batch_503_of_a_proxy_is_handled_as_a_lost_response(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    control_plane = InProcessSimulator(fleet(3), transition_seconds=60.0, lag_seconds=8.0)
    control_plane.install(monkeypatch)
    control_plane.batch_faults.append(Fault("status", True, 503, is_page=True))
    finished = control_plane.run("suspend", IDS)
    assert finished.result["outcomes"]["changed"] == IDS
    assert control_plane.ground_truth.batches == 1


def test_batch_every_response_lost_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    control_plane = InProcessSimulator(fleet(3))
    control_plane.install(monkeypatch)
    control_plane.batch_faults.extend([Fault("cut")] * 100)
    finished = control_plane.run("suspend", IDS, retry_timeout=60.0)
    assert finished.failed
    assert finished.result["outcomes"]["unknown"] == IDS
    assert 1 < control_plane.ground_truth.batches < 100


def test_batch_without_retries_reads_once_and_repeats_nothing(start: Start) -> None:
    simulator = start()
    simulator.faults({"match": BATCH, "fault": "cut"})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0)
    assert run.counts == {"unknown": 3}
    assert run.batches == 1
    simulator.faults({"match": BATCH, "fault": {"kind": "cut", "apply": True}})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0)
    assert run.counts == {"changed": 3}
    assert run.batches == 2


def test_batch_without_retries_503_reads_the_state_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_delivery, "_LAG_SECONDS", 10.0)
    simulator = start()
    simulator.faults({"match": BATCH, "fault": {"kind": "status", "status": 503}})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0)
    assert run.counts == {"failed": 3}
    # The plan's reads and the one behind the 503.
    reads = [one for one in simulator.requests() if one["method"] == "GET"]
    assert len(reads) == 6


def test_batch_one_lost_response_of_many_repeats_one_batch(start: Start) -> None:
    simulator = start(60)
    simulator.faults({"match": {**BATCH, "ids": [workload_id(25)]}, "fault": "cut"})
    ids = [workload_id(number) for number in range(60)]
    run = rehearse(simulator, "suspend", ids, batch_size=10)
    assert run.counts == {"changed": 60}
    assert run.batches == 7
    assert {one for one, times in run.sent.items() if times == 2} == set(ids[20:30])
    assert len(run.result["batches"]) == 6
    assert sum(batch["succeeded"] for batch in run.result["batches"]) == 60


def test_batch_omitted_ids_read_the_state(start: Start) -> None:
    simulator = start()
    simulator.faults({"match": BATCH, "fault": {"kind": "omit_ids", "ids": IDS[1:]}})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert set(run.sent.values()) == {1}
    assert any("omitted" in warning for warning in run.warnings)


def test_batch_omitted_ids_not_applied_are_sent_again(start: Start) -> None:
    simulator = start()
    simulator.faults({"match": BATCH, "fault": {"kind": "omit_ids", "ids": IDS[1:], "apply": False}})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert run.sent == {IDS[0]: 1, IDS[1]: 2, IDS[2]: 2}


def test_batch_id_always_omitted_is_unknown(start: Start) -> None:
    simulator = start()
    simulator.faults(
        {"match": BATCH, "times": "always", "fault": {"kind": "omit_ids", "ids": IDS[1:], "apply": False}}
    )
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 1, "unknown": 2}
    assert run.failed
    assert run.batches == 2


def test_batch_without_retries_omitted_id_is_not_repeated(start: Start) -> None:
    simulator = start()
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "omit_ids", "ids": IDS[1:], "apply": False}},
    )
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0)
    assert run.counts == {"changed": 1, "unknown": 2}
    assert run.batches == 1


def test_batch_transient_fault_of_the_first_read_is_retried(start: Start) -> None:
    simulator = start(60)
    simulator.faults(
        {"match": COUNT, "fault": "cut"},
        {"match": LIST, "fault": "half_json"},
    )
    run = rehearse(simulator, "suspend", [workload_id(number) for number in range(60)])
    assert run.counts == {"changed": 60}
    assert len(run.warnings) == 2
