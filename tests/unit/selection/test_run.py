# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Selections from a control plane that refuses, ignores, fails or changes, over real HTTP."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import retry as _retry
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.tests.support.http_control_plane import (
    CLUSTERS,
    COUNT,
    EAST,
    LIST,
    NODES,
    PODS,
    WEST,
    HttpControlPlane,
    pod,
    workload,
)
from ansible_collections.gpuops.runai.tests.support.workloads import number_of, workload_id

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request


@pytest.fixture
def control_plane(loopback: Loopback) -> HttpControlPlane:
    return HttpControlPlane(loopback)


def numbers(finished: ModuleResult) -> list[int]:
    """Which workloads were selected; the task must have ended well."""
    assert not finished.failed, finished.result["msg"]
    return [number_of(one) for one in finished.result["ids"]]


def is_unfiltered(request: Request) -> bool:
    return "filterBy" not in request.query


# Options


def test_select_empty_ids_send_no_request(control_plane: HttpControlPlane) -> None:
    finished = control_plane.select(ids=[], base_url=None, token=None)
    assert numbers(finished) == []
    assert finished.result["count"] == 0
    assert control_plane.loopback.requests == []


def test_select_ids_text_with_trailing_comma_is_accepted(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1), workload(2), workload(3)]
    text = "{0},{1},".format(workload_id(1), workload_id(3))
    # As Ansible cuts it.
    assert numbers(control_plane.select({"ids": text.split(",")}, ids=text)) == [1, 3]


def test_select_unknown_phase_includes_phases_of_other_versions(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [
        workload(1, phase="Unknown"),
        workload(2, phase="Hibernating"),
        workload(3, phase="Running"),
        workload(4, phase="RUNNING"),
    ]
    assert numbers(control_plane.select(phases=["Unknown"])) == [1, 2]
    control_plane.joins = None
    assert numbers(control_plane.select(phases=["running"])) == [3, 4]


# Filters of our own


def test_select_cluster_filter_uses_the_id_of_the_api(control_plane: HttpControlPlane) -> None:
    control_plane.clusters = [{"uuid": WEST, "name": "west"}, {"uuid": EAST.upper(), "name": "east"}]
    control_plane.workloads = [workload(1), workload(2, clusterId=EAST.upper())]
    control_plane.pods = [pod(1, 1, "g1"), {**pod(2, 2, "g1"), "clusterId": EAST.upper()}]
    ways: list[dict[str, Any]] = [
        {"clusters": ["east"]},
        {"clusters": [EAST]},
        {"clusters": ["east"], "nodes": ["g1"]},
    ]
    for given in ways:
        assert numbers(control_plane.select(**given)) == [2]


@pytest.mark.parametrize("is_refused", [True, False], ids=["refused", "ignored"])
@pytest.mark.parametrize("wanted", [[1199], [0, 1199], []], ids=["last", "first and last", "none"])
def test_select_limit_without_working_filter_reads_the_list_once(
    control_plane: HttpControlPlane, is_refused: bool, wanted: list[int]
) -> None:
    control_plane.workloads = [
        workload(number, projectName="vision" if number in wanted else "nlp") for number in range(1200)
    ]
    control_plane.joins = None
    if is_refused:
        control_plane.refuse(LIST, 400, but=is_unfiltered)
    finished = control_plane.select(projects=["vision"], limit=1)
    assert numbers(finished) == wanted[:1]
    assert finished.result["limited"] is (len(wanted) > 1)
    # One that tries the filter, and the three whole pages.
    assert len(control_plane.queries(LIST)) == 4
    assert len(control_plane.queries(COUNT)) == 1
    assert any("refused a filter" in warning for warning in finished.warnings) is is_refused


def test_select_limit_met_by_a_small_page_reads_one_page(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [
        workload(number, projectName=("nlp", "vision")[number % 2]) for number in range(1200)
    ]
    for limit, first in ((1, [1]), (3, [1, 3, 5])):
        finished = control_plane.select(projects=["vision"], limit=limit)
        assert numbers(finished) == first
        assert finished.result["limited"] is True
        assert [query["limit"] for query in control_plane.queries(LIST)] == [str(limit + 1)]
        assert control_plane.queries(COUNT) == []
    assert numbers(control_plane.select(projects=["none"], limit=1)) == []
    assert len(control_plane.queries(LIST)) == 1


def test_select_limit_beyond_a_page_reads_the_list(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(number) for number in range(1200)]
    finished = control_plane.select(all=True, limit=700)
    assert numbers(finished) == list(range(700))
    assert finished.result["limited"] is True


def test_select_filter_with_server_error_falls_back_early(
    control_plane: HttpControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_retry, "_FIRST_PAUSE", 0.001)
    control_plane.workloads = [workload(1), workload(2, projectName="nlp")]
    control_plane.pods = [pod(1, 1, "g1"), pod(2, 2, "g2")]
    control_plane.refuse(LIST, 500, but=is_unfiltered)
    finished = control_plane.select(projects=["vision"], retry_timeout=3600.0)
    assert numbers(finished) == [1]
    assert [("filterBy" in query) for query in control_plane.queries(LIST)] == [True] * 3 + [False]
    control_plane.refuse(PODS, 500, but=is_unfiltered)
    assert numbers(control_plane.select(nodes=["g1"], retry_timeout=3600.0)) == [1]
    assert [("filterBy" in query) for query in control_plane.queries(PODS)] == [True] * 3 + [False]


def test_select_filter_by_with_server_error_is_retried(
    control_plane: HttpControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_retry, "_FIRST_PAUSE", 0.001)
    control_plane.workloads = [workload(1)]
    control_plane.refuse(LIST, 500, but=lambda request: len(control_plane.queries(LIST)) > 5)
    assert numbers(control_plane.select(filter_by=["phase==Running"], retry_timeout=3600.0)) == [1]


# What the user asks the control plane for


@pytest.mark.parametrize("joins", [any, None, next], ids=["or", "ignored", "first only"])
@pytest.mark.parametrize("has_count", [True, False])
def test_select_filter_by_contradicted_by_a_row_fails(
    control_plane: HttpControlPlane, joins: Any, has_count: bool
) -> None:
    control_plane.workloads = [
        workload(1),
        workload(2, submittedBy="ada"),
        workload(3, projectName="nlp"),
    ]
    control_plane.joins = joins
    if not has_count:
        control_plane.refuse(COUNT, 404)
    finished = control_plane.select(filter_by=["projectName==vision", "submittedBy!=ada"])
    assert finished.failed
    assert finished.result["ids"] == []
    assert "'job-2' ({0})".format(workload_id(2)) in finished.result["msg"]
    assert "'submittedBy!=ada'" in finished.result["msg"]
    control_plane.joins = all
    assert numbers(control_plane.select(filter_by=["projectName==vision", "submittedBy!=ada"])) == [1]


def test_select_filter_by_of_any_key_contradicted_by_a_row_fails(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1, images="a/b"), workload(2, images="c/d")]
    control_plane.joins = None
    finished = control_plane.select(filter_by=["images==a/b"], fields=["id"])
    assert finished.failed
    assert "'images==a/b'" in finished.result["msg"]


def test_select_search_met_by_a_key_that_is_not_shown_is_not_ignored(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1, images="registry/a"), workload(2, images="registry/b")]
    control_plane.is_search_known = False
    finished = control_plane.select(search="registry", fields=["id"])
    assert numbers(finished) == [1, 2]
    assert finished.warnings == []


def test_select_unlisted_cluster_is_named_although_a_read_fails(control_plane: HttpControlPlane) -> None:
    control_plane.refuse(LIST, 403)
    finished = control_plane.select(clusters=["weest"])
    assert finished.failed
    assert finished.warnings == [
        "clusters: the control plane lists no cluster 'weest' (did you mean 'west'?)"
    ]


def test_select_search_maybe_ignored_without_count_warns(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1), workload(2)]
    control_plane.refuse(COUNT, 404)
    assert control_plane.select(search="job-1").warnings == []
    control_plane.is_search_known = False
    finished = control_plane.select(search="job-1")
    assert numbers(finished) == [1, 2]
    assert "The control plane may ignore it" in finished.warnings[0]


def test_select_deleted_ignored_by_the_server_is_filtered_locally(control_plane: HttpControlPlane) -> None:
    def ignore_deleted(request: Request) -> Optional[Reply]:
        return (
            control_plane.loopback.reply(200, {"workloads": control_plane.workloads})
            if request.path == LIST
            else None
        )

    control_plane.workloads = [workload(1), workload(2, deletedAt="2026-01-02T00:00:00Z")]
    control_plane.hook = ignore_deleted
    assert numbers(control_plane.select(projects=["vision"], deleted=True)) == [2]
    assert numbers(control_plane.select(projects=["vision"])) == [1]


# Exclusions


def test_select_excluded_ids_in_one_string_are_left_out(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(number) for number in range(1, 5)]
    finished = control_plane.select(
        all=True, exclude=["{0}, {1}".format(workload_id(1).upper(), workload_id(2))]
    )
    assert numbers(finished) == [3, 4]
    assert finished.warnings == []


def test_select_exclude_without_match_warns(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1)]
    cut = workload_id(1)[:-1]
    finished = control_plane.select(all=True, exclude=[cut, "keep-*", "jobb-1"])
    assert numbers(finished) == [1]
    assert finished.warnings == ["exclude: '{0}', 'jobb-1' match no selected workload".format(cut)]


# A list that changes while it is read


def change_once(control_plane: HttpControlPlane, path: str, offset: int, change: Any) -> None:
    """Run ``change`` right before the page at ``offset`` is requested for the first time."""
    changes = [change]

    def hook(request: Request) -> Optional[Reply]:
        if request.path == path and request.query["offset"] == str(offset) and changes:
            changes.pop()()
        return None

    control_plane.hook = hook


@pytest.mark.parametrize("created", [0, 5])
def test_select_list_shrinking_between_pages_is_complete(
    control_plane: HttpControlPlane, created: int
) -> None:
    control_plane.workloads = [workload(number) for number in range(1600)]

    def change() -> None:
        del control_plane.workloads[10:15]
        now = datetime.now(timezone.utc).isoformat()
        control_plane.workloads += [workload(5000 + number, createdAt=now) for number in range(created)]

    change_once(control_plane, LIST, 500, change)
    finished = control_plane.select(all=True, fields=["id"], concurrency=1)
    assert set(numbers(finished)) >= {number_of(one["id"]) for one in control_plane.workloads}
    assert finished.warnings == []


def test_select_stable_list_is_read_once(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(number) for number in range(1600)]
    assert len(numbers(control_plane.select(all=True, fields=["id"]))) == 1600
    assert len(control_plane.queries(LIST)) == 4
    assert len(control_plane.queries(COUNT)) == 1


def test_select_list_always_changing_warns(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(number) for number in range(1600)]

    def hook(request: Request) -> Optional[Reply]:
        if request.path == LIST and request.query["offset"] == "500":
            del control_plane.workloads[10:15]
        return None

    control_plane.hook = hook
    finished = control_plane.select(all=True, fields=["id"], concurrency=1)
    assert finished.warnings == [
        "the control plane lists 1585 of 1590 workloads that it counts; the others are not known"
    ]
    assert finished.result["incomplete"] == {"listed": 1585, "counted": 1590}


def test_select_count_above_the_list_reads_twice(control_plane: HttpControlPlane) -> None:
    def count_more(request: Request) -> Optional[Reply]:
        return control_plane.loopback.reply(200, {"count": 700}) if request.path == COUNT else None

    control_plane.workloads = [workload(number) for number in range(600)]
    control_plane.hook = count_more
    finished = control_plane.select(all=True, fields=["id"])
    assert len(numbers(finished)) == 600
    assert finished.result["incomplete"] == {"listed": 600, "counted": 700}
    assert finished.warnings == [
        "the control plane lists 600 of 700 workloads that it counts; the others are not known"
    ]
    assert len(control_plane.queries(LIST)) == 4


def test_select_rows_created_together_in_changing_order_is_complete(control_plane: HttpControlPlane) -> None:
    def reorder(request: Request) -> Optional[Reply]:
        if request.path != LIST or request.query["sortBy"] != "createdAt":
            return None
        # The second page repeats 20 rows of the first and lacks its own last 20.
        first = 480 if int(request.query["offset"]) else 0
        return control_plane.loopback.reply(
            200, {"workloads": control_plane.workloads[first:][: 500 if not first else 100]}
        )

    control_plane.workloads = [workload(number, createdAt="2026-01-01T00:00:00Z") for number in range(600)]
    control_plane.hook = reorder
    finished = control_plane.select(all=True, fields=["id"])
    assert len(numbers(finished)) == 600
    assert {query["sortBy"] for query in control_plane.queries(LIST)} == {"createdAt", "name"}
    assert finished.warnings == []


def test_select_short_list_without_another_order_reports_both_numbers(
    control_plane: HttpControlPlane,
) -> None:
    def refuse_order(request: Request) -> Optional[Reply]:
        if request.path == COUNT:
            return control_plane.loopback.reply(200, {"count": 700})
        if request.path == LIST and request.query["sortBy"] != "createdAt":
            return control_plane.loopback.reply(400, {"code": 400, "message": "bad sortBy"})
        return None

    control_plane.workloads = [workload(number) for number in range(600)]
    control_plane.hook = refuse_order
    finished = control_plane.select(all=True, fields=["id"])
    assert len(numbers(finished)) == 600
    assert any("lists 600 of 700 workloads" in warning for warning in finished.warnings)


@pytest.mark.parametrize("size", [100, 150])
def test_select_pages_capped_without_next_is_complete(control_plane: HttpControlPlane, size: int) -> None:
    def cap(request: Request) -> Optional[Reply]:
        if request.path != LIST:
            return None
        offset = int(request.query["offset"])
        return control_plane.loopback.reply(
            200, {"workloads": control_plane.workloads[offset : offset + size]}
        )

    control_plane.workloads = [workload(number) for number in range(700)]
    control_plane.hook = cap
    finished = control_plane.select(all=True, fields=["id"])
    assert numbers(finished) == list(range(700))
    assert finished.warnings == []


# Pods


def test_select_pod_ending_between_pages_hides_no_workload(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(number) for number in range(1, 4)]
    control_plane.pods = [pod(number, 1 + number // 500, "g1") for number in range(501)]
    control_plane.pods += [pod(1000 + number, 3, "g1") for number in range(499)]
    change_once(control_plane, PODS, 500, lambda: control_plane.pods.pop(0))
    assert numbers(control_plane.select(nodes=["g1"])) == [1, 2, 3]


def test_select_pods_without_next_are_read_to_the_end(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1), workload(2)]
    control_plane.pods = [pod(number, 1, "g1", id="pod-{0}".format(number)) for number in range(500)]
    control_plane.pods.append(pod(501, 2, "g1"))
    control_plane.says_next = False
    assert numbers(control_plane.select(nodes=["g1"])) == [1, 2]


def test_select_single_page_of_pods_is_read_once(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1)]
    control_plane.pods = [pod(1, 1, "g1")]
    assert numbers(control_plane.select(nodes=["g1"])) == [1]
    assert len(control_plane.queries(PODS)) == 1


@pytest.mark.parametrize("node", ["g1", "a,b"])
def test_select_pods_filter_refused_is_applied_locally(control_plane: HttpControlPlane, node: str) -> None:
    control_plane.workloads = [workload(1), workload(2)]
    control_plane.pods = [pod(1, 1, node), pod(2, 2, node, completedAt="2026-01-02T00:00:00Z")]
    control_plane.refuse(
        PODS, 400, but=lambda request: is_unfiltered(request) and "completed" not in request.query
    )
    finished = control_plane.select(nodes=[node], clusters=["west"])
    assert numbers(finished) == [1]
    assert len(finished.warnings) == 1
    assert "refused a filter of pods" in finished.warnings[0]


def test_select_pods_refused_fails_without_a_warning(control_plane: HttpControlPlane) -> None:
    control_plane.refuse(PODS, 400)
    finished = control_plane.select(nodes=["g1"])
    assert finished.failed
    assert "HTTP 400" in finished.result["msg"]
    assert finished.warnings == []


# Endpoints that only help


@pytest.mark.parametrize("status", [403, 500, 503])
@pytest.mark.parametrize("given", [{"all": True}, {"projects": ["vision"]}], ids=["all", "filtered"])
def test_select_count_refused_reads_the_list_with_a_warning(
    control_plane: HttpControlPlane, status: int, given: dict[str, Any]
) -> None:
    control_plane.workloads = [workload(number) for number in range(600)]
    control_plane.refuse(COUNT, status)
    finished = control_plane.select(**given)
    assert numbers(finished) == list(range(600))
    assert [warning for warning in finished.warnings if "workloads: the first" not in warning] == [
        "the control plane's count can't be used (HTTP {0}); the list was read without it".format(status)
    ]


def test_select_list_without_count_and_next_is_complete(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(number) for number in range(1000)]
    control_plane.says_next = False
    control_plane.refuse(COUNT, 404)
    assert numbers(control_plane.select(all=True)) == list(range(1000))
    assert len(control_plane.queries(LIST)) == 3


def test_select_last_page_naming_itself_ends_the_list(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(number) for number in range(600)]

    def lead_on(request: Request) -> Optional[Reply]:
        if request.path != LIST:
            return None
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        rows = control_plane.workloads[offset : offset + limit]
        return control_plane.loopback.reply(200, {"workloads": rows, "next": offset + len(rows)})

    control_plane.hook = lead_on
    assert numbers(control_plane.select(all=True)) == list(range(600))


def test_select_unneeded_clusters_failing_warns(control_plane: HttpControlPlane) -> None:
    control_plane.workloads = [workload(1), workload(2, clusterId=EAST)]
    control_plane.pods = [pod(1, 1, "g1")]
    control_plane.refuse(CLUSTERS, 500)
    without: list[dict[str, Any]] = [{"projects": ["vision"]}, {"nodes": ["g1"]}, {"clusters": [EAST]}]
    for given in without:
        finished = control_plane.select(**given)
        assert numbers(finished)
        assert "clusters could not be listed" in finished.warnings[0]
    finished = control_plane.select(clusters=["east"])
    assert finished.failed
    assert "HTTP 500" in finished.result["msg"]


# Names that are not there


def test_select_nodes_of_an_unknown_cluster_give_one_warning(control_plane: HttpControlPlane) -> None:
    control_plane.nodes = [{"name": "g1", "clusterUuid": EAST}]
    finished = control_plane.select(clusters=["weest"], nodes=["g1"])
    assert finished.warnings == [
        "clusters: the control plane lists no cluster 'weest' (did you mean 'west'?)"
    ]


def test_select_nodes_without_node_list_warn_of_that(control_plane: HttpControlPlane) -> None:
    def before_2_23(request: Request) -> Optional[Reply]:
        status = {NODES: 404, CLUSTERS: 403}.get(request.path)
        return control_plane.loopback.reply(status) if status else None

    control_plane.hook = before_2_23
    finished = control_plane.select(nodes=["idle"])
    assert numbers(finished) == []
    assert len(finished.warnings) == 1
    assert finished.warnings[0].startswith("nodes: could not be looked up (")
