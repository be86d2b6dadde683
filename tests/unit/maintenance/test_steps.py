# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a maintenance against a control plane in memory, with crashes between any two of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.report_file import ReportFile
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import begin as _maintenance_begin
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.begin import (
    begin_step,
    begun_step,
    fold_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.context import Context, Step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.end import (
    await_batches,
    end_step,
    ended_step,
    seconds_to_settle,
    status_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next import Caller, after_refusal
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.plan import plan_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ACT,
    Entry,
    Record,
    RecordError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_claims import (
    is_claimed,
    left_to,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_owners import owners_of
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_packed import pack
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import run_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.settings import read_settings
from ansible_collections.gpuops.runai.tests.support.fake_maintenance import (
    SAID,
    FakeControlPlane,
    context,
)

MIXED = ["Running", "Pending", "Running", "Stopped", "Completed", "Failed", "Deleting", "Degraded"]
ACTIVE = [0, 1, 2, 7]
CLEANUP: dict[str, Any] = {"reason": "x", "older_than": "7d", "max_affected": "none", "max_percent": "none"}


def begin(control_plane: FakeControlPlane, at: Context, refuse: Sequence[str] = ()) -> Step:
    """Run begin as the role does, with two passes."""
    step = begin_step(at)
    for is_last in (False, True):
        if step.ids and step.report:
            sent = control_plane.send("suspend", step.ids, refuse)
            step = fold_step(at, "suspend", sent, step.report.name, is_last)
    return begun_step(at)


def end(control_plane: FakeControlPlane, at: Context, refuse: Sequence[str] = ()) -> Step:
    """Run end as the role does, with one pass."""
    step = end_step(at)
    for ids, report in ((step.ids, step.report), (step.ids_after, step.report_after)):
        if ids and report:
            fold_step(at, "resume", control_plane.send("resume", ids, refuse), report.name, is_last=True)
    return ended_step(at)


def phases(control_plane: FakeControlPlane) -> list[Optional[str]]:
    return [
        control_plane.workloads[one].phase if one in control_plane.workloads else None
        for one in control_plane.ids
    ]


def next_of(fault: RecordError, **said: Any) -> str:
    """The command to type once a begin was refused."""
    variables = {"workload_maintenance_" + name: value for name, value in {"name": "night", **said}.items()}
    settings = read_settings("workload_maintenance", variables)
    return after_refusal(Caller(settings, "maintenance_begin"), fault.remedy)


def standing(step: Step, number: int) -> Optional[str]:
    assert step.record is not None
    by_id = {entry.id: entry.standing for entry in step.record.workloads}
    return by_id["00000000-0000-0000-0000-{0:012x}".format(number + 1)]


@pytest.fixture
def control_plane() -> FakeControlPlane:
    return FakeControlPlane(MIXED)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


def test_what_began_comes_back_and_nothing_else(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, **SAID)
    planned = plan_step(at)
    assert planned.changed
    assert phases(control_plane) == MIXED
    begun = begin(control_plane, at)
    assert begun.trouble is None
    assert [phases(control_plane)[number] for number in ACTIVE] == ["Stopped"] * 4
    ended = end(control_plane, context(control_plane, folder))
    assert ended.trouble is None
    assert ended.record is not None
    assert ended.record.state == "ended"
    assert phases(control_plane) == ["Running"] * 3 + MIXED[3:7] + ["Running"]


def test_a_second_run_of_anything_changes_nothing(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, **SAID)
    assert plan_step(at).changed
    assert not plan_step(at).changed
    begin(control_plane, at)
    again = begin_step(at)
    assert not again.ids
    assert not again.changed
    assert not begun_step(at).changed
    end(control_plane, at)
    again = end_step(at)
    assert not again.ids
    assert not again.changed
    assert not ended_step(at).changed


def test_check_mode_writes_nothing_and_says_the_same(control_plane: FakeControlPlane, folder: str) -> None:
    checked = begin_step(context(control_plane, folder, check_mode=True, **SAID))
    assert os.listdir(folder) == []
    real = begin_step(context(control_plane, folder, **SAID))
    assert list(checked.ids) == list(real.ids)
    begun_step(context(control_plane, folder))
    before = Path(folder, "night.record.json").read_bytes()
    assert end_step(context(control_plane, folder, check_mode=True)).ids == []
    assert Path(folder, "night.record.json").read_bytes() == before


def test_what_ended_since_the_plan_is_no_drift_and_what_is_new_is_never_acted_on(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    plan_step(at)
    control_plane.set_phase(control_plane.ids[0], "Completed")
    control_plane.set_phase(control_plane.ids[1], "Stopped")
    control_plane.delete(control_plane.ids[2])
    control_plane.set_phase(control_plane.ids[3], "Running")
    step = begin_step(at)
    assert list(step.ids) == [control_plane.ids[7]]
    assert step.record is not None
    assert [one["id"] for one in step.record.drift] == [control_plane.ids[3]]


def test_too_much_drift_is_refused(control_plane: FakeControlPlane, folder: str) -> None:
    plan_step(context(control_plane, folder, **SAID))
    control_plane.set_phase(control_plane.ids[3], "Running")
    row = "w-0004 | p | ada@example.com | - | new, Running"
    with pytest.raises(RecordError, match="max_drift") as told:
        begin_step(context(control_plane, folder, max_drift=0))
    assert told.value.rows == [row]
    checked = begin_step(context(control_plane, folder, max_drift=0, check_mode=True))
    assert checked.trouble is not None
    assert checked.trouble.sentence.startswith("for real this would be refused: 1 workload meets")
    assert checked.trouble.rows == [row]
    assert checked.page is not None
    assert "1 workload meets the selection now and is not in the plan: never acted on" in checked.page.lines
    assert begin_step(context(control_plane, folder, max_drift=1)).ids


def test_what_a_limit_passed_over_is_no_drift_and_what_is_new_in_scope_is(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, limit=2, **SAID)
    planned = plan_step(at)
    assert planned.record is not None
    assert planned.record.entry_ids() == control_plane.ids[:2]
    # In the scope of the plan, but not taken: moving up is not new.
    control_plane.set_phase(control_plane.ids[0], "Completed")
    control_plane.set_phase(control_plane.ids[3], "Running")
    with pytest.raises(RecordError, match=r"1 workload meets the selection now and did not .* more than"):
        begin_step(context(control_plane, folder, max_drift=0))
    step = begin_step(at)
    assert list(step.ids) == [control_plane.ids[1]]
    assert step.record is not None
    assert [one["id"] for one in step.record.drift] == [control_plane.ids[3]]


def test_what_can_not_be_suspended_uses_up_no_limit(folder: str) -> None:
    control_plane = FakeControlPlane(["Running", "Completed", *["Running"] * 5])
    (
        control_plane.workloads[control_plane.ids[0]].suspendable,
        control_plane.workloads[control_plane.ids[0]].gpus,
    ) = False, 6.0
    cuts: list[dict[str, Any]] = [{"until_gpus": 4}, {"limit": 3}]
    for name, cut, taken in zip("ab", cuts, (4, 3)):
        planned = plan_step(
            context(control_plane, folder, name=name, unsuspendable="leave", **{**SAID, **cut})
        )
        assert planned.record is not None
        assert planned.record.entry_ids() == control_plane.ids[2 : 2 + taken]
        assert planned.page is not None
        assert "1 workload left running, since the control plane can't suspend it" in planned.page.lines
    with pytest.raises(RecordError, match="1 selected workload can't be suspended"):
        plan_step(context(control_plane, folder, name="c", until_gpus=4, **SAID))


def test_fewer_gpus_than_asked_for_are_refused_unless_they_will_do(folder: str) -> None:
    control_plane = FakeControlPlane(["Running", "Running", "Stopped"])
    control_plane.workloads[control_plane.ids[0]].suspendable = False
    said = {"until_gpus": 1.5, "unsuspendable": "leave", **SAID}
    for step in (plan_step, begin_step):
        with pytest.raises(RecordError) as told:
            step(context(control_plane, folder, **said))
        assert str(told.value) == (
            "workload_maintenance_until_gpus: 1 workload with only 1 of the 1.5 GPUs asked for, beside 1 "
            "that can't be suspended; nothing was sent. workload_maintenance_partial: true takes it"
        )
        assert "-e workload_maintenance_partial=true" in next_of(told.value)
    assert begin_step(context(control_plane, folder, partial=True, **said)).ids == [control_plane.ids[1]]
    for number in (0, 1):
        control_plane.workloads[control_plane.ids[number]].gpus = 0.0
    with pytest.raises(RecordError, match=r"_until_gpus: no selected workload holds a GPU; 1\.5 asked for;"):
        plan_step(context(control_plane, folder, name="none", **said))


def test_what_is_new_is_known_to_jobs_that_share_no_storage(
    control_plane: FakeControlPlane, tmp_path: Path
) -> None:
    planned = plan_step(context(control_plane, None, durable=False, limit=2, **SAID))
    assert planned.record is not None
    control_plane.set_phase(control_plane.ids[3], "Running")
    step = begin_step(context(control_plane, str(tmp_path), durable=False, packed=pack(planned.record)))
    assert step.record is not None
    assert [one["id"] for one in step.record.drift] == [control_plane.ids[3]]


def test_a_misspelt_place_is_refused(control_plane: FakeControlPlane, folder: str) -> None:
    for step in (plan_step, begin_step):
        with pytest.raises(
            RecordError, match="_projects: the control plane lists no project misspelt; nothing"
        ) as told:
            step(context(control_plane, folder, **{**SAID, "all": False, "projects": ["p", "misspelt"]}))
        assert "'{workload_maintenance_projects: <projects or any>}'" in next_of(told.value)
        assert "night.record.json" not in os.listdir(folder)


def test_a_plan_of_nothing_can_not_be_mistaken(folder: str) -> None:
    at = context(FakeControlPlane(["Running"]), folder, **{**SAID, "all": False, "projects": "empty"})
    page = plan_step(at).page
    assert page is not None
    assert page.lines[1].endswith("planned: NOTHING to suspend: no workload is in the plan")
    assert page.lines[2] == "No workload meets workload_maintenance_projects=empty"
    page = begin_step(context(FakeControlPlane(["Stopped", "Failed"]), folder, name="b", **SAID)).page
    assert page is not None
    assert page.lines[2] == "2 workloads meet the selection, but none of them is active"


@pytest.mark.parametrize("phase", ["Terminating", "Unknown", "Something new"])
def test_a_phase_that_says_neither_counts_as_active(folder: str, phase: str) -> None:
    control_plane = FakeControlPlane([phase, "Running", "Stopped"])
    with pytest.raises(RecordError, match="max_percent is 50, but 2 of 2 in scope"):
        plan_step(context(control_plane, folder, **{**SAID, "max_percent": 50}))
    at = context(control_plane, folder, **SAID)
    plan_step(at)
    assert list(begin_step(at).ids) == control_plane.ids[:2]
    begin(control_plane, at)
    # Stopped by us, and now lost from sight: resumed to be safe, after those that ran.
    control_plane.set_phase(control_plane.ids[1], phase)
    step = end_step(context(control_plane, folder))
    assert (step.ids, step.ids_after) == ([control_plane.ids[1]], [control_plane.ids[0]])
    assert standing(step, 1) == "unclear"
    ended = ended_step(at)
    assert ended.trouble is not None
    assert "2 were asked to resume, and do not show it yet" in ended.trouble.sentence
    assert end(control_plane, at).trouble is None
    assert phases(control_plane) == ["Running", "Running", "Stopped"]


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("settings", {"max_affected": "many"}, "settings.max_affected must be a number"),
        ("settings", {"unsuspendable": ""}, "settings.unsuspendable is blank"),
        ("selection", {"nodes": [["gpu-1"]]}, "selection.nodes must be a list of names"),
    ],
)
def test_what_was_mistyped_into_a_record_is_told(
    control_plane: FakeControlPlane, folder: str, part: str, values: dict[str, Any], words: str
) -> None:
    at = context(control_plane, folder, **SAID)
    plan_step(at)
    path = Path(folder, "night.record.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), part: values}))
    for step in (plan_step, begin_step, end_step, status_step):
        with pytest.raises(RecordError) as told:
            step(at)
        assert str(told.value) == "{0} is not a record that can be read: {1}".format(path, words)


def test_another_selection_is_refused(control_plane: FakeControlPlane, folder: str) -> None:
    plan_step(context(control_plane, folder, **SAID))
    with pytest.raises(RecordError, match="another selection"):
        begin_step(context(control_plane, folder, projects="vision"))
    assert begin_step(context(control_plane, folder)).ids
    with pytest.raises(RecordError, match="another selection"):
        begin_step(context(control_plane, folder, projects="vision"))


def test_the_same_names_in_another_order_are_the_same_selection(
    control_plane: FakeControlPlane, folder: str
) -> None:
    said: dict[str, Any] = {**SAID, "all": False}
    assert plan_step(context(control_plane, folder, projects=["p", "q"], **said)).changed
    assert not plan_step(context(control_plane, folder, projects="q,p", **said)).changed
    assert begin_step(context(control_plane, folder, projects="q, p", **said)).ids
    with pytest.raises(RecordError, match="another selection"):
        begin_step(context(control_plane, folder, projects="p", **said))


def test_a_name_is_used_once(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, **SAID)
    begin(control_plane, at)
    with pytest.raises(RecordError, match="already begun"):
        plan_step(at)
    end(control_plane, at)
    with pytest.raises(RecordError, match="already ended"):
        begin_step(at)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"max_affected": 3}, "max_affected is 3, but 4 would be acted on, 1 more"),
        ({"max_percent": 50}, "max_percent is 50, but 4 of 4"),
    ],
)
def test_ceilings_are_checked_before_anything_is_written(
    control_plane: FakeControlPlane, folder: str, said: dict[str, Any], words: str
) -> None:
    for step in (plan_step, begin_step):
        with pytest.raises(RecordError, match=words) as told:
            step(context(control_plane, folder, **{**SAID, **said}))
        assert told.value.rows == ["4 workloads | p | ada@example.com | - | 4 GPUs"]
        assert "night.record.json" not in os.listdir(folder)


@pytest.mark.parametrize("missing", ["reason", "max_affected", "max_percent", "all"])
def test_what_a_plan_needs_is_asked_for_before_any_call(
    control_plane: FakeControlPlane, folder: str, missing: str
) -> None:
    said = {key: value for key, value in SAID.items() if key != missing}
    for step in (plan_step, begin_step):
        with pytest.raises(RecordError, match=missing):
            step(context(control_plane, folder, **said))
    assert control_plane.reads == 0


@pytest.mark.parametrize(("name", "hint"), [("nigth", " (did you mean night?)"), ("dawn", "")])
def test_a_begin_of_a_misspelt_plan_asks_for_the_name_first(
    control_plane: FakeControlPlane, folder: str, name: str, hint: str
) -> None:
    plan_step(context(control_plane, folder, **SAID))
    plan_step(context(control_plane, folder, name="other", **SAID))
    with pytest.raises(RecordError) as told:
        begin_step(context(control_plane, folder, name=name, reason="fan"))
    words = "there is no record {0} in {1}{2}; records there: night, other; a begin without a plan needs a "
    assert str(told.value).startswith(words.format(name, folder, hint))
    assert "_name={0}".format("night" if hint else "<name>") in next_of(told.value)
    assert "all" not in told.value.remedy.say


def test_what_can_not_be_suspended_is_settled_before_the_first_write(
    control_plane: FakeControlPlane, folder: str
) -> None:
    control_plane.workloads[control_plane.ids[0]].suspendable = False
    for step in (plan_step, begin_step):
        with pytest.raises(RecordError, match="can't be suspended") as told:
            step(context(control_plane, folder, **SAID))
        assert told.value.rows == ["w-0001 | p | ada@example.com | - | can't be suspended"]
    at = context(control_plane, folder, unsuspendable="leave", **SAID)
    plan_step(at)
    begin(control_plane, at)
    assert phases(control_plane)[:3] == ["Running", "Stopped", "Stopped"]


def test_an_exemption_that_matches_nothing_is_refused(control_plane: FakeControlPlane, folder: str) -> None:
    with pytest.raises(RecordError, match="matches no selected workload"):
        plan_step(context(control_plane, folder, exclude="prod-*", **SAID))
    plan_step(context(control_plane, folder, exclude="prod-*", unmatched_exemptions="allow", **SAID))
    begun = begin(
        control_plane, context(control_plane, folder, name="other", exclude=control_plane.ids[0], **SAID)
    )
    assert begun.record is not None
    assert phases(control_plane)[0] == "Running"


def test_what_would_not_come_back_after_the_upgrade_is_refused(
    control_plane: FakeControlPlane, folder: str
) -> None:
    with pytest.raises(RecordError, match=r"could not be resumed after the upgrade to 3\.0"):
        plan_step(context(control_plane, folder, crosses_version="3.0", **SAID))
    plan_step(context(control_plane, folder, crosses_version="2.25", **SAID))
    control_plane.versions = dict.fromkeys(control_plane.versions, "3.0.1")
    plan_step(context(control_plane, folder, crosses_version="3.1", name="later", **SAID))


def test_what_another_record_stopped_would_not_come_back_after_the_upgrade_either(
    control_plane: FakeControlPlane, folder: str
) -> None:
    crossing = context(control_plane, folder, name="upgrade", crosses_version="3.0", **SAID)
    plan_step(context(control_plane, folder, name="begun", **SAID))
    begin(control_plane, context(control_plane, folder, **SAID))
    words = r"4 workloads could not be resumed .*\. Another open record has stopped 4 of them: end that one"
    for step in (plan_step, begin_step):
        with pytest.raises(RecordError, match=words):
            step(crossing)
    with pytest.raises(RecordError, match=words):
        begin_step(context(control_plane, folder, name="begun", crosses_version="3.0"))
    control_plane.versions = dict.fromkeys(control_plane.versions, "3.0.2")
    plan_step(crossing)


def test_nodes_must_be_fenced_and_found_empty(control_plane: FakeControlPlane, folder: str) -> None:
    said = {**SAID, "nodes": "gpu-17"}
    with pytest.raises(
        RecordError, match=r"keep new pods off the nodes first \(kubectl cordon, .* NoExecute evicts"
    ):
        begin_step(context(control_plane, folder, **said))
    assert control_plane.reads == 0
    control_plane.pods_left = 3
    at = context(control_plane, folder, node_fenced=True, **said)
    begun = begin(control_plane, at)
    assert begun.trouble is not None
    assert begun.trouble.sentence == (
        "gpu-17: 3 pods visible to this account in 1 project: their owners must move them, then look again"
    )
    assert "maintenance_status" in begun.trouble.next_command
    assert status_step(at).trouble is not None
    control_plane.pods_left = 0
    assert begun_step(at).trouble is None
    told = status_step(at)
    assert told.trouble is None
    assert told.page is not None
    assert "gpu-17: 0 pods visible to this account in 0 projects" in told.page.lines


def test_pods_that_can_not_be_read_cost_no_time_of_a_stop(
    control_plane: FakeControlPlane, folder: str
) -> None:
    control_plane.pods_fault = RunaiError("GET /api/v1/workloads/pods: HTTP 500")
    at = context(control_plane, folder, node_fenced=True, **{**SAID, "nodes": "gpu-17"})
    begun = begin(control_plane, at)
    assert at.need().state == "begun"
    for step in (begun, status_step(at)):
        assert step.trouble is not None
        assert step.trouble.sentence == (
            "the pods on gpu-17 can't be read (GET /api/v1/workloads/pods: HTTP 500)"
        )
        assert "maintenance_status" in step.trouble.next_command
    control_plane.set_phase(control_plane.ids[0], "Running")
    control_plane.set_phase(control_plane.ids[0], "Stopped")
    assert standing(end(control_plane, at), 0) == "touched"


@pytest.mark.parametrize("planned", [False, True])
def test_check_mode_shows_first_and_then_says_what_the_real_run_is_refused_for(
    control_plane: FakeControlPlane, folder: str, planned: bool
) -> None:
    said = {**SAID, "nodes": "gpu-17"}
    if planned:
        plan_step(context(control_plane, folder, **said))
    checked = begin_step(context(control_plane, folder, check_mode=True, **said))
    assert len(checked.ids) == 4
    assert checked.trouble is not None
    assert checked.trouble.sentence.startswith("for real this would be refused: keep new pods off the nodes")
    assert "workload_maintenance_node_fenced=true" in checked.trouble.next_command
    checked = begin_step(context(control_plane, None, durable=False, check_mode=True, **SAID))
    assert len(checked.ids) == 4
    assert checked.trouble is not None
    assert "refused: nothing would outlive this job" in checked.trouble.sentence
    checked = begin_step(context(control_plane, folder, check_mode=True, node_fenced=True, **said))
    assert checked.trouble is None


def test_reports_of_an_earlier_record_of_the_name_are_not_believed(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    names = []
    for _time in range(2):
        step = begin_step(at)
        assert step.report is not None
        names.append(step.report.name)
        os.unlink(Path(folder, "night.record.json"))
    assert names[0] != names[1]
    assert all(name.startswith("night.") and name.endswith(".suspend-1.jsonl") for name in names)


def test_pods_that_are_left_are_named_with_their_owners(control_plane: FakeControlPlane, folder: str) -> None:
    control_plane.workloads[control_plane.ids[0]].suspendable = False
    control_plane.pods_left, control_plane.pods_of = 2, (control_plane.ids[0], control_plane.ids[6])
    at = context(
        control_plane, folder, node_fenced=True, unsuspendable="leave", **{**SAID, "nodes": "gpu-17"}
    )
    begun = begin(control_plane, at)
    for step in (begun, status_step(at)):
        assert step.trouble is not None
        assert (
            "of w-0001 of ada@example.com in p (left on purpose, since it can't be suspended), w-0007 of "
            "ada@example.com in p (no part of the record): their owners must move them, then look again"
        ) in step.trouble.sentence
        assert step.page is not None
        (table,) = [one for one in step.page.tables if one.heading == "Pods left"]
        assert [row[:4] for row in table.rows] == [
            ("w-0001", "p", "ada@example.com", "gpu-17"),
            ("w-0007", "p", "ada@example.com", "gpu-17"),
        ]


def test_what_to_do_about_pods_that_are_left_depends_on_why(
    control_plane: FakeControlPlane, folder: str
) -> None:
    control_plane.workloads[control_plane.ids[0]].suspendable = False
    control_plane.pods_left, control_plane.pods_of = 2, (control_plane.ids[0], control_plane.ids[2])
    at = context(
        control_plane, folder, node_fenced=True, unsuspendable="leave", **{**SAID, "nodes": "gpu-17"}
    )
    begin(control_plane, at)
    control_plane.set_phase(control_plane.ids[2], "Stopping")
    stopping = status_step(at._replace(at_work="a begin by ada")).trouble
    assert stopping is not None
    assert stopping.sentence.endswith(": wait and look again, or run the begin again")
    assert "NoExecute" not in stopping.sentence
    control_plane.set_phase(control_plane.ids[2], "Running")
    at_work = status_step(at._replace(at_work="a begin by ada")).trouble
    assert at_work is not None
    assert "maintenance_status" in at_work.next_command
    cut_off = status_step(at).trouble
    assert cut_off is not None
    assert "maintenance_begin" in cut_off.next_command
    control_plane.pods_left, control_plane.pods_of = 1, (control_plane.ids[0],)
    left = status_step(at).trouble
    assert left is not None
    assert left.sentence.endswith(": a taint with NoExecute or their owners must move them, then look again")


def test_pods_that_are_left_do_not_stop_a_rehearsal(control_plane: FakeControlPlane, folder: str) -> None:
    control_plane.pods_left = 2
    at = context(control_plane, folder, node_fenced=True, **{**SAID, "nodes": "gpu-17"})
    at = at._replace(caller=at.caller._replace(rehearsed=at.settings))
    for step in (begin(control_plane, at), status_step(at)):
        assert step.trouble is None
        assert step.page is not None
        assert any(line.startswith("For real this would fail") for line in step.page.lines)
    assert end(control_plane, at).trouble is None


def test_what_was_refused_is_tried_twice_and_told(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, **SAID)
    begun = begin(control_plane, at, refuse=[control_plane.ids[0]])
    assert begun.trouble is not None
    assert "1 of 4 workloads did not get there: 1 failed" in begun.trouble.sentence
    assert begun.trouble.rows == ["w-0001 | p | ada@example.com | - | now Running"]
    assert "maintenance_begin -e workload_maintenance_name=night" in begun.trouble.next_command
    begun = begin(control_plane, at)
    assert begun.trouble is None
    assert phases(control_plane)[0] == "Stopped"


@pytest.mark.parametrize("outcome", ["failed", "not_attempted", "unknown"])
@pytest.mark.parametrize("since", ["Completed", "Failed", "Stopped", "Deleting", "deleted"])
def test_what_is_no_longer_in_the_way_is_no_fault_of_a_begin(folder: str, outcome: str, since: str) -> None:
    control_plane = FakeControlPlane(["Running", "Running"])
    at = context(control_plane, folder, **SAID)
    step = begin_step(at)
    assert step.report is not None
    sent = control_plane.send("suspend", control_plane.ids[1:])
    fold_step(at, "suspend", {**sent, outcome: control_plane.ids[:1]}, step.report.name, is_last=True)
    assert begun_step(at).trouble is not None
    if since == "deleted":
        control_plane.delete(control_plane.ids[0])
    else:
        control_plane.set_phase(control_plane.ids[0], since)
    assert begin(control_plane, at).trouble is None
    assert at.need().state == "begun"


def test_the_worst_is_told_first_and_what_was_not_attempted_in_one_row(folder: str) -> None:
    control_plane = FakeControlPlane(["Running"] * 40)
    at = context(control_plane, folder, **SAID)
    step = begin_step(at)
    assert step.report is not None
    outcomes = {
        "not_attempted": control_plane.ids[:30],
        "changed": control_plane.ids[30:32],
        "unknown": [control_plane.ids[32]],
        "failed": control_plane.ids[33:],
    }
    fold_step(at, "suspend", outcomes, step.report.name, is_last=True)
    told = begun_step(at).trouble
    assert told is not None
    words = "40 of 40 workloads did not get there: 7 failed, 1 unknown, 2 still Running, 30 not attempted"
    assert told.sentence == words
    assert [row.partition(" | ")[0] for row in told.rows] == [
        *("w-00{0:02x}".format(number) for number in (*range(34, 41), 33, 31, 32)),
        "30 workloads",
    ]
    assert told.rows[-1] == "30 workloads | - | - | - | not attempted"
    page = begun_step(at).page
    assert page is not None
    (table,) = [one for one in page.tables if one.heading == "Not suspended"]
    assert [row[0] for row in table.rows[:2]] == ["w-0022", "w-0023"]
    assert len(table.rows) == 38


def test_what_others_did_since_is_left_alone(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, **SAID)
    begin(control_plane, at)
    control_plane.set_phase(control_plane.ids[0], "Running")
    control_plane.set_phase(control_plane.ids[1], "Running")
    control_plane.set_phase(control_plane.ids[1], "Stopped")
    control_plane.delete(control_plane.ids[2])
    ended = end(control_plane, at)
    assert [standing(ended, number) for number in ACTIVE] == ["resumed_since", "touched", "gone", "back"]
    assert ended.trouble is None
    assert phases(control_plane)[1] == "Stopped"
    told = end(control_plane, context(control_plane, folder, resume_touched=True))
    assert phases(control_plane)[1] == "Running"
    assert standing(told, 1) == "back"


def test_only_the_list_of_deleted_workloads_proves_that_one_is_gone(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    begin(control_plane, at)
    control_plane.hidden.add(control_plane.ids[0])
    ended = end(control_plane, at)
    assert standing(ended, 0) == "not_visible"
    assert ended.trouble is not None
    assert ended.record is not None
    assert ended.record.state == "ending"
    control_plane.hidden.clear()
    ended = end(control_plane, at)
    assert standing(ended, 0) == "back"
    assert ended.record is not None
    assert ended.record.state == "ended"


def test_what_could_not_be_resumed_keeps_the_record_open(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    begin(control_plane, at)
    ended = end(control_plane, at, refuse=[control_plane.ids[0]])
    assert ended.trouble is not None
    assert "1 could not be resumed" in ended.trouble.sentence
    ended = end(control_plane, at)
    assert ended.trouble is None


def test_check_mode_is_red_where_the_end_would_be(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, **SAID)
    begin(control_plane, at)
    checked = end_step(context(control_plane, folder, check_mode=True))
    assert checked.trouble is None
    assert len([*checked.ids, *checked.ids_after]) == 4
    control_plane.hidden.add(control_plane.ids[0])
    control_plane.workloads[control_plane.ids[1]].suspendable = False
    before = Path(folder, "night.record.json").read_bytes()
    checked = end_step(context(control_plane, folder, check_mode=True))
    assert checked.trouble is not None
    assert checked.trouble.sentence == (
        "2 of 4 workloads: 1 could not be resumed, 1 is not to be seen, and not in the list of deleted ones "
        "either; the record stays open"
    )
    assert checked.trouble.rows[0].endswith(" | the control plane says that it can't be resumed")
    assert Path(folder, "night.record.json").read_bytes() == before
    real = end(control_plane, at, refuse=[control_plane.ids[1]])
    assert real.trouble is not None
    assert real.trouble.sentence == checked.trouble.sentence


def test_the_next_command_after_a_status_is_the_useful_one(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, node_fenced=True, **{**SAID, "nodes": "gpu-17"})
    begin(control_plane, at)
    control_plane.pods_left = 1
    told = status_step(context(control_plane, folder)).trouble
    assert told is not None
    assert "maintenance_status -e workload_maintenance_name=night" in told.next_command
    control_plane.pods_of = (control_plane.ids[0],)
    control_plane.set_phase(control_plane.ids[0], "Running")
    told = status_step(context(control_plane, folder)).trouble
    assert told is not None
    assert "maintenance_begin -e workload_maintenance_name=night" in told.next_command
    assert "-e workload_maintenance_reason=fan" in told.next_command
    assert told.next_command.endswith("-e workload_maintenance_node_fenced=true")
    control_plane.pods_left = 0
    control_plane.hidden.add(control_plane.ids[0])
    told = status_step(context(control_plane, folder)).trouble
    assert told is not None
    assert "maintenance_end -e workload_maintenance_name=night" in told.next_command


def test_what_another_record_holds_comes_back_with_the_last_one(
    control_plane: FakeControlPlane, folder: str
) -> None:
    for first, last in (("a", "b"), ("d", "c")):
        begin(control_plane, context(control_plane, folder, name=min(first, last), **SAID))
        held = begin(control_plane, context(control_plane, folder, name=max(first, last), **SAID))
        assert held.trouble is None
        ended = end(control_plane, context(control_plane, folder, name=first))
        assert [standing(ended, number) for number in ACTIVE] == ["held"] * 4
        assert ended.trouble is None
        assert [phases(control_plane)[number] for number in ACTIVE] == ["Stopped"] * 4
        ended = end(control_plane, context(control_plane, folder, name=last))
        assert [standing(ended, number) for number in ACTIVE] == ["back"] * 4


def test_two_plans_made_before_either_began_share_what_they_stop(
    control_plane: FakeControlPlane, folder: str
) -> None:
    for name in "ab":
        plan_step(context(control_plane, folder, name=name, **SAID))
    begin(control_plane, context(control_plane, folder, name="a"))
    assert not begin_step(context(control_plane, folder, name="b")).ids
    begun_step(context(control_plane, folder, name="b"))
    end(control_plane, context(control_plane, folder, name="a"))
    assert phases(control_plane)[0] == "Stopped"
    end(control_plane, context(control_plane, folder, name="b"))
    assert phases(control_plane)[0] == "Running"


def test_two_that_ask_at_once_share_the_stop_of_the_faster(
    control_plane: FakeControlPlane, folder: str
) -> None:
    slow, fast = (context(control_plane, folder, name=name, **SAID) for name in "ab")
    step = begin_step(slow)
    begin(control_plane, fast)
    assert step.report is not None
    fold_step(slow, "suspend", control_plane.send("suspend", step.ids), step.report.name, is_last=True)
    begun_step(slow)
    assert [standing(end(control_plane, fast), number) for number in ACTIVE] == ["held"] * 4
    assert [standing(end(control_plane, slow), number) for number in ACTIVE] == ["back"] * 4


@pytest.mark.parametrize("change", ["tenant", "clusters"])
def test_another_control_plane_is_never_touched(
    control_plane: FakeControlPlane, folder: str, change: str
) -> None:
    at = context(control_plane, folder, **SAID)
    begin(control_plane, at)
    if change == "tenant":
        control_plane.tenant = "2002"
    else:
        control_plane.clusters = {"22222222-2222-4222-8222-222222222222": "paris"}
    for step in (begin_step, end_step, status_step):
        with pytest.raises(RecordError, match="is of tenant 1001"):
            step(context(control_plane, folder))


def test_clusters_that_can_not_be_listed_are_no_other_control_plane(
    control_plane: FakeControlPlane, folder: str
) -> None:
    """Then only the cluster of some workload is known, and the next look may show another one."""
    control_plane.all_clusters = False
    control_plane.clusters = {"22222222-2222-4222-8222-222222222222": "paris"}
    at = context(control_plane, folder, **SAID)
    begun = begin(control_plane, at)
    assert begun.trouble is None
    assert begun.page is not None
    assert "clusters: paris (this account may not list them: there may be others)" in begun.page.lines[0]
    assert not begin_step(at).ids
    control_plane.clusters = {"33333333-3333-4333-8333-333333333333": "rome"}
    assert status_step(at).trouble is None
    control_plane.tenant = "2002"
    with pytest.raises(RecordError, match="is tenant 2002"):
        end_step(at)
    control_plane.tenant = None
    with pytest.raises(RecordError, match="can't be told to be the control plane of the record night"):
        end_step(at)
    control_plane.tenant = "1001"
    assert end(control_plane, at).trouble is None


def test_begin_without_anything_that_outlives_the_job_is_refused(control_plane: FakeControlPlane) -> None:
    with pytest.raises(RecordError, match="nothing would outlive this job"):
        begin_step(context(control_plane, None, durable=False, **SAID))
    assert control_plane.reads == 0


def handed_over(control_plane: FakeControlPlane, folder: str) -> tuple[str, Record]:
    step = plan_step(context(control_plane, None, durable=False, **SAID))
    assert step.record is not None
    return pack(step.record), step.record


def test_a_plan_travels_to_jobs_that_share_no_storage(
    control_plane: FakeControlPlane, tmp_path: Path
) -> None:
    packed, _record = handed_over(control_plane, "")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    begin(control_plane, context(control_plane, str(tmp_path / "one"), durable=False, packed=packed))
    assert [phases(control_plane)[number] for number in ACTIVE] == ["Stopped"] * 4
    ended = end(control_plane, context(control_plane, str(tmp_path / "two"), durable=False, packed=packed))
    assert ended.trouble is None
    assert [phases(control_plane)[number] for number in ACTIVE] == ["Running"] * 4
    assert phases(control_plane)[3] == "Stopped"


def test_what_begin_hands_on_tells_a_later_stop_from_ours(
    control_plane: FakeControlPlane, tmp_path: Path
) -> None:
    packed, _record = handed_over(control_plane, "")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    begun = begin(control_plane, context(control_plane, str(tmp_path / "one"), durable=False, packed=packed))
    assert begun.record is not None
    control_plane.set_phase(control_plane.ids[0], "Running")
    control_plane.set_phase(control_plane.ids[0], "Stopped")
    ended = end(
        control_plane, context(control_plane, str(tmp_path / "two"), durable=False, packed=pack(begun.record))
    )
    assert standing(ended, 0) == "touched"
    assert standing(ended, 2) == "back"


def test_an_end_tells_the_one_after_it_what_it_resumed(
    control_plane: FakeControlPlane, tmp_path: Path
) -> None:
    packed, _record = handed_over(control_plane, "")

    def job(name: str) -> Context:
        (tmp_path / name).mkdir()
        return context(control_plane, str(tmp_path / name), durable=False, packed=packed)

    begun = begin(control_plane, job("begin"))
    assert begun.record is not None
    packed = pack(begun.record)
    control_plane.hidden.add(control_plane.ids[0])
    for name in ("one", "two"):
        ended = end(control_plane, job(name))
        assert ended.record is not None
        assert ended.record.state == "ending"
        assert [standing(ended, number) for number in ACTIVE] == ["not_visible", "back", "back", "back"]
        packed = pack(ended.record)
    control_plane.hidden.clear()
    ended = end(control_plane, job("three"))
    assert [standing(ended, number) for number in ACTIVE] == ["back"] * 4
    assert ended.record is not None
    packed = pack(ended.record)
    assert ended.record.state == "ended"
    for step, name in ((end_step, "four"), (status_step, "five")):
        found = step(job(name))
        assert not found.ids
        assert found.page is not None
        assert "4 are back" in found.page.lines
        assert found.page.tables[-1].rows == [("p", "ada@example.com", "4", "4")]


def test_a_stop_ends_a_begin_of_a_plan_that_was_handed_over_and_is_told_as_one(
    control_plane: FakeControlPlane, tmp_path: Path
) -> None:
    packed, _record = handed_over(control_plane, "")
    at = context(control_plane, str(tmp_path), durable=False, packed=packed)
    step = begin_step(at)
    assert step.report is not None
    first, second, *rest = step.ids
    sent = control_plane.send("suspend", [first, second], refuse=[second])
    again = fold_step(at, "suspend", {**sent, "not_attempted": rest}, step.report.name)
    assert list(again.ids) == []
    begun = begun_step(at)
    assert begun.trouble is not None
    assert begun.trouble.sentence == "3 of 4 workloads did not get there: 1 failed, 2 not attempted"
    assert begun.trouble.rows[-1] == "2 workloads | - | - | - | not attempted"
    assert begun.record is not None
    (owner,) = owners_of(begun.record)
    assert owner["workloads"] == ["p/w-0001"]
    # A begin before this one may have stopped them all the same: what is stopped in the end comes back.
    assert all(is_claimed(entry) for entry in begun.record.concerned())


def test_a_lost_answer_stays_unknown_after_a_stop_until_a_look_tells(
    control_plane: FakeControlPlane, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = context(control_plane, folder, **SAID)
    step = begin_step(at)
    for outcome in ("unknown", "not_attempted"):
        assert step.report is not None
        step = fold_step(at, "suspend", {outcome: control_plane.ids}, step.report.name)

    def down(*_args: object) -> None:
        raise RunaiError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(control_plane, "look", down)
        unseen = begun_step(at).trouble
    assert unseen is not None
    assert unseen.sentence.endswith("the record has what is known: 4 unknown")
    control_plane.hidden.add(control_plane.ids[0])
    seen = begun_step(at).trouble
    assert seen is not None
    assert seen.sentence == "4 of 4 workloads did not get there: 1 unknown, 3 not attempted"


def test_a_plan_that_was_handed_over_does_not_deny_what_was_begun_since(
    control_plane: FakeControlPlane, tmp_path: Path
) -> None:
    packed, _record = handed_over(control_plane, "")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    later = context(control_plane, str(tmp_path / "two"), durable=False, packed=packed, settle_time=7.0)
    assert seconds_to_settle(later) == 7.0
    begin(control_plane, context(control_plane, str(tmp_path / "one"), durable=False, packed=packed))
    told = status_step(later)
    assert told.page is not None
    assert "Nothing was sent yet." not in told.page.lines
    assert "4 are stopped, by us as far as can be told" in told.page.lines


def test_a_packed_record_of_another_plan_is_refused(control_plane: FakeControlPlane, folder: str) -> None:
    packed, _record = handed_over(control_plane, "")
    with pytest.raises(RecordError, match="is of night, not of other") as told:
        end_step(context(control_plane, None, durable=False, name="other", packed=packed))
    command = next_of(told.value, name="other", record=packed)
    assert "_record=" not in command
    assert "_name=other" in command
    assert "workload_maintenance_record_dir: <a folder" in command
    plan_step(context(control_plane, folder, **SAID))
    with pytest.raises(RecordError, match="two different plans"):
        begin_step(context(control_plane, folder, packed=packed))


def test_a_packed_record_of_another_name_means_nothing_where_records_are_kept(
    control_plane: FakeControlPlane, folder: str
) -> None:
    """A workflow hands what one of its jobs handed on to all that come later."""
    packed, _record = handed_over(control_plane, "")
    assert plan_step(context(control_plane, folder, name="other", packed=packed, **SAID)).changed
    other = context(control_plane, folder, name="other", packed=packed)
    assert begin(control_plane, other).trouble is None
    assert status_step(other).trouble is None
    assert end(control_plane, other).trouble is None
    with pytest.raises(RecordError, match="there is no record third"):
        end_step(context(control_plane, folder, name="third", packed=packed))
    # A plan is where a record begins, whatever is handed over.
    assert plan_step(context(control_plane, folder, name="third", packed="cut off", **SAID)).changed


def test_a_plan_that_was_handed_over_is_shown_with_names_and_owners(
    control_plane: FakeControlPlane, tmp_path: Path
) -> None:
    control_plane.workloads[control_plane.ids[0]].type = "Workspace"
    control_plane.versions = dict.fromkeys(control_plane.versions, "3.0.4")
    packed, record = handed_over(control_plane, "")
    at = context(control_plane, str(tmp_path), durable=False, packed=packed, crosses_version="3.1")
    step = begin_step(at)
    assert step.record is not None
    assert step.page is not None
    assert step.page.lines[1].endswith("suspends 4 workloads of 1 owner in 1 project; 4 GPUs fall free")
    assert step.page.lines[2].startswith("1 among them is interactive")
    assert step.page.tables[0].rows == [("p", "ada@example.com", "4", "4")]
    assert step.report is not None
    fold_step(
        at, "suspend", control_plane.send("suspend", step.ids, control_plane.ids[:1]), step.report.name, True
    )
    trouble = begun_step(at).trouble
    assert trouble is not None
    assert trouble.rows == ["w-0001 | p | ada@example.com | - | now Running"]
    shown = [(entry.name, entry.owner, entry.cluster_id, entry.type) for entry in step.record.workloads]
    assert shown == [(entry.name, entry.owner, entry.cluster_id, entry.type) for entry in record.workloads]


def test_an_end_leaves_time_from_now_after_a_begin_that_was_cut_off(
    control_plane: FakeControlPlane, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seconds_to_settle(context(control_plane, folder, settle_time=3600)) == 0
    with monkeypatch.context() as patch:
        # It began to act long before it was cut off.
        patch.setattr(_maintenance_begin, "utc_now", lambda: "2026-01-01T00:00:00Z")
        begin_step(context(control_plane, folder, **SAID))
    assert seconds_to_settle(context(control_plane, folder, settle_time=3600)) == 3600
    begun_step(context(control_plane, folder))
    assert seconds_to_settle(context(control_plane, folder, settle_time=3600)) == 0


def test_an_end_waits_for_the_batches_of_a_begin_that_was_cut_off(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    report = begin_step(at).report
    assert report is not None
    report_file = ReportFile(str(Path(folder, report.name)), str)
    report_file.open()
    slept: list[float] = []
    await_batches(at, 1, slept.append)
    assert sum(slept) == pytest.approx(1)

    def answered(_seconds: float) -> None:
        slept.clear()
        report_file.complete()

    await_batches(at, 3600, answered)
    assert not slept


def test_what_stops_after_an_end_has_looked_comes_back_by_another(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    in_flight = begin_step(at).ids
    ended = end(control_plane, at)
    assert ended.trouble is None
    assert ended.page is not None
    assert (
        "4 may have been asked to stop, and were never seen stopped. If one of them stops later on: "
        "ansible-playbook gpuops.runai.maintenance_end "
    ) in "\n".join(ended.page.lines)
    assert at.need().state == "ended"
    again = end_step(at)
    assert not again.ids
    assert not again.changed
    control_plane.send("suspend", in_flight)
    assert end_step(context(control_plane, folder, check_mode=True)).ids
    ended = end(control_plane, at)
    assert [standing(ended, number) for number in ACTIVE] == ["back"] * 4
    # What its owner stops from now on is no business of the record.
    control_plane.set_phase(control_plane.ids[0], "Stopped")
    assert not end_step(at).ids
    assert phases(control_plane)[0] == "Stopped"


def test_what_stops_while_an_end_is_at_work_keeps_the_record_open(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    in_flight = begin_step(at).ids
    assert not end_step(at).ids
    control_plane.send("suspend", in_flight)
    told = ended_step(at).trouble
    assert told is not None
    assert "4 are stopped, by us as far as can be told; the record stays open" in told.sentence
    assert end(control_plane, at).trouble is None
    assert not control_plane.ours


def test_what_its_owner_stops_after_an_end_that_was_killed_is_left_alone(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, **SAID)
    control_plane.send("suspend", begin_step(at).ids)
    step = end_step(at)
    control_plane.send("resume", [*step.ids, *step.ids_after])
    control_plane.set_phase(control_plane.ids[0], "Stopped")
    assert standing(end(control_plane, at), 0) == "touched"
    assert phases(control_plane)[0] == "Stopped"


def test_a_copy_of_the_record_holds_nothing(control_plane: FakeControlPlane, folder: str) -> None:
    begin(control_plane, context(control_plane, folder, **SAID))
    text = Path(folder, "night.record.json").read_text()
    Path(folder, "night-backup.record.json").write_text(text)
    # One that somebody gave a name of its own.
    Path(folder, "two.record.json").write_text(text.replace('"name": "night"', '"name": "two"'))
    with pytest.raises(RecordError, match="is a copy of the record night") as told:
        end_step(context(control_plane, folder, name="night-backup"))
    assert "_name=night" in next_of(told.value)
    ended = end(control_plane, context(control_plane, folder))
    assert [standing(ended, number) for number in ACTIVE] == ["back"] * 4
    assert not control_plane.ours


def test_an_end_that_overtakes_a_begin_can_be_run_again(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, **SAID)
    step = begin_step(at)
    assert step.report is not None
    some = control_plane.send("suspend", step.ids[:2])
    end(control_plane, at)
    assert at.need().state == "ended"
    rest = control_plane.send("suspend", step.ids[2:])
    again = fold_step(at, "suspend", {"changed": some["changed"] + rest["changed"]}, step.report.name)
    assert not again.ids
    assert at.need().state == "ending"
    begun = begun_step(at)
    assert begun.trouble is not None
    assert "was ended while this begin was still at work" in begun.trouble.sentence
    assert "gpuops.runai.maintenance_end" in begun.trouble.next_command
    end(control_plane, at)
    assert [phases(control_plane)[number] for number in ACTIVE] == ["Running"] * 4
    assert at.need().state == "ended"


def test_a_clean_up_deletes_only_what_is_still_finished(control_plane: FakeControlPlane, folder: str) -> None:
    at = context(control_plane, folder, role="workload_cleanup", **CLEANUP)
    step = begin_step(at)
    assert list(step.ids) == [control_plane.ids[4], control_plane.ids[5]]
    control_plane.set_phase(control_plane.ids[4], "Running")
    again = begin_step(at)
    assert list(again.ids) == [control_plane.ids[5]]
    assert again.report is not None
    fold_step(at, "delete", control_plane.send("delete", again.ids), again.report.name)
    begun = begun_step(at)
    assert begun.record is not None
    told = status_step(context(control_plane, folder)).page
    assert told is not None
    became = [line for line in told.lines if " deleted" in line]
    assert became == ["1 was deleted", "1 was not deleted by us"]
    assert control_plane.ids[5] not in control_plane.workloads
    with pytest.raises(RecordError, match="can't be undone"):
        end_step(context(control_plane, folder))


@pytest.mark.parametrize("outcome", ["unknown", "not_attempted"])
def test_a_clean_up_is_not_over_while_what_may_be_deleted_is_still_there(folder: str, outcome: str) -> None:
    control_plane = FakeControlPlane(["Completed"])
    at = context(control_plane, folder, role="workload_cleanup", **{**CLEANUP, "older_than": "0h"})
    begin_step(at)
    # The begin is killed; the next one asks again.
    step = begin_step(at)
    assert step.report is not None
    fold_step(at, "delete", {outcome: step.ids}, step.report.name, is_last=True)
    begun = begun_step(at)
    assert begun.trouble is not None
    assert begun.trouble.sentence.endswith("did not get there: 1 {0}".format(outcome.replace("_", " ")))
    assert begun.record is not None
    assert begun.record.state == "begun"


def test_a_clean_up_knows_its_phases_however_they_are_written(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, role="workload_cleanup", phases="completed", **CLEANUP)
    step = begin_step(at)
    assert list(step.ids) == [control_plane.ids[4]]
    assert step.record is not None
    assert step.record.selection["phases"] == step.record.settings["phases"] == ["Completed"]
    with pytest.raises(RecordError, match="can only hold Completed and Failed"):
        begin_step(context(control_plane, folder, name="b", role="workload_cleanup", phases="x", **CLEANUP))


def test_a_clean_up_of_nothing_keeps_no_record(folder: str) -> None:
    step = begin_step(context(FakeControlPlane(["Running"]), folder, role="workload_cleanup", **CLEANUP))
    assert not step.changed
    assert not step.ids
    assert "night.record.json" not in os.listdir(folder)


@pytest.mark.parametrize("outcome", ["failed", "not_attempted"])
def test_what_is_not_to_be_seen_any_more_is_not_taken_for_gone(
    control_plane: FakeControlPlane, folder: str, outcome: str
) -> None:
    at = context(control_plane, folder, **SAID)
    step = begin_step(at)
    assert step.report is not None
    control_plane.hidden |= set(step.ids)
    fold_step(at, "suspend", {outcome: list(step.ids)}, step.report.name, True)
    assert begun_step(at).trouble is not None


@pytest.mark.parametrize("breaks", ["deleted", "others"])
def test_a_begin_says_what_it_did_whatever_fails_after_its_look(
    control_plane: FakeControlPlane, folder: str, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    at = context(control_plane, folder, **SAID)
    step = begin_step(at)
    assert step.report is not None
    fold_step(at, "suspend", control_plane.send("suspend", step.ids, step.ids[:1]), step.report.name, True)
    control_plane.hidden.add(step.ids[0])

    def fail(*_asked: object) -> None:
        raise RunaiError("no answer")

    monkeypatch.setattr(
        *((control_plane, "deleted", fail) if breaks == "deleted" else (Context, "others", fail))
    )
    told = begun_step(at).trouble
    assert told is not None
    assert "can't be read (no answer); the record has what is known: 3 changed, 1 failed" in told.sentence
    assert at.need().state == "acting"


def test_a_clean_up_does_not_depend_on_what_else_is_in_its_folder(
    control_plane: FakeControlPlane, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "others", lambda *_asked: pytest.fail("it looked at other records"))
    at = context(control_plane, folder, role="workload_cleanup", projects=["p"], **CLEANUP)
    step = begin_step(at)
    assert step.report is not None
    fold_step(at, "delete", control_plane.send("delete", step.ids), step.report.name, True)
    assert begun_step(at).trouble is None
    assert at.need().state == "ended"


def test_another_record_in_the_place_of_a_record_is_no_copy_of_it(
    control_plane: FakeControlPlane, folder: str
) -> None:
    def night(number: int) -> Context:
        ceilings: dict[str, Any] = {"max_affected": "none", "max_percent": "none"}
        return context(control_plane, folder, reason="fan", ids=[control_plane.ids[number]], **ceilings)

    begin(control_plane, night(0))
    aside = Path(folder, "night.record.json").rename(Path(folder, "aside"))
    begin(control_plane, night(1))
    aside.rename(Path(folder, "night-old.record.json"))
    with pytest.raises(RecordError, match=r"night-old.record.json is the record night by another name"):
        end(control_plane, context(control_plane, folder))


def test_an_ask_in_flight_is_not_given_up_for_what_can_not_be_suspended_by_then(
    control_plane: FakeControlPlane, folder: str
) -> None:
    at = context(control_plane, folder, unsuspendable="leave", **SAID)
    in_flight = begin_step(at).ids
    control_plane.workloads[control_plane.ids[0]].suspendable = False
    begin_step(at)
    begun_step(at)
    control_plane.send("suspend", in_flight)
    control_plane.workloads[control_plane.ids[0]].suspendable = True
    assert end(control_plane, context(control_plane, folder)).trouble is None
    assert [phases(control_plane)[number] for number in ACTIVE] == ["Running"] * 4


def test_what_was_touched_and_can_not_be_resumed_keeps_the_record_open(
    control_plane: FakeControlPlane, folder: str
) -> None:
    begin(control_plane, context(control_plane, folder, **SAID))
    touched = control_plane.ids[0]
    control_plane.set_phase(touched, "Running")
    control_plane.set_phase(touched, "Stopped")
    told = end(control_plane, context(control_plane, folder, resume_touched=True), refuse=[touched]).trouble
    assert told is not None
    assert "1 could not be resumed" in told.sentence
    # Who does not insist leaves it alone.
    assert end(control_plane, context(control_plane, folder)).trouble is None


def test_what_stops_late_is_told_by_a_status_and_flagged_where_it_is_resumed(
    control_plane: FakeControlPlane, folder: str
) -> None:
    in_flight = begin_step(context(control_plane, folder, **SAID)).ids
    assert end(control_plane, context(control_plane, folder)).trouble is None
    control_plane.send("suspend", in_flight[:1])
    told = status_step(context(control_plane, folder)).page
    assert told is not None
    assert any(line.startswith("Next: ansible-playbook gpuops.runai.maintenance_end") for line in told.lines)
    ended = end(control_plane, context(control_plane, folder)).page
    assert ended is not None
    assert "Of what was resumed, 1 was stopped by us only as far as can be told" in ended.lines


@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), 0.0])
def test_a_timeout_that_is_none_is_refused_before_an_end_waits_for_it(
    control_plane: FakeControlPlane, folder: str, timeout: float
) -> None:
    begin_step(context(control_plane, folder, **SAID))
    variables = {"workload_maintenance_name": "night", "workload_maintenance_record_dir": folder}
    params = {"step": "settle", "role": "workload_maintenance", "variables": variables, "timeout": timeout}
    assert "timeout: must be a number of seconds" in run_step(params, {}, False).result["msg"]


def test_what_was_left_to_an_earlier_record_of_the_name_is_not_shared(
    control_plane: FakeControlPlane, folder: str
) -> None:
    entry = Entry(control_plane.ids[0], ACT, "Running", held_by="night")
    before, after = {"ended": "2026-01-01T00:00:00Z"}, {"ended": "2026-01-03T00:00:00Z"}
    begin_step(context(control_plane, folder, **SAID))
    heir = context(control_plane, folder).need()
    heir.times["acting"] = "2026-01-02T00:00:00Z"
    other = replace(heir, name="day", state="ended", workloads=[entry], times=before)
    assert left_to([other], heir) == {}
    other.times = after
    assert left_to([other], heir) == {entry.id: (other, entry)}
