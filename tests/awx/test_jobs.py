# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them: the kit's playbooks under ansible-runner, credentials in the environment alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import ansible_runner
import pytest

from simulator.server import Handle, running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.awx.conftest import KIT
from tests.e2e.site import workload
from tests.e2e.test_node_maintenance import WEST, with_recorded_fences
from tests.support.receivers import webhook
from tests.support.waiting import PATIENCE
from tools.paths import command, environment

# Three batches, so that something is left to do when a job is stopped after the first.
FLEET: dict[str, Any] = {"workloads": [workload(number, projectName="vision") for number in range(1, 251)]}


@dataclass(frozen=True)
class Awx:
    """Runs templates of the kit as AWX does, each job in a folder of its own."""

    kit: dict[str, Any]
    collections: Path
    simulator: Handle
    folder: Path

    def job(self, template: str, **answers: Any) -> dict[str, Any]:
        """Arguments of ansible-runner for a job of this template."""
        (found,) = [one for one in self.kit["controller_templates"] if one["name"] == f"Run:ai {template}"]
        number = len(list(self.folder.glob("job-*"))) + 1
        place = self.folder / f"job-{number}"
        shutil.copytree(KIT / "project", place / "project")
        extra = {key: value for key, value in found.get("extra_vars", {}).items() if "record_dir" not in key}
        env = environment(self.collections) | {
            "RUNAI_BASE_URL": self.simulator.url,
            "RUNAI_CLIENT_ID": CLIENT_ID,
            "RUNAI_CLIENT_SECRET": CLIENT_SECRET,
            "RUNAI_VALIDATE_CERTS": "true",
            "RUNAI_CA_PATH": "",
        }
        # AWX writes the hosts of the inventory beside the project.
        nodes = {"inventory": str(place / "project" / "runai_nodes.yml")}
        return {
            **(nodes if found["inventory"] == "Run:ai nodes" else {}),
            "private_data_dir": str(place),
            "ident": "job",
            "playbook": found["playbook"],
            "extravars": {"awx_job_id": number, "kit_name": "night", "kit_reason": "fan", **extra, **answers},
            "envvars": env,
            "quiet": True,
            "settings": {"suppress_env_files": True},
        }

    def run(self, template: str, **answers: Any) -> ansible_runner.Runner:
        return ansible_runner.run(**self.job(template, **answers))

    def run_elsewhere(self, template: str, **answers: Any) -> list[dict[str, Any]]:
        """Events of a job that a worker elsewhere gets, and sends back, as in container groups."""
        job = self.job(template, **answers)
        sent, worker, results = (self.folder / name for name in ("sent", "worker", "results"))
        with sent.open("wb") as stream:
            ansible_runner.run(**job, streamer="transmit", _output=stream)
        run = [command("ansible-runner"), "worker", "--private-data-dir", str(worker)]
        with sent.open("rb") as stream, results.open("wb") as answer:
            env = environment(self.collections)
            subprocess.run(run, check=True, env=env, stdin=stream, stdout=answer, timeout=PATIENCE)
        with results.open("rb") as answer:
            done = ansible_runner.run(
                streamer="process", _input=answer, private_data_dir=job["private_data_dir"], quiet=True
            )
        assert done.status == "successful", results.read_text()
        files = Path(job["private_data_dir"]).glob("artifacts/**/job_events/*.json")
        return [json.loads(file.read_text()) for file in files]

    def phases(self) -> Counter[str]:
        return Counter(one.phase for one in self.simulator.state.live())


@pytest.fixture
def awx(kit: dict[str, Any], collections: Path, tmp_path: Path) -> Iterator[Awx]:
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        yield Awx(kit, collections, simulator, tmp_path)


OPEN: dict[str, Any] = {"kit_projects": "vision\n", "kit_nodes": ""}
CEILINGS = {"workload_maintenance_max_affected": 300, "workload_maintenance_max_percent": "none"}
QUICK = {"workload_maintenance_settle_time": "0.5", "workload_maintenance_wait_interval": "0.1"}


def artifacts(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What AWX hands on to the next jobs of a workflow."""
    (stats,) = [one for one in events if one["event"] == "playbook_on_stats"]
    found: dict[str, Any] = stats["event_data"]["artifact_data"]
    return found


def output(run: ansible_runner.Runner) -> str:
    with run.stdout as lines:
        text: str = lines.read()
    return text


def test_wrapper_playbooks_pass_the_syntax_check(collections: Path, tmp_path: Path) -> None:
    playbooks = sorted((KIT / "project").glob("*.yml"))
    playbooks.remove(KIT / "project" / "runai_nodes.yml")
    done = subprocess.run(
        [command("ansible-playbook"), "--syntax-check", *map(str, playbooks)],
        check=False,
        env=environment(with_recorded_fences(collections, tmp_path)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(str(playbook) in done.stdout for playbook in playbooks)


def test_workflow_jobs_without_a_folder_hand_the_record_on(awx: Awx) -> None:
    plan = awx.run_elsewhere("maintenance step: plan", **OPEN, **CEILINGS)
    begin = awx.run("maintenance step: begin", **OPEN, **CEILINGS, **artifacts(plan))
    assert begin.rc == 0, output(begin)
    assert awx.phases() == {"Stopped": 250}
    status = awx.run("maintenance: status", **artifacts(begin.events))
    assert status.rc == 0, output(status)
    end = awx.run("maintenance step: end", **OPEN, **artifacts(begin.events), **QUICK)
    assert end.rc == 0, output(end)
    assert "Stopped" not in awx.phases()
    assert CLIENT_SECRET not in output(begin) + output(end)
    assert CLIENT_SECRET not in str([plan, *begin.events, *end.events])


def test_refused_workloads_in_begin_fail_the_job_and_end_resumes_the_rest(awx: Awx) -> None:
    refused = [workload(number)["id"] for number in range(1, 4)]
    awx.simulator.faults(
        {
            "match": {"path": "/api/v1/workloads/batch"},
            "times": "always",
            "fault": {"kind": "refuse_ids", "ids": refused, "message": "owned by another"},
        }
    )
    folder = {"workload_maintenance_record_dir": str(awx.folder)}
    begin = awx.run("maintenance step: begin", **OPEN, **CEILINGS, **folder)
    assert (begin.rc, begin.status) == (2, "failed")
    assert awx.phases()["Stopped"] == 247
    awx.simulator.faults()
    end = awx.run("maintenance: end by hand", **folder, **QUICK)
    assert end.rc == 0, output(end)
    assert "Stopped" not in awx.phases()


@pytest.mark.parametrize("stop", ["canceled", "timeout"])
def test_begin_stopped_half_way_is_put_right_by_end_with_its_record(awx: Awx, stop: str) -> None:
    # The last batch is not answered, so that the job is stopped with others done.
    awx.simulator.faults(
        {
            "match": {"path": "/api/v1/workloads/batch"},
            "nth": 3,
            "fault": {"kind": "slow", "seconds": 3600},
        }
    )
    folder = {"workload_maintenance_record_dir": str(awx.folder)}
    job = awx.job("maintenance step: begin", **OPEN, **CEILINGS, **folder)
    if stop == "timeout":
        # The clock starts with the job, and a busy machine needs long to get to the batches.
        job["settings"]["job_timeout"] = 15

    def cancel() -> bool:
        return stop == "canceled" and awx.phases()["Stopped"] >= 100

    begin = ansible_runner.run(**job, cancel_callback=cancel)
    assert begin.status == stop
    assert not [one for one in begin.events if one["event"] == "playbook_on_stats"]
    awx.simulator.faults()
    end = awx.run("maintenance step: end", **OPEN, **folder, **QUICK)
    assert end.rc == 0, output(end)
    assert "Stopped" not in awx.phases()


def test_reclaim_in_jobs_of_their_own_warns_in_the_chat_and_waits_for_the_notice(awx: Awx) -> None:
    long_ago = "2026-01-01T00:00:00Z"
    idle: dict[str, Any] = {"createdAt": long_ago, "phaseUpdatedAt": long_ago, "gpuHistory": {"percent": 0.4}}
    body = json.dumps({"add": [workload(501, **idle, projectName="vision")]}).encode()
    urlopen(Request(f"{awx.simulator.url}/_simulator/workloads", body, {"Content-Type": "application/json"}))
    answers = {"kit_idle_for": "4h", "workload_reclaim_record_dir": str(awx.folder / "records")}
    page = awx.folder / "idle.html"
    reported = awx.run("reclaim: report", **answers, workload_reclaim_report_paths=[str(page)])
    assert reported.rc == 0, output(reported)
    assert page.is_file()
    with webhook() as chat:
        job = awx.job("reclaim: warn", **answers)
        job["envvars"]["RUNAI_CHAT_WEBHOOK"] = chat.url
        warned = ansible_runner.run(**job)
        assert warned.rc == 0, output(warned)
        assert [body["text"].partition(",")[0] for body in chat.bodies] == ["ada@example.com"]
    suspended = awx.run("reclaim: suspend", **answers)
    assert suspended.rc == 0, output(suspended)
    assert "notice given less than 6h ago" in output(suspended)
    assert "Stopped" not in awx.phases()


def test_repeated_clean_up_and_off_hours_begin_succeed_without_a_name(awx: Awx) -> None:
    answers = {"kit_older_than": "1d", "kit_name": "", "workload_cleanup_record_dir": str(awx.folder)}
    runs = [awx.run("clean-up", **answers) for _night in range(2)]
    assert [run.rc for run in runs] == [0, 0], output(runs[-1])
    off_hours = awx.run(
        "off-hours: begin", **CEILINGS, kit_projects="vision", workload_maintenance_record_dir=str(awx.folder)
    )
    assert off_hours.rc == 0, output(off_hours)


def test_fence_without_a_folder_for_the_record_fails_before_it_fences(
    kit: dict[str, Any], collections: Path, tmp_path: Path
) -> None:
    fences = tmp_path / "fences"
    with running(Settings()) as simulator:
        awx = Awx(kit, with_recorded_fences(collections, tmp_path), simulator, tmp_path)
        for folder, is_fenced in (("", False), ("/srv/runai/records", True)):
            job = awx.job("node step: fence", kit_nodes="gpu-17", kit_folder=folder)
            job["envvars"]["FENCES"] = str(fences)
            done = ansible_runner.run(**job)
            assert ("runai_awx_record_dir: not set" in output(done)) is not is_fenced
            assert fences.exists() is is_fenced
    assert fences.read_text() == "gpu-17 cordon\n"


def test_node_maintenance_runs_the_tasks_of_the_project_on_each_node(
    kit: dict[str, Any], collections: Path, tmp_path: Path
) -> None:
    names = ["gpu-17", "gpu-18"]
    fleet: dict[str, Any] = {
        "clusters": [{"uuid": WEST, "name": "west"}],
        "nodes": [{"name": name, "clusterUuid": WEST} for name in names],
        "workloads": [
            workload(1, nodes=["gpu-17"], clusterId=WEST),
            workload(2, nodes=["gpu-18"], clusterId=WEST),
        ],
    }
    fences = tmp_path / "fences"
    with running(Settings(fleet=fleet, transition_seconds=0.05)) as simulator:
        awx = Awx(kit, with_recorded_fences(collections, tmp_path), simulator, tmp_path)
        job = awx.job(
            "node maintenance",
            kit_nodes="gpu-17\ngpu-18",
            kit_serial=2,
            kit_tasks="../node_tasks/check.yml",
            kit_unsuspendable="",
            node_maintenance_record_dir=str(tmp_path / "records"),
            node_maintenance_max_percent="none",
            node_maintenance_wait_interval=0.1,
        )
        job["envvars"] |= {"FENCES": str(fences), "ANSIBLE_TRANSPORT": "local"}
        done = ansible_runner.run(**job)
        assert done.rc == 0, output(done)
        batches = [one["action"] for one in simulator.requests() if one["action"]]
    assert sorted(batches) == ["resume", "resume", "suspend", "suspend"]
    assert Counter(fences.read_text().split()) == Counter([*names, *names, *["cordon", "uncordon"] * 2])
    checked = [one for one in done.events if one["event_data"].get("task") == "Check that the node answers"]
    assert {one["event_data"]["host"] for one in checked if one["event"] == "runner_on_ok"} == set(names)
