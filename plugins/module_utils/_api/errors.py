# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as types that the rest of the code decides by.

No error holds a request header, a request body or a credential: each is made of the method, the
path, the status and what the control plane said, all cleaned for showing.
"""

from __future__ import annotations

from typing import Any, Optional

from .._common.errors import RunaiError

# Statuses with which a request is rejected unexecuted, by a proxy or by the control plane.
_REFUSALS = (400, 404, 405, 409, 411, 413, 414, 415, 422, 431)

# No response to a bad filter is documented, so that a server's error may be one as well.
_REFUSES_FILTER = (400, 422, 500, 501)

# The kind of a MalformedResponse.
NOT_JSON = "a response that is not JSON"


class Interrupted(RunaiError):
    """No further call may be made: the deadline passed, or the play that asked is gone.

    ``reason`` is one of the reasons for an id that was not attempted.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class RequestError(RunaiError):
    """A request that did not give a usable response.

    ``kind`` is a short phrase for counting alike faults, e.g. ``connection refused``.
    """

    def __init__(self, method: str, path: str, kind: str, message: str) -> None:
        super().__init__("{0} {1}: {2}".format(method, path, message))
        self.method = method
        self.path = path
        self.kind = kind
        self.message = message

    @property
    def shown(self) -> dict[str, Any]:
        """The key ``error`` of a failed result: neither headers nor bodies."""
        found = self.ended_on
        status, code = (found.status, found.code) if isinstance(found, StatusError) else (None, None)
        return {
            "method": self.method,
            "path": self.path,
            "status": status,
            "code": code,
            "message": self.message,
        }

    @property
    def ended_on(self) -> RequestError:
        """The fault itself, or the last one where retries ran out."""
        return self

    @property
    def is_transient(self) -> bool:
        """Whether the same request may get through later."""
        return True

    @property
    def is_from_endpoint(self) -> bool:
        """Whether the control plane responded, so that others of its endpoints may well do better."""
        return False

    @property
    def may_be_applied(self) -> bool:
        """Whether a write that ended so may have been carried out all the same."""
        return False


class NotDelivered(RequestError):
    """The request provably never reached the control plane."""

    def __init__(self, method: str, path: str, kind: str, message: str, lasting: bool = False) -> None:
        super().__init__(method, path, kind, message)
        self._lasting = lasting

    @property
    def is_transient(self) -> bool:
        return not self._lasting


class ResponseLost(RequestError):
    """The request may have been carried out, but its response did not arrive whole."""

    may_be_applied = True


class MalformedResponse(ResponseLost):
    """A response arrived that is not what the API describes."""

    is_from_endpoint = True


class UndecodableResponse(MalformedResponse):
    """A response whose body is not encoded as its header says. The same read gets it again."""

    is_transient = False


class StatusError(RequestError):
    """The control plane, or something before it, responded with a status that is no success.

    ``code`` is the number in the response's body (the API's ``Error.code``) or the HTTP status,
    ``text`` what it said, ``retry_after`` seconds asked for or ``None``.
    """

    def __init__(
        self,
        method: str,
        path: str,
        status: int,
        text: str,
        code: Optional[int] = None,
        retry_after: Optional[float] = None,
        is_of_oauth: bool = False,
    ) -> None:
        message = "HTTP {0}{1}".format(status, ", " + text if text else "")
        if code is not None and code != status:
            message = "HTTP {0} (code {1}){2}".format(status, code, ", " + text if text else "")
        super().__init__(method, path, "HTTP {0}".format(status), message)
        # Proxies do not use the API's own shape of an error.
        self.is_from_api = code is not None
        self.status = status
        self.code = status if code is None else code
        self.text = text
        self.retry_after = retry_after
        self.is_of_oauth = is_of_oauth

    @property
    def is_no_such_endpoint(self) -> bool:
        """Whether it is what a control plane of another version says to an endpoint that it does not have."""
        return self.status in (404, 405, 501)

    @property
    def refused_for_now(self) -> bool:
        """Whether the status says that nothing was done and that later may be better."""
        return self.status in (429, 503)

    @property
    def may_be_from_proxy(self) -> bool:
        """Whether something before the control plane may have said it, after the write was passed on."""
        return self.status >= 500 or not (self.is_from_api or self.status in _REFUSALS)

    @property
    def is_from_endpoint(self) -> bool:
        return self.status != 401

    @property
    def is_transient(self) -> bool:
        return (
            self.refused_for_now
            or self.status == 408
            or (self.status >= 500 and self.status not in (501, 505))
        )

    @property
    def may_be_applied(self) -> bool:
        return self.is_transient and not self.refused_for_now


class NoToken(RequestError):
    """No token could be made, so the request it was for was not sent.

    ``client`` and ``address`` are in the message: most often one of them is wrong.
    """

    def __init__(self, fault: RequestError, client: str, address: str) -> None:
        message = fault.message
        if isinstance(fault, NotFound):
            message += "; is base_url the address of a control plane?"
        message = "no token for the client '{0}' from {1}: {2}".format(client, address, message)
        super().__init__(fault.method, fault.path, fault.kind, message)
        self._fault = fault
        # Whether asking again later would end in the same way.
        self.is_lasting = not fault.ended_on.is_transient
        # Whether the client itself was refused: its secret is wrong, or it may not have a token.
        self.is_denied = isinstance(fault.ended_on, AccessDenied)

    @property
    def shown(self) -> dict[str, Any]:
        return {**self._fault.shown, "message": self.message}

    is_transient = False


class AccessDenied(StatusError):
    """A 401 that a new token did not mend, or a 403."""

    is_transient = False


class NotFound(StatusError):
    """A 404."""


class RetriesExhausted(RequestError):
    """Retrying did not help within ``retry_timeout``."""

    def __init__(self, last: RequestError, seconds: float, tries: int) -> None:
        message = "{0} (tried {1}, for {2:.0f} s)".format(
            last.message, "once" if tries == 1 else "{0} times".format(tries), seconds
        )
        super().__init__(last.method, last.path, last.kind, message)
        self._last = last

    @property
    def ended_on(self) -> RequestError:
        return self._last

    @property
    def is_from_endpoint(self) -> bool:
        return self._last.is_from_endpoint

    is_transient = False


def is_refused_filter(fault: RequestError) -> bool:
    """Return whether a request with a filter may have failed because of it."""
    found = fault.ended_on
    return isinstance(found, StatusError) and found.status in _REFUSES_FILTER
