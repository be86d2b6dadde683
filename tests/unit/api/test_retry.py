# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import retry as _retry
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    MalformedResponse,
    NotDelivered,
    RequestError,
    ResponseLost,
    RetriesExhausted,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.retry import RetryBudget
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(_retry, "time", clock)
    return clock


def retry_budget(clock: FakeClock, seconds: float, stats: Optional[RequestStats] = None) -> RetryBudget:
    cancellation = Cancellation()
    cancellation.sleep = clock.sleep  # type: ignore[method-assign]
    return RetryBudget(seconds, cancellation, stats or RequestStats(()))


def status(number: int, retry_after: Optional[float] = None) -> StatusError:
    return StatusError("GET", "/x", number, "", retry_after=retry_after)


def exhaust(mine: RetryBudget, fault: RequestError) -> RequestError:
    try:
        while True:
            mine.pause(fault)
    except RequestError as end:
        return end


def test_retry_budget_lasting_fault_pauses_grow_within_the_budget(clock: FakeClock) -> None:
    end = exhaust(retry_budget(clock, 60.0), status(502))
    assert isinstance(end, RetriesExhausted)
    assert sum(clock.slept) == pytest.approx(60.0)
    assert 0.25 <= clock.slept[0] <= 0.5
    assert all(pause <= 10.0 for pause in clock.slept)
    assert max(clock.slept) > 4.0
    assert len(clock.slept) < 30
    assert "HTTP 502" in str(end)
    assert "for 60 s" in str(end)


def test_retry_budget_long_retries_report_once(clock: FakeClock) -> None:
    reports: list[tuple[str, float, float]] = []

    def report(kind: str, left: float) -> None:
        reports.append((kind, left, clock.seconds))

    def mine(seconds: float) -> RetryBudget:
        found = RetryBudget(seconds, Cancellation(), RequestStats(()), on_trouble=report)
        found._cancellation.sleep = clock.sleep  # type: ignore[method-assign]
        return found

    exhaust(mine(29.0), status(502))
    assert reports == []
    began = clock.seconds
    exhaust(mine(120.0), status(502))
    ((kind, left, at),) = reports
    assert kind == "HTTP 502"
    assert left == pytest.approx(120.0 - (at - began))
    # The pause that begins then ends after half a minute.
    assert 20.0 <= at - began <= 30.0
    reports.clear()
    mine(3600.0).pause(status(503, 600.0))
    assert [(kind, left) for kind, left, _at in reports] == [("HTTP 503", 3600.0)]


def test_retry_budget_pauses_differ_between_clients(clock: FakeClock) -> None:
    for _client in range(10):
        retry_budget(clock, 60.0).pause(status(502))
    assert len(set(clock.slept)) > 5


def test_retry_budget_retry_after_is_kept_within_the_budget(clock: FakeClock) -> None:
    mine = retry_budget(clock, 30.0)
    mine.pause(status(503, 7.0))
    mine.pause(status(429, 0.0))
    mine.pause(status(429, 3600.0))
    assert clock.slept[0] == 7.0
    assert sum(clock.slept) == pytest.approx(30.0)
    with pytest.raises(RetriesExhausted):
        mine.pause(status(429, 1.0))


@pytest.mark.parametrize("asked", [None, 0.0, 0.2])
def test_retry_budget_retry_after_zero_still_pauses(clock: FakeClock, asked: Optional[float]) -> None:
    exhaust(retry_budget(clock, 120.0), status(429, asked))
    assert len(clock.slept) < 30


def test_retry_budget_retry_after_beyond_the_pause_is_kept(clock: FakeClock) -> None:
    mine = retry_budget(clock, 1000.0)
    for _try in range(12):
        mine.pause(status(503, 30.0))
    assert clock.slept == [30.0] * 12


def test_retry_budget_of_zero_retries_nothing(clock: FakeClock) -> None:
    fault = status(503, 1.0)
    assert exhaust(retry_budget(clock, 0.0), fault) is fault
    assert clock.slept == []


@pytest.mark.parametrize(
    "fault",
    [
        status(400),
        status(404),
        status(413),
        status(501),
        StatusError("GET", "/x", 403, ""),
        StatusError("GET", "/x", 401, ""),
        NotDelivered("GET", "/x", "k", "wrong certificate", lasting=True),
    ],
)
def test_retry_budget_lasting_fault_is_raised_at_once(clock: FakeClock, fault: RequestError) -> None:
    assert exhaust(retry_budget(clock, 60.0), fault) is fault
    assert clock.slept == []


@pytest.mark.parametrize(
    "fault",
    [
        *(status(number) for number in (408, 429, 500, 502, 503, 504, 520)),
        NotDelivered("GET", "/x", "connection refused", "connection refused"),
        ResponseLost("GET", "/x", "a timeout", "no response"),
    ],
)
def test_retry_budget_transient_fault_is_retried_with_one_warning(
    clock: FakeClock, fault: RequestError
) -> None:
    stats = RequestStats(())
    mine = retry_budget(clock, 600.0, stats)
    for _try in range(5):
        mine.pause(fault)
    assert stats.retries == 5
    (warning,) = stats.warnings()
    assert "retried 5 times because of: {0}".format(fault.kind) in warning


def test_retry_budget_malformed_response_is_retried_twice(clock: FakeClock) -> None:
    exhaust(retry_budget(clock, 600.0), MalformedResponse("GET", "/x", "not JSON", "html"))
    assert len(clock.slept) == 2


def test_retry_budget_starts_at_the_first_fault(clock: FakeClock) -> None:
    mine: Any = retry_budget(clock, 10.0)
    clock.advance(1000)
    assert mine.left == 10.0
    mine.pause(status(503, 4.0))
    assert mine.left == pytest.approx(6.0)
