# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance from the plan to the end, in one process with a simulator on loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import (
    run_maintenance,
    run_maintenance_info,
)
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import ACTIVE_PHASES
from ansible_collections.gpuops.runai.plugins.modules import runai_maintenance, runai_maintenance_info

from simulator.server import Handle
from simulator.settings import CLIENT_ID, CLIENT_SECRET
from tests.component.conftest import Start
from tests.support.workloads import fleet, workload_id

PLAN: dict[str, Any] = {
    "reason": "new fan",
    "select": {"all": True},
    "max_affected": "none",
    "max_percent": "100",
}


def _completed(argument_spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments as Ansible completes them."""
    found = {}
    for name, spec in argument_spec.items():
        found[name] = given.get(name, spec.get("default"))
        if spec["type"] == "dict" and found[name] is not None and "options" in spec:
            found[name] = _completed(spec["options"], found[name])
    return found


class Site:
    """One simulator, and the folder of the records."""

    def __init__(self, simulator: Handle, folder: Path) -> None:
        self.simulator = simulator
        self.folder = folder

    def run(
        self,
        state: str,
        check: bool = False,
        name: str = "night",
        environ: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ModuleResult:
        given = {
            "name": name,
            "state": state,
            "record_dir": str(self.folder),
            "base_url": self.simulator.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "wait_interval": 0.05,
            "settle_time": 0.0,
            "retry_timeout": 5,
            **options,
        }
        given = {key: value for key, value in given.items() if value is not None}
        params = _completed(runai_maintenance.ARGUMENT_SPEC, given)
        return run_maintenance(params, given, environ or {}, check)

    def info(
        self,
        name: str | None,
        environ: Mapping[str, str] | None = None,
        check: bool = False,
        **options: Any,
    ) -> ModuleResult:
        given = {
            "name": name,
            "record_dir": str(self.folder),
            "base_url": self.simulator.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **options,
        }
        given = {key: value for key, value in given.items() if value is not None}
        params = _completed(runai_maintenance_info.ARGUMENT_SPEC, given)
        return run_maintenance_info(params, given, environ or {}, check)

    def events(self, name: str = "night") -> list[dict[str, Any]]:
        path = self.folder / f"{name}.record.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def phases(self, count: int) -> list[str | None]:
        return [self.simulator.state.phase(workload_id(number)) for number in range(count)]

    def are_active(self, count: int) -> bool:
        return all(phase in ACTIVE_PHASES for phase in self.phases(count))


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    return folder


def _good(result: ModuleResult) -> dict[str, Any]:
    assert not result.failed, result.result["lines"]
    return result.result


def test_maintenance_suspends_and_resumes_exactly_its_selection(start: Start, records: Path) -> None:
    rows = fleet(3)["workloads"] + [{"id": workload_id(9), "name": "was-stopped", "phase": "Stopped"}]
    site = Site(start(fleet={"workloads": rows}, transition_seconds=0.05), records)
    planned = _good(site.run("planned", **PLAN))
    assert planned["state"] == "planned"
    assert planned["changed"]
    assert not _good(site.run("planned", **PLAN))["changed"]
    begun = _good(site.run("begun"))
    assert begun["msg"] == "Maintenance night (new fan), begun: 3 of 3 suspended"
    assert site.phases(3) == ["Stopped"] * 3
    assert not _good(site.run("begun"))["changed"]
    assert _good(site.info("night"))["summary"]["ours"] == 3
    ended = _good(site.run("ended"))
    assert (ended["state"], ended["changed"], ended["next"]) == ("ended", True, "")
    assert site.are_active(3)
    assert site.simulator.state.phase(workload_id(9)) == "Stopped"
    assert not _good(site.run("ended"))["changed"]


def test_begun_writes_ids_before_they_are_sent(start: Start, records: Path) -> None:
    site = Site(start(count=2, transition_seconds=0.05), records)
    _good(site.run("begun", **PLAN))
    kinds = [event["event"] for event in site.events()]
    assert kinds[:5] == ["head", "plan", "workloads", "state", "state"]
    assert kinds.index("asked") < kinds.index("answered") < kinds.index("seen")


def test_check_mode_predicts_and_writes_nothing(start: Start, records: Path) -> None:
    site = Site(start(count=2, transition_seconds=0.05), records)
    checked = _good(site.run("begun", check=True, **PLAN))
    assert checked["check_mode"]
    assert checked["changed"]
    assert "CHECK MODE, 2 workloads" in checked["msg"]
    assert not list(records.iterdir())
    assert site.phases(2) == ["Running"] * 2


def test_ended_after_a_cut_off_begin_resumes_what_may_still_stop(start: Start, records: Path) -> None:
    """Accepted suspends that no phase shows yet: nothing may be closed that can still stop."""
    site = Site(start(count=3, transition_seconds=0.05), records)
    _good(site.run("planned", **PLAN))
    _good(site.run("begun"))
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


def test_max_percent_of_100_is_accepted(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    _good(site.run("planned", **PLAN))
    refused = site.run("planned", name="other", **{**PLAN, "max_percent": "50", "max_affected": "1"})
    assert refused.failed
    assert refused.result["msg"].startswith("max_affected: 3 workloads would be suspended")
    assert not (records / "other.record.jsonl").exists()


def test_an_empty_plan_names_what_is_stopped_already(start: Start, records: Path) -> None:
    site = Site(start(count=3, phase="Stopped", transition_seconds=0.05), records)
    refused = site.run("planned", **PLAN)
    assert refused.failed
    assert "3 workloads that meet it are stopped already" in refused.result["msg"]
    _good(site.run("planned", allow_empty=True, **PLAN))


def test_an_overlap_is_resumed_by_the_last_one_to_end(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    _good(site.run("planned", name="second", **PLAN))
    _good(site.run("begun", name="first", **PLAN))
    _good(site.run("begun", name="second"))
    held = site.run("ended", name="first")
    assert held.failed
    assert "3 workloads held by second" in held.result["msg"]
    assert held.result["state"] == "ended"
    assert site.phases(3) == ["Stopped"] * 3
    _good(site.run("ended", name="second"))
    assert site.are_active(3)


def test_moved_time_stamps_of_many_are_red_and_resumed_on_request(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    _good(site.run("begun", **PLAN))
    for number in range(3):
        site.simulator.state.set_phase(workload_id(number), "Running")
        site.simulator.state.set_phase(workload_id(number), "Stopped")
    ended = site.run("ended")
    assert ended.failed
    assert ended.result["summary"]["uncertain"] == 3
    _good(site.run("ended", resume_touched=True))
    assert site.are_active(3)


def test_a_handed_over_plan_is_used_once(start: Start, records: Path) -> None:
    site = Site(start(count=3, transition_seconds=0.05), records)
    plan = _good(site.run("planned", record_dir=None, **PLAN))["record"]
    begun = _good(site.run("begun", record_dir=None, record=plan))["record"]
    _good(site.run("ended", record_dir=None, record=begun))
    again = site.run("begun", record_dir=None, record=plan)
    assert again.failed
    assert "stopped and started again since the plan" in again.result["msg"]
    assert site.are_active(3)


def test_records_are_listed_without_a_request(start: Start, records: Path) -> None:
    site = Site(start(count=1, transition_seconds=0.05), records)
    _good(site.run("planned", **PLAN))
    before = site.simulator.summary()
    assert [one["state"] for one in _good(site.info(None))["records"]] == ["planned"]
    assert site.simulator.summary() == before


def test_record_dir_comes_from_the_environment_unless_the_task_sets_it(
    start: Start, records: Path, tmp_path: Path
) -> None:
    site = Site(start(count=1, transition_seconds=0.05), records)
    environ = {"RUNAI_RECORD_DIR": str(tmp_path / "environment")}
    _good(site.run("planned", **PLAN, environ=environ))
    assert [one.name for one in records.iterdir()] == ["night.record.jsonl"]
    assert not (tmp_path / "environment").exists()
    planned = _good(site.run("planned", **PLAN, record_dir=None, environ=environ))
    assert planned["record_path"] == str(tmp_path / "environment" / "night.record.jsonl")
    assert len(_good(site.info(None, record_dir=None, environ=environ))["records"]) == 1


def test_summary_path_in_a_folder_of_everybodys_is_rejected_before_a_request(
    start: Start, records: Path, tmp_path: Path
) -> None:
    site = Site(start(count=1, transition_seconds=0.05), records)
    tmp_path.chmod(0o777)
    refused = site.run("planned", **PLAN, summary_path=str(tmp_path / "summary.md"))
    assert refused.failed
    assert refused.result["msg"].startswith("summary_path: {0}".format(tmp_path / "summary.md"))
    assert "everybody can write to its folder" in refused.result["msg"]
    assert site.simulator.summary()["requests"] == 0
