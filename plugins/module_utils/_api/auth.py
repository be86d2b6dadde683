# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bearer token: made from client credentials, renewed ahead of its end and when it is refused."""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from typing import Callable, NamedTuple, Optional, cast

from .._common.errors import RunaiError
from .._common.numbers import finite
from .._common.text import is_hideable
from .connection import GivenToken, ServiceAccount, is_header_safe
from .errors import NoToken
from .responses import Response

V2_PATH = "/api/v2/token"
V1_PATH = "/api/v1/token"

# Renew this long before the end, or a fifth of the lifetime before it where that is shorter.
_MARGIN_SECONDS = 60.0
_MARGIN_SHARE = 0.2
# The first token may have expired on the way, the second was made for this request: no third is tried.
_REFUSALS_IN_A_ROW = 2
# Replicas may not have the key of a token that is so young yet, or their clocks are behind.
_FRESH_SECONDS = 10.0


class AccessToken(NamedTuple):
    """A token and the seconds it lives, ``None`` where that is not known."""

    token: str
    lifetime: Optional[float]


def form_v2(account: ServiceAccount) -> dict[str, str]:
    """Return the OAuth2 client credentials grant of Run:ai API 2.24 and later."""
    return {
        "grant_type": "client_credentials",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
    }


def body_v1(account: ServiceAccount) -> dict[str, str]:
    """Return the older way. Run:ai's guide says ``clientId`` and its schema ``clientID``: both are sent."""
    return {
        "grantType": "client_credentials",
        "clientId": account.client_id,
        "clientID": account.client_id,
        "clientSecret": account.client_secret,
    }


def parse_token(response: Response) -> AccessToken:
    """Return the token in a response of either endpoint; raise MalformedResponse when there is none.

    A token that is too short to be masked in messages is rejected too.
    """
    body = response.json(is_secret=True)
    fields = body if isinstance(body, dict) else {}
    token = fields.get("access_token") or fields.get("accessToken")
    if not (isinstance(token, str) and is_hideable(token) and is_header_safe(token)):
        raise response.malformed("a response without a token", "the response holds no usable token")
    lifetime = _positive(fields.get("expires_in", fields.get("expiresIn")))
    return AccessToken(token, lifetime or _jwt_lifetime(token))


def _positive(value: object) -> Optional[float]:
    found = finite(value)
    return found if found is not None and 0 < found < 1e9 else None


def _jwt_lifetime(token: str) -> Optional[float]:
    """Return the seconds from ``iat`` to ``exp``: unlike ``exp`` alone they need no agreeing clocks."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return _positive(claims["exp"] - claims["iat"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _lasts(failure: RunaiError) -> bool:
    return isinstance(failure, NoToken) and failure.is_final


class TokenSource:
    """Hands out one bearer to all threads; one of them renews it while the others wait.

    ``mint`` makes a new token and raises what the control plane responded when it can't.
    """

    def __init__(self, credentials: object, mint: Callable[[ServiceAccount], AccessToken]) -> None:
        self._account = credentials if isinstance(credentials, ServiceAccount) else None
        self._token: Optional[str] = credentials.token if isinstance(credentials, GivenToken) else None
        self._mint = mint
        self._lock = threading.Lock()
        self._renew_at = math.inf
        self._made_at = 0.0
        self._refusals = 0
        # Whether the current token replaces a refused one.
        self._is_replacement = False
        self._is_account_accepted = False
        self._failure: Optional[RunaiError] = None

    def for_next_client(self, mint: Callable[[ServiceAccount], AccessToken]) -> TokenSource:
        """Return a source for a later client of the same account; it begins with this token, if accepted."""
        source = TokenSource(self._account, mint)
        if self._account is None or not (self._refusals or self._failure):
            source._token = self._token
            source._renew_at = self._renew_at
            source._made_at = self._made_at
        source._is_account_accepted = self._is_account_accepted
        return source

    def bearer(self) -> str:
        """Return a token to send, made or renewed first where that is due.

        Raises what ``mint`` raised. Threads that waited for the same token get the same error, without
        another request. A lasting error is raised for every later call too.
        """
        token = self._token
        if token is not None and not self._is_due():
            return token
        earlier_failure = self._failure
        with self._lock:
            failure = self._failure
            if failure is not None and (failure is not earlier_failure or _lasts(failure)):
                raise failure
            token = self._token
            if token is None or self._is_due():
                token = self._renew()
            return token

    def accepted(self, token: str, is_success: bool) -> None:
        """Note that ``token`` was not refused; a success shows that the account is accepted."""
        self._is_account_accepted = self._is_account_accepted or is_success
        if self._refusals and token == self._token:
            self._refusals = 0

    def refused(self, token: str, keep_fresh: bool) -> bool:
        """Note that the control plane refused ``token``; return whether to try again at once.

        With ``keep_fresh``, a fresh token that replaces a refused one is not dropped.
        """
        if self._account is None:
            return False
        with self._lock:
            if token == self._token:
                if keep_fresh and self._is_replacement and self._is_fresh():
                    return False
                self._refusals += 1
                if self._refusals < _REFUSALS_IN_A_ROW:
                    self._token = None
                    self._is_replacement = True
            return self._refusals < _REFUSALS_IN_A_ROW

    def may_be_accepted_later(self) -> bool:
        """Return whether a refused token may be accepted after a pause: never for a given token."""
        return self._account is not None and (self._is_account_accepted or self._is_fresh())

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._made_at <= _FRESH_SECONDS

    def _is_due(self) -> bool:
        return time.monotonic() >= self._renew_at

    def _renew(self) -> str:
        # A token that was given never ends, and is never dropped.
        account = cast("ServiceAccount", self._account)
        asked = time.monotonic()
        try:
            minted = self._mint(account)
        except RunaiError as fault:
            self._failure = fault
            raise
        self._token = minted.token
        self._made_at = time.monotonic()
        lifetime = minted.lifetime or math.inf
        self._renew_at = asked + lifetime - min(_MARGIN_SECONDS, lifetime * _MARGIN_SHARE)
        return self._token
