# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses that nobody should trust: a hundred thousand broken ones, and the odd ones by name."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import client as _client
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import MalformedResponse, RequestError
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import Response
from ansible_collections.gpuops.runai.plugins.module_utils._common.text import SHORTEST_SECRET

from tests.component.conftest import Start
from tests.component.harness import BATCH, COUNT, DEFAULTS, LIST, ONE, READY, is_acted_on, rehearse
from tests.component.in_process_simulator import Fault, InProcessSimulator
from tests.component.malformed import Malformed
from tests.support.client_calls import client_of
from tests.support.workloads import fleet, workload_id

IDS = [workload_id(number) for number in range(4)]
RESPONSES = 96_000
RUNS = 1_500

GOOD_BATCH = {
    "id": workload_id(99),
    "succeeded": IDS[:2],
    "failed": [{"id": IDS[2], "code": 409, "message": "conflict", "details": "try later"}],
}
GOOD_ROW = {
    "id": IDS[0],
    "name": "one",
    "projectName": "a",
    "clusterId": workload_id(98),
    "submittedBy": "me",
    "phase": "Running",
    "actionsSupport": {"suspend": True, "delete": True},
}
GOOD_PAGE = {"workloads": [{**GOOD_ROW, "id": one} for one in IDS], "next": 500}
GOOD_ERROR = {"code": 409, "message": "conflict", "details": "try later"}


class Mouthpiece:
    """Stands in for Transport: responds as it is set to."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.bearers: set[str] = set()

    def exchange(self, method: str, path: str, bearer: str | None = None, **_request: Any) -> Response:
        """As Transport has it."""
        self.bearers |= set() if bearer is None else {bearer}
        return Response(method, path, self.status, self.headers, self.body)


def loaded(body: bytes) -> Any:
    """The body as JSON; None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def is_safe_to_show(text: str) -> bool:
    """Whether it is one line without anything that a terminal would obey."""
    return not {unicodedata.category(char) for char in text} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def ids_in(values: Any) -> set[str]:
    """Which of the ids asked about stand in this list."""
    return {value.lower() for value in values or () if isinstance(value, str)} & set(IDS)


def check_batch(client: Client, body: bytes) -> None:
    """The response is refused as a whole, or says of each id what stands there and nothing more."""
    value = loaded(body)
    try:
        response = client.batch("suspend", IDS)
    except MalformedResponse:
        assert not (
            isinstance(value, dict)
            and all(isinstance(value.get(key), (list, type(None))) for key in ("succeeded", "failed"))
        )
        return
    failed = ids_in(item.get("id") for item in value.get("failed") or () if isinstance(item, dict))
    assert set(response.refused) == failed
    assert set(response.succeeded) == ids_in(value.get("succeeded")) - failed
    assert set(IDS).issuperset([*response.succeeded, *response.refused])
    for refusal in response.refused.values():
        assert len(refusal.message) <= 500
        assert is_safe_to_show(refusal.message)
        assert refusal.code is None or (isinstance(refusal.code, int) and not isinstance(refusal.code, bool))


def check_page(client: Client, body: bytes) -> None:
    """A page is refused as a whole, or holds its rows and moves on."""
    value = loaded(body)
    try:
        page = client.list_page(0)
    except MalformedResponse:
        return
    assert page.next is None or page.next > 0
    assert len(page.rows) == len([row for row in value["workloads"] or () if isinstance(row, dict)])


def check_one(client: Client, body: bytes) -> None:
    """A workload is the one asked for."""
    value = loaded(body)
    try:
        row = client.workload(IDS[0])
    except MalformedResponse:
        return
    assert str(row["id"]).lower() == IDS[0]
    assert value["id"].lower() == IDS[0]


def check_count(client: Client, body: bytes) -> None:
    """A count is a number that can be one, or none."""
    value = loaded(body)
    count = client.count()
    counted = value.get("count") if isinstance(value, dict) else None
    assert count == (
        counted if isinstance(counted, int) and not isinstance(counted, bool) and counted >= 0 else None
    )


@pytest.fixture
def mouthpiece(monkeypatch: pytest.MonkeyPatch) -> Mouthpiece:
    """What the client of these tests talks to."""
    found = Mouthpiece()
    monkeypatch.setattr(_client, "Transport", lambda connection, stats, connections: found)
    return found


def client_without_patience() -> Client:
    params = {**DEFAULTS, "base_url": "https://runai.test", "token": "given", "retry_timeout": 0}
    return client_of(params, 1)


@pytest.mark.heavy
def test_client_broken_response_gives_no_traceback(mouthpiece: Mouthpiece) -> None:
    client = client_without_patience()
    malformed = Malformed(1, IDS)
    checks = (
        (check_batch, GOOD_BATCH),
        (check_batch, GOOD_BATCH),
        (check_batch, GOOD_BATCH),
        (check_page, GOOD_PAGE),
        (check_one, GOOD_ROW),
        (check_count, {"count": 7}),
    )
    for number in range(RESPONSES):
        check, good = checks[number % len(checks)]
        mouthpiece.body = malformed.body(good)
        check(client, mouthpiece.body)


@pytest.mark.heavy
def test_client_broken_error_gives_no_traceback(mouthpiece: Mouthpiece) -> None:
    malformed = Malformed(2, IDS)
    client = client_without_patience()
    for number in range(4_000):
        mouthpiece.status = (400, 401, 403, 404, 409, 429, 500, 503)[number % 8]
        mouthpiece.headers = {"Retry-After": malformed.header(), "Date": malformed.header()}
        mouthpiece.body = malformed.body(GOOD_ERROR)
        with pytest.raises(RequestError) as caught:
            client.workload(IDS[0])
        assert is_safe_to_show(str(caught.value))
        assert len(str(caught.value)) < 800


@pytest.mark.heavy
def test_client_broken_token_gives_no_traceback(mouthpiece: Mouthpiece) -> None:
    malformed = Malformed(3, IDS)
    params = {**DEFAULTS, "base_url": "https://runai.test", "retry_timeout": 0}
    kinds: Counter[str] = Counter()
    for _number in range(2_000):
        client = client_of(params, 1)
        mouthpiece.body = malformed.body({"access_token": "header.claims.signature", "expires_in": 3600})
        try:
            client.workload(IDS[0])
        except RequestError as fault:
            kinds[type(fault).__name__] += 1
    assert set(kinds) == {"NoToken", "MalformedResponse"}
    assert min(len(bearer) for bearer in mouthpiece.bearers) >= SHORTEST_SECRET


def named_by(faults: Sequence[Fault], key: str) -> set[str]:
    """The ids that responses name in a list: a control plane that lies can't be found out."""
    named: set[str] = set()
    for fault in faults:
        value = loaded(fault.text.encode())
        listed = value.get(key) if isinstance(value, dict) else None
        if isinstance(listed, list):
            named |= ids_in(item.get("id") if isinstance(item, dict) else item for item in listed)
    return named


@pytest.mark.heavy
def test_batch_broken_responses_give_right_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    malformed = Malformed(4, IDS)
    control_plane = InProcessSimulator(fleet(len(IDS)), transition_seconds=5.0)
    control_plane.install(monkeypatch)
    for number in range(RUNS):
        action = ("suspend", "resume", "delete")[number % 3]
        for one in IDS:
            control_plane.renew(one, READY[action])
        rows = [{"id": one, "name": "one", "phase": READY[action]} for one in IDS]
        of_reads = [Fault("text", text=malformed.body(row).decode("utf-8", "replace")) for row in rows]
        of_batches = [
            Fault("text", applied, text=malformed.body(GOOD_BATCH).decode("utf-8", "replace"))
            for applied in (number % 2 == 0, False)
        ]
        control_plane.batch_faults = deque(of_batches)
        # Half of the time the plan is made from what is true, and what is read later is broken.
        control_plane.read_faults = deque([*[None] * (number % 2 * 4), *of_reads])
        result = control_plane.run(action, IDS).result
        truth = control_plane.ground_truth
        found = {outcome: set(ids) for outcome, ids in result["outcomes"].items()}
        assert sorted(one for ids in result["outcomes"].values() for one in ids) == sorted(IDS)
        assert found["changed"] <= truth.carried_out | named_by(of_batches, "succeeded")
        assert truth.carried_out - named_by(of_batches, "failed") <= found["changed"] | found["unknown"]
        assert found["unknown"] <= truth.left_open
        assert not [row for row in result["workloads"] if row["reason"] == "internal"]
        assert json.loads(json.dumps(result)) == result


def test_batch_foreign_ids_are_ignored(start: Start) -> None:
    simulator = start(4)
    for name in ("succeeded", "failed"):
        simulator.faults({"match": BATCH, "fault": {"kind": "foreign_ids", "count": 3, "list": name}})
        run = rehearse(simulator, "suspend" if name == "failed" else "resume", IDS[:2], tolerate=[])
        assert set(run.result["outcomes"]["failed"]) == set()
    assert run.result["summary"]["requested"] == 2
    assert any("was not asked for" in warning for warning in run.warnings)


def test_batch_id_in_both_lists_is_failed_with_a_warning(start: Start) -> None:
    simulator = start(4)
    simulator.faults({"match": BATCH, "fault": {"kind": "both_lists", "ids": IDS[:1]}})
    run = rehearse(simulator, "suspend", IDS, max_failures="100%")
    assert run.result["outcomes"]["failed"] == IDS[:1]
    assert run.counts == {"changed": 3, "failed": 1}
    assert any("both as succeeded and as failed" in warning for warning in run.warnings)


@pytest.mark.parametrize("shape", ["huge", "control", "jinja"])
def test_batch_long_messages_are_cut_and_cleaned(start: Start, shape: str) -> None:
    simulator = start(4)
    simulator.faults(
        {"match": BATCH, "fault": {"kind": "refuse_ids", "count": "all", "shape": shape}},
    )
    run = rehearse(simulator, "suspend", IDS, max_failures="100%")
    assert run.counts == {"failed": 4}
    for text in [run.result["msg"], *run.lines, *(row["message"] for row in run.result["workloads"])]:
        assert is_safe_to_show(text)
        assert len(text) <= 1000
    assert all(len(row["message"]) <= 500 for row in run.result["workloads"])


def test_batch_upper_case_ids_are_the_same_ids(start: Start) -> None:
    simulator = start(60)
    ids = [workload_id(number) for number in range(60)]
    simulator.faults({"times": "always", "fault": "upper_case_ids"})
    run = rehearse(simulator, "suspend", ids)
    assert run.counts == {"changed": 60}
    assert not run.warnings


@pytest.mark.parametrize(
    ("kind", "count_endpoint", "expected"),
    [
        # What a list does not show is asked for one by one before it is called missing.
        ("repeat_page", False, {"changed": 50, "failed": 9}),
        ("drop_next", False, {"changed": 50, "failed": 9}),
        ("stuck_next", False, {"changed": 50, "failed": 9}),
        ("stuck_next", True, {"not_attempted": 59}),
        ("endless_list", False, {"not_attempted": 59}),
        ("endless_list", True, {"not_attempted": 59}),
    ],
)
def test_batch_endless_list_is_bounded(
    start: Start, kind: str, count_endpoint: bool, expected: dict[str, int]
) -> None:
    simulator = start(1200, count_endpoint=count_endpoint)
    simulator.faults({"match": LIST, "times": "always", "fault": kind})
    there = [workload_id(number) for number in range(1150, 1200)]
    absent = [workload_id(number) for number in range(5000, 5009)]
    run = rehearse(simulator, "suspend", [*there, *absent], retry_timeout=1)
    assert run.counts == expected
    assert run.batches == (1 if "changed" in expected else 0)
    assert len(simulator.requests()) < 100


def test_batch_shifting_rows_lose_no_id(start: Start) -> None:
    simulator = start(1200)
    ids = [workload_id(number) for number in range(1200)]
    simulator.faults(
        {"match": {**LIST, "query": {"offset": "500"}}, "fault": {"kind": "shift_rows", "rows": 3}}
    )
    run = rehearse(simulator, "suspend", ids)
    assert run.counts == {"changed": 1200}


@pytest.mark.parametrize("count", [0, 3, 10**9, -1])
def test_batch_wrong_count_loses_no_id(start: Start, count: int) -> None:
    simulator = start(700)
    ids = [workload_id(number) for number in range(700)]
    simulator.faults({"match": COUNT, "times": "always", "fault": {"kind": "wrong_count", "count": count}})
    run = rehearse(simulator, "suspend", ids, retry_timeout=0.3)
    assert run.counts == {"changed": 700}


@pytest.mark.parametrize("ids", [20, 700])
@pytest.mark.parametrize(
    "fault",
    [{"kind": "html"}, {"kind": "half_json"}, {"kind": "other_json", "body": {"hello": "world"}}],
    ids=lambda fault: str(fault["kind"]),
)
def test_batch_malformed_count_reads_the_list_without_it(
    start: Start, fault: dict[str, Any], ids: int
) -> None:
    simulator = start(700)
    simulator.faults({"match": COUNT, "times": "always", "fault": fault})
    run = rehearse(simulator, "suspend", [workload_id(number) for number in range(ids)])
    assert run.counts == {"changed": ids}
    assert any("count can't be used" in warning for warning in run.warnings)


@pytest.mark.parametrize(("status", "expected"), [(401, "not_attempted"), (403, "changed"), (500, "changed")])
def test_batch_refused_count_stops_only_a_refused_account(start: Start, status: int, expected: str) -> None:
    simulator = start(700)
    simulator.faults({"match": COUNT, "times": "always", "fault": {"kind": "status", "status": status}})
    run = rehearse(simulator, "suspend", [workload_id(number) for number in range(20)])
    assert run.counts == {expected: 20}


def test_batch_row_of_another_workload_is_not_used(start: Start) -> None:
    simulator = start(4)
    simulator.faults(
        {"match": ONE, "times": "always", "fault": {"kind": "edit_rows", "set": {"id": workload_id(77)}}}
    )
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0.3)
    assert run.counts == {"not_attempted": 4}
    assert run.batches == 0


def test_batch_rows_of_odd_types_count_as_unknown(start: Start) -> None:
    simulator = start(4)
    odd = {"phase": 7, "name": ["x"], "projectName": {}, "actionsSupport": "yes", "submittedBy": None}
    simulator.faults({"match": ONE, "times": 4, "fault": {"kind": "edit_rows", "set": odd}})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 4}
    assert all(is_acted_on(simulator, "suspend", one) for one in IDS)
    assert {row["phase"] for row in run.result["workloads"]} == {"Unknown"}
