# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller in the same process learns after a lost response, where phases show nothing yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.context import BatchHooks
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import Outcome
from ansible_collections.gpuops.runai.plugins.module_utils._batch.run import run_batch

from simulator.server import Handle
from tests.component.conftest import Start
from tests.component.harness import BATCH, DEFAULTS
from tests.support.workloads import workload_id

IDS = [workload_id(number) for number in range(2)]
LOST = {"kind": "cut", "apply": False}


def _outcomes(simulator: Handle, action: str, anyway: Sequence[str] = (), **options: Any) -> list[Outcome]:
    settled: list[Outcome] = []
    params = {**DEFAULTS, "base_url": simulator.url, "action": action, "ids": IDS, **options}
    hooks = BatchHooks(on_settled=settled.extend, send_anyway=frozenset(anyway))
    run_batch(params, {}, False, False, hooks=hooks)
    return settled


@pytest.mark.parametrize(("losses", "outcome"), [(1, "changed"), (None, "unknown")])
def test_send_anyway_after_a_lost_response_is_sent_again_and_never_changed_by_its_phase(
    start: Start, losses: int | None, outcome: str
) -> None:
    simulator = start(count=2)
    simulator.faults({"match": BATCH, "fault": LOST, "times": losses})
    settled = _outcomes(simulator, "resume", IDS, retry_timeout=1)
    assert [one.outcome for one in settled] == [outcome] * 2
    assert simulator.summary()["ids_sent"]["resume"][IDS[0]] >= 2


def test_outcome_refused_after_a_lost_response_may_still_be_applied(start: Start) -> None:
    simulator = start(count=2, lag_seconds=60)
    simulator.faults(
        {"match": BATCH, "fault": {**LOST, "apply": True}},
        {"match": BATCH, "nth": 2, "fault": {"kind": "refuse_ids", "ids": IDS[:1]}},
    )
    settled = {one.id: one for one in _outcomes(simulator, "suspend", retry_timeout=5)}
    assert (settled[IDS[0]].outcome, settled[IDS[0]].may_be_applied) == ("failed", True)
    assert (settled[IDS[1]].outcome, settled[IDS[1]].may_be_applied) == ("changed", False)


def test_outcome_refused_at_once_is_not_applied(start: Start) -> None:
    simulator = start(count=2)
    simulator.faults({"match": BATCH, "fault": {"kind": "refuse_ids"}})
    assert [one.may_be_applied for one in _outcomes(simulator, "suspend")] == [False, False]
