# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transient errors are retried as the control plane asks, within retry_timeout, with one warning."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
import requests
from ansible_collections.gpuops.runai.plugins.module_utils._api import retry as _retry
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation

from simulator.server import Handle
from tests.component.conftest import Start
from tests.component.harness import BATCH, COUNT, LIST, ONE, TOKENS, is_acted_on, rehearse
from tests.support.waiting import PATIENCE
from tests.support.workloads import workload_id

IDS = [workload_id(number) for number in range(3)]


def pause_after(simulator: Handle, path: str) -> float:
    """Seconds from the end of the first request of that path to the start of the next one."""
    first, second = [entry for entry in simulator.requests() if entry["path"].startswith(path)][:2]
    return float(second["start"] - first["end"])


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", [{"retry_after": 1}, {"retry_after_date": 1}], ids=["seconds", "date"])
@pytest.mark.parametrize(
    ("match", "path"),
    [(BATCH, "/api/v1/workloads/batch"), (ONE, "/api/v1/workloads/"), (TOKENS, "/api/v2/token")],
    ids=["batch", "read", "token"],
)
def test_batch_retry_after_is_kept(
    start: Start, match: dict[str, Any], path: str, asked: dict[str, Any], status: int
) -> None:
    simulator = start(1)
    simulator.faults({"match": match, "fault": {"kind": "status", "status": status, **asked}})
    run = rehearse(simulator, "suspend", IDS[:1])
    assert run.counts == {"changed": 1}
    # A date has whole seconds only: it asks for more than one and at most two of them.
    assert pause_after(simulator, path) >= 1.0
    assert run.warnings == [f"requests to the control plane were retried once because of: HTTP {status}"]


@pytest.mark.parametrize(
    "asked", [{"retry_after": 86_400}, {"retry_after_date": 86_400}], ids=["seconds", "date"]
)
@pytest.mark.parametrize("status", [429, 503])
def test_batch_retry_after_is_bounded_by_retry_timeout(
    start: Start, asked: dict[str, Any], status: int
) -> None:
    simulator = start()
    fault = {"kind": "status", "status": status, **asked}
    simulator.faults({"match": BATCH, "times": "always", "fault": fault})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0.5)
    assert run.counts == {"failed": 3}
    assert run.batches == 2
    assert f"HTTP {status}" in run.result["msg"]


@pytest.mark.parametrize(
    "header", ["soon", "-5", "nan", "inf", "1e400", "²", "Thu, 99 Foo 2026 00:00:00 GMT", ""]
)
def test_batch_malformed_retry_after_is_ignored(start: Start, header: str) -> None:
    simulator = start()
    headers = {"Retry-After": header.encode("utf-8").decode("latin-1")}
    simulator.faults({"match": BATCH, "fault": {"kind": "status", "status": 429, "headers": headers}})
    assert rehearse(simulator, "suspend", IDS).counts == {"changed": 3}


def test_batch_without_retry_after_pauses_grow_unevenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retry, "_FIRST_PAUSE", 0.5)
    monkeypatch.setattr(_retry, "_LONGEST_PAUSE", 10.0)
    for tries, longest in ((1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (6, 10.0), (10_000, 10.0)):
        pauses = [_retry._backoff(tries) for _number in range(50)]
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(set(pauses)) > 1


@pytest.mark.parametrize("status", [429, 503])
def test_batch_without_retry_after_retries_until_success(start: Start, status: int) -> None:
    simulator = start()
    simulator.faults({"match": BATCH, "times": 5, "fault": {"kind": "status", "status": status}})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert run.batches == 6
    assert run.result["summary"]["retries"] == 5
    assert run.warnings == [f"requests to the control plane were retried 5 times because of: HTTP {status}"]


def test_batch_503_of_a_proxy_after_delivery_is_not_repeated(start: Start) -> None:
    simulator = start()
    simulator.faults({"match": BATCH, "fault": {"kind": "status", "status": 503, "apply": True}})
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    assert set(run.sent.values()) == {1}


def test_batch_refused_connection_is_retried(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = start()
    simulator.faults({"fault": {"kind": "down", "seconds": 3600}})
    with pytest.raises(requests.ConnectionError):
        requests.get(simulator.url + "/api/v1/workloads", timeout=PATIENCE)
    sleep = Cancellation.sleep

    def come_back_and_sleep(cancellation: Cancellation, seconds: float, before_write: bool = False) -> None:
        simulator.faults()
        sleep(cancellation, seconds, before_write)

    monkeypatch.setattr(Cancellation, "sleep", come_back_and_sleep)
    run = rehearse(simulator, "suspend", IDS)
    assert run.counts == {"changed": 3}
    (warning,) = run.warnings
    assert re.fullmatch(r".*retried (once|\d+ times) because of: connection refused", warning)


@pytest.mark.parametrize("apply", [False, True])
def test_batch_restart_of_the_control_plane_loses_no_id(start: Start, apply: bool) -> None:
    simulator = start(20)
    ids = [workload_id(number) for number in range(20)]
    simulator.faults({"match": BATCH, "nth": 2, "fault": {"kind": "down", "seconds": 0.5, "apply": apply}})
    run = rehearse(simulator, "suspend", ids, batch_size=5, concurrency=1)
    assert run.counts == {"changed": 20}
    assert all(is_acted_on(simulator, "suspend", one) for one in ids)
    assert {one for one, times in run.sent.items() if times > 1} == (set() if apply else set(ids[5:10]))


def test_batch_faults_of_one_kind_give_one_warning(start: Start) -> None:
    simulator = start(60)
    ids = [workload_id(number) for number in range(60)]
    simulator.faults(
        {"match": TOKENS, "times": 2, "fault": {"kind": "status", "status": 502}},
        {"match": COUNT, "times": 2, "fault": {"kind": "status", "status": 429, "retry_after": 0}},
        {"match": LIST, "times": 2, "fault": "half_json"},
        {"match": BATCH, "times": 3, "fault": {"kind": "status", "status": 429, "retry_after": 0}},
    )
    run = rehearse(simulator, "suspend", ids)
    assert run.counts == {"changed": 60}
    expected = "requests to the control plane were retried {} times because of: {}"
    assert sorted(run.warnings) == sorted(
        [
            expected.format(2, "HTTP 502"),
            expected.format(5, "HTTP 429"),
            expected.format(2, "a response that is not JSON"),
        ]
    )
    assert run.result["summary"]["retries"] == 9
    assert not [line for line in run.lines if "retr" in line]


def test_batch_retries_of_one_request_share_retry_timeout(start: Start) -> None:
    simulator = start()
    # Each try alone is far below the limit; together they are not.
    simulator.faults({"match": BATCH, "times": "always", "fault": {"kind": "status", "status": 429}})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0.4)
    assert run.counts == {"failed": 3}
    assert re.search(r"HTTP 429.*\(tried \d+ times, for \d+ s\)", run.result["msg"])


def test_batch_pause_ends_when_another_batch_stops_the_task(start: Start) -> None:
    simulator = start(20)
    ids = [workload_id(number) for number in range(20)]
    simulator.faults(
        {"match": {**BATCH, "ids": ids[:1]}, "fault": {"kind": "status", "status": 429, "retry_after": 3600}},
        {"match": {**BATCH, "ids": ids[10:11]}, "fault": {"kind": "refuse_ids", "count": "all"}},
    )
    done: list[Any] = []
    thread = threading.Thread(
        target=lambda: done.append(
            rehearse(
                simulator, "suspend", ids, batch_size=10, concurrency=2, retry_timeout=7200, max_failures="0"
            )
        )
    )
    thread.start()
    thread.join(PATIENCE)
    assert done, "it slept on"
    assert done[0].counts == {"failed": 10, "not_attempted": 10}
