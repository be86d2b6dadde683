# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance from the plan to the end, in one process with a simulator on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchResponse
from ansible_collections.gpuops.runai.plugins.module_utils._batch.run import run_batch
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import session

from simulator.model.clock import ManualClock
from tests.component.conftest import Start
from tests.component.harness import BATCH, READS
from tests.component.maintenance_site import PLAN, Site, good
from tests.support.workloads import fleet, workload_id


def test_maintenance_begun_and_ended_changes_exactly_its_selection(start: Start, records: Path) -> None:
    rows = fleet(3)["workloads"] + [{"id": workload_id(9), "name": "was-stopped", "phase": "Stopped"}]
    site = Site(start(fleet={"workloads": rows}, transition_seconds=0.05), records)
    planned = good(site.run("planned", **PLAN))
    assert planned["state"] == "planned"
    assert planned["changed"]
    assert not good(site.run("planned", **PLAN))["changed"]
    begun = good(site.run("begun"))
    assert begun["msg"] == "Maintenance night (new fan), begun: 3 of 3 suspended"
    assert site.phases(3) == ["Stopped"] * 3
    assert not good(site.run("begun"))["changed"]
    assert good(site.info("night"))["summary"]["ours"] == 3
    ended = good(site.run("ended"))
    assert (ended["state"], ended["changed"], ended["next"]) == ("ended", True, "")
    assert site.are_active(3)
    assert site.simulator.state.phase(workload_id(9)) == "Stopped"
    assert not good(site.run("ended"))["changed"]


def test_ended_makes_one_token_and_reads_the_state_once_before_and_once_after_it_sends(
    start: Start, records: Path
) -> None:
    site = Site(start(count=60, transition_seconds=0.05), records)
    good(site.run("begun", **PLAN))
    before = len(site.simulator.requests())
    good(site.run("ended"))
    paths = [entry["path"] for entry in site.simulator.requests()[before:]]
    assert paths.count("/api/v2/token") == 1
    # The second one is the wait's.
    assert paths.count("/api/v1/workloads") == 2


def test_begun_any_batch_is_in_the_record_before_it_is_sent(start: Start, records: Path) -> None:
    site = Site(start(count=2, transition_seconds=0.05), records)
    good(site.run("begun", **PLAN))
    kinds = [event["event"] for event in site.events()]
    assert kinds[:5] == ["head", "plan", "workloads", "state", "state"]
    assert kinds.index("asked") < kinds.index("answered") < kinds.index("seen")


def test_maintenance_in_check_mode_predicts_and_writes_nothing(start: Start, records: Path) -> None:
    site = Site(start(count=2, transition_seconds=0.05), records)
    checked = good(site.run("begun", check=True, **PLAN))
    assert checked["check_mode"]
    assert checked["changed"]
    assert "CHECK MODE, 2 workloads" in checked["msg"]
    assert not list(records.iterdir())
    assert site.phases(2) == ["Running"] * 2


def test_ended_after_a_cut_off_begin_resumes_what_may_still_stop(start: Start, records: Path) -> None:
    """Accepted suspends that no phase shows yet: nothing may be closed that can still stop."""
    site = Site(start(count=3, transition_seconds=0.05), records)
    good(site.run("planned", **PLAN))
    good(site.run("begun"))
    # Cut off right after the suspends were accepted, and the cluster has not carried them out.
    path = records / "night.record.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["event"] != "seen"]
    path.write_text("".join(kept[:-1]) + '{"event": "se')
    for number in range(3):
        site.simulator.state.set_phase(workload_id(number), "Running")
    ended = site.run("ended")
    resumed = site.simulator.summary()["ids_sent"].get("resume", {})
    assert set(resumed) == {workload_id(number) for number in range(3)}
    if ended.failed:
        assert ended.result["state"] == "ending"
        assert ended.result["summary"]["late"] == 3


def test_planned_at_its_ceilings_is_accepted_and_above_them_rejected(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    good(site.run("planned", **PLAN))
    refused = site.run("planned", name="other", **{**PLAN, "max_percent": "50", "max_affected": "1"})
    assert refused.failed
    assert refused.result["msg"].startswith("max_affected: 3 workloads would be suspended")
    assert not (records / "other.record.jsonl").exists()


def test_planned_without_active_workloads_names_the_stopped_ones(start: Start, records: Path) -> None:
    site = Site(start(count=3, phase="Stopped", transition_seconds=0.05), records)
    refused = site.run("planned", **PLAN)
    assert refused.failed
    assert "3 workloads that meet it are stopped already" in refused.result["msg"]
    good(site.run("planned", allow_empty=True, **PLAN))


def test_ended_with_an_overlap_leaves_it_to_the_last_holder(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    good(site.run("planned", name="second", **PLAN))
    good(site.run("begun", name="first", **PLAN))
    good(site.run("begun", name="second"))
    held = site.run("ended", name="first")
    assert held.failed
    assert "3 workloads held by second" in held.result["msg"]
    assert held.result["state"] == "ended"
    assert site.phases(3) == ["Stopped"] * 3
    good(site.run("ended", name="second"))
    assert site.are_active(3)


def test_ended_with_many_moved_time_stamps_is_red_and_resumes_on_request(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    good(site.run("begun", **PLAN))
    for number in range(3):
        site.simulator.state.set_phase(workload_id(number), "Running")
        site.simulator.state.set_phase(workload_id(number), "Stopped")
    ended = site.run("ended")
    assert ended.failed
    assert ended.result["summary"]["uncertain"] == 3
    good(site.run("ended", resume_touched=True))
    assert site.are_active(3)


def test_begun_with_a_handed_over_plan_uses_it_once(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    plan = good(site.run("planned", record_dir=None, **PLAN))["record"]
    begun = good(site.run("begun", record_dir=None, record=plan))["record"]
    good(site.run("ended", record_dir=None, record=begun))
    again = site.run("begun", record_dir=None, record=plan)
    assert again.failed
    assert "stopped and started again since the plan" in again.result["msg"]
    assert site.are_active(3)


def test_info_without_a_name_lists_records_without_a_request(start: Start, records: Path) -> None:
    site = Site(start(count=1, transition_seconds=0.05), records)
    good(site.run("planned", **PLAN))
    before = site.simulator.summary()
    assert [one["state"] for one in good(site.info(None))["records"]] == ["planned"]
    assert site.simulator.summary() == before


def test_record_dir_of_the_environment_counts_unless_the_task_sets_it(
    start: Start, records: Path, tmp_path: Path
) -> None:
    site = Site(start(count=1, transition_seconds=0.05), records)
    environ = {"RUNAI_RECORD_DIR": str(tmp_path / "environment")}
    good(site.run("planned", **PLAN, environ=environ))
    assert [one.name for one in records.iterdir()] == ["night.record.jsonl"]
    assert not (tmp_path / "environment").exists()
    planned = good(site.run("planned", **PLAN, record_dir=None, environ=environ))
    assert planned["record_path"] == str(tmp_path / "environment" / "night.record.jsonl")
    assert len(good(site.info(None, record_dir=None, environ=environ))["records"]) == 1


def test_summary_path_in_a_public_folder_is_rejected_before_a_request(
    start: Start, records: Path, tmp_path: Path
) -> None:
    site = Site(start(count=1, transition_seconds=0.05), records)
    tmp_path.chmod(0o777)
    refused = site.run("planned", **PLAN, summary_path=str(tmp_path / "summary.md"))
    assert refused.failed
    assert refused.result["msg"].startswith("summary_path: {0}".format(tmp_path / "summary.md"))
    assert "everybody can write to its folder" in refused.result["msg"]
    assert site.simulator.summary()["requests"] == 0


def test_begun_is_unchanged_where_every_suspend_is_refused(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    site.simulator.faults(
        {"match": BATCH, "times": "always", "fault": {"kind": "refuse_ids", "count": "all"}}
    )
    refused = site.run("begun", **PLAN)
    assert refused.failed
    assert not refused.result["changed"]


def test_begun_reads_cluster_ids_in_upper_case(start: Start, records: Path) -> None:
    site = Site(start(count=2, transition_seconds=0.05), records)
    cluster_id = next(iter(good(site.run("planned", check=True, **PLAN))["control_plane"]["clusters"]))
    upper = {"kind": "edit_rows", "set": {"clusterId": cluster_id.upper()}}
    site.simulator.faults({"match": READS, "times": "always", "fault": upper})
    good(site.run("planned", **PLAN))
    good(site.run("begun"))


@pytest.mark.parametrize("option", ["exclude", "except_projects"])
@pytest.mark.parametrize("state", ["planned", "begun"])
def test_exemption_that_matches_nothing_is_rejected_unless_allowed(
    start: Start, records: Path, option: str, state: str
) -> None:
    site = Site(start(count=2, transition_seconds=0.05), records)
    options = {**PLAN, "select": {"all": True, option: ["visoin"]}}
    refused = site.run(state, **options)
    assert refused.failed
    assert refused.result["msg"].startswith(f"{option}: 'visoin' matches no selected workload")
    assert site.phases(2) == ["Running"] * 2
    assert not list(records.iterdir())
    assert good(site.run(state, unmatched_exemptions="allow", **options))["summary"]["planned"] == 2


@pytest.mark.parametrize("state", ["begun", "ended"])
def test_no_id_is_sent_before_its_line_is_durable(
    start: Start, records: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    site = Site(start(count=450, transition_seconds=0.05), records)
    if state == "ended":
        good(site.run("begun", **PLAN))
    action_of_state = {"begun": "suspend", "ended": "resume"}[state]
    # Who is refused once is sent again, with a line of its own.
    site.simulator.faults({"match": {"action": action_of_state}, "fault": "refuse_ids"})
    path = records / "night.record.jsonl"
    durable = 0
    fsync, batch = os.fsync, Client.batch
    early: list[str] = []

    def remember(descriptor: int) -> None:
        nonlocal durable
        fsync(descriptor)
        durable = path.stat().st_size

    def check(client: Client, action: str, ids: Sequence[str]) -> BatchResponse:
        last = {}
        for line in map(json.loads, path.read_bytes()[:durable].splitlines()):
            if line["event"] in ("asked", "answered"):
                named = line["ids"] if line["event"] == "asked" else [row[0] for row in line["rows"]]
                last.update(dict.fromkeys(named, (line["event"], line["action"])))
        early.extend(one for one in ids if last.get(one) != ("asked", action))
        return batch(client, action, ids)

    monkeypatch.setattr(os, "fsync", remember)
    monkeypatch.setattr(Client, "batch", check)
    good(site.run(state, concurrency=4, attempts=2, max_failures="100%", **PLAN))
    assert early == []
    assert site.simulator.summary()["batches"][action_of_state] == 6


def test_begun_refused_workload_that_is_gone_then_is_not_tried_again(
    start: Start, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(start(count=2, transition_seconds=0.05), records)
    site.simulator.faults({"match": {"action": "suspend"}, "times": "always", "fault": "refuse_ids"})
    batch = Client.batch
    runs: list[list[str]] = []

    def remove(client: Client, action: str, ids: Sequence[str]) -> BatchResponse:
        response = batch(client, action, ids)
        for refused in response.refused:
            site.simulator.state.remove(refused)
        return response

    def count(params: dict[str, Any], *rest: Any, **named: Any) -> Any:
        runs.append(params["ids"])
        return run_batch(params, *rest, **named)

    monkeypatch.setattr(Client, "batch", remove)
    monkeypatch.setattr(session, "run_batch", count)
    site.run("begun", attempts=4, max_failures="100%", **PLAN)
    assert [len(ids) for ids in runs] == [2, 1]


@pytest.mark.parametrize("redundant", ["succeed", "fail"])
def test_ended_while_phases_are_late_leaves_nothing_that_stops_unseen(
    start: Start, records: Path, redundant: str
) -> None:
    """A control plane that judges by the phase refuses the resume: then the suspend is still to come."""
    settings: dict[str, Any] = {"lag_seconds": 60, "redundant": redundant, "clock": ManualClock()}
    site = Site(start(count=3, transition_seconds=1, **settings), records)
    assert site.run("begun", wait_timeout=0.0, **PLAN).failed
    site.simulator.advance(26)
    ended = site.run("ended", wait_timeout=0.0)
    site.simulator.advance(120)
    if redundant == "fail":
        assert ended.failed
        assert ended.result["summary"]["late"] == 3
        site.simulator.configure(lag_seconds=0)
        good(site.run("ended", wait_timeout=0.0))
    else:
        assert good(ended)["state"] == "ended"
    assert site.are_active(3)
