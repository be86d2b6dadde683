# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange with the control plane: the only place that knows ``requests``."""

from __future__ import annotations

import json
import re
import socket
import ssl
import traceback
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional
from urllib.parse import urljoin, urlsplit

from .._common.text import clean, first_line, hide
from .connection import Connection
from .errors import AnswerLost, MalformedAnswer, NotDelivered, RequestError, StatusError
from .response_deadline import pools_in_time
from .stats import RequestStats
from .version import VERSION

REQUESTS_IMPORT_ERROR: Optional[str]
try:
    import requests
    import requests.adapters
    import requests.utils
    import urllib3.exceptions

    # Both 1.26 and 2 have it here, neither declares it.
    from urllib3.connection import CertificateError  # type: ignore[attr-defined]
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
else:
    REQUESTS_IMPORT_ERROR = None
    # All that sending and reading can raise.
    _FAULTS = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)

_TUNNEL_FAILED = re.compile(r"Tunnel connection failed: (\d{3})\b")
_WANTED_BY_PROXY = "the proxy wants a user name and password, or refused the ones in proxy (407)"
# How OpenSSL and urllib3 1.26 say that a certificate is for another name.
_OTHER_NAME = ("mismatch", "not valid for", "doesn't match", "subjectAltName")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CHUNK = 256 * 1024
# A page of 500 workloads is about 2 MB; what is far larger is not an answer of the control plane.
_LARGEST_ANSWER = 64 * 1024 * 1024


class RequestsMissing(Exception):
    """The library requests can't be imported; the text is the traceback of the attempt."""


def require_requests() -> None:
    """Raise RequestsMissing where requests can't be imported."""
    if REQUESTS_IMPORT_ERROR is not None:
        raise RequestsMissing(REQUESTS_IMPORT_ERROR)


class Answer(NamedTuple):
    """What came back. ``headers`` are looked up without regard to case."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body; raise MalformedAnswer when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            said = first_line(self.body)
            words = "the answer is not JSON" if self.body.strip() else "the answer is empty"
            words += " but '{0}'".format(said) if said else ""
            raise MalformedAnswer(self.method, self.path, "an answer that is not JSON", words) from None


class _Bearer:
    """Sets the bearer; being an auth object keeps a .netrc from replacing it."""

    def __init__(self, token: Optional[str]) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        if self._token is not None:
            request.headers["Authorization"] = "Bearer " + self._token
        return request


class Transport:
    """A kept-alive session with one control plane, used by several threads.

    Made where requests is missing, it raises RequestsMissing.
    """

    def __init__(self, connection: Connection, stats: RequestStats, connections: int) -> None:
        require_requests()
        self._connection = connection
        self._stats = stats
        self._is_proven = False
        self._session = _session()
        # The environment is settled here, once, and not by requests at every call: its bundle would
        # replace verify=False, and its .netrc the bearer.
        self._session.trust_env = False
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
        """Close all kept connections."""
        self._session.close()

    def exchange(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, str]] = None,
        json_body: Optional[Mapping[str, Any]] = None,
        form: Optional[Mapping[str, str]] = None,
        bearer: Optional[str] = None,
    ) -> Answer:
        """Send one request and return its answer, whatever its status but for a redirect elsewhere.

        Redirects are followed for GET and on the same host, scheme and port only. Raises
        NotDelivered, AnswerLost, or StatusError for a redirect that is not followed.
        """
        url = self._connection.base_url + path
        for _hop in range(_MOST_REDIRECTS + 1):
            answer = self._send(method, path, url, query, json_body, form, bearer)
            if answer.status == 407:
                # Over plain http a proxy answers itself, and has passed nothing on.
                raise NotDelivered(method, path, _WANTED_BY_PROXY, _WANTED_BY_PROXY, lasting=True)
            if answer.status not in _REDIRECTS:
                return answer
            target = _redirect_target(url, answer.headers.get("Location", ""))
            if method != "GET" or not _same_origin(url, target):
                raise StatusError(method, path, answer.status, _redirect_words(url, target))
            url, query = target, None
        raise StatusError(method, path, answer.status, "redirected again and again")

    def _send(
        self,
        method: str,
        path: str,
        url: str,
        query: Optional[Mapping[str, str]],
        json_body: Optional[Mapping[str, Any]],
        form: Optional[Mapping[str, str]],
        bearer: Optional[str],
    ) -> Answer:
        timeout = self._connection.timeout
        self._stats.count_request()
        try:
            response = self._session.request(
                method,
                url,
                params=query,
                json=json_body,
                data=form,
                auth=_Bearer(bearer),
                timeout=(timeout, timeout),
                verify=self._connection.verify,
                proxies=self._proxies,
                allow_redirects=False,
                stream=True,
            )
        except _FAULTS as fault:
            is_encrypted = url.startswith("https:")
            raise _explained(fault, method, path, timeout, is_encrypted, self._is_proven) from None
        self._is_proven = True
        with response:
            body = _body(response, method, path, timeout)
        if response.status_code >= 400 or not body.lstrip().startswith((b"{", b"[")):
            # What will be quoted, and cut: it may repeat what it was sent.
            body = self._without_secrets(body)
        return Answer(method, path, response.status_code, response.headers, body)

    def _without_secrets(self, body: bytes) -> bytes:
        secrets = {*self._connection.secrets, *self._stats.secrets}
        return hide(body.decode("utf-8", "replace"), secrets).encode()


def _session() -> requests.Session:
    """Return a session that does not look where a redirect leads to: it raises for what is no address."""

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    return Session()


def _adapter(connections: int) -> requests.adapters.HTTPAdapter:
    """Return what keeps ``connections`` to each host, and gives up answers that do not come in time."""

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
    """Return the whole body; raise AnswerLost or MalformedAnswer, whatever keeps it from coming in."""
    body = bytearray()
    try:
        for piece in response.iter_content(_CHUNK):
            body += piece
            if len(body) > _LARGEST_ANSWER:
                raise MalformedAnswer(method, path, "an endless answer", "the answer is larger than 64 MiB")
    except _FAULTS as fault:
        if _among(list(_causes(fault)), socket.timeout):
            words = "the answer was not complete after {0:g} s".format(timeout)
            raise AnswerLost(method, path, "a timeout", words) from None
        words = "the connection was cut within the answer"
        raise AnswerLost(method, path, "half an answer", words) from None
    return bytes(body)


def _redirect_target(url: str, location: str) -> str:
    """Return where a redirect leads to; nothing where it does not say."""
    try:
        return urljoin(url, location) if location else ""
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, Optional[str], Optional[int]]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _same_origin(url: str, target: str) -> bool:
    try:
        return bool(target) and _origin(url) == _origin(target)
    except ValueError:
        return False


def _redirect_words(url: str, target: str) -> str:
    if _same_origin(url, target):
        return "redirected within the host, which is not followed for a POST; is the path in base_url right?"
    try:
        scheme, host, port = _origin(target)
    except ValueError:
        scheme, host, port = "", None, None
    if not host:
        return "redirected without an address to go to; is the path in base_url right?"
    where = clean("{0}://{1}:{2}".format(scheme, host, port), 200)
    return (
        "redirected to {0}, which is not followed with credentials; set base_url to the address meant".format(
            where
        )
    )


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """Yield a fault and what lies under it, outermost first."""
    seen: list[BaseException] = []
    waiting: list[Any] = [fault]
    while waiting and len(seen) < 50:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is known for known in seen):
            continue
        seen.append(current)
        yield current
        context = None if current.__suppress_context__ else current.__context__
        waiting += [getattr(current, "reason", None), current.__cause__, context, *current.args]


def _explained(
    fault: BaseException, method: str, path: str, timeout: float, is_encrypted: bool, is_proven: bool
) -> RequestError:
    """Say in our own words what requests raised: its own texts can hold a proxy's password.

    What is not surely known to have stopped before the control plane counts as a lost answer.
    ``is_proven`` tells that this way to the control plane has worked before: what is wrong with it
    now may pass.
    """
    causes = list(_causes(fault))
    words = _lasting_words(fault, causes)
    if words is None and not is_proven:
        # Later on, TLS may also fail after the request was sent.
        words = _handshake_words(causes)
    if words is not None:
        return NotDelivered(method, path, words, words, lasting=not is_proven)
    if isinstance(fault, requests.exceptions.ConnectTimeout):
        return NotDelivered(
            method, path, "no connection in time", "no connection within {0:g} s".format(timeout)
        )
    if isinstance(fault, requests.exceptions.ReadTimeout) or _among(causes, socket.timeout):
        return AnswerLost(method, path, "a timeout", "no answer within {0:g} s".format(timeout))
    at = " by the proxy" if isinstance(fault, requests.exceptions.ProxyError) else ""
    if _among(causes, ConnectionRefusedError):
        return NotDelivered(method, path, "connection refused", "connection refused" + at)
    if _among(causes, socket.gaierror):
        words = "the host name can't be resolved at the moment"
        return NotDelivered(method, path, "a host name that can't be resolved", words)
    # urllib3 blames the proxy for a connection that is cut behind it, too, after the request was sent.
    if _among(causes, urllib3.exceptions.NewConnectionError) or _tunnel_status(causes) is not None:
        return NotDelivered(
            method, path, "no connection", "no connection{0}: {1}".format(at, _system_words(causes))
        )
    if isinstance(fault, requests.exceptions.ConnectionError):
        words = "the connection was cut before an answer"
        if not is_proven and not is_encrypted:
            words += "; is base_url's scheme right?"
        return AnswerLost(method, path, "a cut connection", words)
    return AnswerLost(
        method, path, "a failed request", "the request failed ({0})".format(type(fault).__name__)
    )


def _lasting_words(fault: BaseException, causes: list[BaseException]) -> Optional[str]:
    """Return what is wrong where no retry would mend it, and nothing was sent; ``None`` otherwise."""
    # urllib3 1.26 compares the name itself, and some versions of it raise an error of their own.
    certificate = _among(causes, ssl.SSLCertVerificationError, CertificateError)
    if certificate is not None:
        return _certificate_words(certificate)
    through_proxy = isinstance(fault, requests.exceptions.ProxyError)
    tunnel = _tunnel_status(causes)
    if tunnel == 407:
        return _WANTED_BY_PROXY
    if tunnel is not None and 400 <= tunnel < 500 and tunnel not in (408, 429):
        return "the proxy refuses to connect to base_url (HTTP {0})".format(tunnel)
    unresolved = _among(causes, socket.gaierror)
    if unresolved is not None and unresolved.errno != socket.EAI_AGAIN:
        return "the host name of {0} can't be resolved".format("the proxy" if through_proxy else "base_url")
    if isinstance(fault, requests.exceptions.InvalidURL):
        return "base_url or proxy is not a valid address"
    if isinstance(fault, OSError) and "CA certificate bundle" in str(fault):
        return "the CA bundle can't be read; check ca_path or REQUESTS_CA_BUNDLE"
    return None


def _tunnel_status(causes: list[BaseException]) -> Optional[int]:
    """Return what a proxy answered instead of connecting; only the text of the error tells."""
    found = [_TUNNEL_FAILED.match(str(cause)) for cause in causes if isinstance(cause, OSError)]
    return next((int(match.group(1)) for match in found if match), None)


def _handshake_words(causes: list[BaseException]) -> Optional[str]:
    handshake = _among(causes, ssl.SSLError)
    if handshake is None or _among(causes, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return None
    return "TLS failed ({0}); is base_url's scheme and port right, and ca_path a PEM file?".format(
        clean(getattr(handshake, "reason", "") or "handshake", 80).replace("_", " ").lower()
    )


def _among(causes: list[BaseException], *kinds: type[BaseException]) -> Any:
    return next((cause for cause in causes if isinstance(cause, kinds)), None)


def _certificate_words(fault: Exception) -> str:
    said = clean(getattr(fault, "verify_message", "") or str(fault.args[-1] if fault.args else ""), 120)
    if "expired" in said:
        advice = "renew the control plane's certificate"
    elif "not yet valid" in said:
        advice = "check the clock of this machine, and from when on the certificate holds"
    elif any(words in said for words in _OTHER_NAME):
        advice = "set base_url to a name that the certificate holds"
    else:
        advice = "set ca_path to the CA that signed it"
    return "the certificate is not trusted: {0}; {1}".format(said or "verification failed", advice)


def _system_words(causes: list[BaseException]) -> str:
    tunnel = _tunnel_status(causes)
    if tunnel is not None:
        return "HTTP {0}".format(tunnel)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
            return clean(cause.strerror, 120)
    return "the address can't be reached"
