# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, cast

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch import fresh_state as _fresh_state
from ansible_collections.gpuops.runai.plugins.module_utils._batch.fresh_state import FreshState
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import Outcome
from ansible_collections.gpuops.runai.plugins.module_utils._batch.plan import Rules
from ansible_collections.gpuops.runai.plugins.module_utils._workload.state import StateReader
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import MISSING, SEEN, Workload
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock


class Reader:
    """Reads phases from a dictionary; a read takes ``seconds``."""

    def __init__(self, phases: dict[str, str], clock: FakeClock) -> None:
        self.phases = phases
        self.reads: list[list[str]] = []
        self.seconds = 0.0
        self._clock = clock

    def read(self, ids: Sequence[str]) -> dict[str, Workload]:
        self.reads.append(list(ids))
        self._clock.advance(self.seconds)
        return {one: workload(one, self.phases[one]) for one in ids}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock(0.0)
    monkeypatch.setattr(_fresh_state, "time", clock)
    return clock


def workload(one: str, phase: str) -> Workload:
    return Workload(one, SEEN, phase=phase) if phase else Workload(one, MISSING)


def fresh_state(reader: Reader, only_phases: Optional[Sequence[str]] = None) -> FreshState:
    rules = Rules((), only_phases, ("deleting",))
    state = {one: workload(one, phase) for one, phase in reader.phases.items()}
    return FreshState(cast(StateReader, reader), rules, list(reader.phases), state, read_at=0.0)


def test_fresh_state_within_five_seconds_reads_nothing(clock: FakeClock) -> None:
    reader = Reader({"a": "Stopped"}, clock)
    state = fresh_state(reader)
    clock.seconds = 5.0
    assert state.outcomes_of_changed(["a"]) == []
    assert reader.reads == []


@pytest.mark.parametrize(
    ("only_phases", "before", "after", "outcome"),
    [
        (("Completed",), "Completed", "Completed", None),
        (("Completed",), "Completed", "Running", ("skipped", "phase")),
        (("Completed", "Running"), "Completed", "Running", None),
        (None, "Completed", "Running", ("skipped", "phase")),
        (None, "Stopped", "Pending", ("skipped", "phase")),
        (None, "Pending", "Running", None),
        (None, "Running", "Completed", None),
        (None, "Running", "Deleting", ("unchanged", "")),
        (None, "Running", "", ("unchanged", "not_found")),
    ],
)
def test_fresh_state_after_five_seconds_settles_workloads_that_are_not_as_planned(
    clock: FakeClock,
    only_phases: Optional[Sequence[str]],
    before: str,
    after: str,
    outcome: Optional[tuple[str, str]],
) -> None:
    reader = Reader({"a": before}, clock)
    state = fresh_state(reader, only_phases)
    reader.phases["a"], clock.seconds = after, 5.1
    found: list[Outcome] = state.outcomes_of_changed(["a"])
    assert [(one.outcome, one.reason) for one in found] == ([] if outcome is None else [outcome])


def test_fresh_state_reads_the_following_batches_too_and_only_once_while_it_is_new(clock: FakeClock) -> None:
    reader = Reader({str(number): "Stopped" for number in range(30)}, clock)
    state = fresh_state(reader)
    clock.seconds = 5.1
    state.outcomes_of_changed(["0", "1"])
    state.outcomes_of_changed(["18", "19"])
    assert reader.reads == [[str(number) for number in range(20)]]
    clock.advance(5.1)
    state.outcomes_of_changed(["18", "19"])
    assert reader.reads[1] == [str(number) for number in range(18, 30)]


def test_fresh_state_after_a_long_read_reads_one_batch_at_a_time(clock: FakeClock) -> None:
    reader = Reader({str(number): "Stopped" for number in range(30)}, clock)
    state = fresh_state(reader)
    clock.seconds, reader.seconds = 5.1, 6.0
    for batch in (["0", "1"], ["2", "3"], ["4", "5"]):
        state.outcomes_of_changed(batch)
    assert [len(read) for read in reader.reads] == [20, 2, 2]
