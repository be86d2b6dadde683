# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against an HTTP server: the bearer, made and renewed."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import StatusError
from ansible_collections.gpuops.runai.tests.support.client_calls import (
    BATCH,
    DONE,
    ID,
    LIST,
    SECRET,
    TOKEN,
    TOKEN_V1,
    TOKEN_V2,
    Connect,
    account,
    fault_of,
    minted,
    page,
    script,
)
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request


def test_client_netrc_present_changes_no_request(
    loopback: Loopback, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login some password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    script(loopback, v2=minted(loopback, "minted-1"), list=[page(loopback)])
    account(connect).client.list_page(0)
    connect().client.list_page(0)
    assert [request.bearer for request in loopback.requests] == [None, "Bearer minted-1", "Bearer " + TOKEN]


def test_client_account_requests_one_token_for_all_calls(loopback: Loopback, connect: Connect) -> None:
    script(loopback, v2=minted(loopback, "minted-1", lifetime=3600), list=[page(loopback)])
    made = account(connect)
    for _call in range(3):
        made.client.list_page(0)
    assert loopback.paths() == [TOKEN_V2, LIST, LIST, LIST]
    request = loopback.requests[0]
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["an-id"],
        "client_secret": [SECRET],
    }
    # So that it can be kept out of everything that is shown.
    assert made.stats.secrets == {SECRET, "minted-1"}


@pytest.mark.parametrize("status", [404, 405])
def test_client_account_without_token_v2_uses_v1(loopback: Loopback, connect: Connect, status: int) -> None:
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
    assert json.loads(loopback.requests[1].body) == {
        "grantType": "client_credentials",
        "clientId": "an-id",
        "clientID": "an-id",
        "clientSecret": SECRET,
    }
    assert loopback.requests[-1].bearer == "Bearer minted-2"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"access_token": "fresh-from-the-mint", "expi', "the response is not JSON"),
        (b"fresh-from-the-mint", "the response is not JSON"),
        (b"<html>Sign in</html>", "the response is not JSON but 'Sign in'"),
        (b"", "the response is empty"),
    ],
)
def test_client_broken_token_response_quotes_pages_only(
    loopback: Loopback, connect: Connect, body: bytes, expected: str
) -> None:
    script(loopback, v2=[loopback.reply(200, body)])
    message = str(fault_of(lambda: account(connect).client.list_page(0)))
    assert message.startswith("POST {0}: no token for the client '".format(TOKEN_V2))
    assert message.endswith(" from {0}: {1}".format(loopback.url, expected))


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_client_refused_by_oauth_does_not_try_v1(loopback: Loopback, connect: Connect, status: int) -> None:
    content = {"error": "invalid_client", "error_description": "no such client"}
    script(loopback, v2=[loopback.reply(status, content)])
    message = str(fault_of(lambda: account(connect).client.list_page(0)))
    assert loopback.paths() == [TOKEN_V2]
    assert "{0}: HTTP {1}, invalid_client: no such client".format(loopback.url, status) in message
    assert SECRET not in message


def test_client_token_refused_is_renewed_once(loopback: Loopback, connect: Connect) -> None:
    script(
        loopback,
        v2=minted(loopback, "minted-1", "minted-2"),
        list=[page(loopback), loopback.reply(401, {"code": 401, "message": "token expired"}), page(loopback)],
    )
    made = account(connect)
    made.client.list_page(0)
    made.client.list_page(0)
    assert loopback.paths() == [TOKEN_V2, LIST, LIST, TOKEN_V2, LIST]
    assert [request.bearer for request in loopback.requests if request.path == LIST] == [
        "Bearer minted-1",
        "Bearer minted-1",
        "Bearer minted-2",
    ]
    assert made.stats.retries == 1


def test_client_batch_refused_for_its_token_is_sent_again_with_a_new_one(
    loopback: Loopback, connect: Connect
) -> None:
    script(
        loopback,
        v2=minted(loopback, "minted-1", "minted-2"),
        batch=[loopback.reply(401), loopback.reply(200, DONE)],
    )
    assert account(connect).client.batch("suspend", [ID]).succeeded == [ID]
    assert loopback.paths() == [TOKEN_V2, BATCH, TOKEN_V2, BATCH]


def test_client_renewed_token_refused_too_fails(loopback: Loopback, connect: Connect) -> None:
    script(
        loopback,
        v2=minted(loopback, "minted-1", "minted-2", "minted-3"),
        list=[loopback.reply(401, {"message": "go away"})],
    )
    client = account(connect).client
    fault = fault_of(lambda: client.list_page(0))
    assert isinstance(fault, StatusError)
    assert fault.status == 401
    assert loopback.paths() == [TOKEN_V2, LIST, TOKEN_V2, LIST]


def test_client_call_refusing_every_token_fails_alone(loopback: Loopback, connect: Connect) -> None:
    names = iter("minted-{0}".format(number) for number in range(1, 100))
    made = account(connect)

    def respond(request: Request) -> Reply:
        if request.path == TOKEN_V2:
            return minted(loopback, next(names))[0]
        if request.path != LIST:
            return loopback.reply(200, {"id": ID})
        if loopback.paths().count(LIST) > 5:
            return loopback.reply(418)
        # Meanwhile the same token does for somebody else.
        made.client.workload(ID)
        return loopback.reply(401)

    loopback.respond = respond
    assert fault_of(lambda: made.client.list_page(0)).status == 401
    assert loopback.paths().count(LIST) == 2


def test_client_given_token_refused_is_not_renewed(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[loopback.reply(401, {"code": 401, "message": "bad token"})])
    fault = fault_of(lambda: connect(retry_timeout=5.0).client.list_page(0))
    assert isinstance(fault, StatusError)
    assert str(fault) == (
        "GET /api/v1/workloads: HTTP 401, bad token; the token set by token was refused, nothing was done"
    )
    assert loopback.paths() == [LIST]


def test_client_many_threads_renew_the_token_once(loopback: Loopback, connect: Connect) -> None:
    threads = 8
    refused = threading.Barrier(threads)
    names = iter("minted-{0}".format(number) for number in range(1, 100))

    def respond(request: Request) -> Reply:
        if request.path == TOKEN_V2:
            return minted(loopback, next(names))[0]
        if request.bearer == "Bearer minted-1":
            # All of them learn at the same time that their token is dead.
            refused.wait(timeout=300)
            return loopback.reply(401)
        return page(loopback)

    loopback.respond = respond
    client = account(connect).client
    with ThreadPoolExecutor(threads) as pool:
        pages = list(pool.map(lambda _call: client.list_page(0), range(threads)))
    assert len(pages) == threads
    assert loopback.paths("POST") == [TOKEN_V2, TOKEN_V2]


def test_client_token_near_its_end_is_renewed(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.gpuops.runai.plugins.module_utils._api import auth as _auth

    clock = FakeClock(0.0)
    monkeypatch.setattr(_auth, "time", clock)
    script(loopback, v2=minted(loopback, "minted-1", "minted-2", lifetime=3600), list=[page(loopback)])
    client = account(connect).client
    for now in (0.0, 3539.0, 3541.0):
        clock.seconds = now
        client.list_page(0)
    assert [request.bearer for request in loopback.requests if request.path == LIST] == [
        "Bearer minted-1",
        "Bearer minted-1",
        "Bearer minted-2",
    ]
