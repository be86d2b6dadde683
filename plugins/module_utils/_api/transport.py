# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange with the control plane: the only place that uses ``requests``."""

from __future__ import annotations

import contextlib
import http.cookiejar
import socket
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, Optional
from urllib.parse import urljoin, urlsplit

from .._common.text import clean, hide
from .connection import Connection
from .errors import MalformedResponse, NotDelivered, ResponseLost, StatusError
from .response_deadline import pools_in_time
from .responses import Response
from .stats import RequestStats
from .transport_errors import (
    FAULTS,
    REQUESTS_IMPORT_ERROR,
    UNDECODABLE,
    WANTED_BY_PROXY,
    among,
    causes_of,
    explained,
)

with contextlib.suppress(ImportError):
    # Where it is missing, transport_errors has the traceback.
    import requests
    import requests.adapters
    import requests.utils

# The version of this collection, the one that galaxy.yml names.
VERSION = "1.0.0"

_SWITCHING_PROTOCOLS = 101
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CHUNK = 256 * 1024
# A page of 500 workloads is about 2 MB; what is far larger is not a response of the control plane.
_LARGEST_RESPONSE = 64 * 1024 * 1024


class RequestsMissing(Exception):
    """The library requests can't be imported; the text is the traceback of the attempt."""


def require_requests() -> None:
    """Raise RequestsMissing where requests can't be imported."""
    if REQUESTS_IMPORT_ERROR is not None:
        raise RequestsMissing(REQUESTS_IMPORT_ERROR)


class Transport:
    """A kept-alive session with one control plane, used by several threads.

    Made where requests is missing, it raises RequestsMissing.
    """

    def __init__(self, connection: Connection, stats: RequestStats, connections: int) -> None:
        require_requests()
        self._connection = connection
        self._stats = stats
        self._is_proven = False
        self._session = requests.Session()
        # requests would resolve the redirects of a response, and raises for an invalid address.
        self._session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        # The environment is settled here, once, and not by requests at every call: its bundle would
        # replace verify=False, and its .netrc the bearer.
        self._session.trust_env = False
        # The bearer alone says who asks. Cookies would pile up until a proxy refuses the header.
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        if connection.verify is False:
            # The user said so; a line on the error stream for every request helps nobody.
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        self._session.headers["User-Agent"] = "gpuops.runai/" + VERSION
        self._session.headers["Accept"] = "application/json"
        adapter = _adapter(connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        if connection.proxy:
            self._proxies = {"http": connection.proxy, "https": connection.proxy}
        else:
            self._proxies = requests.utils.get_environ_proxies(connection.base_url, no_proxy=None)

    def close(self) -> None:
        self._session.close()

    def exchange(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, str]] = None,
        json_body: Optional[Mapping[str, Any]] = None,
        form: Optional[Mapping[str, str]] = None,
        bearer: Optional[str] = None,
    ) -> Response:
        """Send one request and return its response, whatever its status but for a redirect elsewhere.

        Redirects are followed for GET and on the same host, scheme and port only. Raises
        NotDelivered, ResponseLost, or StatusError for a redirect that is not followed.
        """
        url = self._connection.base_url + path
        for _hop in range(_MOST_REDIRECTS + 1):
            response = self._send(method, path, url, query, json_body, form, bearer)
            if response.status == 407:
                # Over plain http a proxy responds itself, and has passed nothing on.
                raise NotDelivered(method, path, WANTED_BY_PROXY, WANTED_BY_PROXY, lasting=True)
            if response.status not in _REDIRECTS:
                return response
            target = _redirect_target(url, response.headers.get("Location", ""))
            if method != "GET" or _origin(url) != _origin(target):
                raise StatusError(method, path, response.status, _describe_redirect(url, target))
            url, query = target, None
        raise StatusError(method, path, response.status, "redirected again and again")

    def _send(
        self, method: str, path: str, url: str, query: Any, json_body: Any, form: Any, bearer: Optional[str]
    ) -> Response:
        timeout = self._connection.timeout
        self._stats.count_request()
        try:
            response = self._session.request(
                method,
                url,
                params=query,
                json=json_body,
                data=form,
                auth=partial(_authorize, bearer),
                timeout=(timeout, timeout),
                verify=self._connection.verify,
                proxies=self._proxies,
                allow_redirects=False,
                stream=True,
            )
        except FAULTS as fault:
            is_encrypted = url.startswith("https:")
            raise explained(fault, method, path, timeout, is_encrypted, self._is_proven) from None
        self._is_proven = True
        self._stats.compare_clocks(response.headers.get("Date"))
        if response.status_code == _SWITCHING_PROTOCOLS:
            # What follows on this connection is no HTTP.
            response.close()
            raise MalformedResponse(
                method, path, "HTTP 101", "HTTP 101, a switch to another protocol, which was not requested"
            )
        with response:
            body = _body(response, method, path, timeout)
        if response.status_code >= 400 or not body.lstrip().startswith((b"{", b"[")):
            # What will be quoted, and cut: it may repeat what it was sent.
            body = hide(body.decode("utf-8", "replace"), self._stats.secrets).encode()
        return Response(method, path, response.status_code, response.headers, body)


def _authorize(bearer: Optional[str], request: Any) -> Any:
    """Set the bearer; being an auth function keeps a .netrc or an address from replacing it."""
    if bearer is not None:
        request.headers["Authorization"] = "Bearer " + bearer
    return request


def _adapter(connections: int) -> requests.adapters.HTTPAdapter:
    """Return what keeps ``connections`` to each host, and gives up responses that do not come in time."""

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools_in_time(self.poolmanager.pool_classes_by_scheme)

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
            is_new = proxy not in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **kwargs)
            if is_new:
                manager.pool_classes_by_scheme = pools_in_time(manager.pool_classes_by_scheme)
            return manager

    return Adapter(pool_maxsize=connections, max_retries=0)


def _body(response: Any, method: str, path: str, timeout: float) -> bytes:
    """Return the whole body; raise ResponseLost or MalformedResponse, whatever keeps it from coming in."""
    body = bytearray()
    try:
        for piece in response.iter_content(_CHUNK):
            body += piece
            if len(body) > _LARGEST_RESPONSE:
                raise MalformedResponse(
                    method, path, "an endless response", "the response is larger than 64 MiB"
                )
    except FAULTS as fault:
        if among(causes_of(fault), socket.timeout):
            message = "the response was not complete after {0:g} s".format(timeout)
            raise ResponseLost(method, path, "a timeout", message) from None
        if isinstance(fault, requests.exceptions.ContentDecodingError):
            kind = "a response that can't be decoded"
            raise MalformedResponse(method, path, kind, UNDECODABLE, lasting=True) from None
        message = "the connection was cut within the response"
        raise ResponseLost(method, path, "half a response", message) from None
    return bytes(body)


def _redirect_target(url: str, location: str) -> str:
    """Return where a redirect leads to; nothing where it does not say."""
    try:
        return urljoin(url, location) if location else ""
    except ValueError:
        return ""


def _origin(url: str) -> Optional[tuple[str, str, Optional[int]]]:
    """Return scheme, host and port of an address; ``None`` where it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _describe_redirect(url: str, target: str) -> str:
    origin = _origin(target)
    if origin is None:
        return "redirected without an address to go to; is the path in base_url right?"
    if origin == _origin(url):
        return "redirected within the host, which is not followed for a POST; is the path in base_url right?"
    where = clean("{0}://{1}:{2}".format(*origin), 200)
    return "redirected to {0}, which is not followed with credentials; check base_url".format(where)
