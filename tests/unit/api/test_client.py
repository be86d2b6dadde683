# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against an HTTP server: requests, responses and errors."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import ListQuery
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    MalformedResponse,
    NotDelivered,
    RequestError,
    ResponseLost,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import Page
from ansible_collections.gpuops.runai.plugins.module_utils._api.transport import VERSION
from ansible_collections.gpuops.runai.tests.support.client_calls import (
    BATCH,
    COUNT,
    DONE,
    ID,
    LIST,
    OTHER,
    SECRET,
    TOKEN,
    Connect,
    account,
    fault_of,
    minted,
    page,
    script,
)

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request


def test_client_batch_sends_ids_and_action_and_returns_the_lists(
    loopback: Loopback, connect: Connect
) -> None:
    script(loopback, batch=[loopback.reply(200, DONE)])
    response = connect().client.batch("suspend", [ID])
    assert response == (OTHER, [ID], {})
    (request,) = loopback.requests
    assert (request.method, request.target) == ("POST", BATCH)
    assert json.loads(request.body) == {"action": "suspend", "ids": [ID]}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == "Bearer " + TOKEN
    assert request.headers["User-Agent"] == "gpuops.runai/" + VERSION
    assert request.headers["Accept"] == "application/json"


def test_client_list_page_requests_500_rows_by_creation(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[loopback.reply(200, {"workloads": [{"id": ID}], "next": 1000})])
    assert connect().client.list_page(500) == Page([{"id": ID}], 1000)
    (request,) = loopback.requests
    assert request.path == LIST
    assert request.query == {"offset": "500", "limit": "500", "sortBy": "createdAt", "sortOrder": "asc"}


def test_client_workload_and_count_return_their_values(loopback: Loopback, connect: Connect) -> None:
    script(loopback, one=[loopback.reply(200, {"id": ID.upper()})], count=[loopback.reply(200, {"count": 7})])
    client = connect().client
    assert client.workload(ID) == {"id": ID.upper()}
    assert client.count(ListQuery(is_deleted=True)) == 7
    assert [request.target for request in loopback.requests] == [LIST + "/" + ID, COUNT + "?deleted=true"]


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_client_count_without_the_endpoint_is_none(loopback: Loopback, connect: Connect, status: int) -> None:
    script(loopback, count=[loopback.reply(status, {"code": status, "message": "no such thing"})])
    assert connect().client.count() is None


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b"", b'{"count": ', [], 7, {}, {"count": -1}, {"count": "7"}]
)
def test_client_count_malformed_is_none(loopback: Loopback, connect: Connect, body: object) -> None:
    script(loopback, count=[loopback.reply(200, body)])
    for retry_timeout, asked in ((0.0, 1), (60.0, 3)):
        loopback.requests.clear()
        made = connect(retry_timeout=retry_timeout)
        assert made.client.count() is None
        # It may have been half a response: that is asked for again, like any other.
        assert len(loopback.requests) == asked
        assert any("the list was read without it" in warning for warning in made.stats.warnings())


@pytest.mark.parametrize("status", [403, 422, 500, 503])
def test_client_count_refused_or_failed_is_none(loopback: Loopback, connect: Connect, status: int) -> None:
    script(loopback, count=[loopback.reply(status)])
    made = connect()
    assert made.client.count() is None
    assert made.stats.warnings() == [
        "the control plane's count can't be used (HTTP {0}); the list was read without it".format(status)
    ]


def test_client_count_with_a_refused_account_fails(loopback: Loopback, connect: Connect) -> None:
    script(loopback, count=[loopback.reply(401)])
    assert fault_of(connect().client.count).status == 401


def test_client_base_url_with_a_path_keeps_it(loopback: Loopback, connect: Connect) -> None:
    loopback.respond = lambda request: page(loopback)
    connect(base_url=loopback.url + "/gpu/runai/").client.list_page(0)
    assert loopback.paths() == ["/gpu/runai" + LIST]


def test_client_calls_in_turn_use_one_connection(loopback: Loopback, connect: Connect) -> None:
    script(
        loopback, v2=minted(loopback, "minted-1"), list=[page(loopback)], batch=[loopback.reply(200, DONE)]
    )
    made = account(connect)
    for _call in range(3):
        made.client.list_page(0)
        made.client.batch("suspend", [ID])
        fault_of(lambda: made.client.workload(ID))
    assert len(loopback.requests) == 10
    assert len({request.peer for request in loopback.requests}) == 1
    assert made.stats.requests == 10


def test_client_several_threads_have_calls_in_flight(loopback: Loopback, connect: Connect) -> None:
    together = threading.Barrier(4)

    def respond(request: Request) -> Reply:
        together.wait(timeout=300)
        return loopback.reply(200, DONE)

    loopback.respond = respond
    client = connect().client
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda _call: client.batch("suspend", [ID]), range(8)))) == 8
    assert len({request.peer for request in loopback.requests}) == 4


@pytest.mark.parametrize(
    ("status", "is_transient", "may_be_applied"),
    [
        (400, False, False),
        (403, False, False),
        (404, False, False),
        (408, True, True),
        (413, False, False),
        (429, True, False),
        (500, True, True),
        (501, False, False),
        (502, True, True),
        (503, True, False),
        (504, True, True),
    ],
)
def test_client_error_status_decides_retry(
    loopback: Loopback,
    connect: Connect,
    status: int,
    is_transient: bool,
    may_be_applied: bool,
) -> None:
    content = {"code": status, "message": "such and such", "details": "more of it"}
    script(loopback, batch=[loopback.reply(status, content)])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert str(fault) == "POST /api/v1/workloads/batch: HTTP {0}, such and such: more of it".format(status)
    assert (fault.is_transient, fault.may_be_applied) == (is_transient, may_be_applied)


def test_client_error_code_unlike_the_status_is_shown(loopback: Loopback, connect: Connect) -> None:
    script(loopback, batch=[loopback.reply(400, {"code": 471, "message": "odd"})])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert str(fault).endswith("HTTP 400 (code 471), odd")
    assert isinstance(fault, StatusError)
    assert (fault.status, fault.code) == (400, 471)


def test_client_secret_at_the_cut_is_hidden(loopback: Loopback, connect: Connect) -> None:
    # With such escapes it is recognised only once the response is decoded.
    echo = "x" * 490 + TOKEN.replace("-", "\\u002d")
    script(loopback, batch=[loopback.reply(400, b'{"message": "%s"}' % echo.encode())])
    phrase = str(fault_of(lambda: connect().client.batch("suspend", [ID])))
    assert phrase.endswith("x" * 490 + "********")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\r\n <html><body>Sign in\r\nmore", "Sign in"),
        (b"", ""),
        (b"\x1b[31mred", "[31mred"),
        (b"x" * 10_000, "x" * 199 + "\u2026"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"message": 7}', '{"message": 7}'),
    ],
)
def test_client_error_without_json_shows_the_first_line(
    loopback: Loopback, connect: Connect, body: bytes, expected: str
) -> None:
    script(loopback, batch=[loopback.reply(403, body)])
    phrase = str(fault_of(lambda: connect().client.batch("suspend", [ID])))
    assert phrase == "POST /api/v1/workloads/batch: HTTP 403" + (", " + expected if expected else "")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<html>Sign in</html>", "the response is not JSON but 'Sign in'"),
        (b"<html></html>", "the response is not JSON"),
        (b"", "the response is empty"),
        (b'{"id": ', "the response is not JSON but '{\"id\":'"),
        (b"[]", "the response is not a JSON object"),
        (b'{"succeeded": "all"}', "'succeeded' in the response is not a list"),
    ],
)
def test_client_success_of_another_shape_is_a_lost_response(
    loopback: Loopback, connect: Connect, body: bytes, expected: str
) -> None:
    script(loopback, batch=[loopback.reply(200, body)])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert isinstance(fault, MalformedResponse)
    assert fault.may_be_applied
    assert expected in str(fault)


def test_client_workload_with_another_id_is_malformed(loopback: Loopback, connect: Connect) -> None:
    script(loopback, one=[loopback.reply(200, {"id": OTHER})])
    assert isinstance(fault_of(lambda: connect().client.workload(ID)), MalformedResponse)


def test_client_404_with_any_body_is_not_found(loopback: Loopback, connect: Connect) -> None:
    client = connect().client
    for body in (b"", b"not json", b"null", b'"text"', b'{"code": "x"}'):
        script(loopback, one=[loopback.reply(404, body)])
        assert fault_of(lambda: client.workload(ID)).status == 404


def test_client_cut_connection_may_be_applied(loopback: Loopback, connect: Connect) -> None:
    script(loopback, batch=[None])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert isinstance(fault, ResponseLost)
    assert fault.may_be_applied


def test_client_refused_connection_is_not_delivered(connect: Connect) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        base_url = "http://127.0.0.1:{0}".format(nobody_listens.getsockname()[1])
        fault = fault_of(lambda: connect(base_url=base_url).client.batch("suspend", [ID]))
    assert isinstance(fault, NotDelivered)
    assert not fault.may_be_applied
    assert fault.is_transient
    assert str(fault) == "POST /api/v1/workloads/batch: connection refused"


def test_client_any_error_shows_no_credential(loopback: Loopback, connect: Connect) -> None:
    faults: list[RequestError] = []
    for reply in (None, loopback.reply(500), loopback.reply(400, b"x"), loopback.reply(200, b"x")):
        script(loopback, v2=[reply])
        faults.append(fault_of(lambda: account(connect).client.list_page(0)))
        script(loopback, v2=minted(loopback, "a-minted-token"), list=[reply], batch=[reply])
        faults.append(fault_of(lambda: account(connect).client.list_page(0)))
        faults.append(fault_of(lambda: account(connect).client.batch("delete", [ID])))
        faults.append(fault_of(lambda: connect().client.list_page(0)))
    for fault in faults:
        seen: Optional[BaseException] = fault
        while seen is not None:
            for shown in (str(seen), repr(seen), repr(vars(seen))):
                assert not any(secret in shown for secret in (SECRET, "a-minted-token", TOKEN, ID))
            seen = None if seen.__suppress_context__ else (seen.__cause__ or seen.__context__)


@pytest.mark.parametrize("length", [20, 450, 3000])
def test_client_echoed_secret_is_hidden_as_a_whole(loopback: Loopback, connect: Connect, length: int) -> None:
    token = "tok-" + "x" * length

    def echo(request: Request) -> Reply:
        content = "{0} was sent with {1}".format(request.bearer, request.body.decode())
        return loopback.reply(400, {"message": "so" * 20 + content, "details": content})

    loopback.respond = echo
    phrase = str(fault_of(lambda: connect(token=token).client.batch("suspend", [ID])))
    assert "tok-" not in phrase
    assert "xxxx" not in phrase
    phrase = str(fault_of(lambda: account(connect).client.list_page(0)))
    assert SECRET not in phrase
    loopback.respond = lambda request: loopback.reply(200, "<p>{0}".format(request.bearer).encode())
    assert "tok-" not in str(fault_of(lambda: connect(token=token).client.batch("suspend", [ID])))

    def refuse(request: Request) -> Reply:
        failed = [{"id": ID, "code": 400, "message": "z" * 40 + str(request.bearer)}]
        return loopback.reply(200, {"failed": failed})

    loopback.respond = refuse
    message = connect(token=token).client.batch("suspend", [ID]).refused[ID].message
    assert message == "z" * 40 + "Bearer ********"
