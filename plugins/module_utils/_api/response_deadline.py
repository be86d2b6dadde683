# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that are whole within their time, or given up.

The timeout of a socket counts anew for each piece that comes in. A server that sends a byte now and
then, of the head or of the body, would hold its client for as long as it likes.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Mapping
from typing import Any


class _WholeInTime(io.RawIOBase):
    """Reads from ``sock`` through ``raw``; the socket's timeout counts once, for all reads together."""

    def __init__(self, sock: socket.socket, raw: Any, timeout: float) -> None:
        self._sock = sock
        self._raw = raw
        self._timeout = timeout
        self._until = time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        try:
            return self._raw.readinto(buffer)
        finally:
            # The next request on this connection has its own time.
            self._sock.settimeout(self._timeout)

    def close(self) -> None:
        self._raw.close()
        super().close()


class AnswerInTime(http.client.HTTPResponse):
    """An answer for which the timeout of its socket counts as a whole, from when it is first awaited."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        timeout = sock.gettimeout()
        if timeout is not None:
            self.fp = io.BufferedReader(_WholeInTime(sock, self.fp.detach(), timeout))


def pools_in_time(pool_classes: Mapping[str, Any]) -> dict[str, Any]:
    """Return urllib3's classes of connection pools, by scheme, such that their answers come in time."""
    found = {}
    for scheme, pool in pool_classes.items():
        connection = type(
            pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"response_class": AnswerInTime}
        )
        found[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    return found
