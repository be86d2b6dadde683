# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role workload_maintenance as people run it: by its playbooks, in both modes, killed and all."""

from __future__ import annotations

import json
import re
import shlex
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import CLIENT_SECRET, Settings
from tests.e2e.playbook import PLUGINS, PlaybookRunner
from tests.e2e.site import Site, killed, next_command, told, wait_for_play, workload
from tests.support.waiting import PATIENCE

FLEET: dict[str, Any] = {
    "workloads": [
        *(workload(number) for number in range(1, 7)),
        *(workload(number, "Pending") for number in range(7, 9)),
        workload(9, "Stopped"),
        workload(10, "Completed"),
        workload(11, actionsSupport={"delete": True, "suspend": False}, type="inference"),
        workload(12, type="runai-workspace", submittedBy="bob@example.com"),
    ]
}
ACTIVE = [f"00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 12)]
SAID: dict[str, Any] = {
    "name": "night",
    "reason": "new fan",
    "projects": "vision,nlp",
    "unsuspendable": "leave",
    "max_affected": 9,
    "max_percent": "none",
}

Open = Callable[..., AbstractContextManager[Site]]


@pytest.fixture
def open_site(run_playbook: PlaybookRunner, tmp_path: Path) -> Open:
    """Starts a simulator with a fleet and settings of one's choice."""

    @contextmanager
    def opened(runner: PlaybookRunner = run_playbook, **settings: Any) -> Iterator[Site]:
        settings = {"fleet": FLEET, "transition_seconds": 0.05, **settings}
        with running(Settings(**settings)) as simulator:
            yield Site(simulator, runner, tmp_path / "records")

    return opened


def test_plan_begin_status_and_end_in_both_modes(
    open_site: Open, run_playbook_on_each_core: PlaybookRunner
) -> None:
    with open_site(run_playbook_on_each_core) as site:
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        before = site.phases()

        for playbook, said in (("maintenance_plan", SAID), ("maintenance_begin", SAID)):
            checked = site.play(playbook, check=True, **where, **said)
            assert checked.rc == 0, checked.output
            assert not site.folder.exists()
            assert "REHEARSAL on a simulator" in checked.stdout
            assert "CHECK MODE, nothing is sent" in checked.stdout
            assert "suspends 9 workloads of 2 owners in 2 projects; 14 GPUs fall free" in checked.stdout
            assert "1 among them is interactive" in checked.stdout
            assert "1 workload left running" in checked.stdout
        planned = site.play("maintenance_plan", "-e", "awx_job_id=12", **where, **SAID)
        assert planned.rc == 0, planned.output
        assert "CHECK MODE" not in planned.stdout
        assert "Next: ansible-playbook gpuops.runai.maintenance_begin" in planned.stdout
        assert site.record()["state"] == "planned"
        assert site.record()["by"]["planned"]["awx_job_id"] == "12"
        assert stat.S_IMODE((site.folder / "night.record.json").stat().st_mode) == 0o600
        checked = site.play("maintenance_begin", check=True, wait_timeout=0, **where, **SAID)
        assert checked.rc == 0, checked.output
        asked = checked.one("runai_workload_batch")["invocation"]["module_args"]
        assert (asked["wait_timeout"], asked["max_failures"]) == (0, "10%")
        assert site.record()["state"] == "planned"
        assert site.writes() == []

        begun = site.play("maintenance_begin", "-vvvv", **where, **SAID)
        assert begun.rc == 0, begun.output
        assert begun.warnings == []
        assert CLIENT_SECRET not in begun.output
        assert "when the maintenance is over: ansible-playbook gpuops.runai.maintenance_end" in begun.stdout
        assert site.record()["state"] == "begun"
        assert {one for one, phase in site.phases().items() if phase == "Stopped"} == {
            *ACTIVE,
            workload(9)["id"],
        }
        again = site.play("maintenance_begin", **where, **SAID)
        assert again.rc == 0, again.output
        assert "changed=0" in again.stdout
        for check in (True, False):
            status = site.play("maintenance_status", check=check, name="night", **where)
            assert status.rc == 0, status.output
        assert "9 are stopped by us" in status.stdout
        assert "changed=0" in status.stdout

        number_of_writes = len(site.writes())
        checked = site.play("maintenance_end", check=True, name="night", **where)
        assert checked.rc == 0, checked.output
        assert site.record()["state"] == "begun"
        assert len(site.writes()) == number_of_writes
        ended = site.play("maintenance_end", name="night", **where)
        assert ended.rc == 0, ended.output
        assert ended.warnings == []
        assert site.record()["state"] == "ended"
        assert [
            site.phases()[one] in ("Running", "Pending", "Initializing", "Resuming") for one in ACTIVE
        ] == [True] * 9
        assert {one: site.phases()[one] for one in before if one not in ACTIVE} == {
            one: before[one] for one in before if one not in ACTIVE
        }
        resumed = [batch["ids"] for batch in site.writes() if batch["action"] == "resume"]
        assert resumed == [[*ACTIVE[:6], ACTIVE[8]], ACTIVE[6:8]]
        assert set(site.sent("suspend").values()) == set(site.sent("resume").values()) == {1}
        again = site.play("maintenance_end", name="night", **where)
        assert "changed=0" in again.stdout


BLANK: list[dict[str, Any]] = [
    {"projects": ""},
    {"projects": None},
    {"projects": []},
    {"projects": ["vision", ""]},
    {"exclude": ""},
    {"max_affected": None},
    {"reason": " "},
    {"name": ""},
]


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_is_refused_before_any_call(open_site: Open, blank: dict[str, Any]) -> None:
    with open_site() as site:
        run = site.play("maintenance_begin", **{**SAID, "record_dir": str(site.folder), **blank})
        assert run.rc == 2, run.output
        assert "blank" in told(run)
        assert next(iter(blank)) in told(run)
        assert site.simulator.requests() == []


def test_what_is_misspelt_or_missing_is_refused_before_any_call(open_site: Open) -> None:
    with open_site() as site:
        run = site.play("maintenance_begin", record_dir=str(site.folder), projcts="vision", **SAID)
        assert "did you mean workload_maintenance_projects" in told(run)
        run = site.play("maintenance_begin", **SAID)
        assert "nothing would outlive this job" in told(run)
        run = site.play("maintenance_plan", **{**SAID, "max_percent": ...})
        assert "workload_maintenance_max_percent must be given" in told(run)
        assert site.simulator.requests() == []


def test_a_failure_is_told_in_one_sentence_with_the_worst_rows(open_site: Open) -> None:
    fleet = {"workloads": [workload(number) for number in range(1, 61)]}
    refused = [workload(number)["id"] for number in range(1, 41)]
    with open_site(fleet=fleet) as site:
        site.simulator.faults(
            {
                "match": {"action": "suspend"},
                "times": "always",
                "fault": {"kind": "refuse_ids", "ids": refused, "message": "conflict, try later"},
            }
        )
        said: dict[str, Any] = {
            **SAID,
            "record_dir": str(site.folder),
            "max_affected": "none",
            "max_failures": "100%",
        }
        run = site.play("maintenance_begin", **said)
        assert run.rc == 2
        sentence = told(run)
        assert sentence.startswith("40 of 60 workloads did not get there: 40 failed. Next: ansible-playbook ")
        assert len(sentence) < 500
        assert (
            len(re.findall(r"train-\d+ \| .* \| ada@example.com \| 409 \| conflict, try later", run.stdout))
            == 20
        )
        assert "outcomes" not in run.stdout
        assert len(run.output) < 20_000
        assert site.sent("suspend")[refused[0]] == 2
        assert site.sent("suspend")[workload(60)["id"]] == 1
        assert site.record()["state"] == "begun"

        site.simulator.faults()
        again = site.run(
            *shlex.split(sentence.partition("ansible-playbook ")[2]), extra_vars=_connection(site)
        )
        assert again.rc == 0, again.output
        assert site.play("maintenance_end", name="night", record_dir=str(site.folder)).rc == 0
        assert set(site.phases().values()) <= {"Running", "Pending", "Initializing", "Resuming"}


def _connection(site: Site) -> dict[str, Any]:
    given = {"base_url": site.simulator.url, "token": "rehearsal-token", "wait_interval": "0.1"}
    return {f"workload_maintenance_{key}": value for key, value in given.items()}


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_begin_killed_between_any_two_steps_is_ended(open_site: Open, after: int) -> None:
    with open_site() as site:
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        before = site.phases()
        run = _killed(site, "maintenance_begin", after, **where, **SAID)
        assert run == -signal.SIGKILL
        assert site.record()["state"] == ("begun" if after == 4 else "acting")
        ended = site.play("maintenance_end", name="night", **where)
        assert ended.rc == 0, ended.output
        assert ("are stopped, by us as far as can be told" in ended.stdout) == (after in (2, 3))
        assert site.record()["state"] == "ended"
        assert _settled(site, before) == before


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_begin_killed_between_any_two_steps_goes_on(open_site: Open, after: int) -> None:
    with open_site() as site:
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        before = site.phases()
        assert _killed(site, "maintenance_begin", after, **where, **SAID) == -signal.SIGKILL
        begun = site.play("maintenance_begin", **where, **SAID)
        assert begun.rc == 0, begun.output
        assert {
            one["id"]: one["phase_before"] for one in site.record()["workloads"] if one["plan"] == "act"
        } == {one: before[one] for one in ACTIVE}
        assert set(site.sent("suspend").values()) == {1}
        assert site.play("maintenance_end", name="night", **where).rc == 0
        assert _settled(site, before) == before


@pytest.mark.parametrize("after", [2, 3, 4, 5, 6, 7])
def test_an_end_killed_between_any_two_steps_goes_on(open_site: Open, after: int) -> None:
    with open_site() as site:
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        before = site.phases()
        assert site.play("maintenance_begin", **where, **SAID).rc == 0
        assert _killed(site, "maintenance_end", after, name="night", **where) == -signal.SIGKILL
        ended = site.play("maintenance_end", name="night", **where)
        assert ended.rc == 0, ended.output
        assert site.record()["state"] == "ended"
        assert _settled(site, before) == before
        assert set(site.sent("resume").values()) == {1}


def test_a_begin_killed_in_the_middle_of_its_batches_is_ended(open_site: Open) -> None:
    fleet = {"workloads": [workload(number) for number in range(1, 451)]}
    with open_site(fleet=fleet, latency_per_id=0.08) as site:
        before = site.phases()
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        process = site.start("maintenance_begin", **where, **{**SAID, "max_affected": "none"})
        wait_for_play(lambda: len(site.writes()) == 4, process)
        with killed(process):
            record = site.record()
            assert record["state"] == "acting"
            assert len(record["workloads"]) == 450
            # The module sees that its play is gone and stops before the next batch. What is in flight, and is
            # carried out after some seconds, the end waits for, however little time the rest is given.
            ended = site.play("maintenance_end", name="night", settle_time=0, **where)
        assert ended.rc == 0, ended.output
        assert site.record()["state"] == "ended"
        assert _settled(site, before) == before
        assert 0 < len(site.sent("suspend")) < 450
        assert set(site.sent("resume")) == set(site.sent("suspend"))


def test_a_plan_travels_by_the_jobs_artifacts(open_site: Open) -> None:
    with open_site() as site:
        before = site.phases()
        show: dict[str, str] = {"ANSIBLE_SHOW_CUSTOM_STATS": "1"}
        planned = site.play("maintenance_plan", env=show, **SAID)
        assert planned.rc == 0, planned.output
        packed = _artifact(planned.stdout)
        begun = site.play("maintenance_begin", env=show, record=packed, **SAID)
        assert begun.rc == 0, begun.output
        later = _artifact(begun.stdout)
        assert later != packed
        site.simulator.state.set_phase(ACTIVE[0], "Running")
        site.simulator.state.set_phase(ACTIVE[0], "Stopped")
        for artifact, expected in ((later, "1 was stopped again by somebody else"), (packed, "1 is back")):
            ended = site.play("maintenance_end", name="night", record=artifact)
            assert ended.rc == 0, ended.output
            assert expected in ended.stdout
        assert _settled(site, before) == before
        assert not site.folder.exists()


def test_nodes_are_fenced_first_and_found_without_pods_after(open_site: Open) -> None:
    fleet = {
        "workloads": [
            workload(1, nodes=["gpu-17"]),
            workload(2, nodes=["gpu-17"], actionsSupport={"delete": True, "suspend": False}),
            workload(3, nodes=["gpu-18"]),
        ]
    }
    with open_site(fleet=fleet) as site:
        said: dict[str, Any] = {**SAID, "projects": ..., "nodes": "gpu-17", "record_dir": str(site.folder)}
        run = site.play("maintenance_begin", **said)
        assert "keep new pods off the nodes first" in told(run)
        assert site.simulator.requests() == []
        fenced = next_command(run)
        misspelt = site.play("maintenance_plan", **{**said, "nodes": "gpu-71"})
        assert "nodes: the control plane lists no node gpu-71; nothing was done" in told(misspelt)
        assert not site.folder.exists() or not list(site.folder.glob("*.json"))
        run = site.run(*fenced, extra_vars=_connection(site))
        held = "gpu-17: 1 pod visible to this account in 1 project, of train-2 of ada@example.com in nlp"
        assert told(run).startswith(held + " (left on purpose, ")
        status = site.play("maintenance_status", name="night", record_dir=str(site.folder))
        assert "gpu-17: 1 pod visible" in told(status)
        assert next_command(status)[0] == "gpuops.runai.maintenance_status"
        again = site.run(*next_command(status), extra_vars=_connection(site))
        assert told(again).startswith("gpu-17: 1 pod visible")
        site.simulator.state.set_phase(workload(2)["id"], "Completed")
        status = site.play("maintenance_status", name="night", record_dir=str(site.folder))
        assert status.rc == 0, status.output
        assert "gpu-17: 0 pods visible to this account in 0 projects" in status.stdout
        assert site.phases()[workload(3)["id"]] == "Running"


def test_an_emergency_takes_the_lowest_priority_until_enough_is_free(open_site: Open) -> None:
    fleet = {
        "workloads": [
            *(workload(number, priority=number * 10, preemptible=number != 1) for number in range(1, 7)),
            workload(7, "Stopped", priority=1, preemptible=True),
            workload(
                8,
                priority=5,
                preemptible=True,
                actionsSupport={"suspend": False},
                allocatedResources={"gpu": 6},
            ),
        ]
    }
    with open_site(fleet=fleet) as site:
        said: dict[str, Any] = {
            **SAID,
            "projects": ...,
            "preemptible": "true",
            "sort_by": "priority",
            "until_gpus": 4,
            "unsuspendable": "leave",
        }
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        planned = site.play("maintenance_plan", **where, **said)
        assert planned.rc == 0, planned.output
        # New in scope, and it would even come first; the others were there, and not needed.
        site.simulator.state.set_phase(workload(7)["id"], "Running")
        refused = site.play("maintenance_begin", max_drift=0, **where, **said)
        assert "1 workload meets the selection now and did not when it was planned" in told(refused)
        assert next_command(refused)[0] == "gpuops.runai.maintenance_plan"
        assert "workload_maintenance_until_gpus=4" in next_command(refused)
        begun = site.play("maintenance_begin", **where, **said)
        assert begun.rc == 0, begun.output
        assert [one["name"] for one in site.record()["drift"]] == ["train-7"]
        assert "New since the plan" in begun.stdout
        assert sorted(site.sent("suspend")) == [workload(2)["id"], workload(3)["id"]]
        assert site.play("maintenance_end", name="night", **where).rc == 0
        assert sorted(site.sent("resume")) == [workload(2)["id"], workload(3)["id"]]


def test_a_control_plane_that_is_down_is_waited_for_with_reads_only(open_site: Open) -> None:
    with open_site() as site:
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        assert site.play("maintenance_begin", **where, **SAID).rc == 0
        number = len(site.writes())
        site.simulator.faults({"match": {"path": "/api/*"}, "times": 3, "fault": "cut"})
        status = site.play("maintenance_status", name="night", retry_timeout=0, **where)
        assert status.rc == 2
        assert len(site.writes()) == number
        ended = site.play("maintenance_end", name="night", retry_timeout=0, wait_for_api=60, **where)
        assert ended.rc == 0, ended.output
        assert "the control plane did not answer at first" in ended.output
        assert site.record()["state"] == "ended"


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_a_summary_is_written_for_people(open_site: Open, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"summary.{suffix}"
    with open_site() as site:
        run = site.play("maintenance_plan", summary_path=str(path), **SAID)
        assert run.rc == 0, run.output
    text = path.read_text()
    assert re.search(r"^(# |<h1>)?REHEARSAL on a simulator", text, re.MULTILINE)
    assert "bob@example.com" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_record_fits_its_schema(open_site: Open) -> None:
    import jsonschema

    schema = json.loads(
        (PLUGINS.parents[2] / "roles" / "workload_maintenance" / "files" / "record.schema.json").read_text()
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    with open_site() as site:
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        for playbook, said in (
            ("maintenance_plan", SAID),
            ("maintenance_begin", SAID),
            ("maintenance_end", {"name": "night"}),
        ):
            assert site.play(playbook, **where, **said).rc == 0
            jsonschema.validate(site.record(), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**site.record(), "surprise": 1}, schema)


def test_the_role_by_itself_says_how_to_use_it(run_playbook: PlaybookRunner) -> None:
    run = run_playbook(
        "- hosts: localhost\n  gather_facts: false\n  roles: [gpuops.runai.workload_maintenance]\n"
    )
    assert "use tasks_from with plan, begin, end or status" in told(run)


def _settled(site: Site, before: dict[str, str]) -> dict[str, str]:
    """Phases once nothing moves any more; what only waited to run before may find room now."""
    moving = ("Resuming", "Creating", "Initializing", "Stopping")
    while any(phase in moving for phase in site.phases().values()):
        time.sleep(0.02)
    waited = [one for one, phase in before.items() if phase == "Pending"]
    now = site.phases()
    return {one: "Pending" if one in waited and now[one] == "Running" else now[one] for one in now}


def _artifact(stdout: str) -> str:
    (found,) = set(re.findall(r"runai-record-1:[A-Za-z0-9+/=]+", stdout))
    return str(found)


def _killed(site: Site, playbook: str, after: int, /, **variables: Any) -> int:
    env = {"DIE_AFTER": str(after), "ANSIBLE_CALLBACKS_ENABLED": "die"}
    process = site.start(playbook, env, **variables)
    process.communicate(timeout=PATIENCE)
    return process.returncode
