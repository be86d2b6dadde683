# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sequences of faults, on a control plane and a clock by hand: the promises hold after each run."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import BAD
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.component.harness import DONE, READY
from tests.component.in_process_simulator import Fault, InProcessSimulator
from tests.support.workloads import fleet, workload_id

IDS = [workload_id(number) for number in range(8)]
ACTIONS = st.sampled_from(["suspend", "resume", "delete"])
RETRY_AFTER = st.sampled_from([None, 0, 3, 1e6])
TEXTS = st.sampled_from(["", "<html>", "{", "[]", "null", '"x"', "{}", '{"succeeded": 7}', '{"failed": {}}'])

BLIND = st.sampled_from([0, 0, 100])
BATCH_FAULTS = st.one_of(
    st.builds(Fault, st.sampled_from(["timeout", "cut"]), st.booleans()),
    st.builds(Fault, st.just("text"), st.booleans(), text=TEXTS),
    st.builds(
        Fault,
        st.just("status"),
        st.booleans(),
        st.sampled_from([408, 500, 502, 503, 504, 400, 401, 403, 404, 413, 429]),
        RETRY_AFTER,
        is_page=st.booleans(),
    ),
    # A proxy gives up on what it has passed on; some are blind then, too.
    st.builds(Fault, st.just("status"), st.just(True), st.just(503), is_page=st.just(True), blind=BLIND),
    st.builds(Fault, st.just("status"), st.just(True), st.just(503), blind=BLIND),
    st.builds(
        Fault,
        st.sampled_from(["omit", "refuse", "refuse", "both_lists", "foreign", "orphan"]),
        st.booleans(),
        share=st.integers(1, 4),
    ),
    st.just(Fault("refused")),
)
READ_FAULTS = st.one_of(
    st.builds(Fault, st.sampled_from(["timeout", "cut", "refused"])),
    st.builds(Fault, st.just("text"), text=TEXTS),
    st.builds(
        Fault, st.just("status"), status=st.sampled_from([401, 403, 429, 500, 503]), retry_after=RETRY_AFTER
    ),
)
TOKEN_FAULTS = st.one_of(
    st.builds(Fault, st.just("text"), text=TEXTS),
    st.builds(Fault, st.just("status"), status=st.sampled_from([400, 401, 429, 500])),
)


class Operations(RuleBasedStateMachine):
    """People act on workloads while the control plane and the network misbehave."""

    @initialize(
        phase=st.sampled_from(["Running", "Stopped"]),
        lag=st.sampled_from([0.0, 3.0, 8.0]),
        redundant=st.sampled_from(["succeed", "fail"]),
    )
    def begin(self, phase: str, lag: float, redundant: str) -> None:
        self.monkeypatch = pytest.MonkeyPatch()
        self.control_plane = InProcessSimulator(
            fleet(len(IDS), phase), transition_seconds=20.0, lag_seconds=lag, redundant=redundant
        )
        self.control_plane.install(self.monkeypatch)

    def teardown(self) -> None:
        self.monkeypatch.undo()

    @rule(seconds=st.sampled_from([1.0, 30.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        self.control_plane.clock.advance(seconds)
        self.control_plane.fleet.settle()

    @rule(one=st.sampled_from(IDS), phase=st.sampled_from(["Running", "Stopped", "Completed", "Pending"]))
    def somebody_else_acts(self, one: str, phase: str) -> None:
        if self.control_plane.fleet.phase(one) is not None:
            self.control_plane.fleet.set_phase(one, phase)

    @rule(
        action=ACTIONS,
        ids=st.lists(st.sampled_from(IDS), min_size=3, max_size=8, unique=True),
        is_new=st.sampled_from([True, True, True, False]),
        of_batches=st.lists(st.one_of(st.none(), BATCH_FAULTS), max_size=4),
        reads_before=st.integers(0, 20),
        of_reads=st.lists(st.one_of(st.none(), READ_FAULTS), max_size=4),
        of_tokens=st.sampled_from([0, 0, 0, 1]).flatmap(lambda most: st.lists(TOKEN_FAULTS, max_size=most)),
        options=st.fixed_dictionaries(
            {
                "batch_size": st.sampled_from([1, 2, 3, 8]),
                "concurrency": st.sampled_from([1, 1, 2, 3]),
                "retry_timeout": st.sampled_from([0.0, 5.0, 120.0]),
                "deadline": st.sampled_from([None, None, 20]),
                "max_failures": st.sampled_from(["0", "50%", "100%"]),
                "wait": st.booleans(),
                "wait_timeout": st.just(60.0),
                "wait_interval": st.just(5.0),
            }
        ),
    )
    def somebody_acts(
        self,
        action: str,
        ids: list[str],
        is_new: bool,
        of_batches: list[Fault | None],
        reads_before: int,
        of_reads: list[Fault | None],
        of_tokens: list[Fault],
        options: dict[str, Any],
    ) -> None:
        self.settled()
        if is_new:
            for one in ids:
                self.control_plane.renew(one, READY[action])
        control_plane = self.control_plane
        control_plane.batch_faults.extend(of_batches)
        control_plane.read_faults.extend([*[None] * reads_before, *of_reads])
        control_plane.token_faults.extend(of_tokens)
        self.run(action, ids, **options)
        for faults in (control_plane.batch_faults, control_plane.read_faults, control_plane.token_faults):
            faults.clear()

    @rule(action=ACTIONS)
    def on_a_quiet_day_all_is_settled_and_a_repeat_sends_nothing(self, action: str) -> None:
        self.settled()
        ids = [
            one
            for one in IDS
            if self.control_plane.fleet.phase(one) not in ("Completed", "Failed", "Stopping")
        ]
        result = self.run(action, ids)
        assert not result["outcomes"]["unknown"]
        assert not result["outcomes"]["not_attempted"]
        self.settled()
        changed = result["outcomes"]["changed"]
        assert all(self.control_plane.fleet.phase(one) in DONE[action] for one in changed)
        again = self.run(action, changed)
        assert not again["changed"]
        assert self.control_plane.ground_truth.batches == 0

    def settled(self) -> None:
        """What earlier runs left under way arrives: the ground truth covers one run."""
        self.time_passes(10.0)

    def run(self, action: str, ids: list[str], **options: Any) -> dict[str, Any]:
        """Run, and hold the report against the truth."""
        finished = self.control_plane.run(action, ids, **options)
        result, truth = finished.result, self.control_plane.ground_truth
        found = {outcome: set(named) for outcome, named in result["outcomes"].items()}

        # Each id has exactly one outcome.
        assert sorted(one for named in result["outcomes"].values() for one in named) == sorted(ids)
        # Changed is what was really changed; what was changed is called changed, or unknown.
        assert found["changed"] <= truth.carried_out
        assert truth.carried_out - truth.lied_about <= found["changed"] | found["unknown"], result["msg"]
        # Unknown is only what a call left open.
        assert found["unknown"] <= truth.left_open
        # Nothing that was seen to be applied is sent again, and nothing without a read.
        assert not truth.sent_wrongly
        assert result["changed"] is bool(found["changed"])
        assert finished.failed or not any(found[outcome] for outcome in BAD)
        assert not [row for row in result["workloads"] if row["reason"] == "internal"]
        # What is named in both lists counts as failed.
        assert truth.in_both <= found["failed"]
        # With one call at a time, it is known which were begun when.
        if options.get("concurrency") == 1:
            assert not truth.called_late
            self.check_breaker(result, str(options["max_failures"]))
        return result

    def check_breaker(self, result: dict[str, Any], max_failures: str) -> None:
        """No batch is begun once more ids were refused than accepted."""
        refused = {
            row["id"]
            for row in result["workloads"]
            if row["outcome"] == "failed" and row["reason"] == "refused"
        }
        accepted = int(max_failures.rstrip("%")) * (
            result["summary"]["requested"] if "%" in max_failures else 1
        )
        calls = self.control_plane.ground_truth.calls
        for number, ids in enumerate(calls):
            before = {one for call in calls[:number] for one in call}
            if before.isdisjoint(ids):
                assert len(before & refused) * (100 if "%" in max_failures else 1) <= accepted


# More of them, at random: EXAMPLES=2000 pytest tests/component/test_random_faults.py
Operations.TestCase.settings = settings(stateful_step_count=25)
TestOperations = Operations.TestCase
