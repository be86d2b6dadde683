# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses that are whole within their time, or given up; and the final ones, not the interim ones.

The timeout of a socket counts anew for each piece that comes in. A server that sends a byte now and
then, of the head or of the body, would hold its client for as long as it likes.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import time
from collections.abc import Mapping
from typing import Any

# Servers send one or two, and a hostile one would send them for ever.
_MOST_INTERIM = 20


class _WholeInTime(io.RawIOBase):
    """Reads from ``sock`` through ``raw``; the socket's timeout counts once, for all reads together."""

    def __init__(self, sock: socket.socket, raw: Any, timeout: float) -> None:
        self.sock = sock
        self._raw = raw
        self._timeout = timeout
        self._until = time.monotonic() + timeout
        # Whether no further byte is let in.
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if self.is_over:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self.sock.settimeout(left)
        try:
            return self._raw.readinto(buffer)
        finally:
            # The next request on this connection has its own time.
            self.sock.settimeout(self._timeout)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Buffered(io.BufferedReader):
    """Ends the connection where bytes are left that belong to no response that was asked for."""

    def __init__(self, raw: _WholeInTime) -> None:
        super().__init__(raw)
        self._whole = raw

    def close(self) -> None:
        if not self.closed:
            self._whole.is_over = True
            if self.peek(1):
                # So that its pool drops it.
                with contextlib.suppress(OSError):
                    self._whole.sock.shutdown(socket.SHUT_RDWR)
        super().close()


class TimedResponse(http.client.HTTPResponse):
    """A response for which the timeout of its socket counts as a whole, from when it is first awaited."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        timeout = sock.gettimeout()
        if timeout is not None:
            self.fp = _Buffered(_WholeInTime(sock, self.fp.detach(), timeout))

    def _read_status(self) -> tuple[str, int, str]:
        """Return the status line of the final response: interim ones (RFC 9110, 15.2) are read past."""
        for _number in range(_MOST_INTERIM):
            # Its name is Python's own since 2.7; there is no public way to read past a 103.
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= found[1] < 200 or found[1] == http.client.SWITCHING_PROTOCOLS:
                return found
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("too many interim responses")


def pools_in_time(pool_classes: Mapping[str, Any]) -> dict[str, Any]:
    """Return urllib3's classes of connection pools, by scheme, such that their responses come in time."""
    found = {}
    for scheme, pool in pool_classes.items():
        connection = type(
            pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"response_class": TimedResponse}
        )
        found[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    return found
