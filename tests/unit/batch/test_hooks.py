# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hooks that a caller in the same process may set."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._batch.concurrency import ConcurrencyLimit
from ansible_collections.gpuops.runai.plugins.module_utils._batch.delivery import BatchResult
from ansible_collections.gpuops.runai.plugins.module_utils._batch.dispatch import Dispatcher, MaxFailures
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import Outcome
from ansible_collections.gpuops.runai.plugins.module_utils._batch.plan import Rules, make_plan, send_anyway
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import SEND
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import SEEN, Workload
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

IDS = workload_ids(4)


def _dispatched(full_from: int) -> tuple[list[tuple[str, Sequence[str]]], dict[str, str]]:
    """Send four ids in batches of two, with a disk that is full from some batch on."""
    events: list[tuple[str, Sequence[str]]] = []
    settled: dict[str, str] = {}

    def write_down(ids: Sequence[str]) -> None:
        if len(events) >= full_from:
            raise RunaiError("no space left")
        events.append(("asked", list(ids)))

    def deliver(ids: Sequence[str]) -> BatchResult:
        events.append(("sent", list(ids)))
        return BatchResult([Outcome(one, "changed") for one in ids], None, None, True)

    def settle(outcomes: Sequence[Outcome]) -> None:
        settled.update((one.id, one.outcome) for one in outcomes)

    dispatcher = Dispatcher(
        deliver,
        Cancellation(),
        2,
        ConcurrencyLimit(1, 1, 1),
        MaxFailures(0, False),
        4,
        lambda: None,
        settle,
        write_down,
    )
    dispatcher.send(IDS)
    return events, settled


def test_dispatcher_calls_on_send_before_each_batch() -> None:
    events, _settled = _dispatched(full_from=99)
    assert events == [("asked", IDS[:2]), ("sent", IDS[:2]), ("asked", IDS[2:]), ("sent", IDS[2:])]


def test_dispatcher_with_a_failing_on_send_leaves_the_rest_not_attempted() -> None:
    events, settled = _dispatched(full_from=1)
    assert events == [("asked", IDS[:2]), ("sent", IDS[:2])]
    assert [settled[one] for one in IDS] == ["changed", "changed", "not_attempted", "not_attempted"]


def test_send_anyway_sends_already_done_ids_but_no_impossible_ones() -> None:
    state = {
        one: Workload(one, SEEN, phase=phase)
        for one, phase in zip(IDS, ("Running", "Running", "Completed"), strict=False)
    }
    plan = make_plan("resume", IDS[:3], state, Rules((), None, ()))
    assert send_anyway(plan, {IDS[0], IDS[2]}).ids(SEND) == [IDS[0]]
