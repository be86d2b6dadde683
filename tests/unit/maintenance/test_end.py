# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``ended`` resumes, leaves and closes, against a control plane in memory."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import session
from ansible_collections.gpuops.runai.tests.support.memory_control_plane import (
    OWNER,
    CrashError,
    MemoryControlPlane,
    good,
    run_against,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id

# Those of the fixture control plane.
IDS = [workload_id(number) for number in range(3)]


def _bad(done: ModuleResult, state: str | None = "ending") -> dict[str, Any]:
    assert done.failed, done.result["lines"]
    assert done.result["state"] == state
    return done.result


def _phases(control_plane: MemoryControlPlane) -> list[str]:
    return [one.phase for one in control_plane.workloads.values()]


def _resumes(control_plane: MemoryControlPlane) -> list[str]:
    return [call.workload_id for call in control_plane.sent if call.target == "Running"]


def test_end_of_a_cut_off_cluster_resumes_what_was_accepted_and_may_still_stop(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    control_plane.is_cut_off = True
    assert run_against(control_plane, folder, "begun").failed
    good(run_against(control_plane, folder, "ended"))
    assert _resumes(control_plane) == IDS
    control_plane.mend()
    assert _phases(control_plane) == ["Running"] * 3


def test_end_stays_red_while_a_late_suspend_may_stop_and_its_resume_is_refused(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    control_plane.is_cut_off = control_plane.refuses_redundant = True
    assert run_against(control_plane, folder, "begun").failed
    assert _bad(run_against(control_plane, folder, "ended"))["summary"]["late"] == 3
    control_plane.mend()
    assert _phases(control_plane) == ["Stopped"] * 3
    good(run_against(control_plane, folder, "ended"))
    assert _phases(control_plane) == ["Running"] * 3


def test_end_stays_red_while_the_resume_of_a_late_suspend_has_no_answer(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    control_plane.is_cut_off = True
    run_against(control_plane, folder, "begun")
    control_plane.lose_in = 1
    found = _bad(run_against(control_plane, folder, "ended", attempts=1))
    assert found["summary"]["late"] == 2
    good(run_against(control_plane, folder, "ended"))


def test_end_after_a_moved_time_stamp_of_one_asks_its_history(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "begun"))
    control_plane.touch(IDS[:1])
    good(run_against(control_plane, folder, "ended"))
    assert control_plane.reads.count("history") == 1
    assert _phases(control_plane) == ["Running"] * 3


def test_end_leaves_what_an_owner_stopped_again_by_its_history(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "begun"))
    control_plane.move(IDS[0], "Running", OWNER)
    control_plane.move(IDS[0], "Stopped", OWNER)
    found = good(run_against(control_plane, folder, "ended"))
    assert found["summary"]["touched"] == 1
    assert _phases(control_plane) == ["Stopped", "Running", "Running"]
    # It is known from then on.
    good(run_against(control_plane, folder, "ended"))
    assert control_plane.reads.count("history") == 1
    good(run_against(control_plane, folder, "ended", resume_touched=True))
    assert _phases(control_plane) == ["Running"] * 3


@pytest.mark.parametrize(("is_resumed", "phase"), [(True, "Running"), (False, "Stopped")])
def test_end_without_a_history_leaves_a_moved_time_stamp_to_the_operator(
    control_plane: MemoryControlPlane, folder: Path, is_resumed: bool, phase: str
) -> None:
    good(run_against(control_plane, folder, "begun"))
    control_plane.has_history = False
    control_plane.touch(IDS[:1])
    found = _bad(run_against(control_plane, folder, "ended"))
    assert found["summary"]["uncertain"] == 1
    assert "resume_touched" in found["next"]
    assert _phases(control_plane) == ["Stopped", "Running", "Running"]
    good(run_against(control_plane, folder, "ended", resume_touched=is_resumed))
    assert _phases(control_plane) == [phase, "Running", "Running"]


def test_end_after_moved_time_stamps_of_many_is_red_and_resumes_them_on_request_alone(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "begun"))
    control_plane.touch(IDS)
    for is_resumed in (None, False):
        found = _bad(run_against(control_plane, folder, "ended", resume_touched=is_resumed))
        assert found["summary"]["uncertain"] == 3
    assert "history" not in control_plane.reads
    good(run_against(control_plane, folder, "ended", resume_touched=True))
    assert _phases(control_plane) == ["Running"] * 3


def test_end_of_touched_workloads_whose_resume_is_refused_is_red(
    control_plane: MemoryControlPlane, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(run_against(control_plane, folder, "begun"))
    control_plane.move(IDS[0], "Running", OWNER)
    control_plane.move(IDS[0], "Stopped", OWNER)
    good(run_against(control_plane, folder, "ended"))
    monkeypatch.setattr(control_plane, "_accept", lambda call: False)
    assert _bad(run_against(control_plane, folder, "ended", resume_touched=True))["summary"]["touched"] == 1


def _owner_is_faster(control_plane: MemoryControlPlane) -> None:
    """An owner stops a workload after begin has read it, and well before begin suspends it."""

    def stop(ids: Sequence[str]) -> None:
        if IDS[0] in ids:
            control_plane.move(IDS[0], "Stopped", OWNER)
            control_plane.now += 1

    control_plane.on_call = stop


def test_begin_and_end_leave_a_stop_of_an_owner_between_read_and_call(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    _owner_is_faster(control_plane)
    begun = good(run_against(control_plane, folder, "begun"))
    assert "1 workload stopped by somebody else before the suspend; not resumed by end: 0" in begun["lines"]
    assert good(run_against(control_plane, folder, "ended"))["summary"]["touched"] == 1
    assert _phases(control_plane) == ["Stopped", "Running", "Running"]


def test_end_is_red_where_nothing_shows_who_stopped_it_between_read_and_call(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    _owner_is_faster(control_plane)
    control_plane.has_history = False
    begun = good(run_against(control_plane, folder, "begun"))
    assert any("probably stopped by somebody else" in line for line in begun["lines"])
    assert _bad(run_against(control_plane, folder, "ended"))["summary"]["uncertain"] == 1
    assert _phases(control_plane) == ["Stopped", "Running", "Running"]


def test_end_is_red_where_the_only_stop_is_older_than_its_suspend_since_clocks_may_differ(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    _owner_is_faster(control_plane)
    good(run_against(control_plane, folder, "begun", select={"ids": IDS[:1]}))
    assert _bad(run_against(control_plane, folder, "ended"))["summary"]["uncertain"] == 1
    assert "history" not in control_plane.reads
    good(run_against(control_plane, folder, "ended", resume_touched=True))
    assert _phases(control_plane) == ["Running"] * 3


def test_begin_whose_suspend_is_refused_does_not_claim_the_stop(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    _owner_is_faster(control_plane)
    control_plane.refuses_redundant = True
    good(run_against(control_plane, folder, "begun"))
    assert good(run_against(control_plane, folder, "ended"))["summary"]["not_stopped"] == 1
    assert _phases(control_plane) == ["Stopped", "Running", "Running"]


def test_end_of_what_another_record_holds_names_it_and_is_red_when_nothing_came_back(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned", "second"))
    good(run_against(control_plane, folder, "begun", "first"))
    shared = run_against(control_plane, folder, "begun", "second")
    assert good(shared)["summary"]["shared"] == 3
    for check in (True, False):
        held = _bad(
            run_against(control_plane, folder, "ended", "first", check), "begun" if check else "ended"
        )
        assert "3 workloads held by second" in held["msg"]
        assert "workload_maintenance_name=second" in held["next"] or check
    assert _resumes(control_plane) == []
    good(run_against(control_plane, folder, "ended", "second"))
    assert _phases(control_plane) == ["Running"] * 3


def test_end_of_a_record_that_holds_a_part_is_green_and_names_the_holder(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned", "second", select={"ids": IDS[:1]}))
    good(run_against(control_plane, folder, "begun", "first"))
    good(run_against(control_plane, folder, "begun", "second", select=None))
    checked = good(run_against(control_plane, folder, "ended", "first", check=True))
    assert checked["changed"]
    found = good(run_against(control_plane, folder, "ended", "first"))
    assert "1 workload held by second" in "\n".join(found["lines"])
    assert _phases(control_plane) == ["Stopped", "Running", "Running"]


def test_ended_of_an_ended_record_sends_and_writes_nothing(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "begun"))
    good(run_against(control_plane, folder, "ended"))
    control_plane.move(IDS[0], "Stopped", OWNER)
    control_plane.touch(IDS)
    written, sent = (folder / "night.record.jsonl").read_bytes(), len(control_plane.sent)
    again = good(run_against(control_plane, folder, "ended"))
    assert not again["changed"]
    assert (folder / "night.record.jsonl").read_bytes() == written
    assert len(control_plane.sent) == sent


def test_ended_of_an_ended_record_resumes_what_it_left_to_a_record_that_is_gone(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned", "second"))
    good(run_against(control_plane, folder, "begun", "first"))
    good(run_against(control_plane, folder, "begun", "second"))
    assert run_against(control_plane, folder, "ended", "first").failed
    (folder / "second.record.jsonl").unlink()
    good(run_against(control_plane, folder, "ended", "first"))
    assert _phases(control_plane) == ["Running"] * 3


def test_end_of_what_is_deleted_is_green_and_of_what_is_not_visible_is_red_in_both_modes(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "begun"))
    hidden = control_plane.workloads.pop(IDS[0])
    del control_plane.workloads[IDS[1]]
    control_plane.deleted_ids = {IDS[1]}
    for check in (True, False):
        found = _bad(run_against(control_plane, folder, "ended", check=check), "begun" if check else "ending")
        assert (found["summary"]["not_visible"], found["summary"]["gone"]) == (1, 1)
        assert found["summary"]["problems"] == 1
    control_plane.workloads[IDS[0]] = hidden
    good(run_against(control_plane, folder, "ended"))
    assert sorted(_phases(control_plane)) == ["Running"] * 2


def test_end_of_a_plan_that_was_handed_over_is_red_where_a_begin_may_have_acted(
    control_plane: MemoryControlPlane,
) -> None:
    plan = good(run_against(control_plane, None, "planned"))["record"]
    # This begin was killed, or its record lost.
    good(run_against(control_plane, None, "begun", record=plan))
    found = _bad(run_against(control_plane, None, "ended", record=plan), "planned")
    assert "use the one that begin returned" in found["error"]["rows"][0]


def test_end_of_a_plan_that_was_not_begun_closes_it(control_plane: MemoryControlPlane, folder: Path) -> None:
    good(run_against(control_plane, folder, "planned"))
    assert good(run_against(control_plane, folder, "ended"))["state"] == "ended"
    plan = good(run_against(control_plane, None, "planned", "other"))["record"]
    assert good(run_against(control_plane, None, "ended", "other", record=plan))["state"] == "ended"


def test_end_waits_no_longer_than_settle_time_whatever_the_clock_was(
    control_plane: MemoryControlPlane, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane.crash_in = 1
    with pytest.raises(CrashError):
        run_against(control_plane, folder, "begun")
    path = folder / "night.record.jsonl"
    *above, asked = path.read_text().splitlines()
    future = json.dumps({**json.loads(asked), "at": "2099-01-01T00:00:00Z"})
    path.write_text("\n".join([*above, future, ""]))
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    good(run_against(control_plane, folder, "ended", settle_time=7.0))
    assert waits == [7.0]


def test_end_after_its_deadline_reports_it(
    control_plane: MemoryControlPlane, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(run_against(control_plane, folder, "begun", deadline=1))
    clock = itertools.count(step=100)
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: next(clock))
        found = _bad(run_against(control_plane, folder, "ended", deadline=60))
    assert "not sent: the deadline of 60 seconds was over" in found["error"]["rows"][0]
    good(run_against(control_plane, folder, "ended"))


@pytest.mark.parametrize(("fresh_seconds", "reads"), [(60.0, [IDS]), (0.0, [IDS, IDS])])
def test_end_reads_again_only_workloads_that_the_wait_saw_long_ago(
    control_plane: MemoryControlPlane,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh_seconds: float,
    reads: list[list[str]],
) -> None:
    good(run_against(control_plane, folder, "begun"))
    control_plane.state_reads.clear()
    monkeypatch.setattr(session, "_FRESH_SECONDS", fresh_seconds)
    good(run_against(control_plane, folder, "ended"))
    assert control_plane.state_reads == reads


def test_end_reads_workloads_again_that_no_wait_saw(control_plane: MemoryControlPlane, folder: Path) -> None:
    good(run_against(control_plane, folder, "begun"))
    control_plane.move(IDS[0], "Running", OWNER)
    control_plane.state_reads.clear()
    good(run_against(control_plane, folder, "ended"))
    assert control_plane.state_reads == [IDS, IDS[:1]]
