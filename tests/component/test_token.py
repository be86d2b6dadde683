# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token dies or is not accepted yet: it is renewed once, the call repeated, and never for ever."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import auth as _auth
from ansible_collections.gpuops.runai.plugins.module_utils._api import cancellation as _cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api import retry as _retry
from ansible_collections.gpuops.runai.plugins.module_utils._api.auth import parse_token
from ansible_collections.gpuops.runai.tests.support.client_calls import json_response

from simulator.server import Handle
from simulator.settings import TOKEN
from tests.component.conftest import Start
from tests.component.harness import BATCH, COUNT, LIST, ONE, READS, TOKENS, rehearse
from tests.support.clock import FakeClock
from tests.support.workloads import workload_id

IDS = [workload_id(number) for number in range(3)]
MANY = [workload_id(number) for number in range(60)]
RENEWED = (
    "requests to the control plane were retried once because of: HTTP 401, a token that was not accepted"
)


def tokens_made(simulator: Handle) -> int:
    """How many tokens were asked for."""
    return sum(entry["path"].endswith("/token") for entry in simulator.requests())


def refusals(simulator: Handle) -> int:
    """How many requests got a 401."""
    found: int = simulator.summary()["by_status"].get("401", 0)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Let pauses move a clock on instead of taking time."""
    clock = FakeClock()
    for module in (_cancellation, _retry, _auth):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(_cancellation, "threading", clock)
    return clock


@pytest.mark.parametrize(
    ("rule", "ids"),
    [
        ({"match": COUNT}, MANY),
        ({"match": LIST, "nth": 2}, MANY),
        ({"match": ONE, "nth": 2}, IDS),
        ({"match": BATCH}, IDS),
        ({"match": BATCH, "nth": 3}, MANY),
    ],
    ids=["count", "page", "single read", "first batch", "later batch"],
)
def test_token_refused_in_a_call_is_renewed(start: Start, rule: dict[str, Any], ids: list[str]) -> None:
    simulator = start(1200)
    simulator.faults({**rule, "fault": "revoke_tokens"})
    run = rehearse(simulator, "suspend", ids, batch_size=10, concurrency=1)
    assert run.counts == {"changed": len(ids)}
    assert tokens_made(simulator) == 2
    assert refusals(simulator) >= 1
    # Readers that run side by side may all meet the dead token; they count as one kind.
    assert len(run.warnings) == 1
    assert "a token that was not accepted" in run.warnings[0]


@pytest.mark.parametrize("status", [429, 503])
def test_token_refused_after_a_pause_is_renewed(start: Start, status: int) -> None:
    simulator = start()
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "status", "status": status, "retry_after": 0}},
        {"match": BATCH, "nth": 2, "fault": "revoke_tokens"},
    )
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert tokens_made(simulator) == 2
    assert RENEWED in run.warnings


def test_token_ending_in_a_pause_is_renewed_before_it_is_refused(start: Start, clock: FakeClock) -> None:
    simulator = start(token_seconds=1.0, clock=clock)
    simulator.faults({"match": BATCH, "fault": {"kind": "status", "status": 429, "retry_after": 2}})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert tokens_made(simulator) >= 2
    assert refusals(simulator) == 0


def test_token_refused_after_a_lost_response_is_renewed(start: Start) -> None:
    simulator = start()
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "cut", "apply": True}},
        {"match": ONE, "nth": 4, "fault": "revoke_tokens"},
    )
    run = rehearse(simulator, "delete", IDS)
    assert run.counts == {"changed": 3}
    assert set(run.sent.values()) == {1}


def test_token_refused_in_a_wait_is_renewed(start: Start) -> None:
    simulator = start()
    # The plan reads each of them once, and so does each read of the wait.
    simulator.faults(
        {"match": ONE, "nth": 7, "fault": "revoke_tokens"},
        {"match": ONE, "nth": 12, "fault": {"kind": "change_phase", "phase": "Stopped", "ids": IDS}},
    )
    run = rehearse(simulator, "suspend", IDS, wait=True)
    assert run.counts == {"changed": 3}
    assert run.result["not_reached"] == []
    assert not run.failed
    assert tokens_made(simulator) == 2


@pytest.mark.parametrize(
    ("match", "ids", "expected"),
    [
        (COUNT, MANY, {"not_attempted": 60}),
        (LIST, MANY, {"not_attempted": 60}),
        (ONE, IDS, {"not_attempted": 3}),
        (BATCH, IDS, {"not_attempted": 3}),
    ],
    ids=["count", "page", "single read", "batch"],
)
def test_token_renewed_and_refused_again_ends_the_task(
    start: Start, match: dict[str, Any], ids: list[str], expected: dict[str, int]
) -> None:
    simulator = start(60)
    simulator.faults({"match": match, "times": "always", "fault": "revoke_tokens"})
    run = rehearse(simulator, "suspend", ids, retry_timeout=0)
    assert run.counts == expected
    assert "401" in run.result["msg"]
    assert tokens_made(simulator) <= 3


@pytest.mark.parametrize("match", [LIST, BATCH], ids=["list", "batch"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "fresh_token", "requests": 4},
        {"kind": "fresh_token", "requests": 2, "every": 3},
        {"kind": "fresh_token", "requests": 0, "seconds": 5},
    ],
    ids=["key not known yet", "replicas in turn", "clock behind"],
)
def test_token_fresh_one_refused_for_a_time_loses_no_batch(
    start: Start, clock: FakeClock, match: dict[str, Any], fault: dict[str, Any]
) -> None:
    simulator = start(60, clock=clock)
    simulator.faults({"match": match, "times": "always", "fault": fault})
    run = rehearse(simulator, "suspend", MANY, batch_size=10, concurrency=1, retry_timeout=120)
    assert run.counts == {"changed": 60}
    assert refusals(simulator) >= 2
    assert tokens_made(simulator) == 2


def test_token_key_changes_between_batches_loses_no_batch(start: Start, clock: FakeClock) -> None:
    simulator = start(60, clock=clock)
    simulator.faults(
        {"match": BATCH, "nth": 2, "fault": "revoke_tokens"},
        {"match": BATCH, "nth": 3, "times": "always", "fault": {"kind": "fresh_token", "requests": 4}},
    )
    run = rehearse(simulator, "suspend", MANY, batch_size=10, concurrency=1, retry_timeout=120)
    assert run.counts == {"changed": 60}
    assert refusals(simulator) == 5
    assert tokens_made(simulator) == 2


@pytest.mark.parametrize(
    ("retry_timeout", "seconds"), [(3600, 20), (3, 4)], ids=["token too old", "retry_timeout over"]
)
def test_token_account_never_accepted_ends_with_a_401_in_time(
    start: Start, clock: FakeClock, retry_timeout: float, seconds: float
) -> None:
    simulator = start(60, clock=clock)
    refusal = {"kind": "status", "status": 401}
    simulator.faults({"match": READS, "times": "always", "fault": refusal})
    began = clock.now()
    run = rehearse(simulator, "suspend", IDS[:1], retry_timeout=retry_timeout)
    assert run.counts == {"not_attempted": 1}
    assert "HTTP 401" in run.result["msg"]
    assert "the token of the client 'rehearsal' was refused, nothing was done" in run.result["msg"]
    assert 1 < clock.now() - began <= seconds
    assert tokens_made(simulator) == 2


@pytest.mark.parametrize(
    ("options", "seconds", "reason"),
    [({"retry_timeout": 60}, 60, "unreachable"), ({"retry_timeout": 3600, "deadline": 30}, 30, "deadline")],
    ids=["retry_timeout", "deadline"],
)
def test_token_account_accepted_before_is_retried_until_the_time_is_over(
    start: Start, clock: FakeClock, options: dict[str, Any], seconds: float, reason: str
) -> None:
    simulator = start(60, clock=clock)
    simulator.faults({"match": BATCH, "times": "always", "fault": {"kind": "status", "status": 401}})
    began = clock.now()
    run = rehearse(simulator, "suspend", IDS, **options)
    assert run.counts == {"not_attempted": 3}
    assert {row["reason"] for row in run.rows("not_attempted")} == {reason}
    assert ("HTTP 401" in run.result["msg"]) is (reason == "unreachable")
    assert seconds <= clock.now() - began <= seconds + 2


def test_token_refused_for_many_readers_is_renewed_once(start: Start) -> None:
    simulator = start(16)
    simulator.faults({"match": ONE, "fault": "revoke_tokens"})
    run = rehearse(simulator, "suspend", MANY[:8], concurrency=16)
    assert run.counts == {"changed": 8}
    assert tokens_made(simulator) == 2


def test_token_given_is_never_renewed(start: Start) -> None:
    simulator = start(60)
    simulator.faults(
        {"match": BATCH, "nth": 2, "times": "always", "fault": {"kind": "status", "status": 401}}
    )
    run = rehearse(simulator, "suspend", MANY, token=TOKEN, batch_size=10, concurrency=1, max_failures="100%")
    assert run.counts == {"changed": 10, "not_attempted": 50}
    assert tokens_made(simulator) == 0
    assert run.batches == 2


def test_token_endpoint_with_a_transient_fault_is_retried(start: Start) -> None:
    simulator = start()
    simulator.faults(
        {"match": TOKENS, "fault": "html"},
        {"match": TOKENS, "nth": 2, "fault": {"kind": "other_json", "body": {"access_token": 7}}},
    )
    assert rehearse(simulator, "suspend", IDS).counts == {"changed": 3}


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": ""},
        {"accessToken": ""},
        {"access_token": "1"},
        {"access_token": "with space"},
        {"access_token": "line\nbreak"},
        {"access_token": "ünï"},
        {"accessToken": None},
        [],
    ],
    ids=repr,
)
def test_token_unusable_is_never_sent(start: Start, body: Any) -> None:
    simulator = start()
    simulator.faults({"match": TOKENS, "times": "always", "fault": {"kind": "other_json", "body": body}})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0.5)
    assert run.counts == {"not_attempted": 3}
    assert {entry["path"] for entry in simulator.requests()} == {"/api/v2/token"}


@pytest.mark.parametrize("lifetime", ["²", "9" * 5000, 10**400, float("nan"), -1, 0, True, None, [], "1e9"])
def test_token_with_a_malformed_lifetime_is_kept(lifetime: object) -> None:
    assert parse_token(json_response({"access_token": "opaque", "expires_in": lifetime})) == ("opaque", None)


@pytest.mark.parametrize(
    "claims",
    [b"[]", b"7", b"{", b'{"exp": 1}', b'{"exp": "2", "iat": 1}', b'{"exp": 1e400, "iat": 1e400}',
     b'{"exp": %d, "iat": 1.5}' % 10**400, b'{"exp": 1, "iat": 2}', b"\xff"],
    ids=lambda claims: repr(claims[:30]),
)  # fmt: skip
def test_token_with_malformed_claims_is_kept(claims: bytes) -> None:
    token = "e30." + base64.urlsafe_b64encode(claims).decode().rstrip("=") + ".x"
    assert parse_token(json_response({"access_token": token})) == (token, None)
