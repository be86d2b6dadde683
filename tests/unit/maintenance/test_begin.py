# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``planned`` and ``begun`` reject, and which stops a begin claims: a control plane in memory."""

from __future__ import annotations

import base64
import errno
import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import run
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.control_plane import Selected
from ansible_collections.gpuops.runai.plugins.module_utils._record.log import RecordFolder
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import record_of
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


def _rejected(done: ModuleResult, message: str) -> dict[str, Any]:
    assert done.failed, done.result["lines"]
    assert message in done.result["msg"]
    return done.result


def _phases(control_plane: MemoryControlPlane) -> list[str]:
    return [one.phase for one in control_plane.workloads.values()]


def test_max_percent_is_counted_from_the_read_that_selects(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned", max_percent="100"))
    assert control_plane.reads == ["select"]
    _rejected(
        run_against(control_plane, folder, "planned", "other", select={"ids": IDS[:2]}, max_percent="50"),
        "max_percent: 2 of 3 active workloads would be suspended, 66.7%, more than 50%",
    )


def test_max_percent_of_a_plan_holds_for_its_begin_and_so_does_a_new_one(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    two: dict[str, Any] = {"select": {"ids": IDS[:2]}}
    good(run_against(control_plane, folder, "planned", max_percent="70", **two))
    _rejected(run_against(control_plane, folder, "begun", max_percent="50", **two), "max_percent: 2 of 3")
    control_plane.move(IDS[2], "Stopped", OWNER)
    control_plane.reads.clear()
    _rejected(run_against(control_plane, folder, "begun", max_percent=None, **two), "max_percent: 2 of 2")
    assert control_plane.reads == ["select"]
    assert control_plane.sent == []
    good(run_against(control_plane, folder, "begun", max_percent="none", **two))


@pytest.mark.parametrize("state", ["acting", "begun"])
def test_plan_over_an_open_record_names_both_ways(
    control_plane: MemoryControlPlane, folder: Path, state: str
) -> None:
    if state == "acting":
        control_plane.crash_in = 1
        with pytest.raises(CrashError):
            run_against(control_plane, folder, "begun")
    else:
        good(run_against(control_plane, folder, "begun"))
    found = _rejected(
        run_against(control_plane, folder, "planned"), f"name: the record night is {state} since"
    )
    assert "To go on, run begin; to give up, run end" in found["msg"]
    assert "maintenance_begin" in found["next"]
    good(run_against(control_plane, folder, "begun"))
    good(run_against(control_plane, folder, "ended"))
    assert _phases(control_plane) == ["Running"] * 3
    _rejected(run_against(control_plane, folder, "begun"), "a plan is used once")


def test_begin_of_a_plan_of_which_nothing_is_active_is_rejected_unless_it_may_be_empty(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned"))
    for one in IDS:
        control_plane.move(one, "Stopped", OWNER)
    for check in (True, False):
        _rejected(
            run_against(control_plane, folder, "begun", check=check),
            "plan: none of 3 planned workloads is active and selected now; 3 are stopped already",
        )
    good(run_against(control_plane, folder, "begun", allow_empty=True))
    good(run_against(control_plane, folder, "ended"))
    assert _phases(control_plane) == ["Stopped"] * 3


def test_begin_does_not_claim_what_another_one_without_a_folder_stopped(
    control_plane: MemoryControlPlane,
) -> None:
    plans = [
        good(run_against(control_plane, None, "planned", name))["record"] for name in ("first", "second")
    ]
    first = good(run_against(control_plane, None, "begun", "first", record=plans[0]))["record"]
    options = {"allow_empty": True, "record": plans[1]}
    second = good(run_against(control_plane, None, "begun", "second", **options))["record"]
    good(run_against(control_plane, None, "ended", "second", record=second))
    assert _phases(control_plane) == ["Stopped"] * 3
    good(run_against(control_plane, None, "ended", "first", record=first))
    assert _phases(control_plane) == ["Running"] * 3


def test_begin_shares_what_another_record_stopped_just_before_its_own_suspend_was_refused(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    control_plane.refuses_redundant = True
    good(run_against(control_plane, folder, "planned", "second"))
    others = list(control_plane.sent)

    def first_is_faster(ids: Any) -> None:
        control_plane.on_call = lambda ids: None
        good(run_against(control_plane, folder, "begun", "first"))
        control_plane.by = "second"

    control_plane.on_call = first_is_faster
    assert others == []
    assert good(run_against(control_plane, folder, "begun", "second"))["summary"]["shared"] == 3
    assert run_against(control_plane, folder, "ended", "first").failed
    assert _phases(control_plane) == ["Stopped"] * 3
    good(run_against(control_plane, folder, "ended", "second"))
    assert _phases(control_plane) == ["Running"] * 3


def _older(packed: str, days: int) -> str:
    """Return a plan that was made so many days ago."""
    prefix, _colon, data = packed.partition(":")
    events = [json.loads(line) for line in zlib.decompress(base64.b64decode(data)).split(b"\n")]
    for event in events:
        if "at" in event:
            event["at"] = f"{int(event['at'][:4]) - days // 365:04d}" + event["at"][4:]
    text = "\n".join(map(json.dumps, events))
    return prefix + ":" + base64.b64encode(zlib.compress(text.encode())).decode()


def test_record_that_is_handed_over_is_rejected_when_it_is_old(control_plane: MemoryControlPlane) -> None:
    plan = _older(good(run_against(control_plane, None, "planned"))["record"], days=365)
    _rejected(run_against(control_plane, None, "begun", record=plan), "longer ago than 7d")
    good(run_against(control_plane, None, "begun", record=plan, record_max_age="800d"))


def test_record_that_is_handed_over_is_rejected_when_most_was_started_again_since(
    control_plane: MemoryControlPlane,
) -> None:
    plan = good(run_against(control_plane, None, "planned"))["record"]
    # One has finished meanwhile, and does not count.
    control_plane.workloads[IDS[2]].phase = "Completed"
    for one in IDS[:2]:
        control_plane.move(one, "Stopped", OWNER)
        control_plane.move(one, "Running", OWNER)
    _rejected(
        run_against(control_plane, None, "begun", record=plan),
        "record: 2 of 2 workloads were stopped and started again since the plan",
    )


def test_record_that_is_handed_over_is_used_once(control_plane: MemoryControlPlane, folder: Path) -> None:
    plan = good(run_against(control_plane, None, "planned"))["record"]
    good(run_against(control_plane, folder, "begun", record=plan))
    good(run_against(control_plane, folder, "ended"))
    _rejected(run_against(control_plane, folder, "begun", record=plan), "a plan is used once")
    # Its name is used again for another one, as a reclaim does.
    records = RecordFolder(str(folder), may_create=False)
    records.archive("night", record_of(records.read("night")).id)
    good(run_against(control_plane, folder, "planned"))
    _rejected(
        run_against(control_plane, folder, "begun", record=plan), "the folder holds another record night"
    )
    (folder / "night.record.jsonl").unlink()
    _rejected(run_against(control_plane, folder, "begun", record=plan), "a plan is used once")
    assert _phases(control_plane) == ["Running"] * 3


def _damage(folder: Path, line: int) -> None:
    path = folder / "other.record.jsonl"
    lines = path.read_text().splitlines()
    lines[line] = "{damage"
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("state", ["planned", "begun", "ended"])
def test_open_record_that_is_damaged_is_rejected_since_it_may_hold_workloads(
    control_plane: MemoryControlPlane, folder: Path, state: str
) -> None:
    good(run_against(control_plane, folder, "begun"))
    good(run_against(control_plane, folder, "begun", "other", allow_empty=True, select={"ids": IDS[:1]}))
    _damage(folder, 2)
    name = "night" if state == "ended" else "third"
    sent = len(control_plane.sent)
    _rejected(
        run_against(control_plane, folder, state, name, allow_empty=True),
        "record_dir: the record other is damaged",
    )
    assert len(control_plane.sent) == sent


@pytest.mark.parametrize("kind", ["ended", "planned", "no head", "another tenant"])
def test_damaged_record_that_holds_nothing_is_at_most_a_warning(
    control_plane: MemoryControlPlane, folder: Path, kind: str
) -> None:
    path = folder / "other.record.jsonl"
    good(run_against(control_plane, folder, "planned" if kind == "planned" else "begun", "other"))
    if kind == "ended":
        good(run_against(control_plane, folder, "ended", "other"))
    if kind == "another tenant":
        path.write_text(path.read_text().replace('"tenant_id":"1"', '"tenant_id":"2"'))
    _damage(folder, 0 if kind == "no head" else 2)
    if kind in ("no head", "another tenant"):
        for one in IDS:
            control_plane.move(one, "Running", OWNER)
    done = run_against(control_plane, folder, "begun")
    assert good(done)["state"] == "begun"
    message = "record_dir: the record other is damaged"
    assert any(message in warning for warning in control_plane.warnings) is (
        kind in ("no head", "another tenant")
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("deadline", 0),
        ("max_failures", "some"),
        ("max_failures", "101%"),
        ("wait_interval", 0.0),
        ("concurrency", 17),
    ],
)
def test_option_of_the_batches_is_rejected_before_the_record_is_made(
    control_plane: MemoryControlPlane, folder: Path, option: str, value: Any
) -> None:
    _rejected(run_against(control_plane, folder, "begun", **{option: value}), f"{option}: must be")
    assert not list(folder.iterdir())


def test_begin_leaves_alone_what_is_kept_since_the_plan(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned"))
    keep = [{"name": IDS[0][-1], "project": None, "owner": None, "until": "2099-01-01", "reason": None}]
    begun = good(run_against(control_plane, folder, "begun", keep=keep, max_percent="70"))
    assert "1 workload left alone: kept by their owners" in begun["lines"]
    assert _phases(control_plane) == ["Running", "Stopped", "Stopped"]


def test_begin_with_another_reason_reports_that_of_the_plan(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned"))
    assert (
        "The reason of the plan counts: fan"
        in good(run_against(control_plane, folder, "begun", reason="x"))["lines"]
    )


def test_plan_over_the_begun_record_of_a_node_leaves_the_fence_to_the_operator(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    options: dict[str, Any] = {"select": {"nodes": ["gpu-17"]}}
    good(run_against(control_plane, folder, "begun", node_fenced=True, **options))
    refused = _rejected(run_against(control_plane, folder, "planned", **options), "To go on, run begin")
    assert "'workload_maintenance_node_fenced=<true once it is cordoned>'" in refused["next"]


def test_begin_after_the_end_prints_the_plan_under_another_name(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "begun"))
    good(run_against(control_plane, folder, "ended"))
    only_name: dict[str, Any] = dict.fromkeys(("reason", "select", "max_affected", "max_percent"))
    refused = _rejected(run_against(control_plane, folder, "begun", **only_name), "Use another name")
    assert refused["next"].startswith("ansible-playbook gpuops.runai.maintenance_plan ")
    assert "-e 'workload_maintenance_name=<another name>'" in refused["next"]
    assert "-e workload_maintenance_reason=fan" in refused["next"]


def test_begin_beside_another_run_prints_the_same_command(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    locked = RecordFolder(str(folder), False).lock("night")
    refused = _rejected(run_against(control_plane, folder, "begun"), "another run works on the record night")
    assert "-e workload_maintenance_name=night" in refused["next"]
    locked.close()


def test_begin_reports_what_was_done_where_the_summary_cannot_be_written(
    control_plane: MemoryControlPlane, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, *rest: Any) -> None:
        raise RunaiError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(run, "write_summary", fail)
    path = str(tmp_path / "night.md")
    begun = _rejected(
        run_against(control_plane, folder, "begun", summary_path=path),
        "begun: 3 of 3 suspended. summary_path",
    )
    assert begun["changed"]
    assert begun["lines"][0] == begun["msg"] == begun["error"]["message"]
    assert begun["summary"]["stopped"] == 3
    assert "maintenance_end" in begun["next"]


@pytest.mark.parametrize("state", ["planned", "begun"])
def test_check_mode_rejects_a_folder_that_could_not_be_made(
    control_plane: MemoryControlPlane, tmp_path: Path, state: str
) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "records"):
        for check in (True, False):
            _rejected(
                run_against(control_plane, path, state, check=check),
                "record_dir: {0}: cannot be created".format(path),
            )
    good(run_against(control_plane, tmp_path / "new" / "records", state, check=True))
    assert not (tmp_path / "new").exists()


def test_plan_without_a_notice_says_nothing_of_telling_owners(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    nobodys = [one._replace(submitted_by="") for one in control_plane.read_workloads(IDS).values()]
    control_plane.select = lambda *_selection, **_options: Selected(nobodys, {})  # type: ignore[method-assign]
    assert not [
        line for line in good(run_against(control_plane, folder, "planned"))["lines"] if "told" in line
    ]


def test_begin_on_a_full_disk_reports_what_was_sent_and_the_same_command(
    control_plane: MemoryControlPlane, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def fill(descriptor: int, data: bytes) -> int:
        if b'"event":"answered"' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fill)
        found = _rejected(run_against(control_plane, folder, "begun"), "No space left on device")
    assert found["msg"].endswith("; requests for 2 workloads were sent")
    assert found["changed"]
    assert f"-e workload_maintenance_record_dir={folder}" in found["next"]
    good(run_against(control_plane, folder, "begun"))
    good(run_against(control_plane, folder, "ended"))
    assert _phases(control_plane) == ["Running"] * 3


def test_begin_is_red_while_a_planned_workload_is_neither_visible_nor_deleted(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned"))
    hidden = control_plane.workloads.pop(IDS[0])
    found = _rejected(run_against(control_plane, folder, "begun"), "begun: 2 of 3 suspended; 1 workload")
    assert "not visible any more" in found["error"]["rows"][0]
    control_plane.deleted_ids = {IDS[0]}
    good(run_against(control_plane, folder, "begun"))
    control_plane.workloads[IDS[0]] = hidden
    good(run_against(control_plane, folder, "begun"))
    assert _phases(control_plane) == ["Stopped"] * 3


def test_begin_names_planned_workloads_that_finished_or_were_stopped_since(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    good(run_against(control_plane, folder, "planned"))
    control_plane.move(IDS[0], "Completed", OWNER)
    control_plane.move(IDS[1], "Stopped", OWNER)
    lines = good(run_against(control_plane, folder, "begun"))["lines"]
    assert "1 workload finished since the plan: 0" in lines
    assert "1 workload stopped before this begin; not resumed by end: 1" in lines


def test_plan_with_unlisted_names_corrects_them_in_place(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    unlisted = {"nodes": {"gpu-71": ["gpu-17", "gpu-7"], "x": []}}
    control_plane.select = lambda *_selection, **_options: Selected([], {}, unlisted=unlisted)  # type: ignore[method-assign]
    options: dict[str, Any] = {"select": {"nodes": ["gpu-18", "gpu-71", "x"]}}
    refused = _rejected(run_against(control_plane, folder, "planned", **options), "Correct the name")
    assert "'workload_maintenance_nodes=gpu-18,<gpu-17 or gpu-7>,<another name>'" in refused["next"]


def test_told_without_owners_is_rejected_as_any_option(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    rejected = _rejected(run_against(control_plane, folder, "told"), "told: required for state: told")
    assert rejected["next"] == ""


def test_begin_with_drift_leaves_it_running_or_is_rejected_above_max_drift(
    control_plane: MemoryControlPlane, folder: Path
) -> None:
    control_plane.move(IDS[2], "Stopped", OWNER)
    good(run_against(control_plane, folder, "planned"))
    control_plane.move(IDS[2], "Running", OWNER)
    result = _rejected(
        run_against(control_plane, folder, "begun", max_drift="0"),
        "max_drift: 1 workload not planned and selected now, more than 0. Plan again",
    )
    assert "maintenance_plan" in result["next"]
    assert control_plane.sent == []
    begun = good(run_against(control_plane, folder, "begun", max_drift="1"))
    assert any(line.startswith("1 workload new since the plan, never acted on") for line in begun["lines"])
    assert _phases(control_plane) == ["Stopped", "Stopped", "Running"]
