# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hooks that a caller in the same process may set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.context import BatchHooks
from ansible_collections.gpuops.runai.plugins.module_utils._batch.plan import (
    Rules,
    ids_to,
    plan_one,
    send_anyway,
)
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import SEND
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import SEEN, Workload
from ansible_collections.gpuops.runai.tests.support.memory_client import (
    memory_as_control_plane,
    outcome_by_id,
    run,
    same,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

IDS = workload_ids(4)


@pytest.fixture(autouse=True, scope="module")
def no_network() -> Iterator[None]:
    with memory_as_control_plane():
        yield


def test_run_batch_calls_on_send_before_each_batch() -> None:
    control_plane = same(4, "Running")
    asked: list[tuple[int, Sequence[str]]] = []

    def write_down(ids: Sequence[str]) -> None:
        asked.append((len(control_plane.batches), list(ids)))

    run(control_plane, hooks=BatchHooks(on_send=write_down), ids=IDS, batch_size=2, concurrency=1)
    assert asked == [(0, IDS[:2]), (1, IDS[2:])]
    assert control_plane.batches == [IDS[:2], IDS[2:]]


def test_run_batch_with_a_failing_on_send_leaves_the_rest_not_attempted() -> None:
    control_plane = same(4, "Running")

    def write_down(ids: Sequence[str]) -> None:
        if control_plane.batches:
            raise RunaiError("no space left")

    hooks = BatchHooks(on_send=write_down)
    finished = run(control_plane, hooks=hooks, ids=IDS, batch_size=2, concurrency=1)
    assert control_plane.batches == [IDS[:2]]
    assert list(outcome_by_id(finished).values()) == ["changed", "changed", "not_attempted", "not_attempted"]
    assert finished.result["msg"].endswith("; no space left")


def test_send_anyway_sends_already_done_ids_but_no_impossible_ones() -> None:
    plan = [
        plan_one("resume", Workload(one, SEEN, phase=phase), Rules((), None, ()))
        for one, phase in zip(IDS, ("Running", "Running", "Completed"), strict=False)
    ]
    assert ids_to(SEND, send_anyway(plan, {IDS[0], IDS[2]})) == [IDS[0]]
