# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance reads to decide whose a stop is: one list, few histories, a clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.times import parse_timestamp

from simulator.server import Handle
from tests.component.conftest import Start
from tests.component.harness import COUNT
from tests.component.maintenance_site import PLAN, Site, good
from tests.support.waiting import wait_until
from tests.support.workloads import fleet, workload_id

OWNER = "ada@example.com"
SUSPEND = {"method": "POST", "path": "/api/v1/workloads/batch", "action": "suspend"}
RESUME = {**SUSPEND, "action": "resume"}
HISTORY = {"method": "GET", "path": "/api/v1/workloads/*/history"}
BERLIN, PARIS = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def _reads(simulator: Handle, path: str) -> list[str]:
    """The requests of some kind, in order."""
    found = [one["path"] for one in simulator.requests() if one["method"] == "GET"]
    return [one for one in found if one.partition("?")[0].endswith(path)]


@pytest.fixture
def site(start: Start, records: Path) -> Site:
    return Site(start(count=3, transition_seconds=0.05), records)


@pytest.mark.parametrize(
    ("select", "number"),
    [({"all": True}, 3), ({"name": "job-0"}, 1), ({"ids": [workload_id(0), workload_id(1)]}, 2)],
)
def test_planned_with_max_percent_reads_the_list_once(
    site: Site, select: dict[str, Any], number: int
) -> None:
    planned = good(site.run("planned", **{**PLAN, "select": select}))
    assert planned["summary"]["planned"] == number
    assert len(_reads(site.simulator, "/workloads")) == 1
    assert _reads(site.simulator, workload_id(0)) == []
    refused = site.run("planned", name="other", **{**PLAN, "select": select, "max_percent": "30"})
    assert refused.failed
    assert f"max_percent: {number} of 3 active workloads" in refused.result["msg"]


def test_planned_with_max_percent_of_a_search_counts_the_clusters(site: Site) -> None:
    searched = {**PLAN, "select": {"search": "job-0"}}
    assert good(site.run("planned", **searched))["summary"]["planned"] == 1
    refused = site.run("planned", name="other", **{**searched, "max_percent": "30"})
    assert refused.failed
    assert "max_percent: 1 of 3 active workloads would be suspended, 33.3%" in refused.result["msg"]


@pytest.mark.parametrize("max_percent", ["100", "none"])
def test_planned_from_an_incomplete_list_is_rejected(site: Site, max_percent: str) -> None:
    site.simulator.faults({"match": COUNT, "times": None, "fault": {"kind": "wrong_count", "count": 4}})
    refused = site.run("planned", **{**PLAN, "max_percent": max_percent})
    assert refused.failed
    assert "the control plane lists 3 of the 4 workloads that it counts" in refused.result["msg"]
    assert not list(site.folder.iterdir())


def _stopped_again(site: Site, number: int) -> None:
    for phase in ("Running", "Stopped"):
        site.simulator.state.set_phase(workload_id(number), phase, by=OWNER)


def test_ended_with_a_stop_by_the_owner_leaves_it_stopped(site: Site) -> None:
    good(site.run("begun", **PLAN))
    _stopped_again(site, 0)
    ended = good(site.run("ended"))
    assert ended["summary"]["touched"] == 1
    assert _reads(site.simulator, "/history") == [f"/api/v1/workloads/{workload_id(0)}/history"]
    assert site.phases(3)[0] == "Stopped"


def test_ended_with_a_time_stamp_moved_by_an_upgrade_resumes_all(site: Site) -> None:
    good(site.run("begun", **PLAN))
    site.simulator.state.touch([workload_id(0)])
    good(site.run("ended"))
    assert site.are_active(3)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 404},
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 500},
        {"kind": "other_json", "body": {"records": "none"}},
        {"kind": "other_json", "body": {"records": [{"meta": 1}, {"spec": {"phaseUpdate": None}}, 7]}},
    ],
)
def test_ended_with_an_unreadable_history_leaves_the_stop_in_doubt(site: Site, fault: dict[str, Any]) -> None:
    good(site.run("begun", **PLAN))
    _stopped_again(site, 0)
    site.simulator.faults({"match": HISTORY, "times": None, "fault": fault})
    ended = site.run("ended")
    assert ended.failed
    assert ended.result["state"] == "ending"
    assert ended.result["summary"]["uncertain"] == 1
    assert site.phases(3)[0] == "Stopped"
    good(site.run("ended", resume_touched=True))
    assert site.are_active(3)


def test_begun_with_a_date_header_records_the_time_of_the_control_plane(site: Site) -> None:
    good(site.run("begun", **PLAN))
    (asked,) = [one for one in site.events() if one["event"] == "asked"]
    assert parse_timestamp(asked["sent_at"]) is not None


def test_ended_after_a_lost_response_sends_its_resume_again(site: Site) -> None:
    site.simulator.state.cut_off(site.simulator.state.live()[0].fixed["clusterId"])
    assert site.run("begun", wait_timeout=0.1, **PLAN).failed
    site.simulator.faults({"match": RESUME, "fault": {"kind": "cut", "apply": False}})
    good(site.run("ended"))
    assert set(site.simulator.summary()["ids_sent"]["resume"].values()) == {2}
    # The cluster hears the suspends first, and the resumes in the end.
    site.simulator.state.reconnect(site.simulator.state.live()[0].fixed["clusterId"], "all")
    wait_until(lambda: site.are_active(3), "the resumes")


@pytest.mark.parametrize("requests", ["all", "last"])
def test_ended_with_a_cut_off_cluster_is_red_until_nothing_may_stop(
    start: Start, records: Path, requests: str
) -> None:
    """The resume of what runs is refused: the accepted suspends may still be carried out."""
    site = Site(start(count=3, transition_seconds=0.05, redundant="fail"), records)
    cluster = site.simulator.state.live()[0].fixed["clusterId"]
    site.simulator.state.cut_off(cluster)
    assert site.run("begun", wait_timeout=0.1, **PLAN).failed
    ended = site.run("ended")
    assert ended.failed
    assert (ended.result["state"], ended.result["summary"]["late"]) == ("ending", 3)
    site.simulator.state.reconnect(cluster, requests)
    good(site.run("ended"))
    assert site.are_active(3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tenant_id": 1234, "cluster": BERLIN}, "is tenant 1234"),
        ({"cluster": PARIS}, "has none of its clusters"),
    ],
    ids=["tenant", "cluster"],
)
def test_record_of_another_control_plane_is_rejected(
    start: Start, records: Path, settings: dict[str, Any], message: str
) -> None:
    def fleet_of(cluster: str) -> dict[str, Any]:
        clusters = [{"uuid": cluster, "name": "berlin"}]
        return {"clusters": clusters, "workloads": fleet(3, clusterId=cluster)["workloads"]}

    site = Site(start(fleet=fleet_of(BERLIN), transition_seconds=0.05), records)
    good(site.run("begun", **PLAN))
    cluster = settings.pop("cluster")
    other = Site(start(fleet=fleet_of(cluster), **settings), records)
    for state in ("begun", "ended"):
        rejected = other.run(state)
        assert rejected.failed
        assert message in rejected.result["msg"]
    assert "batches" not in other.simulator.summary() or not other.simulator.summary()["batches"]
    good(site.run("ended"))
