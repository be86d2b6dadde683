# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import heapq
from typing import Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch import concurrency as _concurrency
from ansible_collections.gpuops.runai.plugins.module_utils._batch.concurrency import ConcurrencyLimit
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock(0.0)
    monkeypatch.setattr(_concurrency, "time", clock)
    return clock


class Rounds:
    """A limit whose responses come in rounds: as many as the limit, all after the same time."""

    def __init__(self, clock: FakeClock, start: int = 4, fixed: Optional[int] = None) -> None:
        self.clock = clock
        self.limit = ConcurrencyLimit(fixed)
        self.limit._set_limit(fixed or start)

    def respond(self, seconds: float = 1.0, rounds: int = 1) -> int:
        for _round in range(rounds):
            in_flight = self.limit.limit
            self.clock.seconds += seconds
            for _respond in range(in_flight):
                self.limit.record_response(seconds)
            self.clock.seconds += 0.001
        return self.limit.limit

    def refuse(self, count: int) -> int:
        began = self.clock.seconds
        self.clock.seconds += 0.01
        for _refusal in range(count):
            self.limit.record_overload(began)
        self.clock.seconds += 0.001
        return self.limit.limit


def test_limit_while_responses_are_fast_doubles_each_round_up_to_most(clock: FakeClock) -> None:
    rounds = Rounds(clock)
    assert [rounds.respond() for _round in range(3)] == [8, 16, 16]


def test_limit_after_an_overload_halves_once_for_all_calls_in_flight(clock: FakeClock) -> None:
    rounds = Rounds(clock, start=12)
    assert rounds.refuse(6) == 6


def test_limit_after_refusals_of_a_later_round_halves_again(clock: FakeClock) -> None:
    rounds = Rounds(clock, start=12)
    assert [rounds.refuse(6), rounds.refuse(6), rounds.refuse(3), rounds.refuse(1)] == [6, 3, 1, 1]


def test_limit_after_an_overload_grows_back_to_the_accepted_number(clock: FakeClock) -> None:
    rounds = Rounds(clock, start=8)
    # Of 8 in flight, 6 were accepted.
    assert rounds.refuse(2) == 4
    assert [rounds.respond() for _round in range(5)] == [6, 6, 6, 6, 6]


def test_limit_after_many_responses_at_the_accepted_number_tries_one_more_ever_more_rarely(
    clock: FakeClock,
) -> None:
    rounds = Rounds(clock, start=8)
    rounds.refuse(2)
    tries = []
    for number in range(40):
        if rounds.respond() == 7:
            tries.append(number)
            rounds.refuse(1)
    assert len(tries) == 2
    assert tries[1] - tries[0] > tries[0]


def test_limit_with_slower_responses_halves_and_stays(clock: FakeClock) -> None:
    rounds = Rounds(clock)
    rounds.respond(rounds=2)
    assert rounds.respond(seconds=2.5) == 8
    assert rounds.respond(seconds=1.0, rounds=3) == 8


def test_limit_with_somewhat_slower_responses_holds(clock: FakeClock) -> None:
    rounds = Rounds(clock)
    rounds.respond()
    assert rounds.respond(seconds=1.8, rounds=5) == 8


def test_limit_of_a_control_plane_that_is_slow_at_any_number_halves_once(clock: FakeClock) -> None:
    rounds = Rounds(clock)
    rounds.respond(rounds=2)
    assert rounds.respond(seconds=4.0, rounds=10) >= 8


def test_limit_with_one_slow_response_goes_on(clock: FakeClock) -> None:
    rounds = Rounds(clock, start=8)
    rounds.respond()
    rounds.clock.seconds += 30.0
    rounds.limit.record_response(30.0)
    assert rounds.limit.limit == 16


def test_limit_that_is_fixed_never_moves(clock: FakeClock) -> None:
    rounds = Rounds(clock, fixed=3)
    assert [rounds.respond(), rounds.refuse(3), rounds.respond(seconds=50.0, rounds=3)] == [3, 3, 3]


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 100.0)), max_size=80))
def test_limit_after_any_responses_stays_within_its_bounds(events: list[tuple[bool, float]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock = FakeClock(0.0)
        patch.setattr(_concurrency, "time", clock)
        rounds = Rounds(clock)
        for is_response, seconds in events:
            limit = rounds.respond(seconds) if is_response else rounds.refuse(1)
            assert 1 <= limit <= 16


def seconds_of(limit: ConcurrencyLimit, clock: FakeClock, batches: int, accepted: int) -> float:
    """Run batches of one second on a control plane that refuses calls above ``accepted`` at once.

    A refused batch is sent again after a pause of half a second, as delivery does.
    """
    clock.seconds = 0.0
    events: list[tuple[float, int, bool]] = []
    waiting, active, served, number = batches, 0, 0, 0

    def call(is_first: bool) -> None:
        nonlocal served, number
        number += 1
        if served < accepted:
            served += 1
            heapq.heappush(events, (clock.seconds + 1.0, number, is_first))
            return
        if is_first:
            limit.record_overload(clock.seconds)
        heapq.heappush(events, (clock.seconds + 0.5, -number, False))

    while waiting or active:
        while waiting and active < limit.limit:
            waiting, active = waiting - 1, active + 1
            call(True)
        clock.seconds, kind, is_first = heapq.heappop(events)
        if kind < 0:
            call(False)
            continue
        active, served = active - 1, served - 1
        if is_first:
            limit.record_response(1.0)
    return clock.seconds


def test_limit_where_more_than_six_are_refused_takes_little_longer_than_six(clock: FakeClock) -> None:
    best = seconds_of(ConcurrencyLimit(6), clock, 100, accepted=6)
    assert seconds_of(ConcurrencyLimit(None), clock, 100, accepted=6) <= 1.25 * best
