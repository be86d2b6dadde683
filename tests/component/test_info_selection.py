# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selections over real HTTP, from the module's options to its result, against the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._selection.options import selection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._selection.run import run_info

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.support.waiting import wait_until
from tests.support.workloads import workload_id, workload_row

NORTH = "11111111-0000-4000-8000-000000000001"
SOUTH = "22222222-0000-4000-8000-000000000002"
CONNECTION: dict[str, Any] = {
    "client_id": "rehearsal",
    "client_secret": "rehearsal-secret",
    "token": None,
    "validate_certs": True,
    "ca_path": None,
    "proxy": None,
    "timeout": 30.0,
    "retry_timeout": 0.0,
}

Select = Callable[..., ModuleResult]


def row(number: int, **fields: Any) -> dict[str, Any]:
    created = datetime.now(UTC) - timedelta(days=100 - number)
    usual = {"clusterId": NORTH, "createdAt": created.isoformat().replace("+00:00", "Z")}
    return workload_row(number, **{**usual, **fields})


FLEET = {
    "clusters": [{"uuid": NORTH, "name": "north"}, {"uuid": SOUTH, "name": "south"}],
    "nodes": [
        {"name": "gpu-1", "clusterUuid": NORTH},
        {"name": "gpu-1", "clusterUuid": SOUTH},
        {"name": "gpu-2", "clusterUuid": NORTH},
        {"name": "gpu-idle", "clusterUuid": NORTH},
    ],
    "projects": [{"id": "90", "name": "empty", "clusterId": NORTH}],
    "workloads": [
        row(1, nodes=["gpu-1"], projectName="vision", gpus=4),
        row(2, nodes=["gpu-1", "gpu-2"], projectName="vision", gpus=2),
        row(3, nodes=["gpu-1"], projectName="language", gpus=1, clusterId=SOUTH),
        row(4, phase="Stopped", nodes=["gpu-2"], projectName="a,b"),
        row(5, phase="Completed", nodes=["gpu-2"], projectName="vision"),
        row(6, phase="Pending", projectName="vision"),
        row(7, phase="Stopping", frozen=True, projectName="team x", nodes=["gpu-2"]),
        row(8, projectName="vision", deletedAt=datetime.now(UTC).isoformat().replace("+00:00", "Z")),
    ],
}


def selecting(simulator: Handle) -> Select:
    """A function that takes options of the module and returns how it ended."""

    def select(**given: Any) -> ModuleResult:
        defaults = {option: spec.get("default") for option, spec in selection_argument_spec().items()}
        params = {**CONNECTION, "base_url": simulator.url, **defaults, **given}
        return run_info(params, given, {})

    return select


@pytest.fixture(scope="module")
def shared() -> Iterator[Handle]:
    with running(Settings(fleet=FLEET)) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared: Handle) -> Iterator[Handle]:
    """One for all tests here, which only read, without the faults of the test before."""
    yield shared
    shared.faults()


@pytest.fixture
def select(simulator: Handle) -> Select:
    return selecting(simulator)


def numbers(finished: ModuleResult) -> list[int]:
    """Which rows of FLEET were selected, in order; the task must have ended well."""
    assert not finished.failed, finished.result["msg"]
    return [int(one[-12:]) for one in finished.result["ids"]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"all": True}, [1, 2, 3, 4, 5, 6, 7]),
        ({"projects": ["vision"]}, [1, 2, 5, 6]),
        ({"projects": ["Vision"]}, []),
        ({"projects": ["a,b"]}, [4]),
        ({"projects": ["team x", "language"]}, [3, 7]),
        ({"clusters": ["south"]}, [3]),
        ({"clusters": [SOUTH.upper()]}, [3]),
        ({"clusters": ["north"], "phases": ["running"]}, [1, 2]),
        ({"phases": ["Stopped", "Completed"]}, [4, 5]),
        ({"phases": ["Suspending"]}, [7]),
        ({"name": "job-[12]"}, [1, 2]),
        ({"search": "job-3"}, [3]),
        ({"filter_by": ["phase!=Running", "name!=job-4"]}, [5, 6, 7]),
        ({"filter_by": ["phase!=Running"], "projects": ["vision"]}, [5, 6]),
        ({"filter_by": ["name=@job-", "phase=^Stop", "createdAt>=2020-01-01"]}, [4, 7]),
        ({"ids": [workload_id(3), workload_id(1)]}, [1, 3]),
        ({"ids": [workload_id(number) for number in range(1, 8)] * 2, "phases": ["Running"]}, [1, 2, 3]),
        ({"ids": [workload_id(1), workload_id(4)], "search": "job", "phases": ["Stopped"]}, [4]),
        ({"ids": [workload_id(1), workload_id(4)], "search": "job-4"}, [4]),
        ({"all": True, "deleted": True}, [8]),
        ({"ids": [workload_id(1), workload_id(8)], "deleted": True}, [8]),
        ({"projects": ["vision"], "deleted": True, "limit": 1}, [8]),
        ({"nodes": ["gpu-1"], "clusters": ["north"]}, [1, 2]),
        ({"nodes": ["gpu-1"], "clusters": ["north", "south"]}, [1, 2, 3]),
        ({"nodes": ["gpu-2"]}, [2, 7]),
        ({"nodes": ["gpu-2"], "ids": [workload_id(2), workload_id(3)]}, [2]),
        ({"min_allocated_gpus": 2.0}, [1, 2]),
        ({"created_before": "97.5d"}, [1, 2]),
        ({"all": True, "exclude": [workload_id(1).upper(), "*-[4-7]"]}, [2, 3]),
        ({"all": True, "exclude": ["job-[1-3]"], "limit": 1}, [4]),
        ({"all": True, "limit": 2, "sort_order": "desc"}, [7, 6]),
        ({"all": True, "until_gpus": 2.5, "sort_by": "allocated_gpus"}, [3, 2]),
    ],
)
def test_select_criteria_table(select: Select, given: dict[str, Any], expected: list[int]) -> None:
    finished = select(**given)
    assert numbers(finished) == expected
    assert finished.result["count"] == len(expected)
    assert [one["id"] for one in finished.result["workloads"]] == finished.result["ids"]
    told = [warning for warning in finished.warnings if "not found" not in warning]
    assert told == (
        [] if expected else ["projects: the control plane lists no project 'Vision' (did you mean 'vision'?)"]
    )


def test_select_empty_ids_send_no_request(simulator: Handle, select: Select) -> None:
    before = len(simulator.requests())
    finished = select(ids=[])
    assert numbers(finished) == []
    assert len(simulator.requests()) == before


def test_select_rejected_options_keep_the_keys_and_send_no_request(simulator: Handle, select: Select) -> None:
    shape = set(select(all=True, limit=1).result)
    before = len(simulator.requests())
    refused: list[dict[str, Any]] = [
        {},
        {"projects": None},
        {"projects": []},
        {"projects": [""]},
        {"limit": 1},
    ]
    for given in refused:
        finished = select(**given)
        assert finished.failed
        assert set(finished.result) == shape
        assert finished.result["ids"] == []
    assert len(simulator.requests()) == before


def test_select_limit_of_one_reads_one_small_page(simulator: Handle, select: Select) -> None:
    before = len(simulator.requests())
    finished = select(projects=["vision"], limit=1)
    assert numbers(finished) == [1]
    assert finished.result["limited"] is True
    sent = [one for one in simulator.requests()[before:] if one["path"].startswith("/api/v1/workloads")]
    assert len(sent) == 1
    assert "limit=2&" in sent[0]["query"]


def test_select_limit_with_local_filter_reads_one_page(simulator: Handle, select: Select) -> None:
    before = len(simulator.requests())
    assert numbers(select(name="job-7", limit=1)) == [7]
    pages = [one for one in simulator.requests()[before:] if one["path"] == "/api/v1/workloads"]
    assert len(pages) == 1


def test_select_nodes_ignore_ended_pods(simulator: Handle, select: Select) -> None:
    for ended in ({"k8sPhase": "Succeeded"}, {"completedAt": "2026-01-01T00:00:00Z"}):
        simulator.faults(
            {
                "match": {"path": "/api/v1/workloads/pods"},
                "times": "always",
                "fault": {"kind": "edit_rows", "set": ended},
            }
        )
        assert numbers(select(nodes=["gpu-2"])) == []


def test_select_fields_all_returns_api_rows(select: Select) -> None:
    finished = select(ids=[workload_id(1)], fields=["all"])
    assert finished.result["workloads"][0]["allocatedResources"] == {"gpu": 4.0}
    # By the list as well, which many ids are read through.
    listed = select(all=True, fields=["all"]).result["workloads"][0]
    assert listed == finished.result["workloads"][0]
    many = [workload_id(number) for number in range(1, 60)]
    assert select(ids=many, fields=["all"]).result["workloads"][0] == listed
    assert select(ids=many, fields=["id", "namespace", "k8sPhase"]).result["workloads"][0] == {
        "id": workload_id(1),
        "namespace": "runai-vision",
        "k8sPhase": "Running",
    }


def test_select_result_names_control_plane_and_gpus(simulator: Handle, select: Select) -> None:
    result = select(phases=["Running"]).result
    assert result["allocated_gpus"] == 7.0
    assert result["control_plane"]["base_url"] == simulator.url
    assert result["control_plane"]["tenant_id"] == 9000
    assert [one["name"] for one in result["control_plane"]["clusters"]] == ["north", "south"]


def test_select_unknown_name_warns_and_matches_nothing(select: Select) -> None:
    for option, value, hint in (
        ("projects", "visoin", " (did you mean 'vision'?)"),
        ("projects", "quantum", ""),
        ("clusters", "NORHT", " (did you mean 'north'?)"),
        ("nodes", "gpu-idel", " (did you mean 'gpu-idle'?)"),
    ):
        finished = select(**{option: [value]})
        assert numbers(finished) == []
        assert finished.result["unmatched"] == {option: [value]}
        kind = option[:-1]
        assert finished.warnings == [f"{option}: the control plane lists no {kind} '{value}'{hint}"]


def test_select_known_name_without_workloads_gives_no_warning(select: Select) -> None:
    for given in ({"nodes": ["gpu-idle"]}, {"projects": ["empty"]}):
        finished = select(**given)
        assert numbers(finished) == []
        assert finished.result["unmatched"] == given
        assert finished.warnings == []


def test_select_misspelt_phase_warns(select: Select) -> None:
    finished = select(phases=["Runing"])
    assert numbers(finished) == []
    assert "'Runing' is not a phase" in finished.warnings[0]


def test_select_unknown_field_warns(select: Select) -> None:
    finished = select(all=True, fields=["id", "projct"])
    assert finished.result["workloads"][0] == {"id": workload_id(1), "projct": None}
    assert finished.warnings == ["fields: no workload has a 'projct'"]


def test_select_node_in_two_clusters_fails_and_names_them(select: Select) -> None:
    finished = select(nodes=["gpu-1"])
    assert finished.failed
    assert finished.result["msg"] == (
        "nodes: 'gpu-1' is a node of 2 clusters: 'north', 'south'. Set clusters to one of them."
    )
    assert finished.result["ids"] == []


def test_select_missing_and_forbidden_ids_warn(simulator: Handle, select: Select) -> None:
    missing = workload_id(99)
    finished = select(ids=[workload_id(1), missing])
    assert numbers(finished) == [1]
    assert finished.result["unmatched"] == {"ids": [missing]}
    assert missing in finished.warnings[0]
    simulator.configure(forbidden_ids=[workload_id(1)])
    try:
        finished = select(ids=[workload_id(1), workload_id(2)])
    finally:
        simulator.configure(forbidden_ids=[])
    assert numbers(finished) == [2]
    assert "403" in finished.warnings[0]


def test_select_until_gpus_out_of_reach_fails(select: Select) -> None:
    finished = select(phases=["Running"], until_gpus=8.0)
    assert finished.failed
    assert finished.result["ids"] == []
    assert "with 7 of 8 GPUs" in finished.result["msg"]
    assert numbers(select(phases=["Running"], until_gpus=8.0, partial=True)) == [1, 2, 3]
    assert select(phases=["Stopped"], until_gpus=1.0).result["msg"] == (
        "until_gpus: no selected workload holds a GPU, 1 requested"
    )


def test_select_refused_filter_is_applied_locally(simulator: Handle, select: Select) -> None:
    for status in (400, 500):
        simulator.faults(
            {
                "match": {"path": "/api/v1/workloads", "query": {"filterBy": "projectName==vision"}},
                "times": "always",
                "fault": {"kind": "status", "status": status},
            },
            {
                "match": {"path": "/api/v1/workloads/count", "query": {"filterBy": "projectName==vision"}},
                "times": "always",
                "fault": {"kind": "status", "status": status},
            },
        )
        finished = select(projects=["vision"])
        assert numbers(finished) == [1, 2, 5, 6]
        assert any("refused a filter" in warning for warning in finished.warnings)
        assert numbers(select(projects=["vision"], limit=2)) == [1, 2]


def test_select_refused_filter_by_fails(select: Select) -> None:
    finished = select(filter_by=["colour==red"])
    assert finished.failed
    assert "HTTP 400" in finished.result["msg"]


def test_select_refused_pods_filter_is_applied_locally(simulator: Handle, select: Select) -> None:
    simulator.faults(
        {
            "match": {
                "path": "/api/v1/workloads/pods",
                "query": {"filterBy": f"nodeName==gpu-1,clusterId=={NORTH}"},
            },
            "times": "always",
            "fault": {"kind": "status", "status": 400},
        }
    )
    finished = select(nodes=["gpu-1"], clusters=["north"])
    assert numbers(finished) == [1, 2]
    assert "refused a filter of pods" in finished.warnings[0]


def test_select_forbidden_clusters_need_uuids(simulator: Handle, select: Select) -> None:
    simulator.configure(forbidden_paths=["/api/v1/clusters"])
    try:
        finished = select(all=True, limit=1)
        assert numbers(finished) == [1]
        assert finished.warnings == []
        assert finished.result["workloads"][0]["cluster"] == NORTH
        assert numbers(select(clusters=[SOUTH])) == [3]
        by_name = select(clusters=["south"])
    finally:
        simulator.configure(forbidden_paths=[])
    assert by_name.failed
    assert "Give the UUID" in by_name.result["msg"]


def test_select_without_cluster_list_works(simulator: Handle, select: Select) -> None:
    simulator.faults({"match": {"path": "/api/v1/clusters"}, "fault": {"kind": "status", "status": 404}})
    finished = select(all=True, limit=1)
    assert numbers(finished) == [1]
    assert finished.result["control_plane"]["clusters"] == []


def test_select_failing_name_lookup_warns(simulator: Handle, select: Select) -> None:
    simulator.configure(forbidden_paths=["/api/v1/nodes", "/api/v1/org-unit/*"])
    try:
        finished = select(nodes=["gpu-99"], projects=["visoin"])
    finally:
        simulator.configure(forbidden_paths=[])
    assert numbers(finished) == []
    assert [warning.partition(":")[0] for warning in finished.warnings] == ["projects", "nodes"]
    assert all("could not be looked up" in warning for warning in finished.warnings)


def test_select_failing_list_fails(simulator: Handle, select: Select) -> None:
    simulator.faults(
        {
            "match": {"path": "/api/v1/workloads"},
            "times": "always",
            "fault": {"kind": "status", "status": 503},
        }
    )
    finished = select(all=True)
    assert finished.failed
    assert "HTTP 503" in finished.result["msg"]


def test_select_before_2_23_looks_nodes_up_by_cluster() -> None:
    with running(Settings(fleet=FLEET, api_version="2.22")) as simulator:
        select = selecting(simulator)
        finished = select(nodes=["gpu-idle"])
        assert (numbers(finished), finished.warnings) == ([], [])
        assert numbers(select(nodes=["gpu-2"])) == [2, 7]
        finished = select(nodes=["quantum"])
        assert finished.warnings == ["nodes: the control plane lists no node 'quantum'"]


@pytest.mark.parametrize("unknown_parameters", ["ignore", "refuse"])
def test_select_unsupported_search_fails(unknown_parameters: str) -> None:
    settings = Settings(fleet=FLEET, api_version="2.19", unknown_parameters=unknown_parameters)
    with running(settings) as simulator:
        finished = selecting(simulator)(search="job-3")
    assert finished.failed
    assert finished.result["ids"] == []


@pytest.mark.heavy
def test_select_9000_workloads_need_18_pages_and_a_count() -> None:
    with running(Settings(workloads=9000, validate_responses=False)) as simulator:
        # Behind the first page, none is answered before three have been asked for.
        held = {"kind": "slow", "seconds": 3600}
        simulator.faults({"match": {"path": "/api/v1/workloads"}, "nth": 2, "times": "always", "fault": held})
        with ThreadPoolExecutor() as pool:
            selected = pool.submit(selecting(simulator), all=True, fields=["id"], concurrency=8)
            wait_until(
                lambda: simulator.summary()["max_requests_in_flight"] > 2 or selected.done(), "three at once"
            )
            simulator.faults()
        finished = selected.result()
        assert finished.result["count"] == 9000
        assert finished.result["ids"] == [one.id for one in sorted(simulator.state.live(), key=_age)]
        sent = [one["path"] for one in simulator.requests()]
        summary = simulator.summary()
    assert sent.count("/api/v1/workloads") == 18
    assert sent.count("/api/v1/workloads/count") == 1
    assert summary["max_requests_in_flight"] > 2


def _age(workload: Any) -> tuple[int, str]:
    return int(workload.created_at * 1000), workload.id


@pytest.mark.parametrize("seed", range(3))
def test_select_unstable_order_is_complete_or_reported(seed: int) -> None:
    created = "2026-01-{0:02d}T00:00:00Z"
    workloads = [row(number, createdAt=created.format(1 + number // 60)) for number in range(1200)]
    fault = {"kind": "unstable_order", "seed": seed, "each_request": True}
    with running(Settings(fleet={**FLEET, "workloads": workloads})) as simulator:
        simulator.faults({"match": {"path": "/api/v1/workloads"}, "times": "always", "fault": fault})
        finished = selecting(simulator)(all=True, fields=["id"])
    count = finished.result["count"]
    expected = None if count == 1200 else {"listed": count, "counted": 1200}
    assert finished.result["incomplete"] == expected
    assert [f"lists {count} of 1200 workloads" in warning for warning in finished.warnings] == (
        [] if expected is None else [True]
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "shift_rows", "rows": 3},
        {"kind": "drop_next"},
        {"kind": "upper_case_ids"},
    ],
    ids=lambda fault: str(fault["kind"]),
)
def test_select_odd_pages_give_each_row_once(fault: dict[str, Any]) -> None:
    with running(Settings(workloads=1600)) as simulator:
        simulator.faults({"match": {"path": "/api/v1/workloads"}, "times": 2, "fault": fault})
        finished = selecting(simulator)(all=True, fields=["id"])
        expected = {one.id for one in simulator.state.live()}
    assert finished.result["count"] == 1600
    assert set(finished.result["ids"]) == expected
