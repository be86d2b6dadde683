# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do after a batch call without a usable response: a pure function of the fault."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .._api.errors import MalformedResponse, RequestError, ResponseLost, StatusError
from .._api.responses import Refusal

# Whether the batch may have been carried out nevertheless, and how often the state is read then.
NOT_APPLIED = "not applied"
READ_ONCE = "read once"
READ_REPEATEDLY = "read repeatedly"

_NO_BATCHES = "batches need Run:ai 2.19 or later"
_NOT_THERE = "a workload does not exist, or the control plane is older than Run:ai 2.19 and has no batches"


class FaultDecision(NamedTuple):
    """What to do after a fault.

    ``state_check`` is NOT_APPLIED, READ_ONCE or READ_REPEATEDLY. With ``is_lost`` the response is lost: the
    state shows the result of the batch. ``refusal`` is the reason for each id of a batch that is refused as a
    whole. Otherwise the batch was not delivered: it is sent again after a pause, if the fault is transient.
    ``stop`` is the reason for which no further batch may be sent.
    """

    state_check: str
    is_lost: bool = False
    refusal: Optional[Refusal] = None
    stop: Optional[str] = None


def decide_on_fault(fault: RequestError) -> FaultDecision:
    """Return what to do after a batch call that ended in ``fault``."""
    if fault.may_be_applied:
        return FaultDecision(READ_REPEATEDLY, is_lost=True)
    if not isinstance(fault, StatusError):
        return FaultDecision(NOT_APPLIED)
    if fault.status == 503:
        # After a 503 of the control plane nothing was done. A proxy that responds with 503 may have
        # forwarded the batch.
        return FaultDecision(READ_ONCE if fault.is_from_api else READ_REPEATEDLY)
    # After a 401 nothing was done. The client has retried it already.
    if fault.refused_for_now or fault.status == 401:
        return FaultDecision(NOT_APPLIED)
    refusal = Refusal(fault.code, fault.text or fault.message)
    if fault.status == 403:
        return FaultDecision(NOT_APPLIED, refusal=refusal, stop=str(fault))
    stop = None
    if fault.is_no_such_endpoint:
        # A 404 of the API may also mean a workload.
        reason = _NOT_THERE if fault.status == 404 and fault.is_from_api else _NO_BATCHES
        stop = "{0}; {1}".format(fault, reason)
    state_check = READ_REPEATEDLY if fault.may_be_from_proxy else NOT_APPLIED
    return FaultDecision(state_check, refusal=refusal, stop=stop)


def is_overload(fault: RequestError) -> bool:
    """Return whether fewer calls in flight may prevent this fault: a 429, a 503 or a time-out."""
    if isinstance(fault, StatusError):
        return fault.status in (408, 429, 503, 504)
    return isinstance(fault, ResponseLost) and not isinstance(fault, MalformedResponse)
