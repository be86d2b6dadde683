# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A maintenance that is killed anywhere, with others at work at the same time, restores what it stopped."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Optional
from unittest import mock

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import record_file as _record_file
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.begin import (
    begin_step,
    begun_step,
    fold_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.context import Context, Step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.end import (
    end_step,
    ended_step,
    status_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.plan import plan_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_packed import pack
from ansible_collections.gpuops.runai.tests.support.fake_maintenance import (
    SAID,
    CrashError,
    CrashPoint,
    FakeControlPlane,
    context,
)
from hypothesis import given, settings
from hypothesis import strategies as st

STOPPABLE = ("Running", "Pending", "Degraded")
phases = st.lists(st.sampled_from([*STOPPABLE, "Stopped", "Completed"]), min_size=1, max_size=6)
# What others do, to which workload: stop, resume, resume and stop again, delete.
deeds = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["again", "Stopped", "Running", "Completed", "delete"])),
    max_size=4,
)
fuses = st.integers(0, 40)


@contextlib.contextmanager
def killed_at(control_plane: FakeControlPlane, sparks: int) -> Iterator[CrashPoint]:
    """Kill what runs inside at that moment, which may be within a step or between two; 0 kills nothing."""
    fuse = control_plane.fuse = CrashPoint(sparks)
    write = _record_file.write_whole

    def write_or_die(path: str, text: str) -> None:
        fuse.hit()
        write(path, text)
        fuse.hit()

    # The disk itself does not crash here, and 10,000 flushes of it take a minute.
    with (
        mock.patch.object(_record_file, "write_whole", write_or_die),
        mock.patch("os.fsync"),
        contextlib.suppress(CrashError),
    ):
        yield fuse
    control_plane.fuse = CrashPoint(0)


def send(control_plane: FakeControlPlane, at: Context, action: str, step: Step) -> None:
    if step.ids and step.report:
        fold_step(at, action, control_plane.send(action, step.ids), step.report.name, is_last=True)


def begin(control_plane: FakeControlPlane, at: Context, meanwhile: Sequence[tuple[int, str]] = ()) -> None:
    step = begin_step(at)
    others_do(control_plane, meanwhile)
    send(control_plane, at, "suspend", step)
    begun_step(at)


def end(control_plane: FakeControlPlane, at: Context) -> Step:
    step = end_step(at)
    send(control_plane, at, "resume", step)
    send(control_plane, at, "resume", step._replace(ids=step.ids_after, report=step.report_after))
    return ended_step(at)


def others_do(control_plane: FakeControlPlane, done: Sequence[tuple[int, str]]) -> None:
    for number, deed in done:
        workload = control_plane.workloads.get(control_plane.ids[number % len(control_plane.ids)])
        if workload is None:
            continue
        if deed == "delete":
            control_plane.delete(workload.id)
        elif deed == "again":
            control_plane.set_phase(workload.id, "Running")
            control_plane.set_phase(workload.id, "Stopped")
        elif not (deed == "Stopped" and workload.phase not in STOPPABLE):
            control_plane.set_phase(workload.id, deed)


@settings(max_examples=300)
@given(phases, fuses, fuses, fuses, deeds, deeds)
def test_what_was_stopped_comes_back_whenever_it_is_killed(
    before: list[str],
    plan_fuse: int,
    begin_fuse: int,
    end_fuse: int,
    first_deeds: list[tuple[int, str]],
    more_deeds: list[tuple[int, str]],
) -> None:
    control_plane = FakeControlPlane(before)
    with tempfile.TemporaryDirectory() as folder:
        at = context(control_plane, folder, **SAID)
        with killed_at(control_plane, plan_fuse):
            plan_step(at)
        others_do(control_plane, first_deeds)
        with killed_at(control_plane, begin_fuse):
            begin(control_plane, at)
        if at.load() is None:
            assert not control_plane.ours
            return
        others_do(control_plane, more_deeds)
        ours = set(control_plane.ours)
        not_ours = {one.id for one in control_plane.workloads.values() if one.phase == "Stopped"} - ours
        was_killed = begin_fuse != 0
        with killed_at(control_plane, end_fuse):
            end(control_plane, at)
        record = end(control_plane, at).record
        assert record is not None
        # Nothing is stranded.
        assert {control_plane.workloads[one].phase for one in ours} <= {"Running"}
        assert record.state == "ended"
        # What others stopped stays so, but where a crash made our own stop impossible to tell from theirs.
        resumed = {one for one in not_ours if control_plane.workloads[one].phase != "Stopped"}
        assumed = {entry.id for entry in record.workloads if entry.resume and _was_in_doubt(entry)}
        assert resumed <= assumed
        assert was_killed or not resumed


@settings(max_examples=150)
@given(phases, fuses, fuses)
def test_begin_goes_on_from_any_crash(before: list[str], first: int, second: int) -> None:
    control_plane = FakeControlPlane(before)
    with tempfile.TemporaryDirectory() as folder:
        at = context(control_plane, folder, **SAID)
        for sparks in (first, second, 0):
            with killed_at(control_plane, sparks):
                begin(control_plane, at)
        record = at.need()
        assert record.state == "begun"
        assert {entry.id: entry.phase_before for entry in record.workloads} == {
            workload_id: phase for workload_id, phase in zip(control_plane.ids, before) if phase in STOPPABLE
        }
        now = [control_plane.workloads[one].phase for one in control_plane.ids]
        assert now == ["Stopped" if phase in STOPPABLE else phase for phase in before]
        end(control_plane, at)
        now = [control_plane.workloads[one].phase for one in control_plane.ids]
        assert now == ["Running" if phase in STOPPABLE else phase for phase in before]


@pytest.mark.parametrize(
    ("deeds_before", "deeds_during"),
    [
        *(([deed], []) for deed in ("again", "Running", "Stopped", "Completed", "delete")),
        (["Running"], ["Stopped"]),
        ([], []),
    ],
)
def test_a_stop_that_may_be_anothers_is_flagged(deeds_before: list[str], deeds_during: list[str]) -> None:
    """Killed at every moment there is; others do something to one of two before begin goes on, and during."""
    done, meanwhile = ([(0, deed) for deed in found] for found in (deeds_before, deeds_during))
    for sparks in itertools.count(1):
        control_plane = FakeControlPlane(["Running", "Pending"])
        with tempfile.TemporaryDirectory() as folder:
            at = context(control_plane, folder, **SAID)
            with killed_at(control_plane, sparks) as fuse:
                begin(control_plane, at)
            if at.load() is None:
                continue
            others_do(control_plane, done)
            assert taken_for_ours(at) <= control_plane.ours
            begin(control_plane, at, meanwhile)
            assert taken_for_ours(at) <= control_plane.ours
            others_do(control_plane, done)
            assert taken_for_ours(at) <= control_plane.ours
            if fuse.left > 0:
                # It was not killed any more: nothing is in doubt.
                assert taken_for_ours(at) == control_plane.ours
                return


@pytest.mark.parametrize("artifact", ["plan", "begin"])
@pytest.mark.parametrize("deed", [None, "Completed", "delete"])
def test_what_a_killed_job_stopped_comes_back_where_jobs_share_no_storage(
    artifact: str, deed: Optional[str]
) -> None:
    """Killed at every moment there is; what it wrote dies with it, and begin runs again with the plan."""
    for sparks in itertools.count(1):
        control_plane = FakeControlPlane(["Running", "Pending", "Stopped", "Running"])
        packed = handed_on(plan_step(context(control_plane, None, durable=False, **SAID)))
        with killed_at(control_plane, sparks) as fuse, own_folder(control_plane, packed) as at:
            begin(control_plane, at)
        if deed is not None:
            others_do(control_plane, [(3, deed)])
        was_killed = fuse.left <= 0
        stopped_by_the_killed = set(control_plane.ours)
        with own_folder(control_plane, packed) as at:
            step = begin_step(at)
            assert step.page is not None
            said = [line for line in step.page.lines if "by an earlier begin of it as far as can" in line]
            assert bool(said) == bool(stopped_by_the_killed)
            send(control_plane, at, "suspend", step)
            handed = handed_on(begun_step(at))
        assert [control_plane.workloads[one].phase for one in control_plane.ids[:2]] == ["Stopped", "Stopped"]
        with own_folder(control_plane, packed if artifact == "plan" else handed) as at:
            record = end(control_plane, at).record
        assert record is not None
        assert record.state == "ended"
        assert not control_plane.ours
        assert [control_plane.workloads[one].phase for one in control_plane.ids[:3]] == [
            "Running",
            "Running",
            "Stopped",
        ]
        if not was_killed:
            return


def test_a_second_begin_that_is_killed_strands_nothing_that_the_first_could_not_stop() -> None:
    control_plane = FakeControlPlane(["Running", "Running"])
    packed = handed_on(plan_step(context(control_plane, None, durable=False, **SAID)))
    with own_folder(control_plane, packed) as at:
        step = begin_step(at)
        assert step.report is not None
        refused = control_plane.send("suspend", step.ids, refuse=control_plane.ids[:1])
        fold_step(at, "suspend", refused, step.report.name, is_last=True)
        packed = handed_on(begun_step(at))
    with own_folder(control_plane, packed) as at:
        control_plane.send("suspend", begin_step(at).ids)
    with own_folder(control_plane, packed) as at:
        end(control_plane, at)
    assert [control_plane.workloads[one].phase for one in control_plane.ids] == ["Running", "Running"]


@contextlib.contextmanager
def own_folder(control_plane: FakeControlPlane, packed: str) -> Iterator[Context]:
    """What a job has that shares no storage: a folder that goes with it, and what it was handed."""
    with tempfile.TemporaryDirectory() as folder:
        yield context(control_plane, folder, durable=False, packed=packed)


def handed_on(step: Step) -> str:
    assert step.record is not None
    return pack(step.record)


def taken_for_ours(at: Context) -> set[str]:
    """What `end` would resume without a flag."""
    record = status_step(at).record
    assert record is not None
    return {entry.id for entry in record.workloads if entry.standing == "ours"}


def _was_in_doubt(entry: Any) -> bool:
    return bool(
        entry.assumed or entry.stopped_at is None or entry.act is None or entry.act.outcome != "changed"
    )
