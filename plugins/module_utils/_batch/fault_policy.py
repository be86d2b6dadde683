# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to make of a batch call that gave no answer to use: a pure function of the fault."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .._api.errors import AccessDenied, RequestError, StatusError
from .._api.responses import Refusal

# The answer is lost: the state tells what became of the batch.
UNKNOWN_RESULT = "lost"
# The batch did not get through: it is sent again after a pause, as long as the fault passes.
NOT_DELIVERED = "no passage"
# The batch as a whole is refused.
REFUSED = "refused"

# Whether the batch may have been carried out all the same, and how the state is looked at then.
NOT_APPLIED = "surely not"
LOOK_ONCE = "look once"
LOOK_AWHILE = "look for a while"

_NO_BATCHES = "batches need Run:ai 2.19 or later"
_NOT_THERE = "a workload is not there, or the control plane has no batches, which need Run:ai 2.19 or later"


class FaultDecision(NamedTuple):
    """What to do after a fault.

    ``verdict`` is UNKNOWN_RESULT, NOT_DELIVERED or REFUSED; ``doubt`` is NOT_APPLIED, LOOK_ONCE or
    LOOK_AWHILE; ``refusal`` is what each id of a REFUSED batch is told; ``stop`` says why no other batch
    will fare better, if so.
    """

    verdict: str
    doubt: str
    refusal: Optional[Refusal] = None
    stop: Optional[str] = None


def reaction_to(fault: RequestError) -> FaultDecision:
    """Return what to do after a batch call that ended in ``fault``."""
    if fault.may_be_applied:
        return FaultDecision(UNKNOWN_RESULT, LOOK_AWHILE)
    if not isinstance(fault, StatusError):
        return FaultDecision(NOT_DELIVERED, NOT_APPLIED)
    if fault.status == 503:
        # The control plane's own 503 says that nothing was done. That of a proxy which gave up may
        # be wrong: it may have passed the batch on.
        return FaultDecision(NOT_DELIVERED, LOOK_ONCE if fault.is_of_the_api else LOOK_AWHILE)
    if fault.refused_for_now:
        return FaultDecision(NOT_DELIVERED, NOT_APPLIED)
    refusal = Refusal(fault.code, fault.text or fault.words)
    if isinstance(fault, AccessDenied):
        return FaultDecision(REFUSED, NOT_APPLIED, refusal, str(fault))
    stop = None
    if fault.is_no_such_endpoint:
        # The API's own 404 may be about a workload as well.
        reason = _NOT_THERE if fault.status == 404 and fault.is_of_the_api else _NO_BATCHES
        stop = "{0}; {1}".format(fault, reason)
    return FaultDecision(REFUSED, LOOK_AWHILE if fault.may_be_a_proxys else NOT_APPLIED, refusal, stop)
