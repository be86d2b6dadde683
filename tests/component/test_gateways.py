# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gateways and proxies do to HTTP itself, over sockets."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

import pytest
import requests.adapters
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import RequestError, StatusError

from tests.component.conftest import Start
from tests.component.harness import BATCH, LIST, TOKENS, rehearse, select
from tests.support.client_calls import client_of, connection_options
from tests.support.workloads import workload_id

ID = "7f3a0c52-7d54-4c38-9d8e-0a1b2c3d4e5f"
COUNT = "/api/v1/workloads/count"
TOKEN_V1, TOKEN_V2 = "/api/v1/token", "/api/v2/token"

# Of a path and the head of the request, the bytes to send; none cut the connection.
Respond = Callable[[str, bytes], bytes]


def http(status: int, body: Any, *headers: str, reason: str = "Said") -> bytes:
    content = json.dumps(body).encode()
    lines = (f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(content)}", *headers, "", "")
    return "\r\n".join(lines).encode() + content


class Gateway:
    """A server that sends what ``respond`` returns, byte by byte as it is; ``heads`` came in."""

    def __init__(self) -> None:
        self.respond: Respond = lambda path, head: http(404, {})
        self.heads: list[bytes] = []
        self.connections = 0
        gateway = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                gateway.connections += 1
                while True:
                    lines = list(takewhile(lambda line: line != b"\r\n", self.rfile))
                    if not lines:  # the client has closed the connection
                        return
                    sizes = [int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")]
                    self.rfile.read(sizes[0] if sizes else 0)
                    head = b"".join(lines)
                    gateway.heads.append(head)
                    content = gateway.respond(head.split()[1].decode().partition("?")[0], head)
                    if not content:
                        return
                    self.wfile.write(content)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def paths(self) -> list[str]:
        return [head.split()[1].decode().partition("?")[0] for head in self.heads]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def connect(gateway: Gateway) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(**options: Any) -> Client:
        url = f"http://127.0.0.1:{gateway.server.server_address[1]}"
        made.append(client_of(connection_options(url, **options)))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("status", [100, 102, 103])
def test_client_interim_responses_first_reads_the_final_response(
    gateway: Gateway, connect: Callable[..., Client], status: int
) -> None:
    counts = iter((1, 2, 3))
    interim = f"HTTP/1.1 {status} Wait\r\nLink: </x>; rel=preload\r\n\r\n".encode()
    gateway.respond = lambda path, head: interim * 2 + http(200, {"count": next(counts)})
    client = connect()
    assert [client.count() for _number in range(3)] == [1, 2, 3]
    assert gateway.connections == 1


def test_client_unrequested_second_response_leaves_the_connection(
    gateway: Gateway, connect: Callable[..., Client]
) -> None:
    counts = iter((1, 2, 3))
    stray = http(200, {"count": 99})
    gateway.respond = lambda path, head: http(200, {"count": next(counts)}) + stray
    client = connect()
    assert [client.count() for _number in range(3)] == [1, 2, 3]
    assert gateway.connections == 3


def test_client_switched_protocol_is_an_error_and_leaves_the_connection(
    gateway: Gateway, connect: Callable[..., Client]
) -> None:
    gateway.respond = lambda path, head: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    client = connect()
    with pytest.raises(RequestError, match="HTTP 101, a switch to another protocol"):
        client.list_page(0)
    gateway.respond = lambda path, head: http(200, {"workloads": []})
    assert client.list_page(0).rows == []
    assert gateway.connections == 2


def test_client_cookies_set_are_never_sent(gateway: Gateway, connect: Callable[..., Client]) -> None:
    gateway.respond = lambda path, head: http(
        200, {"count": 1}, f"Set-Cookie: a{len(gateway.heads)}=b; Path=/"
    )
    client = connect()
    for _number in range(3):
        client.count()
    assert len(gateway.heads) == 3
    assert not [head for head in gateway.heads if b"cookie" in head.lower()]


def test_client_401_for_an_unknown_path_makes_the_token_by_v1(
    gateway: Gateway, connect: Callable[..., Client]
) -> None:
    responses = {
        TOKEN_V1: http(200, {"accessToken": "made-by-v1"}),
        COUNT: http(200, {"count": 7}),
    }
    gateway.respond = lambda path, head: responses.get(path, http(401, {"code": 401, "message": "who?"}))
    client = connect(client_id="me", client_secret="a-secret")
    assert client.count() == 7
    assert gateway.paths == [TOKEN_V2, TOKEN_V1, COUNT]


def test_client_refused_by_both_token_endpoints_reports_the_reason(
    gateway: Gateway, connect: Callable[..., Client]
) -> None:
    responses = {TOKEN_V1: http(401, {"code": 401, "message": "wrong secret"})}
    gateway.respond = lambda path, head: responses.get(path, http(401, "no such path"))
    with pytest.raises(RequestError, match=r"no token for the client 'me'.*HTTP 401, wrong secret"):
        connect(client_id="me", client_secret="a-secret").count()


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"error": {"message": "quota used up", "code": "17"}}, (), "HTTP 403 (code 17), quota used up"),
        ({"title": "Forbidden", "detail": "no such role"}, (), "HTTP 403, Forbidden: no such role"),
        ({"errors": [{"message": "a"}, "b"]}, (), "HTTP 403, a: b"),
        ({}, ('WWW-Authenticate: Bearer error="insufficient_scope"',), "HTTP 403, insufficient_scope"),
    ],
)
def test_client_error_of_each_shape_is_reported(
    gateway: Gateway, connect: Callable[..., Client], body: object, headers: tuple[str, ...], expected: str
) -> None:
    gateway.respond = lambda path, head: http(403, body, *headers)
    with pytest.raises(StatusError) as fault:
        connect().list_page(0)
    assert fault.value.message == expected


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_client_read_with_a_wrong_encoding_is_named_at_once(
    gateway: Gateway, connect: Callable[..., Client], encoding: str
) -> None:
    gateway.respond = lambda path, head: http(200, {"workloads": []}, f"Content-Encoding: {encoding}")
    with pytest.raises(RequestError, match="not encoded as its Content-Encoding header says"):
        connect(retry_timeout=3600.0).list_page(0)
    assert len(gateway.heads) == 1


def test_batch_with_a_wrong_encoding_is_a_lost_response(start: Start) -> None:
    simulator = start(3)
    simulator.faults({"match": BATCH, "fault": {"kind": "wrong_encoding"}})
    run = rehearse(simulator, "suspend", [workload_id(number) for number in range(3)])
    assert run.counts == {"changed": 3}
    assert run.batches == 1


@pytest.mark.parametrize("kind", ["interim", "surplus"])
@pytest.mark.parametrize("match", [TOKENS, LIST, BATCH], ids=["token", "list", "batch"])
def test_batch_unexpected_bytes_on_a_connection_change_no_result(
    start: Start, kind: str, match: dict[str, Any]
) -> None:
    simulator = start(60)
    simulator.faults({"match": match, "times": "always", "fault": kind})
    ids = [workload_id(number) for number in range(60)]
    run = rehearse(simulator, "suspend", ids, batch_size=10)
    assert run.counts == {"changed": 60}
    assert run.batches == 6
    assert run.warnings == []


@pytest.mark.parametrize("value", ["object", "null"])
@pytest.mark.parametrize("action", ["suspend", "delete"])
def test_batch_empty_lists_written_otherwise_change_no_result(start: Start, action: str, value: str) -> None:
    simulator = start(60)
    simulator.faults({"times": "always", "fault": {"kind": "empty_lists", "value": value}})
    run = rehearse(simulator, action, [workload_id(number) for number in range(60)])
    assert run.counts == {"changed": 60}
    assert run.warnings == []


@pytest.mark.parametrize("value", ["object", "null"])
def test_info_empty_lists_written_otherwise_are_empty(start: Start, value: str) -> None:
    simulator = start(3)
    simulator.faults({"times": "always", "fault": {"kind": "empty_lists", "value": value}})
    found = select(simulator, fields=["name", "node_pools", "requested_node_pools"], phases=["Running"])
    assert found.result["workloads"] == [
        {"name": f"job-{number}", "node_pools": [], "requested_node_pools": []} for number in range(3)
    ]
    for criteria in ({"nodes": ["gpu-1"]}, {"projects": ["none"]}, {"node_pools": ["a"]}, {"search": "none"}):
        found = select(simulator, **criteria)
        assert (found.failed, found.result["ids"]) == (False, [])


@pytest.mark.parametrize("body", [None, {}, [], {"nodes": {}}, {"nodes": None}])
def test_client_nodes_of_a_cluster_written_otherwise_are_empty(
    gateway: Gateway, connect: Callable[..., Client], body: object
) -> None:
    gateway.respond = lambda path, head: http(200, body)
    assert connect().nodes_of_cluster(ID) == []


def test_client_socks_proxy_of_the_environment_is_named_at_once(
    gateway: Gateway, connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", without_pysocks)
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    with pytest.raises(RequestError, match="needs the Python library PySocks") as caught:
        connect(retry_timeout=3600.0).list_page(0)
    assert not caught.value.is_transient
    assert gateway.heads == []


def without_pysocks(*args: Any, **kwargs: Any) -> None:
    """What requests has in the place of its SOCKS support where PySocks is missing."""
    raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")
