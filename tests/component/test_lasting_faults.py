# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lasts ends the task in time, says what was reached, and keeps what was done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import cancellation as _cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchResponse

from simulator.server import Handle
from tests.component.conftest import Start
from tests.component.harness import BATCH, COUNT, LIST, ONE, READS, TOKENS, is_acted_on, rehearse
from tests.component.in_process_simulator import Fault, InProcessSimulator
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workloads import fleet, workload_id

IDS = [workload_id(number) for number in range(3)]
MANY = [workload_id(number) for number in range(60)]


def writes(simulator: Handle) -> int:
    """How many batch calls came in."""
    return sum(simulator.summary()["batches"].values())


@pytest.mark.parametrize("ids", [IDS, MANY], ids=["by single reads", "by the list"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 404},
        {"kind": "status", "status": 400},
        {"kind": "html"},
        {"kind": "other_json", "body": []},
        {"kind": "cut"},
        {"kind": "redirect"},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
def test_batch_without_state_sends_nothing(start: Start, fault: dict[str, Any], ids: list[str]) -> None:
    simulator = start(60)
    path = {"method": "GET", "path": "/api/v1/workloads*"} if fault.get("status") != 404 else LIST
    simulator.faults({"match": path, "times": "always", "fault": fault})
    # What is asked for by single reads and is not there is believed only of a control plane that can list.
    asked = [workload_id(1000 + number) for number in range(3)] if fault.get("status") == 404 else ids
    run = rehearse(simulator, "delete", asked, retry_timeout=0.3)
    assert run.counts == {"not_attempted": len(asked)}
    assert run.failed
    assert not run.result["changed"]
    assert writes(simulator) == 0
    assert "/api/v1/workloads" in run.result["msg"]


def test_batch_unreachable_control_plane_attempts_nothing(start: Start, nowhere: str) -> None:
    simulator = start()
    run = rehearse(simulator, "suspend", IDS, base_url=f"http://{nowhere}", retry_timeout=0.2)
    assert run.counts == {"not_attempted": 3}
    assert "connection refused" in run.result["msg"]


@pytest.mark.parametrize("apply", [False, True])
def test_batch_outage_in_the_middle_keeps_the_outcomes(start: Start, tmp_path: Path, apply: bool) -> None:
    simulator = start(50)
    ids = [workload_id(number) for number in range(50)]
    simulator.faults({"match": BATCH, "nth": 3, "fault": {"kind": "down", "seconds": 3600, "apply": apply}})
    report = tmp_path / "report.jsonl"
    run = rehearse(
        simulator, "suspend", ids, batch_size=10, concurrency=1, retry_timeout=0.5, report_path=str(report)
    )
    assert run.counts == {"changed": 20, "unknown": 10, "not_attempted": 20}
    assert run.result["outcomes"]["changed"] == ids[:20]
    assert run.result["outcomes"]["not_attempted"] == ids[30:]
    assert run.result["changed"]
    assert run.failed
    for phrase in ("20 changed", "10 unknown", "20 not attempted", "of 50"):
        assert phrase in run.result["msg"]
    reported = {row["id"]: row["outcome"] for row in map(json.loads, report.read_text().splitlines())}
    assert reported == {one: outcome for outcome, found in run.result["outcomes"].items() for one in found}


def test_batch_repeat_after_an_outage_changes_the_rest(start: Start) -> None:
    simulator = start(50)
    ids = [workload_id(number) for number in range(50)]
    simulator.faults({"match": BATCH, "nth": 3, "fault": {"kind": "down", "seconds": 3600, "apply": True}})
    first = rehearse(simulator, "suspend", ids, batch_size=10, concurrency=1, retry_timeout=0.2)
    assert first.counts == {"changed": 20, "unknown": 10, "not_attempted": 20}
    simulator.faults()
    second = rehearse(simulator, "suspend", ids, batch_size=10)
    assert second.counts == {"changed": 20, "unchanged": 30}
    assert set(second.sent.values()) == {1}


@pytest.mark.parametrize(
    ("match", "ids", "expected", "status"),
    [
        (TOKENS, IDS, {"not_attempted": 3}, 401),
        (TOKENS, IDS, {"not_attempted": 3}, 403),
        (COUNT, MANY, {"not_attempted": 60}, 401),
        (LIST, MANY, {"not_attempted": 60}, 401),
        (LIST, MANY, {"not_attempted": 60}, 403),
    ],
    ids=["token-401", "token-403", "count-401", "list-401", "list-403"],
)
def test_batch_account_denied_before_the_first_write_sends_nothing(
    start: Start, match: dict[str, Any], ids: list[str], expected: dict[str, int], status: int
) -> None:
    simulator = start(60)
    simulator.faults({"match": match, "times": "always", "fault": {"kind": "status", "status": status}})
    # A fresh token that is refused is tried again within retry_timeout.
    retry_timeout = 0 if status == 401 and match != TOKENS else 3600
    run = rehearse(simulator, "suspend", ids, retry_timeout=retry_timeout)
    assert run.counts == expected
    assert writes(simulator) == 0
    assert f"HTTP {status}" in run.result["msg"]


@pytest.mark.parametrize("status", [401, 403])
def test_batch_account_denied_stops_the_task(start: Start, status: int) -> None:
    simulator = start(60)
    simulator.faults(
        {"match": BATCH, "nth": 2, "times": "always", "fault": {"kind": "status", "status": status}}
    )
    run = rehearse(
        simulator,
        "suspend",
        MANY,
        batch_size=10,
        concurrency=1,
        retry_timeout=0 if status == 401 else 3600,
        max_failures="100%",
    )
    assert run.result["outcomes"]["changed"] == MANY[:10]
    if status == 401:
        # A 401 means that nothing was done. The token is renewed once.
        assert run.counts == {"changed": 10, "not_attempted": 50}
        assert {row["reason"] for row in run.rows("not_attempted")} == {"unreachable", "stopped"}
        assert writes(simulator) == 3
    else:
        assert run.counts == {"changed": 10, "failed": 10, "not_attempted": 40}
        assert {row["code"] for row in run.rows("failed")} == {403}
        assert writes(simulator) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_batch_token_not_renewable_says_nothing_of_workloads(start: Start, status: int) -> None:
    simulator = start(60)
    simulator.faults(
        {"match": TOKENS, "nth": 2, "times": "always", "fault": {"kind": "status", "status": status}},
        {"match": BATCH, "nth": 2, "fault": "revoke_tokens"},
    )
    run = rehearse(
        simulator, "delete", MANY, batch_size=10, concurrency=1, retry_timeout=3600, max_failures="100%"
    )
    assert run.counts == {"changed": 10, "not_attempted": 50}
    assert "no token for the client 'rehearsal' from http://127.0.0.1:" in run.result["msg"]


def test_batch_403_on_one_id_fails_it_alone(start: Start) -> None:
    simulator = start(forbidden_ids=frozenset(IDS[:1]))
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 2, "failed": 1}
    (row,) = run.rows("failed")
    assert (row["id"], row["reason"]) == (IDS[0], "forbidden")
    assert IDS[0] not in run.sent


def test_batch_one_bad_batch_fails_its_ids_only(start: Start) -> None:
    simulator = start(60)
    simulator.faults(
        {
            "match": {**BATCH, "ids": MANY[:1]},
            "fault": {"kind": "status", "status": 413, "message": "too big"},
        }
    )
    run = rehearse(simulator, "suspend", MANY, batch_size=10, max_failures="50%")
    assert run.counts == {"changed": 50, "failed": 10}
    assert {(row["code"], row["message"]) for row in run.rows("failed")} == {(413, "too big")}


def test_batch_without_the_endpoint_stops_the_task(start: Start) -> None:
    simulator = start(60)
    simulator.faults({"match": BATCH, "times": "always", "fault": {"kind": "status", "status": 404}})
    run = rehearse(simulator, "suspend", MANY, batch_size=10, concurrency=1, max_failures="100%")
    assert run.counts == {"failed": 10, "not_attempted": 50}
    assert "2.19" in run.result["msg"]


@pytest.fixture
def answered_together(monkeypatch: pytest.MonkeyPatch) -> Callable[[Handle, int], None]:
    """Keep a response to a batch from the module until so many batches have reached the control plane."""

    def hold(simulator: Handle, number: int) -> None:
        send = Client.batch

        def send_and_await_the_others(client: Client, action: str, ids: Sequence[str]) -> BatchResponse:
            response = send(client, action, ids)
            wait_until(lambda: writes(simulator) >= number, f"{number} batches")
            return response

        monkeypatch.setattr(Client, "batch", send_and_await_the_others)

    return hold


def test_batch_breaker_counts_batches_in_flight(
    start: Start, answered_together: Callable[[Handle, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = start(60)
    answered_together(simulator, 3)
    simulator.faults(
        {"match": {**BATCH, "ids": MANY[:1]}, "fault": {"kind": "refuse_ids", "count": "all"}},
        {"match": BATCH, "times": "always", "fault": {"kind": "slow", "seconds": 3600}},
    )
    stop_writing = Cancellation.stop_writing

    def stop_and_let_the_others_be_answered(cancellation: Cancellation, message: str) -> None:
        stop_writing(cancellation, message)
        simulator.faults()

    monkeypatch.setattr(Cancellation, "stop_writing", stop_and_let_the_others_be_answered)
    run = rehearse(
        simulator, "suspend", MANY, batch_size=10, concurrency=3, max_failures="5", timeout=PATIENCE
    )
    assert run.counts == {"changed": 20, "failed": 10, "not_attempted": 30}
    assert run.batches == 3
    assert "max_failures (5) is exceeded: 10 of 60 refused" in run.result["msg"]
    assert {row["reason"] for row in run.rows("not_attempted")} == {"stopped"}


def test_batch_breaker_settles_a_lost_response_in_flight(
    start: Start, answered_together: Callable[[Handle, int], None]
) -> None:
    simulator = start(60)
    answered_together(simulator, 2)
    simulator.faults(
        {"match": {**BATCH, "ids": MANY[:1]}, "fault": {"kind": "refuse_ids", "count": "all"}},
        {"match": {**BATCH, "ids": MANY[10:11]}, "fault": {"kind": "status", "status": 504, "apply": True}},
    )
    run = rehearse(simulator, "suspend", MANY, batch_size=10, concurrency=2, max_failures="0")
    # The lost response may be settled, and another batch be sent, before the refusal is seen.
    changed = set(run.result["outcomes"]["changed"])
    assert set(MANY[10:20]) <= changed
    assert all(is_acted_on(simulator, "suspend", one) for one in changed)
    assert set(run.sent.values()) == {1}


def test_batch_deadline_counts_batches_in_flight(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = start(60)
    simulator.faults({"match": BATCH, "times": "always", "fault": {"kind": "slow", "seconds": 0.2}})
    # The deadline passes as soon as two batches are on their way, however long that takes.
    clock = SimpleNamespace(monotonic=lambda: 7.0 if writes(simulator) >= 2 else 0.0)
    monkeypatch.setattr(_cancellation, "time", clock)
    run = rehearse(simulator, "suspend", MANY, batch_size=10, concurrency=2, deadline=5)
    assert run.counts == {"changed": 20, "not_attempted": 40}
    assert run.batches == 2
    assert run.failed
    assert "the deadline of 5 s has passed" in run.result["msg"]
    assert {row["reason"] for row in run.rows("not_attempted")} == {"deadline"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, "not_attempted"), (503, "unknown")],
    ids=["after a 429", "after a 503, which may have been passed on"],
)
def test_batch_deadline_ends_a_pause(monkeypatch: pytest.MonkeyPatch, status: int, outcome: str) -> None:
    control_plane = InProcessSimulator(fleet(3))
    control_plane.install(monkeypatch)
    control_plane.batch_faults.append(Fault("status", status=status, retry_after=3600.0))
    started = control_plane.clock.now()
    finished = control_plane.run("suspend", IDS, retry_timeout=7200.0, deadline=60)
    assert finished.failed
    assert finished.result["outcomes"][outcome] == IDS
    assert control_plane.ground_truth.batches == 1
    assert control_plane.ground_truth.called_late == []
    assert 60 <= control_plane.clock.now() - started < 62


def test_batch_deadline_ends_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    control_plane = InProcessSimulator(fleet(3), transition_seconds=3600.0)
    control_plane.install(monkeypatch)
    finished = control_plane.run("suspend", IDS, wait=True, wait_timeout=3600.0, deadline=60)
    assert finished.failed
    assert finished.result["outcomes"]["changed"] == IDS
    assert finished.result["not_reached"] == IDS
    assert control_plane.ground_truth.called_late == []


def test_batch_deadline_ends_a_read(start: Start) -> None:
    simulator = start()
    simulator.faults({"match": READS, "times": "always", "fault": {"kind": "status", "status": 503}})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=3600, deadline=1)
    assert run.counts == {"not_attempted": 3}
    assert "deadline" in run.result["msg"]


def test_batch_outage_during_a_wait_keeps_the_outcomes(start: Start) -> None:
    simulator = start(transition_seconds=3600.0)
    simulator.faults({"match": ONE, "nth": 5, "times": "always", "fault": {"kind": "status", "status": 500}})
    run = rehearse(simulator, "suspend", IDS, wait=True, retry_timeout=0.3)
    assert run.counts == {"changed": 3}
    assert run.result["not_reached"] == IDS
    assert run.failed
    assert "HTTP 500" in run.result["msg"]


def test_batch_redirect_elsewhere_gets_no_credentials(start: Start) -> None:
    elsewhere = start(fleet=fleet(3))
    simulator = start()
    simulator.faults({"times": "always", "fault": {"kind": "redirect", "location": elsewhere.url}})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"not_attempted": 3}
    assert elsewhere.requests() == []
    assert "redirected to" in run.result["msg"]
