# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against a real HTTP server: what is sent, what is read, and what is told of faults."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import parse_qs

import pytest
import requests
import urllib3.exceptions
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client, ListQuery
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connect_options
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    AccessDenied,
    Interrupted,
    MalformedResponse,
    NotDelivered,
    NotFound,
    RequestError,
    ResponseLost,
    RetriesExhausted,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import Page
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.plugins.module_utils._api.transport import VERSION
from ansible_collections.gpuops.runai.plugins.module_utils._api.transport_errors import explained
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids
from urllib3.connection import CertificateError  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Asked, Loopback, Reply

ID, OTHER = workload_ids(2, first=1)
BATCH = "/api/v1/workloads/batch"
LIST = "/api/v1/workloads"
COUNT = "/api/v1/workloads/count"
TOKEN_V1 = "/api/v1/token"
TOKEN_V2 = "/api/v2/token"
TOKEN = "a-given-token"
SECRET = "a-client-secret"
DONE = {"id": OTHER, "succeeded": [ID]}

Connect = Callable[..., "Made"]


class Made:
    """A client, and what it was made with for a look at it."""

    def __init__(self, client: Client, cancellation: Cancellation, stats: RequestStats) -> None:
        self.client = client
        self.cancellation = cancellation
        self.stats = stats


@pytest.fixture
def connect(loopback: Loopback) -> Iterator[Connect]:
    """Make clients of the server, with a given token unless told otherwise."""
    clients: list[Client] = []

    def make(environ: Optional[dict[str, str]] = None, **options: Any) -> Made:
        params: dict[str, Any] = {
            "base_url": loopback.url,
            "client_id": None,
            "client_secret": None,
            "token": None if "client_id" in options else TOKEN,
            "validate_certs": True,
            "ca_path": None,
            "proxy": None,
            "timeout": 20.0,
            "retry_timeout": 0.0,
            **options,
        }
        cancellation, stats = Cancellation(), RequestStats()
        clients.append(Client(connect_options(params, environ or {}), cancellation, stats, connections=8))
        return Made(clients[-1], cancellation, stats)

    yield make
    for client in clients:
        client.close()


def account(connect: Connect, **options: Any) -> Made:
    return connect(client_id="an-id", client_secret=SECRET, **options)


def script(loopback: Loopback, **replies: list[Reply]) -> None:
    """Answer with ``v1``, ``v2``, ``list``, ``batch``, ``count`` and ``one`` in turn; the last stays."""
    names = {TOKEN_V1: "v1", TOKEN_V2: "v2", LIST: "list", BATCH: "batch", COUNT: "count"}

    def answer(asked: Asked) -> Reply:
        turn = replies.get(
            names.get(asked.path, "one"), [loopback.reply(404, {"code": 404, "message": "not there"})]
        )
        return turn.pop(0) if len(turn) > 1 else turn[0]

    loopback.answer = answer


def page(loopback: Loopback) -> Reply:
    return loopback.reply(200, {"workloads": [{"id": ID}]})


def minted(loopback: Loopback, *tokens: str, lifetime: Optional[int] = None) -> list[Reply]:
    return [loopback.reply(200, {"access_token": token, "expires_in": lifetime}) for token in tokens]


def fault_of(call: Callable[[], object]) -> RequestError:
    with pytest.raises(RequestError) as fault:
        call()
    return fault.value


# What is sent


def test_a_batch(loopback: Loopback, connect: Connect) -> None:
    script(loopback, batch=[loopback.reply(200, DONE)])
    answer = connect().client.batch("suspend", [ID])
    assert answer == (OTHER, [ID], {}, [])
    (asked,) = loopback.asked
    assert (asked.method, asked.target) == ("POST", BATCH)
    assert json.loads(asked.body) == {"action": "suspend", "ids": [ID]}
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Authorization"] == "Bearer " + TOKEN
    assert asked.headers["User-Agent"] == "gpuops.runai/" + VERSION
    assert asked.headers["Accept"] == "application/json"


def test_a_page_of_the_list_is_as_large_as_may_be_and_sorted_by_what_does_not_change(
    loopback: Loopback, connect: Connect
) -> None:
    script(loopback, list=[loopback.reply(200, {"workloads": [{"id": ID}], "next": 1000})])
    assert connect().client.list_page(500) == Page([{"id": ID}], 1000)
    (asked,) = loopback.asked
    assert asked.path == LIST
    assert asked.query == {"offset": "500", "limit": "500", "sortBy": "createdAt", "sortOrder": "asc"}


def test_one_workload_and_a_count(loopback: Loopback, connect: Connect) -> None:
    script(loopback, one=[loopback.reply(200, {"id": ID.upper()})], count=[loopback.reply(200, {"count": 7})])
    client = connect().client
    assert client.workload(ID) == {"id": ID.upper()}
    assert client.count(ListQuery(is_deleted=True)) == 7
    assert [asked.target for asked in loopback.asked] == [LIST + "/" + ID, COUNT + "?deleted=true"]


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_control_plane_without_the_count(loopback: Loopback, connect: Connect, status: int) -> None:
    script(loopback, count=[loopback.reply(status, {"code": status, "message": "no such thing"})])
    assert connect().client.count() is None


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b"", b'{"count": ', [], 7, {}, {"count": -1}, {"count": "7"}]
)
def test_a_count_that_makes_no_sense_is_none(loopback: Loopback, connect: Connect, body: object) -> None:
    script(loopback, count=[loopback.reply(200, body)])
    for retry_timeout, asked in ((0.0, 1), (60.0, 3)):
        loopback.asked.clear()
        made = connect(retry_timeout=retry_timeout)
        assert made.client.count() is None
        # It may have been half a response: that is asked for again, like any other.
        assert len(loopback.asked) == asked
        assert any("the list was read without it" in warning for warning in made.stats.warnings())


@pytest.mark.parametrize("status", [403, 422, 500, 503])
def test_a_count_that_is_refused_or_fails_is_none(loopback: Loopback, connect: Connect, status: int) -> None:
    script(loopback, count=[loopback.reply(status)])
    made = connect()
    assert made.client.count() is None
    assert made.stats.warnings() == [
        "the control plane's count can't be used (HTTP {0}); the list was read without it".format(status)
    ]


def test_a_count_for_an_account_that_is_refused_is_a_fault(loopback: Loopback, connect: Connect) -> None:
    script(loopback, count=[loopback.reply(401)])
    assert isinstance(fault_of(connect().client.count), AccessDenied)


def test_a_path_before_the_endpoints_is_kept(loopback: Loopback, connect: Connect) -> None:
    loopback.answer = lambda asked: page(loopback)
    connect(base_url=loopback.url + "/gpu/runai/").client.list_page(0)
    assert loopback.paths() == ["/gpu/runai" + LIST]


def test_one_connection_is_kept_for_all_calls_of_a_thread(loopback: Loopback, connect: Connect) -> None:
    script(
        loopback, v2=minted(loopback, "minted-1"), list=[page(loopback)], batch=[loopback.reply(200, DONE)]
    )
    made = account(connect)
    for _call in range(3):
        made.client.list_page(0)
        made.client.batch("suspend", [ID])
        fault_of(lambda: made.client.workload(ID))
    assert len(loopback.asked) == 10
    assert len({asked.peer for asked in loopback.asked}) == 1
    assert made.stats.requests == 10


def test_several_calls_are_in_flight_at_once(loopback: Loopback, connect: Connect) -> None:
    together = threading.Barrier(4)

    def answer(asked: Asked) -> Reply:
        together.wait(timeout=300)
        return loopback.reply(200, DONE)

    loopback.answer = answer
    client = connect().client
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda _call: client.batch("suspend", [ID]), range(8)))) == 8
    assert len({asked.peer for asked in loopback.asked}) == 4


# Who asks


def test_a_netrc_never_replaces_the_bearer_nor_adds_to_the_token_call(
    loopback: Loopback, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login some password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    script(loopback, v2=minted(loopback, "minted-1"), list=[page(loopback)])
    account(connect).client.list_page(0)
    connect().client.list_page(0)
    assert [asked.bearer for asked in loopback.asked] == [None, "Bearer minted-1", "Bearer " + TOKEN]


def test_a_token_is_made_of_client_credentials_once(loopback: Loopback, connect: Connect) -> None:
    script(loopback, v2=minted(loopback, "minted-1", lifetime=3600), list=[page(loopback)])
    made = account(connect)
    for _call in range(3):
        made.client.list_page(0)
    assert loopback.paths() == [TOKEN_V2, LIST, LIST, LIST]
    asked = loopback.asked[0]
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["an-id"],
        "client_secret": [SECRET],
    }
    # So that it can be kept out of everything that is shown.
    assert made.stats.secrets == {"minted-1"}


@pytest.mark.parametrize("status", [404, 405])
def test_an_older_control_plane_is_asked_for_a_token_the_older_way(
    loopback: Loopback, connect: Connect, status: int
) -> None:
    script(
        loopback,
        v2=[loopback.reply(status, b"<html>no such page</html>")],
        v1=[loopback.reply(200, {"accessToken": name}) for name in ("minted-1", "minted-2")],
        list=[page(loopback), loopback.reply(401), page(loopback)],
    )
    client = account(connect).client
    client.list_page(0)
    client.list_page(0)
    # Version 2 is not asked for again when the token is renewed.
    assert loopback.paths() == [TOKEN_V2, TOKEN_V1, LIST, LIST, TOKEN_V1, LIST]
    assert json.loads(loopback.asked[1].body) == {
        "grantType": "client_credentials",
        "clientId": "an-id",
        "clientID": "an-id",
        "clientSecret": SECRET,
    }
    assert loopback.asked[-1].bearer == "Bearer minted-2"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"access_token": "fresh-from-the-mint", "expi', "the response is not JSON"),
        (b"fresh-from-the-mint", "the response is not JSON"),
        (b"<html>Sign in</html>", "the response is not JSON but 'Sign in'"),
        (b"", "the response is empty"),
    ],
)
def test_of_a_broken_answer_with_a_token_only_a_page_is_quoted(
    loopback: Loopback, connect: Connect, body: bytes, told: str
) -> None:
    script(loopback, v2=[loopback.reply(200, body)])
    words = str(fault_of(lambda: account(connect).client.list_page(0)))
    assert words.startswith("POST {0}: no token for the client '".format(TOKEN_V2))
    assert words.endswith(" from {0}: {1}".format(loopback.url, told))


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_refused_client_is_not_tried_the_older_way(
    loopback: Loopback, connect: Connect, status: int
) -> None:
    said = {"error": "invalid_client", "error_description": "no such client"}
    script(loopback, v2=[loopback.reply(status, said)])
    words = str(fault_of(lambda: account(connect).client.list_page(0)))
    assert loopback.paths() == [TOKEN_V2]
    assert "{0}: HTTP {1}, invalid_client: no such client".format(loopback.url, status) in words
    assert SECRET not in words


def test_a_token_is_renewed_once_on_a_401(loopback: Loopback, connect: Connect) -> None:
    script(
        loopback,
        v2=minted(loopback, "minted-1", "minted-2"),
        list=[page(loopback), loopback.reply(401, {"code": 401, "message": "token expired"}), page(loopback)],
    )
    made = account(connect)
    made.client.list_page(0)
    made.client.list_page(0)
    assert loopback.paths() == [TOKEN_V2, LIST, LIST, TOKEN_V2, LIST]
    assert [asked.bearer for asked in loopback.asked if asked.path == LIST] == [
        "Bearer minted-1",
        "Bearer minted-1",
        "Bearer minted-2",
    ]
    assert made.stats.retries == 1


def test_a_batch_that_met_a_dead_token_is_sent_again_with_the_new_one(
    loopback: Loopback, connect: Connect
) -> None:
    script(
        loopback,
        v2=minted(loopback, "minted-1", "minted-2"),
        batch=[loopback.reply(401), loopback.reply(200, DONE)],
    )
    assert account(connect).client.batch("suspend", [ID]).succeeded == [ID]
    assert loopback.paths() == [TOKEN_V2, BATCH, TOKEN_V2, BATCH]


def test_a_new_token_that_is_refused_as_well_is_the_end(loopback: Loopback, connect: Connect) -> None:
    script(
        loopback,
        v2=minted(loopback, "minted-1", "minted-2", "minted-3"),
        list=[loopback.reply(401, {"message": "go away"})],
    )
    client = account(connect).client
    fault = fault_of(lambda: client.list_page(0))
    assert isinstance(fault, AccessDenied)
    assert fault.status == 401
    assert loopback.paths() == [TOKEN_V2, LIST, TOKEN_V2, LIST]


def test_what_refuses_every_token_ends_though_other_calls_get_through(
    loopback: Loopback, connect: Connect
) -> None:
    names = iter("minted-{0}".format(number) for number in range(1, 100))
    made = account(connect)

    def answer(asked: Asked) -> Reply:
        if asked.path == TOKEN_V2:
            return minted(loopback, next(names))[0]
        if asked.path != LIST:
            return loopback.reply(200, {"id": ID})
        if loopback.paths().count(LIST) > 5:
            return loopback.reply(418)
        # Meanwhile the same token does for somebody else.
        made.client.workload(ID)
        return loopback.reply(401)

    loopback.answer = answer
    assert isinstance(fault_of(lambda: made.client.list_page(0)), AccessDenied)
    assert loopback.paths().count(LIST) == 2


def test_a_given_token_is_final(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[loopback.reply(401, {"code": 401, "message": "bad token"})])
    fault = fault_of(lambda: connect(retry_timeout=5.0).client.list_page(0))
    assert isinstance(fault, AccessDenied)
    assert str(fault) == (
        "GET /api/v1/workloads: HTTP 401, bad token; the token set by token was refused, nothing was done"
    )
    assert loopback.paths() == [LIST]


def test_one_thread_renews_while_the_others_wait(loopback: Loopback, connect: Connect) -> None:
    threads = 8
    refused = threading.Barrier(threads)
    names = iter("minted-{0}".format(number) for number in range(1, 100))

    def answer(asked: Asked) -> Reply:
        if asked.path == TOKEN_V2:
            return minted(loopback, next(names))[0]
        if asked.bearer == "Bearer minted-1":
            # All of them learn at the same time that their token is dead.
            refused.wait(timeout=300)
            return loopback.reply(401)
        return page(loopback)

    loopback.answer = answer
    client = account(connect).client
    with ThreadPoolExecutor(threads) as pool:
        pages = list(pool.map(lambda _call: client.list_page(0), range(threads)))
    assert len(pages) == threads
    assert loopback.paths("POST") == [TOKEN_V2, TOKEN_V2]


def test_a_token_is_renewed_ahead_of_its_end(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.gpuops.runai.plugins.module_utils._api import auth as _token

    clock = FakeClock(0.0)
    monkeypatch.setattr(_token, "time", clock)
    script(loopback, v2=minted(loopback, "minted-1", "minted-2", lifetime=3600), list=[page(loopback)])
    client = account(connect).client
    for now in (0.0, 3539.0, 3541.0):
        clock.seconds = now
        client.list_page(0)
    assert [asked.bearer for asked in loopback.asked if asked.path == LIST] == [
        "Bearer minted-1",
        "Bearer minted-1",
        "Bearer minted-2",
    ]


# Where it goes


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", ["list", "batch", "token"])
def test_a_redirect_to_another_host_never_carries_the_token(
    loopback: Loopback, loopbacks: Callable[..., Loopback], connect: Connect, status: int, call: str
) -> None:
    elsewhere = loopbacks()
    elsewhere.answer = lambda asked: page(elsewhere)
    away = loopback.reply(status, None, Location=elsewhere.url + "/somewhere?secret=1")
    script(loopback, v2=[away], list=[away], batch=[away])
    made = account(connect) if call == "token" else connect()
    fault = fault_of(
        lambda: made.client.batch("suspend", [ID]) if call == "batch" else made.client.list_page(0)
    )
    assert elsewhere.asked == []
    assert len(loopback.asked) == 1
    assert "redirected to http://127.0.0.1:{0}, which is not followed".format(elsewhere.port) in str(fault)
    assert "secret" not in str(fault)
    assert not fault.may_be_applied


def test_a_redirect_of_a_read_on_the_same_host_is_followed(loopback: Loopback, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == LIST:
            return loopback.reply(308, None, Location="/moved?offset=0")
        return page(loopback)

    loopback.answer = answer
    assert connect().client.list_page(0).rows == [{"id": ID}]
    assert [asked.target for asked in loopback.asked][1] == "/moved?offset=0"
    assert loopback.asked[1].bearer == "Bearer " + TOKEN


def test_a_redirect_in_a_circle_ends(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[loopback.reply(302, None, Location=LIST)])
    assert "again and again" in str(fault_of(lambda: connect().client.list_page(0)))
    assert len(loopback.asked) < 10


@pytest.mark.parametrize(
    "location", [None, "", "http://[::1/x", "http://127.0.0.1:99999999/x", "mailto:nobody"]
)
def test_a_redirect_without_an_address_is_final(
    loopback: Loopback, connect: Connect, location: Optional[str]
) -> None:
    headers = {} if location is None else {"Location": location}
    script(loopback, list=[loopback.reply(302, None, **headers)])
    fault = fault_of(lambda: connect(retry_timeout=5.0).client.list_page(0))
    assert "HTTP 302, redirected without an address to go to" in str(fault)
    assert len(loopback.asked) == 1


def test_a_write_is_never_redirected(loopback: Loopback, connect: Connect) -> None:
    script(loopback, batch=[loopback.reply(307, None, Location=BATCH)])
    fault_of(lambda: connect().client.batch("delete", [ID]))
    assert loopback.paths() == [BATCH]


ABROAD = "http://control-plane.example"


def test_a_proxy_by_option_is_used_for_all_calls(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    replies: dict[str, Reply] = {
        TOKEN_V2: minted(loopback, "minted-1")[0],
        LIST: page(loopback),
        BATCH: loopback.reply(200, DONE),
    }
    loopback.answer = lambda asked: replies[asked.path]
    proxy = loopback.url.replace("//", "//somebody:p%40ss@")
    client = account(connect, base_url=ABROAD, proxy=proxy).client
    client.list_page(0)
    client.batch("suspend", [ID])
    assert [asked.target.partition("?")[0] for asked in loopback.asked] == [
        ABROAD + TOKEN_V2,
        ABROAD + LIST,
        ABROAD + BATCH,
    ]
    # somebody:p@ss
    assert {asked.headers["Proxy-Authorization"] for asked in loopback.asked} == {
        "Basic c29tZWJvZHk6cEBzcw=="
    }
    assert [asked.bearer for asked in loopback.asked] == [None, "Bearer minted-1", "Bearer minted-1"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_used(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, loopback.url)
    loopback.answer = lambda asked: page(loopback)
    connect(base_url=ABROAD).client.list_page(0)
    assert loopback.asked[0].target.startswith(ABROAD)


def test_what_the_environment_excepts_goes_straight_there(
    loopback: Loopback, loopbacks: Callable[..., Loopback], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = loopbacks()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    loopback.answer = lambda asked: page(loopback)
    connect().client.list_page(0)
    assert proxy.asked == []
    assert loopback.asked[0].target.startswith(LIST)


def test_a_proxy_that_wants_another_password_is_told_without_it(loopback: Loopback, connect: Connect) -> None:
    loopback.answer = lambda asked: loopback.reply(407, b"who are you?")
    proxy = loopback.url.replace("//", "//somebody:p4ss@")
    for base_url in (ABROAD, ABROAD.replace("http:", "https:")):
        client = connect(base_url=base_url, proxy=proxy, retry_timeout=60.0).client
        fault = fault_of(lambda client=client: client.list_page(0))  # type: ignore[misc]
        assert "the proxy wants a user name and password, or refused the ones in proxy (407)" in str(fault)
        assert not fault.is_transient
        assert not fault.may_be_applied
        assert "p4ss" not in str(fault)


@pytest.mark.parametrize(
    ("status", "told", "is_transient"),
    [
        (403, "the proxy refuses to connect to base_url (HTTP 403)", False),
        (502, "no connection by the proxy: HTTP 502", True),
    ],
)
def test_what_a_proxy_answers_instead_of_connecting_is_told(
    loopback: Loopback, connect: Connect, status: int, told: str, is_transient: bool
) -> None:
    loopback.answer = lambda asked: loopback.reply(status, b"the policy says no")
    client = connect(base_url="https://control-plane.example", proxy=loopback.url).client
    fault = fault_of(lambda: client.batch("suspend", [ID]))
    assert str(fault) == "POST /api/v1/workloads/batch: " + told
    assert (fault.is_transient, fault.may_be_applied) == (is_transient, False)


# Certificates


@pytest.fixture
def tls(loopbacks: Callable[..., Loopback], tmp_path: Path) -> tuple[Loopback, str]:
    """A TLS server of the name 127.0.0.1, and the path of its authority."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    server = loopbacks(context)
    script(
        server,
        v2=minted(server, "minted-1", "minted-2"),
        list=[page(server), server.reply(401), page(server)],
        batch=[server.reply(200, DONE)],
        one=[server.reply(200, {"id": ID})],
    )
    return server, str(path)


def every_call(client: Client) -> None:
    client.list_page(0)
    client.list_page(0)
    client.workload(ID)
    client.batch("suspend", [ID])


def test_the_certificate_is_checked_on_every_request(
    tls: tuple[Loopback, str], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = tls
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    every_call(account(connect, base_url=server.url, ca_path=authority).client)
    assert server.paths() == [TOKEN_V2, LIST, LIST, TOKEN_V2, LIST, LIST + "/" + ID, BATCH]
    server.asked.clear()
    for client in (account(connect, base_url=server.url).client, connect(base_url=server.url).client):
        fault = fault_of(lambda client=client: client.list_page(0))  # type: ignore[misc]
        assert "the certificate is not trusted" in str(fault)
        assert "set ca_path to the CA that signed it" in str(fault)
        assert not fault.may_be_applied
    assert server.asked == []


class OpenSslError(ssl.SSLCertVerificationError):
    """What the interpreter raises; it has no way to make one from Python."""

    def __init__(self, verify_message: str) -> None:
        super().__init__(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
        self.verify_message = verify_message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            OpenSslError("Hostname mismatch, certificate is not valid for 'runai'."),
            "Hostname mismatch, certificate is not valid for 'runai'.; set base_url to a name that the "
            "certificate holds",
        ),
        # As urllib3 1.26.5 says it, and later ones up to 2.0.
        (
            ssl.CertificateError("hostname 'runai' doesn't match 'runai.example.com'"),
            "hostname 'runai' doesn't match 'runai.example.com'; set base_url to a name that the "
            "certificate holds",
        ),
        (
            CertificateError("hostname 'runai' doesn't match either of 'a', 'b'"),
            "hostname 'runai' doesn't match either of 'a', 'b'; set base_url to a name that the "
            "certificate holds",
        ),
        (
            OpenSslError("unable to get local issuer certificate"),
            "unable to get local issuer certificate; set ca_path to the CA that signed it",
        ),
        (
            OpenSslError("certificate has expired"),
            "certificate has expired; renew the control plane's certificate",
        ),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told_whoever_found_it(fault: Exception, words: str) -> None:
    told = explained(
        requests.exceptions.SSLError(urllib3.exceptions.SSLError(fault)),
        "GET",
        LIST,
        timeout=30.0,
        is_encrypted=True,
        is_proven=False,
    )
    assert told.message == "the certificate is not trusted: " + words
    assert not told.is_transient
    assert not told.may_be_applied


def test_an_unchecked_certificate_stays_unchecked_whatever_the_environment_names(
    tls: tuple[Loopback, str], connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _authority = tls
    import trustme

    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other))
    every_call(account(connect, base_url=server.url, validate_certs=False).client)
    assert len(server.asked) == 7


def test_the_authority_of_the_environment_is_taken(tls: tuple[Loopback, str], connect: Connect) -> None:
    server, authority = tls
    made = connect({"REQUESTS_CA_BUNDLE": authority}, base_url=server.url)
    assert made.client.workload(ID) == {"id": ID}


# How long it may take


def test_an_answer_may_take_no_longer_than_the_timeout(loopback: Loopback, connect: Connect) -> None:
    over = threading.Event()

    def silent(asked: Asked) -> Reply:
        over.wait(timeout=300)
        return None

    loopback.answer = silent
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
def dripping(answer: bytes, at_once: int) -> Iterator[int]:
    """A server that sends ``at_once`` bytes of its answer, and the rest byte by byte; yields its port."""
    gone = threading.Event()

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError), listening.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(answer[:at_once])
            # Its last byte never comes, however late the client looks at the clock.
            for position in range(at_once, len(answer) - 1):
                if gone.wait(timeout=0.02):
                    return
                peer.sendall(answer[position : position + 1])
            gone.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            gone.set()
            thread.join(timeout=30)


# Each is an answer if one waits for long enough, though never for long without a byte.
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


@pytest.mark.parametrize(("answer", "at_once"), DRIPPING.values(), ids=DRIPPING)
def test_an_answer_in_drops_may_take_no_longer_as_a_whole(
    connect: Connect, answer: bytes, at_once: int
) -> None:
    with dripping(answer, at_once) as port:
        client = connect(base_url="http://127.0.0.1:{0}".format(port), timeout=0.5).client
        fault = fault_of(lambda: client.batch("suspend", [ID]))
        client.close()
    assert isinstance(fault, ResponseLost)
    assert fault.kind == "a timeout"
    assert str(fault).endswith(" 0.5 s")


def test_neither_may_the_answer_of_a_proxy(connect: Connect) -> None:
    with dripping(b"HTTP/1.1 200 " + b"O" * 400 + b"K\r\n\r\n", 0) as port:
        proxy = "http://127.0.0.1:{0}".format(port)
        client = connect(base_url="https://control-plane.example", proxy=proxy, timeout=0.5).client
        fault = fault_of(lambda: client.batch("suspend", [ID]))
        client.close()
    assert "0.5 s" in str(fault)


def test_a_connection_may_take_no_longer_than_the_timeout_either(connect: Connect) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Nobody accepts: once as many wait as may, the next one gets no answer.
        for _waiting in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        base_url = "http://127.0.0.1:{0}".format(full.getsockname()[1])
        fault = fault_of(lambda: connect(base_url=base_url, timeout=0.2).client.batch("suspend", [ID]))
    assert isinstance(fault, NotDelivered)
    assert "no connection within 0.2 s" in str(fault)


def test_a_write_is_sent_once_and_a_read_again(loopback: Loopback, connect: Connect) -> None:
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


def test_retries_end_with_what_they_ended_on(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[loopback.reply(502, b"<html>\nbad gateway")])
    fault = fault_of(lambda: connect(retry_timeout=0.3).client.list_page(0))
    assert isinstance(fault, RetriesExhausted)
    assert "HTTP 502, bad gateway (tried " in str(fault)
    assert len(loopback.asked) > 1


def test_nothing_is_sent_once_the_guard_says_so(loopback: Loopback, connect: Connect) -> None:
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


# What is told


@pytest.mark.parametrize(
    ("status", "kind", "is_transient", "may_be_applied"),
    [
        (400, StatusError, False, False),
        (403, AccessDenied, False, False),
        (404, NotFound, False, False),
        (408, StatusError, True, True),
        (413, StatusError, False, False),
        (429, StatusError, True, False),
        (500, StatusError, True, True),
        (501, StatusError, False, False),
        (502, StatusError, True, True),
        (503, StatusError, True, False),
        (504, StatusError, True, True),
    ],
)
def test_what_a_status_means(
    loopback: Loopback,
    connect: Connect,
    status: int,
    kind: type[RequestError],
    is_transient: bool,
    may_be_applied: bool,
) -> None:
    said = {"code": status, "message": "such and such", "details": "more of it"}
    script(loopback, batch=[loopback.reply(status, said)])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert fault.__class__ is kind
    assert str(fault) == "POST /api/v1/workloads/batch: HTTP {0}, such and such: more of it".format(status)
    assert (fault.is_transient, fault.may_be_applied) == (is_transient, may_be_applied)


def test_another_code_of_the_api_is_told_beside_the_status(loopback: Loopback, connect: Connect) -> None:
    script(loopback, batch=[loopback.reply(400, {"code": 471, "message": "odd"})])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert str(fault).endswith("HTTP 400 (code 471), odd")
    assert isinstance(fault, StatusError)
    assert (fault.status, fault.code) == (400, 471)


def test_no_part_of_a_secret_is_left_where_an_error_is_cut(loopback: Loopback, connect: Connect) -> None:
    # With such escapes it is recognised only once the response is decoded.
    echo = "x" * 490 + TOKEN.replace("-", "\\u002d")
    script(loopback, batch=[loopback.reply(400, b'{"message": "%s"}' % echo.encode())])
    words = str(fault_of(lambda: connect().client.batch("suspend", [ID])))
    assert words.endswith("x" * 490 + "********")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\r\n <html><body>Sign in\r\nmore", "Sign in"),
        (b"", ""),
        (b"\x1b[31mred", "[31mred"),
        (b"x" * 10_000, "x" * 199 + "\u2026"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"message": 7}', '{"message": 7}'),
    ],
)
def test_of_what_is_no_json_the_first_line_is_told(
    loopback: Loopback, connect: Connect, body: bytes, told: str
) -> None:
    script(loopback, batch=[loopback.reply(403, body)])
    words = str(fault_of(lambda: connect().client.batch("suspend", [ID])))
    assert words == "POST /api/v1/workloads/batch: HTTP 403" + (", " + told if told else "")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>Sign in</html>", "the response is not JSON but 'Sign in'"),
        (b"<html></html>", "the response is not JSON"),
        (b"", "the response is empty"),
        (b'{"id": ', "the response is not JSON but '{\"id\":'"),
        (b"[]", "the response is not a JSON object"),
        (b'{"succeeded": "all"}', "'succeeded' in the response is not a list"),
    ],
)
def test_a_success_of_another_shape_is_a_lost_answer(
    loopback: Loopback, connect: Connect, body: bytes, told: str
) -> None:
    script(loopback, batch=[loopback.reply(200, body)])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert isinstance(fault, MalformedResponse)
    assert fault.may_be_applied
    assert told in str(fault)


def test_another_workload_than_the_one_asked_for_is_no_answer(loopback: Loopback, connect: Connect) -> None:
    script(loopback, one=[loopback.reply(200, {"id": OTHER})])
    assert isinstance(fault_of(lambda: connect().client.workload(ID)), MalformedResponse)


def test_a_404_is_understood_whatever_its_body(loopback: Loopback, connect: Connect) -> None:
    client = connect().client
    for body in (b"", b"not json", b"null", b'"text"', b'{"code": "x"}'):
        script(loopback, one=[loopback.reply(404, body)])
        assert isinstance(fault_of(lambda: client.workload(ID)), NotFound)


def test_a_connection_that_is_cut_may_have_been_served(loopback: Loopback, connect: Connect) -> None:
    script(loopback, batch=[None])
    fault = fault_of(lambda: connect().client.batch("suspend", [ID]))
    assert isinstance(fault, ResponseLost)
    assert fault.may_be_applied


def test_a_refused_connection_was_not_served(connect: Connect) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        base_url = "http://127.0.0.1:{0}".format(nobody_listens.getsockname()[1])
        fault = fault_of(lambda: connect(base_url=base_url).client.batch("suspend", [ID]))
    assert isinstance(fault, NotDelivered)
    assert not fault.may_be_applied
    assert fault.is_transient
    assert str(fault) == "POST /api/v1/workloads/batch: connection refused"


def test_no_fault_shows_a_header_a_body_or_a_credential(loopback: Loopback, connect: Connect) -> None:
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
def test_a_secret_that_is_echoed_is_not_told_not_even_a_part_of_it(
    loopback: Loopback, connect: Connect, length: int
) -> None:
    token = "tok-" + "x" * length

    def echo(asked: Asked) -> Reply:
        said = "{0} was sent with {1}".format(asked.bearer, asked.body.decode())
        return loopback.reply(400, {"message": "so" * 20 + said, "details": said})

    loopback.answer = echo
    words = str(fault_of(lambda: connect(token=token).client.batch("suspend", [ID])))
    assert "tok-" not in words
    assert "xxxx" not in words
    words = str(fault_of(lambda: account(connect).client.list_page(0)))
    assert SECRET not in words
    loopback.answer = lambda asked: loopback.reply(200, "<p>{0}".format(asked.bearer).encode())
    assert "tok-" not in str(fault_of(lambda: connect(token=token).client.batch("suspend", [ID])))

    def refuse(asked: Asked) -> Reply:
        failed = [{"id": ID, "code": 400, "message": "z" * 40 + str(asked.bearer)}]
        return loopback.reply(200, {"failed": failed})

    loopback.answer = refuse
    message = connect(token=token).client.batch("suspend", [ID]).refused[ID].message
    assert message == "z" * 40 + "Bearer ********"
