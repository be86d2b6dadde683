# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    MalformedResponse,
    NotDelivered,
    NoToken,
    RequestError,
    ResponseLost,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import Refusal
from ansible_collections.gpuops.runai.plugins.module_utils._batch.fault_policy import (
    NOT_APPLIED,
    READ_ONCE,
    READ_REPEATEDLY,
    decide_on_fault,
)

LOST = "lost"
NOT_DELIVERED = "not delivered"
REFUSED = "refused"


def status(number: int, code: Optional[int] = None) -> StatusError:
    """Return a status of the API if it has a code, else of anything on the way."""
    return StatusError("POST", "/b", number, "so it says", code)


@pytest.mark.parametrize(
    ("fault", "result", "state_check"),
    [
        (ResponseLost("POST", "/b", "a timeout", "no response"), LOST, READ_REPEATEDLY),
        (MalformedResponse("POST", "/b", "not JSON", "html"), LOST, READ_REPEATEDLY),
        *((status(number, number), LOST, READ_REPEATEDLY) for number in (408, 500, 502, 504)),
        *((status(number), LOST, READ_REPEATEDLY) for number in (408, 500, 502, 504, 520)),
        (NotDelivered("POST", "/b", "refused", "connection refused"), NOT_DELIVERED, NOT_APPLIED),
        (NotDelivered("POST", "/b", "k", "wrong certificate", lasting=True), NOT_DELIVERED, NOT_APPLIED),
        (NoToken(status(400, 400), "an-id", "https://a.example"), NOT_DELIVERED, NOT_APPLIED),
        (status(401), NOT_DELIVERED, NOT_APPLIED),
        (status(401, 401), NOT_DELIVERED, NOT_APPLIED),
        (status(429), NOT_DELIVERED, NOT_APPLIED),
        (status(429, 429), NOT_DELIVERED, NOT_APPLIED),
        (status(503, 503), NOT_DELIVERED, READ_ONCE),
        (status(503), NOT_DELIVERED, READ_REPEATEDLY),
        *((status(number), REFUSED, NOT_APPLIED) for number in (400, 403, 404, 405, 409, 413, 422)),
        *((status(number, number), REFUSED, NOT_APPLIED) for number in (400, 403, 404, 418)),
        *((status(number), REFUSED, READ_REPEATEDLY) for number in (407, 418, 444, 501, 505)),
        *((status(number, number), REFUSED, READ_REPEATEDLY) for number in (501, 505)),
    ],
    ids=str,
)
def test_decide_on_fault_each_kind_has_its_decision(
    fault: RequestError, result: str, state_check: str
) -> None:
    fault_decision = decide_on_fault(fault)
    assert fault_decision.state_check == state_check
    assert fault_decision.is_lost is (result == LOST)
    assert (fault_decision.refusal is not None) is (result == REFUSED)


@pytest.mark.parametrize(
    ("number", "stop"),
    [
        (403, "POST /b: HTTP 403, so it says"),
        (404, "POST /b: HTTP 404, so it says; batches need Run:ai 2.19 or later"),
        (405, "POST /b: HTTP 405, so it says; batches need Run:ai 2.19 or later"),
        (501, "POST /b: HTTP 501, so it says; batches need Run:ai 2.19 or later"),
        (400, None),
        (409, None),
        (413, None),
    ],
)
def test_decide_on_fault_access_or_endpoint_refused_stops_the_task(number: int, stop: Optional[str]) -> None:
    assert decide_on_fault(status(number)).stop == stop


def test_decide_on_fault_404_of_the_api_does_not_stop_the_task() -> None:
    stop = decide_on_fault(status(404, 404)).stop
    assert stop is not None
    assert "a workload does not exist, or the control plane is older than Run:ai 2.19" in stop


def test_decide_on_fault_refused_batch_gives_each_id_its_code_and_message() -> None:
    assert decide_on_fault(status(400, 471)).refusal == Refusal(471, "so it says")
    assert decide_on_fault(StatusError("POST", "/b", 400, "")).refusal == Refusal(400, "HTTP 400")
