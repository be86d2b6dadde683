# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that gateways, proxies and other people's control planes bring."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator.model.clock import to_text
from simulator.server import Handle
from simulator.settings import CLIENT_ID, CLIENT_SECRET, TOKEN
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workloads import workload_id

from .conftest import Client, Start, fleet_of

Connect = Callable[[Handle], Client]
IDS = [workload_id(number) for number in range(4)]
LIST = {"path": "/api/v1/workloads"}
COUNT = {"path": "/api/v1/workloads/count"}


@pytest.fixture
def simulator(start: Start) -> Handle:
    return start(fleet=fleet_of(*["Running"] * 4, frozen=True))


@pytest.fixture
def client(simulator: Handle, connect: Connect) -> Client:
    return connect(simulator)


def plan(simulator: Handle, kind: str, match: dict[str, Any] | None = None, **options: Any) -> None:
    simulator.faults({"match": match, "times": "always", "fault": {"kind": kind, **options}})


def raw_response(simulator: Handle, end: bytes) -> bytes:
    """What comes over the wire for a count, up to and with `end`."""
    request = f"GET /api/v1/workloads/count HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    received = b""
    address = ("127.0.0.1", int(simulator.url.rsplit(":", 1)[1]))
    with socket.create_connection(address, timeout=PATIENCE) as raw:
        raw.sendall(request.encode())
        while not received.endswith(end):
            part = raw.recv(65536)
            assert part, received
            received += part
    return received


def token(client: Client) -> str:
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    found: str = client.post("/api/v2/token", data=form).json()["access_token"]
    return found


def statuses(client: Client, count: int) -> list[int]:
    return [client.get("/api/v1/workloads/count").status_code for _number in range(count)]


def test_interim_fault_sends_interim_responses_first(simulator: Handle) -> None:
    plan(simulator, "interim", status=102, count=2)
    heads = raw_response(simulator, b'{"count":4}').split(b"\r\n\r\n")
    assert [head[9:12] for head in heads[:3]] == [b"102", b"102", b"200"]
    assert heads[3] == b'{"count":4}'
    assert simulator.requests()[0]["status"] == 200


def test_surplus_fault_sends_bytes_behind_the_response(simulator: Handle, client: Client) -> None:
    plan(simulator, "surplus", text="HTTP/1.1 200 OK\r\n\r\n")
    assert raw_response(simulator, b"OK\r\n\r\n").endswith(b'{"count":4}HTTP/1.1 200 OK\r\n\r\n')
    simulator.faults()
    assert statuses(client, 2) == [200, 200]


@pytest.mark.parametrize(("value", "expected"), [("object", {}), ("null", None)])
def test_empty_lists_fault_replaces_empty_lists(
    simulator: Handle, client: Client, value: str, expected: Any
) -> None:
    plan(simulator, "empty_lists", value=value)
    assert client.get("/api/v1/workloads", params={"search": "none"}).json() == {"workloads": expected}
    response = client.batch("suspend", IDS[:1]).json()
    assert (response["succeeded"], response["failed"]) == (IDS[:1], expected)
    assert client.get("/api/v1/workloads").json()["workloads"][0]["conditions"] == expected


def test_cookies_fault_refuses_a_client_that_keeps_them(simulator: Handle, client: Client) -> None:
    plan(simulator, "cookies", size=100, limit=250)
    assert statuses(client, 4) == [200, 200, 200, 431]
    client.cookies.clear()
    assert statuses(client, 1) == [200]


def test_fresh_token_fault_of_requests_refuses_the_first(simulator: Handle, client: Client) -> None:
    plan(simulator, "fresh_token", COUNT, requests=2)
    assert statuses(client, 3) == [401, 401, 200]
    client.headers["Authorization"] = f"Bearer {token(client)}"
    response = client.get("/api/v1/workloads/count")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert statuses(client, 2) == [401, 200]


def test_fresh_token_fault_of_replicas_refuses_in_turn(simulator: Handle, client: Client) -> None:
    plan(simulator, "fresh_token", COUNT, requests=2, every=3)
    assert statuses(client, 8) == [401, 200, 200, 401, 200, 200, 200, 200]


def test_fresh_token_fault_of_seconds_refuses_until_then(simulator: Handle, client: Client) -> None:
    plan(simulator, "fresh_token", COUNT, requests=0, seconds=5)
    assert statuses(client, 1) == [200]  # the token that is always good is never fresh
    client.headers["Authorization"] = f"Bearer {token(client)}"
    simulator.advance(4)
    assert statuses(client, 2) == [401, 401]
    simulator.advance(1)
    assert statuses(client, 1) == [200]


def test_fresh_token_fault_after_a_key_change_refuses_new_tokens_first(
    simulator: Handle, client: Client
) -> None:
    client.headers["Authorization"] = f"Bearer {token(client)}"
    simulator.faults(
        {"match": COUNT, "nth": 2, "fault": "revoke_tokens"},
        {"match": COUNT, "nth": 3, "times": "always", "fault": "fresh_token"},
    )
    assert statuses(client, 2) == [200, 401]
    client.headers["Authorization"] = f"Bearer {token(client)}"
    assert statuses(client, 2) == [401, 200]


def test_unknown_path_fault_responds_401_there_alone(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running"), api_version="2.22")
    client = connect(simulator)
    plan(simulator, "unknown_path")
    assert client.post("/api/v2/token", data={"grant_type": "client_credentials"}).status_code == 401
    assert client.get("/api/v9/x").json()["code"] == 401
    assert client.get("/api/v1/workloads").status_code == 200
    assert client.get(f"/api/v1/workloads/{IDS[3]}").status_code == 404


def test_busy_fault_refuses_above_its_limit(simulator: Handle, client: Client) -> None:
    hang = {"match": LIST, "times": "always", "fault": "hang"}
    busy = {"times": "always", "fault": {"kind": "busy", "limit": 1, "retry_after": 3}}
    simulator.faults(hang, busy)
    assert statuses(client, 1) == [200]

    def read() -> None:
        with Client(simulator.url) as other, pytest.raises(requests.ConnectionError):
            other.get("/api/v1/workloads")

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: len(simulator.requests()) == 2, "the request that hangs")
    response = client.get("/api/v1/workloads/count")
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    simulator.faults(busy)
    thread.join(timeout=PATIENCE)
    assert statuses(client, 1) == [200]


def test_congestion_fault_delays_above_its_limit(simulator: Handle, client: Client) -> None:
    plan(simulator, "congestion", limit=1, seconds=3600)
    assert statuses(client, 1) == [200]
    plan(simulator, "congestion", limit=0, seconds=3600)
    with pytest.raises(requests.ReadTimeout):
        client.get("/api/v1/workloads/count", timeout=0.2)


def test_wrong_encoding_fault_names_a_compression(simulator: Handle, client: Client) -> None:
    plan(simulator, "wrong_encoding")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        client.get("/api/v1/workloads/count")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("nested", {"error": {"code": 409, "message": "no", "details": "why"}}),
        ("problem", {"type": "about:blank", "title": "no", "status": 409, "detail": "why"}),
        ("errors", {"errors": [{"message": "no"}, {"detail": "why"}]}),
        ("texts", ["no", "why"]),
        ("oauth2", {"error": "no", "error_description": "why"}),
        ("digits", {"code": "409", "message": "no", "details": "why"}),
        ({"fault": ["x"]}, {"fault": ["x"]}),
    ],
)
def test_status_fault_with_error_shape_responds_with_it(
    simulator: Handle, client: Client, body: Any, expected: Any
) -> None:
    plan(simulator, "status", status=409, message="no", details="why", body=body)
    response = client.get("/api/v1/workloads")
    assert (response.status_code, response.json()) == (409, expected)
    assert "\n" in response.text


def test_refuse_ids_fault_with_text_code_sends_the_text(simulator: Handle, client: Client) -> None:
    plan(simulator, "refuse_ids", code="409")
    assert client.batch("suspend", IDS).json()["failed"][0]["code"] == "409"


def test_large_page_fault_fails_above_its_limit(simulator: Handle, client: Client) -> None:
    plan(simulator, "large_page", limit=2)
    assert client.get("/api/v1/workloads", params={"limit": 2}).status_code == 200
    response = client.get("/api/v1/workloads", params={"limit": 3})
    assert (response.status_code, response.json()["message"][:16]) == (500, "received message")
    assert statuses(client, 1) == [200]
    plan(simulator, "large_page", limit=2, hang=True)
    assert client.get("/api/v1/workloads", params={"limit": 2}).status_code == 200
    with pytest.raises(requests.ReadTimeout):
        client.get("/api/v1/workloads", params={"limit": 3}, timeout=0.2)


@pytest.mark.parametrize(("with_next", "expected"), [(True, 2), (False, None)])
def test_cap_pages_fault_shortens_pages(
    simulator: Handle, client: Client, with_next: bool, expected: int | None
) -> None:
    plan(simulator, "cap_pages", limit=2, next=with_next)
    page = client.get("/api/v1/workloads", params={"limit": 4}).json()
    assert [row["id"] for row in page["workloads"]] == IDS[:2]
    assert page.get("next") == expected
    assert statuses(client, 1) == [200]


def test_unstable_order_fault_shuffles_equal_keys_alone(start: Start, connect: Connect) -> None:
    fleet = fleet_of(*["Running"] * 40, frozen=True)
    for number, row in enumerate(fleet["workloads"]):
        row["createdAt"] = to_text(1_767_000_000.0 + number // 20)
    simulator = start(fleet=fleet)
    client = connect(simulator)

    def ids(offset: int) -> list[str]:
        query: dict[str, Any] = {"sortBy": "createdAt", "limit": 10, "offset": offset}
        page = client.get("/api/v1/workloads", params=query).json()
        assert page.get("next") == (offset + 10 if offset < 30 else None)
        return [row["id"] for row in page["workloads"]]

    plan(simulator, "unstable_order", LIST)
    first, second = ids(0), ids(10)
    assert {*first, *second} <= {workload_id(number) for number in range(20)}
    assert set(first) & set(second)
    assert ids(0) == first
    plan(simulator, "unstable_order", LIST, each_request=True)
    assert ids(0) != ids(0)
