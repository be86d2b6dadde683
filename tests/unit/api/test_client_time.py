# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against an HTTP server: timeouts and retries."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    Interrupted,
    NotDelivered,
    ResponseLost,
    RetriesExhausted,
    StatusError,
)
from ansible_collections.gpuops.runai.tests.support.client_calls import (
    BATCH,
    DONE,
    ID,
    LIST,
    Connect,
    fault_of,
    page,
    script,
)

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request


def test_client_response_later_than_the_timeout_fails(loopback: Loopback, connect: Connect) -> None:
    over = threading.Event()

    def silent(request: Request) -> Reply:
        over.wait(timeout=300)
        return None

    loopback.respond = silent
    client = connect(timeout=0.2).client
    try:
        fault = fault_of(lambda: client.batch("suspend", [ID]))
        assert isinstance(fault, ResponseLost)
        assert fault.may_be_applied
        assert "no response within 0.2 s" in str(fault)
        assert "no response within 0.2 s" in str(fault_of(lambda: client.list_page(0)))
    finally:
        over.set()


@contextlib.contextmanager
def dripping(response: bytes, at_once: int) -> Iterator[int]:
    """A server that sends ``at_once`` bytes of its response, and the rest byte by byte; yields its port."""
    gone = threading.Event()

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError), listening.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(response[:at_once])
            # Its last byte never comes, however late the client reads the clock.
            for position in range(at_once, len(response) - 1):
                if gone.wait(timeout=0.02):
                    return
                peer.sendall(response[position : position + 1])
            gone.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            gone.set()
            thread.join(timeout=30)


# Each is a response if one waits for long enough, though never for long without a byte.
LONG = b'{"workloads": []' + b" " * 400 + b"}"
HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPPING = {
    "the status": (b"HTTP/1.1 200 " + b"O" * 400 + b"K\r\nContent-Length: 17\r\n\r\n", 0),
    "a header": (HEAD + b"X-Long: " + b"x" * 400 + b"\r\nContent-Length: 17\r\n\r\n", len(HEAD)),
    "many headers": (HEAD + b"X: y\r\n" * 80 + b"Content-Length: 17\r\n\r\n", len(HEAD)),
    "a body": (HEAD + b"Content-Length: 417\r\n\r\n" + LONG, 60),
    "a body until the end": (HEAD + b"\r\n" + LONG, len(HEAD) + 2),
    "a chunked body": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 80 + b"2\r\n{}\r\n0\r\n\r\n",
        60,
    ),
}


@pytest.mark.parametrize(("response", "at_once"), DRIPPING.values(), ids=DRIPPING)
def test_client_response_in_small_pieces_later_than_the_timeout_fails(
    connect: Connect, response: bytes, at_once: int
) -> None:
    with dripping(response, at_once) as port:
        client = connect(base_url="http://127.0.0.1:{0}".format(port), timeout=0.5).client
        fault = fault_of(lambda: client.batch("suspend", [ID]))
        client.close()
    assert isinstance(fault, ResponseLost)
    assert fault.kind == "a timeout"
    assert str(fault).endswith(" 0.5 s")


def test_client_proxy_response_later_than_the_timeout_fails(connect: Connect) -> None:
    with dripping(b"HTTP/1.1 200 " + b"O" * 400 + b"K\r\n\r\n", 0) as port:
        proxy = "http://127.0.0.1:{0}".format(port)
        client = connect(base_url="https://control-plane.example", proxy=proxy, timeout=0.5).client
        fault = fault_of(lambda: client.batch("suspend", [ID]))
        client.close()
    assert "0.5 s" in str(fault)


def test_client_connection_later_than_the_timeout_fails(connect: Connect) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Nobody accepts: once as many wait as may, the next one gets no response.
        for _waiting in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        base_url = "http://127.0.0.1:{0}".format(full.getsockname()[1])
        fault = fault_of(lambda: connect(base_url=base_url, timeout=0.2).client.batch("suspend", [ID]))
    assert isinstance(fault, NotDelivered)
    assert "no connection within 0.2 s" in str(fault)


def test_client_transient_error_repeats_reads_only(loopback: Loopback, connect: Connect) -> None:
    script(
        loopback,
        batch=[loopback.reply(503, None, Retry_After="0")],
        list=[loopback.reply(503, None, Retry_After="0"), None, page(loopback)],
    )
    made = connect(retry_timeout=60.0)
    assert isinstance(fault_of(lambda: made.client.batch("suspend", [ID])), StatusError)
    assert loopback.paths() == [BATCH]
    made.client.list_page(0)
    assert loopback.paths("GET") == [LIST] * 3
    assert made.stats.retries == 2
    assert sorted(made.stats.warnings()) == [
        "requests to the control plane were retried once because of: HTTP 503",
        "requests to the control plane were retried once because of: a cut connection",
    ]


def test_client_retries_exhausted_raise_the_last_fault(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[loopback.reply(502, b"<html>\nbad gateway")])
    fault = fault_of(lambda: connect(retry_timeout=0.3).client.list_page(0))
    assert isinstance(fault, RetriesExhausted)
    assert "HTTP 502, bad gateway (tried " in str(fault)
    assert len(loopback.requests) > 1


def test_client_cancelled_sends_nothing(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[page(loopback)], batch=[loopback.reply(200, DONE)])
    made = connect()
    made.cancellation.stop_writing("enough")
    with pytest.raises(Interrupted):
        made.client.batch("suspend", [ID])
    made.client.list_page(0)
    made.cancellation._deadline = 0.0
    with pytest.raises(Interrupted):
        made.client.list_page(0)
    assert loopback.paths() == [LIST]
