# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose a stop is: two records, random begins, ends, kills, owners' acts, late calls and cut-off clusters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import Outcome
from ansible_collections.gpuops.runai.plugins.module_utils._batch.run import BatchHooks
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import run_maintenance
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.seen import (
    Identity,
    PodsOnNode,
    Seen,
    Selected,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.ownership import (
    HELD,
    LATE,
    NOT_STOPPED,
    OURS,
    RESUMED_SINCE,
    STAMPS_MOVED,
    TOUCHED,
    Now,
    verdict,
    verdicts,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import Record, RecordedWorkload
from ansible_collections.gpuops.runai.plugins.modules.runai_maintenance import ARGUMENT_SPEC
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(4)]


def _stopped(workload_id: str = IDS[0]) -> RecordedWorkload:
    one = RecordedWorkload(workload_id, "act", phase="Running")
    one.ask("suspend", "t")
    one.answer("suspend", "changed", None, "")
    one.see("Stopped", "1")
    return one


def test_verdict_of_an_accepted_suspend_that_was_not_seen_is_late() -> None:
    one = RecordedWorkload(IDS[0], "act", phase="Running")
    one.ask("suspend", "t")
    assert verdict(one, Now("Running"), False, False) == LATE
    one.answer("suspend", "changed", None, "")
    assert verdict(one, Now("Running"), False, False) == LATE
    one.ask("resume", "t")
    one.answer("resume", "failed", 409, "conflict")
    assert verdict(one, Now("Running"), False, False) == LATE


def test_verdict_of_a_workload_that_was_never_asked_or_refused_is_not_stopped() -> None:
    one = RecordedWorkload(IDS[0], "act", phase="Running")
    assert verdict(one, Now("Stopped"), False, False) == NOT_STOPPED
    one.ask("suspend", "t")
    one.answer("suspend", "failed", 409, "conflict")
    assert verdict(one, Now("Stopped"), False, False) == NOT_STOPPED


def test_verdict_of_a_stop_decides_by_time_stamps_and_holders() -> None:
    one = _stopped()
    assert verdict(one, Now("Stopped", "1"), False, False) == OURS
    assert verdict(one, Now("Stopped", "2"), False, False) == TOUCHED
    assert verdict(one, Now("Stopped", "1"), False, True) == HELD
    assert verdict(one, Now("Running", "2"), False, False) == RESUMED_SINCE


def test_verdicts_of_many_moved_stamps_prove_nothing() -> None:
    record = Record("1", "night", {}, workloads={one: _stopped(one) for one in IDS})
    moved = {one: Now("Stopped", "2") for one in IDS}
    assert set(verdicts(record, moved).values()) == {STAMPS_MOVED}
    one_moved = {one: Now("Stopped", "2" if one == IDS[0] else "1") for one in IDS}
    assert list(verdicts(record, one_moved).values()) == [TOUCHED, OURS, OURS, OURS]


class CrashError(BaseException):
    """What stands for kill -9: nothing in the code under test may catch it."""


@dataclasses.dataclass
class Plane:
    """A control plane in memory. A cluster that is cut off accepts and carries out later, in order."""

    phases: dict[str, str]
    since: dict[str, int]
    tick: int = 0
    is_cut_off: bool = False
    crash_in: int = -1
    pending: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    late: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    asked: set[str] = dataclasses.field(default_factory=set)
    wronged: set[str] = dataclasses.field(default_factory=set)
    by_owner: set[str] = dataclasses.field(default_factory=set)
    warnings: list[str] = dataclasses.field(default_factory=list)
    secrets: set[str] = dataclasses.field(default_factory=set)

    def move(self, workload_id: str, phase: str) -> None:
        self.tick += 1
        if self.phases[workload_id] != phase:
            self.phases[workload_id], self.since[workload_id] = phase, self.tick

    def carry_out(self) -> None:
        for workload_id, phase in self.pending:
            self.move(workload_id, phase)
        self.pending = []

    def arrive(self) -> None:
        """Let calls of a killed run arrive."""
        for workload_id, phase in self.late:
            self.accept(workload_id, phase)
        self.late = []

    def accept(self, workload_id: str, phase: str) -> None:
        self.by_owner.discard(workload_id)
        if self.is_cut_off:
            self.pending.append((workload_id, phase))
        else:
            self.move(workload_id, phase)

    def identity(self) -> Identity:
        return Identity("https://a.example", "1", {"c": "berlin"}, False, True, {"c": "2.24"})

    def select(self, selection: Mapping[str, Any]) -> Selected:
        return Selected([self._seen(one) for one in selection.get("ids", IDS)], {})

    def look(self, ids: Sequence[str]) -> dict[str, Seen]:
        return {one: self._seen(one) for one in ids}

    def deleted(self, ids: Sequence[str]) -> set[str]:
        return set()

    def unlisted(self, option: str, names: Sequence[str], clusters: Any) -> dict[str, list[str]]:
        return {}

    def pods(self, nodes: Sequence[str], clusters: Any) -> list[PodsOnNode]:
        return []

    def warn_once(self, words: str) -> None:
        self.warnings.append(words)

    def _seen(self, one: str) -> Seen:
        phase, since = self.phases[one], str(self.since[one])
        return Seen(one, one[-1], "p", "ada", "c", "Training", False, phase, since, None, 1.0, None)

    def batch(
        self, params: dict[str, Any], environ: Any, check: bool, diff: bool, say: Any, hooks: BatchHooks
    ) -> ModuleResult:
        """Send as the batch module does, two ids a call; a crash may come before or after a call."""
        outcomes: dict[str, list[str]] = {
            key: [] for key in ("changed", "unchanged", "skipped", "failed", "unknown", "not_attempted")
        }
        target = {"suspend": "Stopped", "resume": "Running"}[params["action"]]
        ids = [one for one in params["ids"] if self.phases[one] != target or one in hooks.send_anyway]
        outcomes["unchanged"] = [one for one in params["ids"] if one not in ids]
        for start in range(0, len(ids), 2):
            part = ids[start : start + 2]
            hooks.on_send(part)
            if target == "Stopped":
                self.asked.update(part)
            else:
                self.wronged.update(one for one in part if one not in self.asked)
            self.crash_in -= 1
            if self.crash_in == 0:
                # Sent, and not arrived yet.
                self.late += [(one, target) for one in part]
                raise CrashError
            for one in part:
                self.accept(one, target)
            self.crash_in -= 1
            if self.crash_in == 0:
                raise CrashError
            hooks.on_settled([Outcome(one, "changed") for one in part])
            outcomes["changed"] += part
        return ModuleResult({"outcomes": outcomes, "msg": "x"}, False, [], set())


def _run(plane: Plane, folder: Path, name: str, state: str) -> ModuleResult | None:
    said = {
        "name": name,
        "state": state,
        "record_dir": str(folder),
        "reason": "fan",
        "select": {"all": True},
        "max_affected": "none",
        "max_percent": "none",
        "settle_time": 0.0,
        "allow_empty": True,
    }
    params = {option: said.get(option, spec.get("default")) for option, spec in ARGUMENT_SPEC.items()}
    spec = ARGUMENT_SPEC["select"]["options"]
    params["select"] = {option: one.get("default") for option, one in spec.items()} | {"all": True}
    if state == "ended":
        # Calls of a killed run have arrived by then: the end waits for them.
        plane.arrive()
    try:
        return run_maintenance(params, said, {}, False, reader=plane, batch=plane.batch)
    except CrashError:
        return None


ACTS = st.one_of(
    st.tuples(st.just("begun"), st.sampled_from(["a", "b"]), st.integers(-1, 5)),
    st.tuples(st.just("ended"), st.sampled_from(["a", "b"]), st.integers(-1, 5)),
    st.tuples(st.just("owner"), st.sampled_from(IDS), st.sampled_from(["Running", "Stopped"])),
    st.tuples(st.just("cut"), st.just(""), st.just(0)),
    st.tuples(st.just("mend"), st.just(""), st.just(0)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTS, max_size=12))
def test_nothing_stays_stopped_after_all_have_ended_and_nothing_of_owners_is_resumed(
    acts: list[tuple[str, Any, Any]],
) -> None:
    plane = Plane(dict.fromkeys(IDS, "Running"), dict.fromkeys(IDS, 0))
    plane.phases[IDS[3]] = "Stopped"
    plane.by_owner.add(IDS[3])
    with TemporaryDirectory() as place:
        folder = Path(place)
        begun: set[str] = set()
        for act, which, what in acts:
            if act == "owner":
                # Owners act on what their cluster shows.
                if not plane.is_cut_off and plane.phases[which] != what:
                    plane.move(which, what)
                    (plane.by_owner.add if what == "Stopped" else plane.by_owner.discard)(which)
            elif act in ("cut", "mend"):
                plane.is_cut_off = act == "cut"
                if act == "mend":
                    plane.carry_out()
            else:
                plane.crash_in = what
                done = _run(plane, folder, which, act)
                # What ended well is over: nobody runs its end again.
                is_over = act == "ended" and done is not None and done.result["state"] == "ended"
                (begun.discard if is_over else begun.add)(which)
        plane.is_cut_off = False
        plane.carry_out()
        plane.arrive()
        plane.crash_in = -1
        is_red = False
        for name in sorted(begun):
            for _again in range(3):
                done = _run(plane, folder, name, "ended")
                assert done is not None
                if not done.failed:
                    break
            is_red = is_red or (done is not None and done.failed)
        for workload_id in IDS[:3]:
            is_ours = plane.phases[workload_id] == "Stopped" and workload_id not in plane.by_owner
            assert is_red or not is_ours, plane
        # Nothing is resumed that was never asked to stop.
        assert not plane.wronged, plane
