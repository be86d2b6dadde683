# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import auth as _auth
from ansible_collections.gpuops.runai.plugins.module_utils._api.auth import (
    AccessToken,
    TokenSource,
    body_v1,
    form_v2,
    parse_token,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import GivenToken, ServiceAccount
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    MalformedResponse,
    NoToken,
    RequestError,
    RetriesExhausted,
    StatusError,
)
from ansible_collections.gpuops.runai.tests.support.client_calls import json_response
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st

ACCOUNT = ServiceAccount("an-id", "a-secret")


def jwt(**claims: Any) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return "eyJhbGciOiJub25lIn0." + middle + ".c2ln"


def test_token_request_of_each_version_has_its_shape() -> None:
    assert form_v2(ACCOUNT) == {
        "grant_type": "client_credentials",
        "client_id": "an-id",
        "client_secret": "a-secret",
    }
    # Both spellings of the id: guide and schema differ.
    assert body_v1(ACCOUNT) == {
        "grantType": "client_credentials",
        "clientId": "an-id",
        "clientID": "an-id",
        "clientSecret": "a-secret",
    }


@pytest.mark.parametrize(
    ("response", "minted"),
    [
        (
            {"access_token": "minted", "token_type": "Bearer", "expires_in": 3600},
            AccessToken("minted", 3600.0),
        ),
        ({"accessToken": "minted", "expiresIn": 600}, AccessToken("minted", 600.0)),
        ({"accessToken": "minted"}, AccessToken("minted", None)),
        ({"access_token": "minted", "expires_in": "3600"}, AccessToken("minted", 3600.0)),
        ({"access_token": "minted", "expires_in": 0}, AccessToken("minted", None)),
        ({"access_token": "minted", "expires_in": -5}, AccessToken("minted", None)),
        ({"access_token": "minted", "expires_in": True}, AccessToken("minted", None)),
        ({"access_token": "minted", "expires_in": 1e300}, AccessToken("minted", None)),
        ({"access_token": jwt(iat=1000, exp=1900)}, AccessToken(jwt(iat=1000, exp=1900), 900.0)),
        (
            {"access_token": jwt(iat=1000, exp=1900), "expires_in": 60},
            AccessToken(jwt(iat=1000, exp=1900), 60.0),
        ),
        ({"access_token": jwt(exp=1900)}, AccessToken(jwt(exp=1900), None)),
        ({"access_token": jwt(iat="x", exp="y")}, AccessToken(jwt(iat="x", exp="y"), None)),
        ({"access_token": "a.!!!.c"}, AccessToken("a.!!!.c", None)),
    ],
)
def test_parse_token_known_shape_returns_token_and_lifetime(response: object, minted: AccessToken) -> None:
    assert parse_token(json_response(response)) == minted


@pytest.mark.parametrize(
    "response",
    [
        None,
        [],
        {},
        {"access_token": ""},
        {"accessToken": ""},
        # One that stands in every id and message: to hide it would blank them.
        {"access_token": "1"},
        {"access_token": "e7c"},
        {"access_token": 7},
        {"access_token": "two words"},
        {"access_token": "line\r\nX-Header: y"},
        {"access_token": "ü"},
        {"token": "t"},
    ],
)
def test_parse_token_without_a_usable_token_is_malformed(response: object) -> None:
    with pytest.raises(MalformedResponse):
        parse_token(json_response(response))


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=4), st.booleans())
def test_parse_token_any_printable_token_is_accepted(token: str, dotted: bool) -> None:
    token = "a.{0}.c".format(token) if dotted else token
    assert parse_token(json_response({"access_token": token})).token == token


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(_auth, "time", clock)
    return clock


class Mint:
    """Makes t1, t2, ... that live for ``lifetime`` seconds."""

    def __init__(self, lifetime: Optional[float] = None) -> None:
        self.lifetime = lifetime
        self.made = 0

    def __call__(self, account: ServiceAccount) -> AccessToken:
        assert account == ACCOUNT
        self.made += 1
        return AccessToken("t{0}".format(self.made), self.lifetime)


@pytest.mark.parametrize(
    ("lifetime", "good_for"),
    # A minute ahead of the end, but of a short life only the last fifth.
    [(3600.0, 3540.0), (300.0, 240.0), (100.0, 80.0), (10.0, 8.0)],
)
def test_token_source_token_near_its_end_is_renewed(
    clock: FakeClock, lifetime: float, good_for: float
) -> None:
    mint = Mint(lifetime)
    source = TokenSource(ACCOUNT, mint)
    assert source.bearer() == "t1"
    clock.advance(good_for - 0.5)
    assert source.bearer() == "t1"
    clock.advance(1)
    assert source.bearer() == "t2"
    assert mint.made == 2


def test_token_source_token_without_a_lifetime_is_kept(clock: FakeClock) -> None:
    source = TokenSource(ACCOUNT, Mint(None))
    source.bearer()
    clock.advance(1e6)
    assert source.bearer() == "t1"


def test_token_source_given_token_is_never_renewed() -> None:
    source = TokenSource(GivenToken("given"), Mint())
    assert source.bearer() == "given"
    assert source.refused("given", keep_fresh=False) is False
    source.accepted("given", is_success=True)
    assert source.may_be_accepted_later() is False
    assert source.bearer() == "given"


def test_token_source_refused_token_is_renewed_once() -> None:
    source = TokenSource(ACCOUNT, Mint())
    assert source.refused(source.bearer(), keep_fresh=False) is True
    assert source.bearer() == "t2"
    # The new one is refused as well: there is no third.
    assert source.refused("t2", keep_fresh=False) is False
    assert source.bearer() == "t2"


def test_token_source_accepted_token_refused_later_is_renewed() -> None:
    source = TokenSource(ACCOUNT, Mint())
    for number in range(1, 5):
        token = source.bearer()
        assert token == "t{0}".format(number)
        source.accepted(token, is_success=True)
        assert source.refused(token, keep_fresh=False) is True


def test_token_source_fresh_replacement_refused_keeps_it_while_it_is_fresh(clock: FakeClock) -> None:
    source = TokenSource(ACCOUNT, Mint())
    assert source.refused(source.bearer(), keep_fresh=True) is True
    assert source.bearer() == "t2"
    # One replica accepts it, another one does not yet.
    source.accepted("t2", is_success=True)
    clock.advance(10)
    assert source.refused("t2", keep_fresh=True) is False
    assert source.bearer() == "t2"
    clock.advance(1)
    assert source.refused("t2", keep_fresh=True) is True
    assert source.bearer() == "t3"


@pytest.mark.parametrize(
    ("is_success", "age", "expected"),
    [(False, 10, True), (False, 11, False), (True, 11, True)],
    ids=["fresh", "old", "old, account accepted"],
)
def test_token_source_refused_token_may_be_accepted_later(
    clock: FakeClock, is_success: bool, age: float, expected: bool
) -> None:
    source = TokenSource(ACCOUNT, Mint())
    source.accepted(source.bearer(), is_success)
    clock.advance(age)
    assert source.may_be_accepted_later() is expected


def test_token_source_older_token_refused_returns_the_new_one() -> None:
    mint = Mint()
    source = TokenSource(ACCOUNT, mint)
    old = source.bearer()
    assert [
        source.refused(old, keep_fresh=False),
        source.bearer(),
        source.refused(old, keep_fresh=False),
        source.bearer(),
    ] == [
        True,
        "t2",
        True,
        "t2",
    ]
    assert mint.made == 2


def test_token_source_of_the_next_client_begins_with_the_accepted_token(clock: FakeClock) -> None:
    first, second = Mint(100.0), Mint()
    source = TokenSource(ACCOUNT, first)
    source.accepted(source.bearer(), is_success=True)
    clock.advance(70)
    following = source.for_next_client(second)
    assert following.bearer() == "t1"
    assert following.may_be_accepted_later() is True
    clock.advance(11)
    following.bearer()
    assert (first.made, second.made) == (1, 1)


def test_token_source_of_the_next_client_drops_a_refused_token() -> None:
    mint = Mint()
    source = TokenSource(ACCOUNT, Mint())
    for _time in range(2):
        source.refused(source.bearer(), keep_fresh=False)
    source.for_next_client(mint).bearer()
    assert mint.made == 1


def test_token_source_of_the_next_client_keeps_a_given_token() -> None:
    source = TokenSource(GivenToken("given"), Mint())
    source.refused("given", keep_fresh=False)
    assert source.for_next_client(Mint()).bearer() == "given"


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (StatusError("POST", "/t", 401, ""), 1),
        (StatusError("POST", "/t", 400, ""), 1),
        (RetriesExhausted(StatusError("POST", "/t", 502, ""), 120.0, 9), 3),
        (StatusError("POST", "/t", 429, ""), 3),
    ],
)
def test_token_source_refused_client_is_not_requested_again(fault: RequestError, asked: int) -> None:
    made: list[ServiceAccount] = []

    def mint(account: ServiceAccount) -> AccessToken:
        made.append(account)
        raise NoToken(fault, account.client_id, "https://a.example")

    source = TokenSource(ACCOUNT, mint)
    for _reader in range(3):
        with pytest.raises(NoToken):
            source.bearer()
    assert len(made) == asked


@pytest.mark.parametrize(
    ("fault", "is_denied"),
    [
        (StatusError("POST", "/t", 401, ""), True),
        (StatusError("POST", "/t", 403, ""), True),
        (StatusError("POST", "/t", 400, ""), False),
        (RetriesExhausted(StatusError("POST", "/t", 503, ""), 120.0, 9), False),
        (MalformedResponse("POST", "/t", "not JSON", "html"), False),
    ],
)
def test_no_token_for_a_refused_account_is_denied(fault: RequestError, is_denied: bool) -> None:
    assert NoToken(fault, "an-id", "https://a.example").is_denied is is_denied


class CountingLock:
    """A lock that says when ``count`` threads have come to it."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._left = count
        self.all_here = threading.Event()

    def __enter__(self) -> None:
        self._left -= 1
        if not self._left:
            self.all_here.set()
        self._lock.acquire()

    def __exit__(self, *_fault: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("fault", [None, StatusError("POST", "/t", 401, "no")])
def test_token_source_many_threads_request_one_token(fault: Optional[StatusError]) -> None:
    threads = 8
    lock = CountingLock(threads)
    made: list[str] = []

    def mint(account: ServiceAccount) -> AccessToken:
        assert lock.all_here.wait(timeout=300)
        made.append("t")
        if fault is not None:
            raise fault
        return AccessToken("t", None)

    source = TokenSource(ACCOUNT, mint)
    source._lock = lock  # type: ignore[assignment]

    def ask(_number: int) -> Any:
        try:
            return source.bearer()
        except StatusError as end:
            return end

    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(ask, range(threads))) == [fault or "t"] * threads
    assert made == ["t"]
