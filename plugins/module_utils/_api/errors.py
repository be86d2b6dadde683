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

    ``kind`` is a short phrase for counting alike faults, e.g. ``connection refused``; ``lasting``: the same
    request would fail again. ``status``, ``code`` and ``retry_after`` are those of a StatusError.
    """

    status: Optional[int] = None
    code: Optional[int] = None
    retry_after: Optional[float] = None
    # Whether the control plane responded, so that others of its endpoints may well do better.
    is_from_endpoint = False
    # Whether a write that ended so may have been carried out all the same.
    may_be_applied = False
    # Whether the account was refused: by a 401 that a new token did not mend, or by a 403.
    is_denied = False

    def __init__(self, method: str, path: str, kind: str, message: str, lasting: bool = False) -> None:
        super().__init__("{0} {1}: {2}".format(method, path, message))
        self.method = method
        self.path = path
        self.kind = kind
        self.message = message
        # Whether the same request may succeed later.
        self.is_transient = not lasting

    @property
    def shown(self) -> dict[str, Any]:
        """The key ``error`` of a failed result: neither headers nor bodies."""
        return {
            "method": self.method,
            "path": self.path,
            "status": self.ended_on.status,
            "code": self.ended_on.code,
            "message": self.message,
        }

    @property
    def ended_on(self) -> RequestError:
        """The fault itself, or the last one where retries ran out."""
        return self

    @property
    def is_no_such_endpoint(self) -> bool:
        """Whether a control plane of another version may respond so, since it lacks the endpoint."""
        return self.ended_on.status in (404, 405, 501)


class NotDelivered(RequestError):
    """The request provably never reached the control plane."""


class ResponseLost(RequestError):
    """The request may have been carried out, but its response did not arrive whole."""

    may_be_applied = True


class MalformedResponse(ResponseLost):
    """A response arrived that is not what the API describes."""

    is_from_endpoint = True


class StatusError(RequestError):
    """The control plane, or something before it, responded with a status that is no success.

    ``code`` is the number in the response's body (the API's ``Error.code``) or the HTTP status,
    ``text`` what it said, ``retry_after`` seconds asked for or ``None``.
    """

    status: int
    code: int

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
        kind = "HTTP {0}".format(status)
        shown_code = "" if code in (None, status) else " (code {0})".format(code)
        super().__init__(method, path, kind, kind + shown_code + (", " + text if text else ""))
        # Proxies do not use the API's own shape of an error.
        self.is_from_api = code is not None
        self.status = status
        self.code = status if code is None else code
        self.text = text
        self.retry_after = retry_after
        self.is_of_oauth = is_of_oauth
        # Nothing was done, and later may be better.
        self.refused_for_now = status in (429, 503)
        may_be_late = status == 408 or (status >= 500 and status not in (501, 503, 505))
        self.is_transient = self.refused_for_now or may_be_late
        self.may_be_applied = may_be_late
        self.is_from_endpoint = status != 401
        self.is_denied = status in (401, 403)

    @property
    def may_be_from_proxy(self) -> bool:
        """Whether something before the control plane may have said it, after the write was passed on."""
        return self.status >= 500 or not (self.is_from_api or self.status in _REFUSALS)


class NoToken(RequestError):
    """No token could be made, so the request it was for was not sent.

    ``client`` and ``address`` are in the message: most often one of them is wrong. ``is_final``: no later
    request of this account will get a token either.
    """

    def __init__(self, fault: RequestError, client: str, address: str) -> None:
        message = fault.message
        if fault.status == 404:
            message += "; is base_url the address of a control plane?"
        message = "no token for the client '{0}' from {1}: {2}".format(client, address, message)
        super().__init__(fault.method, fault.path, fault.kind, message, lasting=True)
        self._fault = fault
        self.is_final = not fault.ended_on.is_transient
        self.is_denied = fault.ended_on.is_denied

    @property
    def shown(self) -> dict[str, Any]:
        return {**self._fault.shown, "message": self.message}


class RetriesExhausted(RequestError):
    """Retrying did not help within ``retry_timeout``; there was more than one try."""

    def __init__(self, last: RequestError, seconds: float, tries: int) -> None:
        message = "{0} (tried {1} times, for {2:.0f} s)".format(last.message, tries, seconds)
        super().__init__(last.method, last.path, last.kind, message, lasting=True)
        self._last = last
        self.is_from_endpoint = last.is_from_endpoint

    @property
    def ended_on(self) -> RequestError:
        return self._last


def is_refused_filter(fault: RequestError) -> bool:
    """Return whether a request with a filter may have failed because of it."""
    return fault.ended_on.status in _REFUSES_FILTER
