# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a maintenance: the verdict, what to do first, and the command to type next."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import run as maintenance_run

from tests.component.conftest import Start
from tests.component.maintenance_site import PLAN, Site
from tests.support.workloads import workload_id

NODES: dict[str, Any] = {
    **PLAN,
    "select": {"nodes": ["gpu-17"]},
    "unsuspendable": "leave",
    "node_fenced": True,
}
INFERENCE = {"actionsSupport": {"delete": True, "suspend": False}, "type": "inference"}


def _row(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": workload_id(number),
        "name": f"train-{number}",
        "phase": "Running",
        "projectName": "vision",
        "submittedBy": "ada@example.com",
        "allocatedResources": {"gpu": 2},
        **fields,
    }


@pytest.fixture
def open_site(start: Start, tmp_path: Path) -> Any:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)

    def opened(*rows: dict[str, Any], **fleet: Any) -> Site:
        return Site(start(fleet={"workloads": list(rows), **fleet}, transition_seconds=0.05), folder)

    return opened


def _lines(result: ModuleResult, failed: bool = False) -> list[str]:
    assert result.failed is failed, result.result["lines"]
    assert result.result["lines"][0].startswith(result.result["msg"])
    assert sum(line.startswith("Next: ") for line in result.result["lines"]) <= 1
    assert (result.result["error"] is not None) is failed
    lines: list[str] = result.result["lines"]
    return lines


def test_planned_of_nodes_names_the_cordon_and_leaves_the_attestation_open(open_site: Any) -> None:
    site = open_site(_row(1, nodes=["gpu-17"]))
    lines = _lines(site.run("planned", **{**NODES, "node_fenced": False}))
    assert lines[0] == (
        "Maintenance night (new fan), planned: suspends 1 workload of 1 owner in 1 project and frees 2 GPUs"
    )
    assert lines[-2] == "First: kubectl cordon gpu-17"
    assert lines[-1].startswith("Next: ansible-playbook gpuops.runai.maintenance_begin -e ")
    assert lines[-1].endswith("-e 'workload_maintenance_node_fenced=<true once it is cordoned>'")
    rejected = _lines(site.run("begun", node_fenced=False), failed=True)
    assert "kubectl cordon gpu-17" in rejected[0]
    assert rejected[-1].endswith(" -e 'workload_maintenance_node_fenced=<true once it is cordoned>'")


def test_begun_with_pods_left_on_purpose_is_green_and_names_the_taint(open_site: Any) -> None:
    site = open_site(
        *(_row(one, nodes=["gpu-17"]) for one in range(4)), _row(4, nodes=["gpu-17"], **INFERENCE)
    )
    lines = _lines(site.run("begun", **NODES))
    assert lines[0] == "Maintenance night (new fan), begun: 4 of 4 suspended; 1 pod left on purpose"
    assert "To evict them: kubectl taint nodes gpu-17 maintenance=:NoExecute" in lines
    to_open = [
        "When the maintenance is over, let pods on the nodes again: kubectl uncordon gpu-17",
        "Remove the taint as well: kubectl taint nodes gpu-17 maintenance-",
    ]
    assert lines[-3:-1] == to_open
    assert lines[-1].startswith("Next: ansible-playbook gpuops.runai.maintenance_end -e ")
    # The taint did its work, and is still there.
    site.simulator.state.set_phase(workload_id(4), "Completed")
    assert _lines(site.info("night"))[-3:-1] == to_open


def test_begun_with_unexpected_pods_is_red_and_leads_to_the_status(open_site: Any) -> None:
    site = open_site(_row(1, nodes=["gpu-17"]), _row(2, nodes=["gpu-17"], phase="Completed"))
    _lines(site.run("planned", **NODES))
    site.simulator.state.set_phase(workload_id(2), "Running")
    lines = _lines(site.run("begun", node_fenced=True), failed=True)
    assert lines[0].endswith("begun: 1 of 1 suspended; pods are left on the nodes")
    assert "gpu-17: 1 pod in 1 project, of train-2 of ada@example.com" in lines
    assert lines[-1].startswith("Next: ansible-playbook gpuops.runai.maintenance_status -e ")
    status = _lines(site.info("night"), failed=True)
    assert status[0].endswith("begun: 1 of 1 stopped; pods are left on the nodes")
    assert status[-1].startswith("Next: ansible-playbook gpuops.runai.maintenance_status -e ")


def test_begun_without_visible_pods_reports_that(open_site: Any) -> None:
    site = open_site(_row(1, nodes=["gpu-17"]))
    assert "0 pods visible to this account on gpu-17" in _lines(site.run("begun", **NODES))


def test_ended_while_the_control_plane_is_down_waits_with_reads_only(open_site: Any) -> None:
    site = open_site(_row(1))
    _lines(site.run("begun", **PLAN))
    writes = site.simulator.summary()["batches"]
    site.simulator.faults({"match": {"path": "/api/*"}, "times": 3, "fault": "cut"})
    assert site.run("ended", retry_timeout=0).failed
    assert site.simulator.summary()["batches"] == writes
    site.simulator.faults({"match": {"path": "/api/*"}, "times": 3, "fault": "cut"})
    ended = site.run("ended", retry_timeout=0, wait_for_api=60)
    _lines(ended)
    assert any("the control plane did not respond at first" in warning for warning in ended.warnings)


def test_begun_until_gpus_suspends_the_lowest_priority_first_and_no_drift(open_site: Any) -> None:
    rows = [_row(number, priority=number * 10, preemptible=number != 1) for number in range(1, 7)]
    stuck = _row(8, priority=5, preemptible=True, **INFERENCE, allocatedResources={"gpu": 6})
    site = open_site(*rows, stuck, _row(7, phase="Stopped", priority=1, preemptible=True))
    select = {"preemptible": True, "sort_by": "priority", "until_gpus": 4.0}
    options = {**PLAN, "select": select, "unsuspendable": "leave", "max_percent": "none"}
    _lines(site.run("planned", **options))
    # New in scope, and it would even come first. The others were there, and not needed.
    site.simulator.state.set_phase(workload_id(7), "Running")
    rejected = _lines(site.run("begun", max_drift="0"), failed=True)
    assert rejected[0].startswith("max_drift: 1 workload not planned and selected now, more than 0")
    assert "gpuops.runai.maintenance_plan" in rejected[-1]
    for message in (
        "sort_by=priority",
        "until_gpus=4.0",
        "workload_maintenance_max_percent=none",
    ):
        assert message in rejected[-1]
    assert '\'{"workload_maintenance_reason": "new fan"}\'' in rejected[-1]
    begun = _lines(site.run("begun", **options))
    assert "1 workload new since the plan, never acted on: train-7" in begun
    sent = site.simulator.summary()["ids_sent"]["suspend"]
    assert sorted(sent) == [workload_id(2), workload_id(3)]


def test_begun_with_refused_workloads_is_red_and_goes_on_when_repeated(open_site: Any) -> None:
    site = open_site(_row(1), _row(2))
    refuse = {"kind": "refuse_ids", "ids": [workload_id(2)], "message": "conflict, try later"}
    site.simulator.faults({"match": {"action": "suspend"}, "times": "always", "fault": refuse})
    lines = _lines(site.run("begun", **{**PLAN, "max_failures": "100%"}), failed=True)
    assert lines[0].endswith("begun: 1 of 2 suspended; 1 workload not suspended")
    assert lines[2].startswith(
        "train-2 | vision | ada@example.com | 409 | still Running: conflict, try later"
    )
    assert lines[-1].startswith("Next: ansible-playbook gpuops.runai.maintenance_begin -e ")
    site.simulator.faults()
    assert _lines(site.run("begun"))[0].endswith("begun: 2 of 2 suspended")


@pytest.mark.parametrize(
    ("select", "message", "correction"),
    [
        (
            {"nodes": ["gpu-71"]},
            "nodes: the control plane lists no node 'gpu-71' (did you mean 'gpu-17'?)",
            "gpu-17",
        ),
        ({"projects": ["visoin"]}, "projects: the control plane lists no project 'visoin'", "vision"),
        ({"clusters": ["nort"]}, "clusters: the control plane lists no cluster 'nort'", "north"),
        (
            {"departments": ["reserch"]},
            "departments: the control plane lists no department 'reserch'",
            "research",
        ),
        ({"node_pools": ["h-100"]}, "node_pools: the control plane lists no node pool 'h-100'", "h100"),
    ],
)
def test_planned_with_an_unknown_name_suggests_similar_ones(
    open_site: Any, select: dict[str, list[str]], message: str, correction: str
) -> None:
    north = {"uuid": "71f69d83-ba66-4822-adf5-55ce55efd210", "name": "north"}
    site = open_site(
        _row(1, nodes=["gpu-17"], clusterId=north["uuid"]),
        clusters=[north],
        departments=[{"id": "1", "name": "research"}],
        nodePools=[{"id": "1", "name": "h100", "clusterId": north["uuid"]}],
        projects=[{"id": "1", "name": "vision"}],
    )
    result = site.run("planned", **{**PLAN, "select": select})
    lines = _lines(result, failed=True)
    assert message in lines[0]
    assert f"did you mean '{correction}'?" in lines[0]
    ((option, _values),) = select.items()
    assert lines[-1].endswith(f" -e 'workload_maintenance_{option}=<{correction}>'")
    assert not [warning for warning in result.warnings if warning in lines[0]]


def test_planned_with_workloads_of_a_cluster_that_is_not_listed_warns(open_site: Any) -> None:
    gone = "71f69d83-ba66-4822-adf5-55ce55efd211"
    site = open_site(_row(1, clusterId=gone))
    listed = [{"uuid": "71f69d83-ba66-4822-adf5-55ce55efd210", "name": "north"}]
    unlisted = {
        "match": {"path": "/api/v1/clusters"},
        "times": "always",
        "fault": {"kind": "other_json", "body": listed},
    }
    site.simulator.faults(unlisted)
    result = site.run("planned", **{**PLAN, "select": {"clusters": [gone]}})
    assert result.result["summary"]["planned"] == 1, result.result
    assert f"clusters: the control plane lists no cluster '{gone}'" in result.warnings


def test_planned_with_a_node_of_two_clusters_names_both(open_site: Any) -> None:
    clusters = [
        {"uuid": f"71f69d83-ba66-4822-adf5-55ce55efd21{number}", "name": name}
        for number, name in enumerate(("north", "south"))
    ]
    rows = [_row(number, nodes=["gpu-17"], clusterId=one["uuid"]) for number, one in enumerate(clusters)]
    site = open_site(*rows, clusters=clusters)
    lines = _lines(site.run("planned", **NODES), failed=True)
    assert lines[-1].endswith(" -e 'workload_maintenance_clusters=<north or south>'")


def test_planned_rejected_in_check_mode_prints_its_command_with_check(open_site: Any) -> None:
    site = open_site(_row(1), _row(2))
    rejected = _lines(site.run("planned", check=True, **{**PLAN, "max_affected": "1"}), failed=True)
    assert rejected[-1].endswith(" -e 'workload_maintenance_max_affected=<a higher ceiling or none>' --check")
    assert "workload_maintenance_all=true" in rejected[-1]
    real = _lines(site.run("planned", check=True, **PLAN))
    assert real[0].startswith("Maintenance night (new fan), planned: CHECK MODE, suspends 2 workloads")
    assert real[-1].startswith("Next: ansible-playbook gpuops.runai.maintenance_plan -e ")
    assert "--check" not in real[-1]
    blank = _lines(site.run("planned", check=True, **{**PLAN, "reason": " "}), failed=True)
    assert blank[-1].endswith(" -e 'workload_maintenance_reason=<why>' --check")


@pytest.mark.parametrize("reason", [" ", " , ", "\r\n", [], [""], ["new fan", None]])
def test_planned_with_a_blank_reason_is_rejected_as_required(open_site: Any, reason: Any) -> None:
    lines = _lines(open_site(_row(1)).run("planned", **{**PLAN, "reason": reason}), failed=True)
    assert lines[0] == "reason: is empty, and it is required. Set it."


def test_ended_with_a_holder_names_the_command_that_ends_it(open_site: Any) -> None:
    site = open_site(_row(1))
    _lines(site.run("planned", name="second", **PLAN))
    _lines(site.run("begun", name="first", **PLAN))
    _lines(site.run("begun", name="second"))
    lines = _lines(site.run("ended", name="first"), failed=True)
    assert lines[0].endswith("0 of 1 workload back. Nothing came back: 1 workload held by second")
    assert lines[-2] == "When the maintenance second is over, run the next command."
    assert "gpuops.runai.maintenance_end -e workload_maintenance_name=second " in lines[-1]
    assert f"-e workload_maintenance_record_dir={site.folder}" in lines[-1]


def test_status_of_each_state_names_the_next_command(open_site: Any) -> None:
    site = open_site(_row(1))
    _lines(site.run("planned", **PLAN))
    assert "gpuops.runai.maintenance_begin" in _lines(site.info("night"))[-1]
    _lines(site.run("begun"))
    lines = _lines(site.info("night"))
    assert lines[0].endswith("begun: 1 of 1 stopped")
    assert _lines(site.info("night", check=True))[0].endswith("begun: CHECK MODE, 1 of 1 stopped")
    assert "gpuops.runai.maintenance_end" in lines[-1]
    unknown = _lines(site.info("nigth"), failed=True)
    assert "records there: night" in unknown[0]
    assert "gpuops.runai.maintenance_status" in unknown[-1]


def test_planned_with_a_folder_in_a_container_warns(open_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = open_site(_row(1))
    assert site.run("planned", **PLAN).warnings == []
    monkeypatch.setattr(maintenance_run, "is_in_container", lambda path: path == str(site.folder))
    (warning,) = site.run("planned", **PLAN).warnings
    assert "lies in the file system of this container" in warning


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_summary_page_at_any_limit_has_owners_and_all_workloads(
    open_site: Any, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"summary{suffix}"
    site = open_site(_row(1), _row(2, submittedBy="bob <b>", allocatedResources={"gpu": 0.5}))
    site.run("planned", check=True, summary_path=str(path), **PLAN)
    assert not path.exists()
    _lines(site.run("planned", summary_path=str(path), workloads_limit=1, **PLAN))
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "<b>" not in text
    for message in ("Owners", "Workloads", "train-1", "train-2", "ada@example.com", "0.5"):
        assert message in text
    path.unlink()
    given = {"summary_path": str(path)}
    _lines(site.info("night", check=True, **given))
    assert not path.exists()
    _lines(site.info("night", **given))
    assert "train-2" in path.read_text()


def test_owners_of_a_plan_have_names_and_gpus_of_their_workloads(open_site: Any) -> None:
    result = open_site(_row(1)).run("planned", **PLAN).result
    (owner,) = result["owners"]
    assert owner["workloads"] == [{"name": "train-1", "project": "vision", "gpus": 2.0}]
    assert not {"failed", "changed", "skipped", "unreachable"} & set(result["workloads"][0])
