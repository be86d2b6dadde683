# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong with an exchange, in the terms of the collection, with what to do."""

from __future__ import annotations

import re
import socket
import ssl
import traceback
from typing import Any, Optional

from .._common.text import clean
from .errors import NotDelivered, RequestError, ResponseLost

REQUESTS_IMPORT_ERROR: Optional[str]
# All that sending and reading can raise.
FAULTS: tuple[type[Exception], ...]
try:
    import requests
    import urllib3.exceptions

    # Both 1.26 and 2 have it here, neither declares it.
    from urllib3.connection import CertificateError  # type: ignore[attr-defined]
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    FAULTS = ()
else:
    REQUESTS_IMPORT_ERROR = None
    FAULTS = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)

_TUNNEL_FAILED = re.compile(r"Tunnel connection failed: (\d{3})\b")
WANTED_BY_PROXY = "the proxy wants a user name and password, or refused the ones in proxy (407)"
UNDECODABLE = (
    "the body is not encoded as its Content-Encoding header says. Correct the proxy or gateway in front of "
    "the control plane, or set base_url to an address behind it"
)
_NEEDS_PYSOCKS = (
    "the proxy is a SOCKS proxy, which needs the Python library PySocks. Install it where the module runs, "
    "or set proxy, or the environment's ALL_PROXY or HTTPS_PROXY, to an http:// address"
)
_UNKNOWN_PROXY = (
    "the proxy's scheme is not supported. Set proxy, or the environment's ALL_PROXY or HTTPS_PROXY, to an "
    "address that begins with http://, https:// or socks5h://"
)
# What OpenSSL and urllib3 1.26 say of a certificate, and what to do.
_ADVICE = (
    ("expired", "renew the control plane's certificate"),
    ("not yet valid", "check the clock of this machine, and from when on the certificate holds"),
    (
        "mismatch|not valid for|doesn't match|subjectAltName",
        "set base_url to a name that the certificate holds",
    ),
    # What Python 3.13 and later refuse by default (ssl.VERIFY_X509_STRICT).
    (
        "(?i)Missing (Authority|Subject) Key Identifier|Basic Constraints of CA cert not marked critical"
        "|CA cert does not include key usage extension",
        "this Python wants the extension: issue the certificate, or its CA's, again with it, or run the "
        "module with Python 3.12 or earlier",
    ),
    ("", "set ca_path to the CA that signed it"),
)


def causes_of(fault: BaseException) -> list[BaseException]:
    """Return a fault and what lies under it, outermost first."""
    seen: list[BaseException] = []
    waiting: list[Any] = [fault]
    while waiting and len(seen) < 50:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is known for known in seen):
            continue
        seen.append(current)
        context = None if current.__suppress_context__ else current.__context__
        waiting += [getattr(current, "reason", None), current.__cause__, context, *current.args]
    return seen


def explained(
    fault: BaseException, method: str, path: str, timeout: float, is_encrypted: bool, is_proven: bool
) -> RequestError:
    """Return what requests raised in the terms of the collection: its own texts can hold a proxy's password.

    What is not surely known to have stopped before the control plane counts as a lost response.
    ``is_proven``: this way to the control plane has worked before, so that what is wrong with it now may
    pass.
    """
    causes = causes_of(fault)
    message = _describe_lasting(fault, causes)
    if message is None and not is_proven:
        # Later on, TLS may also fail after the request was sent.
        message = _describe_handshake(causes)
    if message is not None:
        return NotDelivered(method, path, message, message, lasting=not is_proven)
    if isinstance(fault, requests.exceptions.ConnectTimeout):
        return NotDelivered(
            method, path, "no connection in time", "no connection within {0:g} s".format(timeout)
        )
    if isinstance(fault, requests.exceptions.ReadTimeout) or among(causes, socket.timeout):
        return ResponseLost(method, path, "a timeout", "no response within {0:g} s".format(timeout))
    at = " by the proxy" if isinstance(fault, requests.exceptions.ProxyError) else ""
    if among(causes, ConnectionRefusedError):
        return NotDelivered(method, path, "connection refused", "connection refused" + at)
    if among(causes, socket.gaierror):
        message = "the host name can't be resolved at the moment"
        return NotDelivered(method, path, "a host name that can't be resolved", message)
    # urllib3 blames the proxy for a connection that is cut behind it, too, after the request was sent.
    if among(causes, urllib3.exceptions.NewConnectionError) or _tunnel_status(causes) is not None:
        return NotDelivered(
            method, path, "no connection", "no connection{0}: {1}".format(at, _describe_system_error(causes))
        )
    if isinstance(fault, requests.exceptions.ConnectionError):
        message = "the connection was cut before a response"
        if not is_proven and not is_encrypted:
            message += "; is base_url's scheme right?"
        return ResponseLost(method, path, "a cut connection", message)
    return ResponseLost(
        method, path, "a failed request", "the request failed ({0})".format(type(fault).__name__)
    )


def _describe_lasting(fault: BaseException, causes: list[BaseException]) -> Optional[str]:
    """Return what is wrong where no retry would mend it, and nothing was sent; ``None`` otherwise."""
    # urllib3 1.26 compares the name itself, and some versions of it raise an error of their own.
    certificate = among(causes, ssl.SSLCertVerificationError, CertificateError)
    if certificate is not None:
        return _describe_certificate(certificate)
    through_proxy = isinstance(fault, requests.exceptions.ProxyError)
    tunnel = _tunnel_status(causes)
    if tunnel == 407:
        return WANTED_BY_PROXY
    if tunnel is not None and 400 <= tunnel < 500 and tunnel not in (408, 429):
        return "the proxy refuses to connect to base_url (HTTP {0})".format(tunnel)
    unresolved = among(causes, socket.gaierror)
    if unresolved is not None and unresolved.errno != socket.EAI_AGAIN:
        return "the host name of {0} can't be resolved".format("the proxy" if through_proxy else "base_url")
    if "Missing dependencies for SOCKS support" in str(fault):
        return _NEEDS_PYSOCKS
    # With PySocks, for socks://, which names no version.
    if "Unable to determine SOCKS version" in str(fault):
        return _UNKNOWN_PROXY
    if isinstance(fault, requests.exceptions.InvalidURL):
        return "base_url or proxy is not a valid address"
    if isinstance(fault, OSError) and "CA certificate bundle" in str(fault):
        return "the CA bundle can't be read; check ca_path or REQUESTS_CA_BUNDLE"
    return None


def _tunnel_status(causes: list[BaseException]) -> Optional[int]:
    """Return what a proxy replied instead of connecting; only the text of the error shows it."""
    found = [_TUNNEL_FAILED.match(str(cause)) for cause in causes if isinstance(cause, OSError)]
    return next((int(match.group(1)) for match in found if match), None)


def _describe_handshake(causes: list[BaseException]) -> Optional[str]:
    handshake = among(causes, ssl.SSLError)
    if handshake is None or among(causes, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return None
    return "TLS failed ({0}); is base_url's scheme and port right, and ca_path a PEM file?".format(
        clean(getattr(handshake, "reason", "") or "handshake", 80).replace("_", " ").lower()
    )


def among(causes: list[BaseException], *kinds: type[BaseException]) -> Any:
    return next((cause for cause in causes if isinstance(cause, kinds)), None)


def _describe_certificate(fault: Exception) -> str:
    problem = clean(getattr(fault, "verify_message", "") or str(fault.args[-1] if fault.args else ""), 120)
    advice = next(advice for pattern, advice in _ADVICE if re.search(pattern, problem))
    return "the certificate is not trusted: {0}; {1}".format(problem or "verification failed", advice)


def _describe_system_error(causes: list[BaseException]) -> str:
    tunnel = _tunnel_status(causes)
    if tunnel is not None:
        return "HTTP {0}".format(tunnel)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
            return clean(cause.strerror, 120)
    return "the address can't be reached"
