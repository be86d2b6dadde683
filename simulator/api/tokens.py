# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bearer tokens: which credentials get one, how long it lives, which are known."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading

from ..model.clock import Clock, to_text


class Tokens:
    """Minted tokens have the shape of JWTs (clients read `exp` from them); a given token never expires."""

    def __init__(self, clock: Clock, client_id: str, client_secret: str, token: str, lifetime: float) -> None:
        self._clock = clock
        self._client_id = client_id
        self._client_secret = client_secret
        self._given = token
        self.lifetime = lifetime
        self._expiry: dict[str, float] = {}
        self._lock = threading.Lock()

    def accepts(self, client_id: str | None, client_secret: str | None) -> bool:
        """Whether these are the credentials that get a token."""
        id_fits = hmac.compare_digest((client_id or "").encode(), self._client_id.encode())
        secret_fits = hmac.compare_digest((client_secret or "").encode(), self._client_secret.encode())
        return id_fits and secret_fits

    def mint(self) -> str:
        """A new token, good for `lifetime` seconds."""
        now = self._clock.now()
        with self._lock:
            claims = {
                "exp": int(now + self.lifetime),
                "iat": int(now),
                "iss": "simulator",
                "issued": to_text(now),
            }
            parts = [{"alg": "none", "typ": "JWT"}, claims]
            token = ".".join(
                [*(_encode(json.dumps(part).encode()) for part in parts), secrets.token_urlsafe(24)]
            )
            self._expiry[token] = now + self.lifetime
            return token

    def knows(self, token: str) -> bool:
        """Whether a request with this token is let in now."""
        if self._given and hmac.compare_digest(token.encode(), self._given.encode()):
            return True
        return self._expiry.get(token, 0.0) > self._clock.now()

    def age(self, token: str) -> float | None:
        """Seconds since a token was minted; None for one that was not, or is forgotten."""
        expiry = self._expiry.get(token)
        return None if expiry is None else self._clock.now() - (expiry - self.lifetime)

    def revoke(self) -> int:
        """Forget every minted token; how many there were."""
        with self._lock:
            found = len(self._expiry)
            self._expiry.clear()
            return found


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
