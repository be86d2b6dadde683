# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to make of a batch call that gave no answer to use: a pure function of the fault."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .._api.errors import (
    AccessDenied,
    RequestError,
    StatusError,
)
from .._api.responses import Refusal

# The answer is lost: the state tells what became of the batch.
LOST = "lost"
# The batch did not get through: it is sent again after a pause, as long as the fault passes.
NO_PASSAGE = "no passage"
# The batch as a whole is refused.
REFUSED = "refused"

# Whether the batch may have been carried out all the same, and how the state is looked at then.
SURELY_NOT = "surely not"
LOOK_ONCE = "look once"
LOOK_AWHILE = "look for a while"

_NO_BATCHES = "batches need Run:ai 2.19 or later"
_NOT_THERE = "a workload is not there, or the control plane has no batches, which need Run:ai 2.19 or later"


class Reaction(NamedTuple):
    """What to do after a fault.

    ``verdict`` is LOST, NO_PASSAGE or REFUSED; ``doubt`` is SURELY_NOT, LOOK_ONCE or LOOK_AWHILE;
    ``refusal`` is what each id of a REFUSED batch is told; ``stop`` says why no other batch will fare
    better, if so.
    """

    verdict: str
    doubt: str
    refusal: Optional[Refusal] = None
    stop: Optional[str] = None


def reaction_to(fault: RequestError) -> Reaction:
    """Return what to do after a batch call that ended in ``fault``."""
    if fault.may_be_applied:
        return Reaction(LOST, LOOK_AWHILE)
    if not isinstance(fault, StatusError):
        return Reaction(NO_PASSAGE, SURELY_NOT)
    if fault.status == 503:
        # The control plane's own 503 says that nothing was done. That of a proxy which gave up may
        # be wrong: it may have passed the batch on.
        return Reaction(NO_PASSAGE, LOOK_ONCE if fault.is_of_the_api else LOOK_AWHILE)
    if fault.refused_for_now:
        return Reaction(NO_PASSAGE, SURELY_NOT)
    refusal = Refusal(fault.code, fault.text or fault.words)
    if isinstance(fault, AccessDenied):
        return Reaction(REFUSED, SURELY_NOT, refusal, str(fault))
    stop = None
    if fault.is_no_such_endpoint:
        # The API's own 404 may be about a workload as well.
        reason = _NOT_THERE if fault.status == 404 and fault.is_of_the_api else _NO_BATCHES
        stop = "{0}; {1}".format(fault, reason)
    return Reaction(REFUSED, LOOK_AWHILE if fault.may_be_a_proxys else SURELY_NOT, refusal, stop)
