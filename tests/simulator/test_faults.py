# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan: which request is struck, and what its client then sees."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from simulator.faults.plan import FaultPlan, FaultPlanError
from simulator.faults.rule import Request
from simulator.faults.strike import KINDS
from simulator.model.clock import RealClock
from simulator.server import Handle
from simulator.settings import TOKEN
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workloads import workload_id

from .conftest import Client, Start, fleet_of

Connect = Callable[[Handle], Client]
IDS = [workload_id(number) for number in range(4)]
BATCH = {"method": "POST", "path": "/api/v1/workloads/batch"}
LIST = {"path": "/api/v1/workloads"}


@pytest.fixture
def simulator(start: Start) -> Handle:
    return start(fleet=fleet_of(*["Running"] * 4, frozen=True))


@pytest.fixture
def client(simulator: Handle, connect: Connect) -> Client:
    return connect(simulator)


def stopped(simulator: Handle) -> list[str]:
    return [one for one in IDS if simulator.state.phase(one) == "Stopping"]


@pytest.mark.parametrize(
    "rule",
    [
        "cut",
        {},
        {"fault": "explode"},
        {"fault": {"status": 503}},
        {"fault": {"kind": "cut", "colour": "red"}},
        {"fault": "cut", "mach": {}},
        {"fault": "cut", "match": {"host": "x"}},
        {"fault": "cut", "match": "POST"},
        {"fault": "cut", "nth": 0},
        {"fault": "cut", "times": 0},
        {"fault": "cut", "times": "twice"},
        {"fault": {"kind": "refuse_ids", "shape": "round"}},
        {"fault": {"kind": "refuse_ids", "ids": "one"}},
        {"fault": {"kind": "omit_ids", "count": "some"}},
        {"fault": {"kind": "hang", "seconds": "long"}},
        {"fault": {"kind": "status", "status": "503"}},
        {"fault": {"kind": "cut", "apply": "yes"}},
        {"fault": {"kind": ["cut"]}},
        {"fault": {"kind": "cut", 5: 6}},
        {"fault": {"kind": "status", "status": 99999}},
        {"fault": {"kind": "status", "retry_after_date": "soon"}},
        {"fault": {"kind": "hang", "seconds": -1}},
        {"fault": {"kind": "slow", "seconds": float("nan")}},
        {"fault": {"kind": "dribble", "pieces": 0}},
        {"fault": {"kind": "foreign_ids", "list": "both"}},
        {"fault": {"kind": "change_phase", "ids": None}},
        {"fault": "cut", 5: 6},
        {"fault": "cut", "times": True},
        {"fault": "cut", "probability": [1]},
        {"fault": "cut", "probability": 7},
        {"fault": "cut", "seed": "x"},
        {"fault": "cut", "match": {"ids": IDS[0]}},
        {"fault": "cut", "match": {"path": 5}},
        {"fault": "cut", "match": {"query": "offset=0"}},
    ],
)
def test_rule_outside_the_grammar_is_refused(rule: Any) -> None:
    plan = FaultPlan([{"fault": "cut"}])
    with pytest.raises(FaultPlanError, match=r"^rule 2: "):
        plan.replace([{"fault": "empty"}, rule])
    assert [one["kind"] for one in plan.state()] == ["cut"]


def strikes(rule: dict[str, Any], requests_made: list[Request]) -> list[bool]:
    plan = FaultPlan([{"fault": "cut", **rule}])
    return [plan.pick(one) is not None for one in requests_made]


GET = Request("GET", "/api/v1/workloads", "limit=500&offset=500")
SUSPEND = Request("POST", "/api/v1/workloads/batch", "", "suspend", (IDS[0], IDS[1]))
RESUME = Request("POST", "/api/v1/workloads/batch", "", "resume", (IDS[2],))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"match": {"method": "post"}, "times": "always"}, [False, True, True]),
        ({"match": {"path": "/api/v1/work*"}, "times": "always"}, [True, True, True]),
        ({"match": {"path": "/api/v1/workloads"}, "times": "always"}, [True, False, False]),
        ({"match": {"action": "resume"}}, [False, False, True]),
        ({"match": {"ids": [IDS[1].upper()]}}, [False, True, False]),
        ({"match": {"query": {"offset": 500}}}, [True, False, False]),
        ({"match": {"query": {"offset": 0}}}, [False, False, False]),
        ({}, [True, False, False]),
        ({"nth": 2}, [False, True, False]),
        ({"nth": 2, "times": 2}, [False, True, True]),
        ({"match": {"method": "POST"}, "nth": 2}, [False, False, True]),
        ({"probability": 1.0}, [True, True, True]),
        ({"probability": 0.0}, [False, False, False]),
    ],
)
def test_rule_with_match_strikes_those_requests(rule: dict[str, Any], expected: list[bool]) -> None:
    assert strikes(rule, [GET, SUSPEND, RESUME]) == expected


def test_plan_with_several_rules_applies_the_first() -> None:
    plan = FaultPlan([{"fault": "cut"}, {"fault": "empty", "nth": 2}])
    kinds = [fault.kind if fault else None for fault in (plan.pick(GET), plan.pick(GET), plan.pick(GET))]
    assert kinds == ["cut", "empty", None]
    assert [(one["matched"], one["struck"]) for one in plan.state()] == [(3, 1), (3, 1)]


@pytest.mark.parametrize("apply", [False, True])
@pytest.mark.parametrize("status", [401, 403, 413, 429, 500, 502, 503, 504])
def test_status_fault_of_any_number_responds_with_it(
    simulator: Handle, client: Client, status: int, apply: bool
) -> None:
    fault = {"kind": "status", "status": status, "apply": apply, "details": "why"}
    simulator.faults({"match": BATCH, "fault": fault})
    response = client.batch("suspend", IDS)
    assert response.status_code == status
    assert response.json() == {"code": status, "message": "injected fault", "details": "why"}
    assert stopped(simulator) == (IDS if apply else [])
    assert simulator.requests()[0]["fault"] == "status"
    assert simulator.requests()[0]["status"] == status
    assert client.batch("suspend", IDS).status_code == 200


@pytest.mark.parametrize(
    ("body", "text", "content_type"),
    [
        ("html", "<!doctype html>", "text/html"),
        ("empty", "", "application/json"),
        ("so sorry", "so sorry", ""),
    ],
)
def test_status_fault_with_body_responds_with_it(
    simulator: Handle, client: Client, body: str, text: str, content_type: str
) -> None:
    simulator.faults({"fault": {"kind": "status", "status": 502, "body": body}})
    response = client.get("/api/v1/workloads")
    assert response.status_code == 502
    assert response.text.startswith(text)
    assert (response.text == "") == (text == "")
    assert content_type in response.headers["content-type"]


def test_status_fault_with_retry_after_sends_the_header(simulator: Handle, client: Client) -> None:
    simulator.faults(
        {"fault": {"kind": "status", "status": 429, "retry_after": 7}},
        {"nth": 2, "fault": {"kind": "status", "status": 503, "retry_after_date": 60}},
    )
    assert client.get("/api/v1/workloads").headers["retry-after"] == "7"
    before = time.time()
    date = parsedate_to_datetime(client.get("/api/v1/workloads").headers["retry-after"])
    assert date.timestamp() >= before + 60
    assert "retry-after" not in client.get("/api/v1/workloads").headers


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("apply", [False, True])
def test_cut_fault_closes_the_connection(simulator: Handle, client: Client, apply: bool, reset: bool) -> None:
    simulator.faults({"match": BATCH, "fault": {"kind": "cut", "apply": apply, "reset": reset}})
    with pytest.raises(requests.ConnectionError) as error:
        client.batch("suspend", IDS)
    assert ("reset" in str(error.value)) == reset
    assert stopped(simulator) == (IDS if apply else [])
    assert simulator.requests()[0]["status"] is None
    assert client.get("/api/v1/workloads/count").json() == {"count": 4}


@pytest.mark.parametrize("apply", [False, True])
def test_hang_fault_lasts_until_the_client_leaves(simulator: Handle, apply: bool) -> None:
    simulator.faults({"match": BATCH, "fault": {"kind": "hang", "apply": apply}})
    expected = IDS if apply else []
    body = json.dumps({"action": "suspend", "ids": IDS})
    head = f"POST {BATCH['path']} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port_of(simulator))) as raw:
        raw.sendall((head + body).encode())
        wait_until(
            lambda: (
                [one["fault"] for one in simulator.requests()] == ["hang"] and stopped(simulator) == expected
            ),
            "the request",
        )
        assert simulator.requests()[0]["end"] is None
    wait_until(lambda: simulator.requests()[0]["end"] is not None, "the end of the request")
    assert simulator.requests()[0]["status"] is None
    assert stopped(simulator) == expected


def test_hang_fault_during_stop_ends(start: Start, connect: Connect) -> None:
    simulator = start(workloads=1)
    client = connect(simulator)
    simulator.faults({"fault": "hang"})
    failures: list[Exception] = []

    def ask() -> None:
        try:
            client.get("/api/v1/workloads", timeout=PATIENCE)
        except requests.ConnectionError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: bool(simulator.requests()), "the request")
    simulator.stop()
    thread.join(timeout=PATIENCE)
    assert len(failures) == 1


def test_plan_replaced_ends_hang_and_slow(simulator: Handle, client: Client) -> None:
    slow = {"match": LIST, "fault": {"kind": "slow", "seconds": 3600}}
    simulator.faults(slow, {"match": BATCH, "fault": {"kind": "hang", "apply": True}})
    ends: dict[str, Any] = {}

    def read() -> None:
        ends["slow"] = client.rows()

    def send() -> None:
        with Client(simulator.url) as other, pytest.raises(requests.ConnectionError) as ended:
            other.batch("suspend", IDS, timeout=PATIENCE)
        ends["hang"] = str(ended.value)

    threads = [threading.Thread(target=read), threading.Thread(target=send)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(simulator.requests()) == 2 and bool(stopped(simulator)), "both requests")
    assert ends == {}
    simulator.faults()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert len(ends["slow"]) == 4
    assert "without response" in ends["hang"]


def test_cut_in_body_fault_breaks_the_body(simulator: Handle, client: Client) -> None:
    simulator.faults({"match": BATCH, "fault": "cut_in_body"})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.batch("suspend", IDS)
    assert stopped(simulator) == IDS


def test_cut_in_body_fault_delivers_the_first_half(start: Start) -> None:
    # More than the kernel's buffers take while the client is slow to read.
    simulator = start(fleet=fleet_of(*["Running"] * 500, name="x" * 20_000))
    simulator.faults({"fault": "cut_in_body"})
    request = f"GET /api/v1/workloads?limit=500 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port_of(simulator)), timeout=PATIENCE) as raw:
        raw.sendall(request.encode())
        wait_until(lambda: select.select([raw], [], [], 0)[0] != [], "the response")
        received = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _nothing, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    assert len(body) == int(length.group(1)) // 2


@pytest.mark.parametrize("kind", ["half_json", "html", "empty"])
def test_fault_without_json_responds_200(simulator: Handle, client: Client, kind: str) -> None:
    simulator.faults({"match": BATCH, "fault": kind})
    response = client.batch("suspend", IDS)
    assert response.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        response.json()
    assert stopped(simulator) == (IDS if kind == "half_json" else [])


@pytest.mark.parametrize("apply", [False, True])
def test_other_json_fault_with_body_responds_with_it(simulator: Handle, client: Client, apply: bool) -> None:
    simulator.faults({"match": BATCH, "fault": {"kind": "other_json", "body": [1, None], "apply": apply}})
    assert client.batch("suspend", IDS).json() == [1, None]
    assert stopped(simulator) == (IDS if apply else [])


@pytest.mark.parametrize("apply", [False, True])
def test_omit_ids_fault_leaves_ids_out_of_both_lists(simulator: Handle, client: Client, apply: bool) -> None:
    simulator.faults({"match": BATCH, "fault": {"kind": "omit_ids", "count": 2, "apply": apply}})
    response = client.batch("suspend", IDS).json()
    assert response["succeeded"] == IDS[2:]
    assert "failed" not in response
    assert stopped(simulator) == (IDS if apply else IDS[2:])


@pytest.mark.parametrize("apply", [False, True])
def test_omit_ids_fault_of_all_sends_no_list(simulator: Handle, client: Client, apply: bool) -> None:
    simulator.faults({"fault": {"kind": "omit_ids", "count": "all", "apply": apply}})
    assert list(client.batch("suspend", IDS).json()) == ["id"]
    assert stopped(simulator) == (IDS if apply else [])


@pytest.mark.parametrize("where", ["succeeded", "failed"])
def test_foreign_ids_fault_adds_unknown_ids(simulator: Handle, client: Client, where: str) -> None:
    simulator.faults({"fault": {"kind": "foreign_ids", "count": 2, "list": where}})
    response = client.batch("suspend", IDS).json()
    assert len(response[where]) == (6 if where == "succeeded" else 2)


def test_both_lists_fault_names_an_id_twice(simulator: Handle, client: Client) -> None:
    simulator.faults({"fault": {"kind": "both_lists", "ids": [IDS[1]]}})
    response = client.batch("suspend", IDS).json()
    assert response["succeeded"] == IDS
    assert [row["id"] for row in response["failed"]] == [IDS[1]]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(None, r"^no$"), ("huge", r"^x{100000}$"), ("control", "\x1b"), ("jinja", r"\{\{")],
)
def test_refuse_ids_fault_fails_them_untouched(
    simulator: Handle, client: Client, shape: str | None, expected: str
) -> None:
    fault = {"kind": "refuse_ids", "count": 3, "message": "no", "code": 7, "shape": shape}
    simulator.faults({"fault": fault})
    response = client.batch("suspend", IDS).json()
    assert response["succeeded"] == IDS[3:]
    assert [row["id"] for row in response["failed"]] == IDS[:3]
    assert all(row["code"] == 7 and re.search(expected, row["message"]) for row in response["failed"])
    assert stopped(simulator) == IDS[3:]


def test_refuse_ids_fault_with_cut_carries_out_the_others_and_loses_the_response(
    simulator: Handle, client: Client
) -> None:
    simulator.faults({"fault": {"kind": "refuse_ids", "count": 3, "cut": True}})
    with pytest.raises(requests.ConnectionError):
        client.batch("suspend", IDS)
    assert stopped(simulator) == IDS[3:]


def test_upper_case_ids_fault_changes_every_id(start: Start, connect: Connect) -> None:
    one = "abcdefab-0000-4000-8000-000000000001"
    simulator = start(fleet={"workloads": [{"id": one}]})
    simulator.faults({"times": "always", "fault": "upper_case_ids"})
    client = connect(simulator)
    assert client.batch("suspend", [one]).json()["succeeded"] == [one.upper()]
    assert client.rows()[0]["id"] == one.upper()


def page(client: Client, offset: int) -> tuple[list[str], int | None]:
    response = client.get("/api/v1/workloads", params={"limit": 2, "offset": offset}).json()
    return [row["id"] for row in response["workloads"]], response.get("next")


def test_paging_faults_change_rows_and_next(simulator: Handle, client: Client) -> None:
    def plan(fault: Any) -> None:
        simulator.faults({"match": LIST, "times": "always", "fault": fault})

    plan("repeat_page")
    assert [page(client, offset) for offset in (0, 2)] == [(IDS[:2], 2), (IDS[:2], None)]
    plan({"kind": "shift_rows", "rows": 1})
    assert [page(client, offset) for offset in (0, 2)] == [(IDS[1:3], 2), (IDS[3:], None)]
    plan({"kind": "shift_rows", "rows": -1})
    assert [page(client, offset) for offset in (0, 2)] == [(IDS[:2], 2), (IDS[1:3], None)]
    plan("stuck_next")
    assert [page(client, offset) for offset in (0, 2)] == [(IDS[:2], 0), (IDS[2:], 2)]
    plan("drop_next")
    assert page(client, 0) == (IDS[:2], None)
    plan("endless_list")
    assert [page(client, offset) for offset in (0, 2, 40)] == [(IDS[:2], 2), (IDS[2:], 4), (IDS[:2], 42)]


def test_edit_rows_and_wrong_count_faults_change_the_response(simulator: Handle, client: Client) -> None:
    simulator.faults(
        {
            "match": LIST,
            "fault": {"kind": "edit_rows", "set": {"phase": "Odd"}, "drop": ["name"], "ids": IDS[:1]},
        },
        {"match": {"path": "*/count"}, "fault": {"kind": "wrong_count", "count": -5}},
        {"match": {"path": f"*/{IDS[2]}"}, "fault": {"kind": "edit_rows", "drop": ["actionsSupport"]}},
    )
    rows = client.rows()
    assert [row["phase"] for row in rows] == ["Odd", "Running", "Running", "Running"]
    assert ["name" in row for row in rows] == [False, True, True, True]
    assert client.get("/api/v1/workloads/count").json() == {"count": -5}
    assert "actionsSupport" not in client.get(f"/api/v1/workloads/{IDS[2]}").json()


def test_slow_and_dribble_faults_deliver_the_whole_response(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of(*["Running"] * 4), clock=RealClock())
    client = connect(simulator)
    simulator.faults(
        {"fault": {"kind": "slow", "seconds": 0.2}}, {"nth": 2, "fault": {"kind": "dribble", "seconds": 0.2}}
    )
    assert len(client.rows()) == len(client.rows()) == 4
    assert all(entry["end"] - entry["start"] >= 0.18 for entry in simulator.requests())


@pytest.mark.parametrize("apply", [False, True])
def test_down_fault_refuses_connections(simulator: Handle, client: Client, apply: bool) -> None:
    simulator.faults({"match": BATCH, "fault": {"kind": "down", "seconds": 3600, "apply": apply}})
    with pytest.raises(requests.ConnectionError):
        client.batch("suspend", IDS)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(simulator))).close()
    assert stopped(simulator) == (IDS if apply else [])


def test_down_fault_over_serves_again(simulator: Handle, client: Client) -> None:
    simulator.faults({"match": BATCH, "fault": {"kind": "down", "seconds": 0.1}})
    with pytest.raises(requests.ConnectionError):
        client.batch("suspend", IDS)
    wait_until(lambda: not refuses(simulator), "the return")
    assert client.batch("suspend", IDS).json()["succeeded"] == IDS


def test_plan_replaced_ends_down(simulator: Handle, client: Client) -> None:
    simulator.faults({"match": BATCH, "fault": {"kind": "down", "seconds": 3600, "apply": True}})
    with pytest.raises(requests.ConnectionError):
        client.batch("suspend", IDS)
    assert refuses(simulator)
    simulator.faults()
    wait_until(lambda: not refuses(simulator), "the return")
    assert stopped(simulator) == IDS


def test_simulator_interrupted_during_its_stop_ends(start: Start, connect: Connect) -> None:
    simulator = start(workloads=1)
    client = connect(simulator)
    assert client.get("/api/v1/workloads/count").ok
    simulator.interrupt(3600)
    with pytest.raises(requests.ConnectionError):
        client.get("/api/v1/workloads/count")


def test_control_down_set_refuses_connections(simulator: Handle, client: Client) -> None:
    assert client.post("/_simulator/down", json={}).status_code == 400
    assert client.post("/_simulator/down", json={"seconds": 3600}).json() == {"seconds": 3600.0}
    wait_until(lambda: refuses(simulator), "the outage")


def port_of(simulator: Handle) -> int:
    return int(simulator.url.rsplit(":", 1)[1])


def refuses(simulator: Handle) -> bool:
    try:
        requests.get(simulator.url, timeout=PATIENCE)
    except requests.ConnectionError:
        return True
    return False


def test_redirect_fault_with_a_place_names_it(simulator: Handle, client: Client) -> None:
    simulator.faults({"fault": {"kind": "redirect", "location": "http://other.invalid/"}})
    response = client.get("/api/v1/workloads", params={"limit": 5}, allow_redirects=False)
    assert response.status_code == 307
    assert response.headers["location"] == "http://other.invalid/api/v1/workloads?limit=5"


def test_revoke_tokens_fault_makes_tokens_invalid(simulator: Handle, client: Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": "rehearsal", "client_secret": "rehearsal-secret"}
    token = client.post("/api/v2/token", data=form).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    simulator.faults({"match": LIST, "nth": 2, "fault": "revoke_tokens"})
    assert [client.get("/api/v1/workloads").status_code for _number in range(3)] == [200, 401, 401]


def test_change_phase_fault_acts_before_or_after(simulator: Handle, client: Client) -> None:
    fault = {"kind": "change_phase", "ids": IDS[:1], "phase": "Completed"}
    simulator.faults({"match": BATCH, "fault": fault})
    response = client.batch("suspend", IDS[:2]).json()
    assert [row["id"] for row in response["failed"]] == IDS[:1]
    simulator.faults({"match": BATCH, "fault": {**fault, "ids": IDS[2:3], "after": True}})
    assert client.batch("suspend", IDS[2:3]).json()["succeeded"] == IDS[2:3]
    assert simulator.state.phase(IDS[2]) == "Completed"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"status", "hang", "slow", "dribble", "down"}))
def test_simulator_with_any_fault_on_any_request_goes_on(
    simulator: Handle, client: Client, kind: str
) -> None:
    """Whatever a fault meets, the simulator responds or cuts: it never fails itself."""
    simulator.faults({"times": "always", "fault": kind})
    asks: list[Callable[[], requests.Response]] = [
        lambda: client.get("/api/v1/workloads"),
        lambda: client.get("/api/v1/workloads/count"),
        lambda: client.get(f"/api/v1/workloads/{IDS[0]}"),
        lambda: client.get("/api/v1/clusters"),
        lambda: client.post("/api/v2/token", data={"grant_type": "client_credentials"}),
        lambda: client.post("/api/v1/workloads/batch", data="{"),
        lambda: client.batch("suspend", IDS[:1]),
    ]
    for ask in asks:
        try:
            response = ask()
        except requests.RequestException:
            continue
        assert response.status_code != 500


def test_batch_fault_on_a_refusal_leaves_it(simulator: Handle, client: Client) -> None:
    simulator.faults({"times": "always", "fault": "both_lists"})
    assert client.batch("suspend", []).status_code == 400
    client.headers["Authorization"] = ""
    assert client.batch("suspend", IDS).status_code == 401
