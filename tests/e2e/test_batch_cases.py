# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch module from the installed tarball: many situations in one run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.batch_shape import (
    BATCH,
    MODULE,
    assert_shape,
    fleet_in,
)
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.support.workloads import fleet, workload_ids


class Case:
    """A task, the simulator it runs against, and after the run what it returned."""

    def __init__(
        self, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None, /, **options: Any
    ) -> None:
        self.settings = {"transition_seconds": 0.05, **settings}
        self.environment = dict(environment or {})
        self.options = options
        self.simulator: Handle
        self.result: dict[str, Any]
        self.status = ""

    def batches(self) -> list[list[str]]:
        return [list(one["ids"]) for one in self.simulator.requests() if one["path"] == BATCH]

    def told(self) -> dict[str, list[str]]:
        """The outcomes that are not empty."""
        return {name: ids for name, ids in self.result["outcomes"].items() if ids}

    def reasons(self) -> dict[str, str]:
        return {row["id"]: row["reason"] for row in self.result["workloads"]}


class Play:
    """Runs cases as the tasks of one playbook."""

    def __init__(self, run_playbook: PlaybookRunner) -> None:
        self._run_playbook = run_playbook
        self._simulators: list[Any] = []

    def __call__(self, cases: Mapping[str, Case]) -> PlaybookRun:
        tasks = []
        for name, case in cases.items():
            simulator = running(Settings(**case.settings))
            case.simulator = simulator.__enter__()
            self._simulators.append(simulator)
            options = {"base_url": case.simulator.url, "token": "rehearsal-token", **case.options}
            given = {option: value for option, value in options.items() if value is not None}
            keywords = {"ignore_errors": True, "environment": case.environment}
            tasks.append({"name": name, MODULE: given, **keywords})
        playbook = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        run = self._run_playbook(yaml.safe_dump(playbook))
        assert len(run.tasks) == len(cases), run.output
        for task in run.tasks:
            cases[task.task].result = task.result
            cases[task.task].status = task.status
            assert_shape(task.result)
        return run

    def close(self) -> None:
        for simulator in self._simulators:
            simulator.__exit__(None, None, None)


@pytest.fixture
def play(run_playbook: PlaybookRunner) -> Iterator[Play]:
    made = Play(run_playbook)
    yield made
    made.close()


def test_what_is_refused_keeps_the_shape_and_sends_nothing(play: Play, tmp_path: Path) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError('not here')")
    ids = workload_ids(3)
    small = {"fleet": fleet(3)}
    cases = {
        "bad id": Case(small, action="delete", ids=[*ids, "train-7"]),
        "empty element": Case(small, action="delete", ids=[*ids, ""]),
        "bad protect": Case(small, action="delete", ids=ids, protect=["x"]),
        "no credentials": Case(small, action="delete", ids=ids, token=None),
        "half a client": Case(small, action="delete", ids=ids, token=None, client_id="rehearsal"),
        "no address": Case(small, action="delete", ids=ids, base_url=None),
        "too large batches": Case(small, action="delete", ids=ids, batch_size=101),
        "too many at once": Case(small, action="delete", ids=ids, concurrency=17),
        "odd breaker": Case(small, action="delete", ids=ids, max_failures="some"),
        "no time at all": Case(small, action="delete", ids=ids, deadline=0),
        "blank phases": Case(small, action="delete", ids=ids, only_phases=""),
        "no library": Case(small, {"PYTHONPATH": str(tmp_path)}, action="delete", ids=ids),
        "no library, no ids": Case(small, {"PYTHONPATH": str(tmp_path)}, action="delete", ids=[]),
        "no folder": Case(small, action="delete", ids=ids, report_path="/no/such/folder/report"),
        "query": Case(small, action="delete", ids=ids, base_url="https://acme.run.ai/?token=t0p"),
    }
    said = {
        "no library": "Failed to import the required Python library (requests)",
        "bad id": "ids: not a uuid: 'train-7'",
        "empty element": "ids: element 4 of 4 is empty",
        "bad protect": "protect: not a uuid: 'x'",
        "no credentials": "credentials: not set. Set client_id and client_secret, or token",
        "half a client": "client_secret: not set. Set both client_id and client_secret (or RUNAI_CLIENT_",
        "no address": "base_url: not set",
        "too large batches": "batch_size: must be from 1 to 100",
        "too many at once": "concurrency: must be from 1 to 16",
        "odd breaker": "max_failures: must be a number of ids, or a percentage",
        "no time at all": "deadline: must be",
        "blank phases": "only_phases: is empty",
        "query": "base_url: must be an address without a query or a fragment",
        "no folder": "report_path: cannot write /no/such/folder/report.part: No such file or directory",
    }
    run = play(cases)
    assert not run.warnings, run.warnings
    nothing_asked = cases.pop("no library, no ids")
    assert nothing_asked.status == "ok", nothing_asked.result
    for name, case in cases.items():
        assert case.status == "ignored", name
        assert said[name] in case.result["msg"], name
        assert case.result["changed"] is False
        assert case.simulator.requests() == [], name
        assert "t0p" not in json.dumps(case.result)
        assert case.told() == {"not_attempted": ids}
        assert case.result["workloads"][0]["message"] == case.result["msg"] or name == "no folder"


REFUSED_BY_ANSIBLE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: misspelt
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ ids }}", maximum: 3}
    - name: not a choice
      gpuops.runai.runai_workload_batch: {action: stop, ids: "{{ ids | join(' ') }}"}
    - name: not a number
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ ids }}", batch_size: few}
    - name: a whole result
      gpuops.runai.runai_workload_batch: {action: suspend, ids: "{{ {'changed': false, 'ids': ids} }}"}
    - name: of the module that selects
      gpuops.runai.runai_workload_info: {ids: "{{ ids }}", maximum: 3}
    - name: of the module that keeps records
      gpuops.runai.runai_maintenance:
        base_url: https://somebody:not-to-be-seen@runai.example.com
        name: night
        state: planned
        select: {ids: "{{ ids }}"}
        maximum: 3
"""


def test_what_ansible_refuses_itself_does_not_repeat_the_ids(
    run_playbook_on_each_core: PlaybookRunner,
) -> None:
    # Each task fails, and the play goes on all the same.
    playbook = REFUSED_BY_ANSIBLE.replace("\n    - name", "\n    - ignore_errors: true\n      name")
    ids = workload_ids(2000)
    run = run_playbook_on_each_core(playbook, extra_vars={"ids": ids})
    assert [task.status for task in run.tasks] == ["ignored"] * 6, run.output
    for task in run.tasks:
        assert len(json.dumps(task.result)) < 10_000, task.task
        assert ids[50] not in json.dumps(task.result), task.task
        assert "not-to-be-seen" not in json.dumps(task.result), task.task


def test_what_can_not_be_reached_or_is_forbidden_stops_everything(play: Play, nowhere: str) -> None:
    ids = workload_ids(150)
    many = {"fleet": fleet(150)}
    account = {"token": None, "client_id": "rehearsal", "client_secret": "rehearsal-secret"}
    cases = {
        "nobody there": Case(many, action="suspend", ids=ids, base_url=f"http://{nowhere}", retry_timeout=0),
        "list": Case({**many, "forbidden_paths": ("/api/v1/workloads",)}, action="suspend", ids=ids),
        "token": Case(
            {**many, "forbidden_paths": ("/api/v2/token", "/api/v1/token")},
            action="suspend",
            ids=ids,
            **account,
        ),
        "wrong secret": Case(
            many, action="suspend", ids=ids, **{**account, "client_secret": "not-the-secret"}
        ),
        "dead token": Case(many, action="suspend", ids=ids, token="no-such-token"),
        "batch": Case({**many, "forbidden_paths": (BATCH,)}, action="suspend", ids=ids, concurrency=1),
    }
    run = play(cases)
    assert not run.warnings, run.warnings
    for name, case in cases.items():
        assert case.status == "ignored", name
        assert case.result["changed"] is False
        assert "not-the-secret" not in json.dumps(case.result)
        if name != "batch":
            assert case.told() == {"not_attempted": ids}, name
            assert case.batches() == []
    assert "connection refused" in cases["nobody there"].result["msg"]
    assert "GET /api/v1/workloads" in cases["list"].result["msg"]
    assert "HTTP 403" in cases["list"].result["msg"]
    for name, status in (("token", 403), ("wrong secret", 401)):
        words = rf"POST /api/v[12]/token: no token for the client '\S+' from http\S+: HTTP {status}"
        assert re.search(words, cases[name].result["msg"])
    assert "HTTP 401" in cases["dead token"].result["msg"]
    # The first batch is answered: those ids were refused, and no other is asked for.
    refused = cases["batch"]
    assert refused.told() == {"failed": ids[:100], "not_attempted": ids[100:]}
    assert refused.batches() == [ids[:100]]
    assert {row["code"] for row in refused.result["workloads"][:100]} == {403}
    assert "POST {0}: HTTP 403".format(BATCH) in refused.result["msg"]


def late(deadline: int) -> Case:
    """The first batch is answered when the deadline has passed."""
    slow = {"match": {"path": BATCH}, "fault": {"kind": "slow", "seconds": deadline}}
    options = {
        "action": "suspend",
        "ids": workload_ids(30),
        "batch_size": 1,
        "concurrency": 1,
        "timeout": 3600,
    }
    return Case({"fleet": fleet(30), "faults": [slow]}, deadline=deadline, **options)


def test_brakes_and_bounds(play: Play, tmp_path: Path) -> None:
    ids = workload_ids(30)
    report = tmp_path / "report.jsonl"
    kept = tmp_path / "kept.jsonl"
    (tmp_path / "kept.jsonl.part").write_text("what a killed task left\n")
    refuse = {"match": {"path": BATCH}, "fault": {"kind": "refuse_ids", "ids": ids[:4]}, "times": "always"}
    one_by_one = {"batch_size": 1, "concurrency": 1}
    cases = {
        "max_affected": Case({"fleet": fleet(30)}, action="suspend", ids=ids, max_affected=29),
        "max_failures": Case(
            {"fleet": fleet(30), "faults": [refuse]},
            **{"action": "suspend", "ids": ids, "max_failures": "10%", **one_by_one},
        ),
        "enough failures": Case(
            {"fleet": fleet(30), "faults": [refuse]},
            **{"action": "suspend", "ids": ids, "max_failures": "4", **one_by_one},
        ),
        "delete": Case({"fleet": fleet(30), "faults": [refuse]}, action="delete", ids=ids, batch_size=10),
        "deadline": late(2),
        "report": Case(
            {"fleet": fleet(30), "faults": [refuse]},
            action="suspend",
            ids=ids,
            max_failures="100%",
            report_path=str(report),
        ),
        "workloads_limit": Case(
            {"fleet": fleet(30), "faults": [refuse]},
            action="suspend",
            ids=ids,
            workloads_limit=5,
            max_failures=30,
        ),
        "kept report": Case({"fleet": fleet(30)}, action="suspend", ids=ids, report_path=str(kept)),
    }
    run = play(cases)
    assert len(run.warnings) == 1
    assert "a killed task left an unfinished report, kept as {0}.part.".format(kept) in run.output.replace(
        "\n", " "
    )

    assert cases["max_affected"].told() == {"not_attempted": ids}
    assert cases["max_affected"].batches() == []
    assert (
        "max_affected is 29, but 30 would be acted on, 1 more; nothing was sent"
        in cases["max_affected"].result["msg"]
    )

    assert cases["max_failures"].told() == {"failed": ids[:4], "not_attempted": ids[4:]}
    assert len(cases["max_failures"].batches()) == 4
    assert "max_failures (10%) is exceeded: 4 of 30 refused" in cases["max_failures"].result["msg"]

    assert cases["enough failures"].told() == {"failed": ids[:4], "changed": ids[4:]}
    assert cases["enough failures"].result["msg"] == (
        "suspend: 26 changed, 4 failed of 30 (409 conflict, try later: 4)"
    )

    assert cases["delete"].batches() == [ids[:10]]
    assert cases["delete"].told() == {"changed": ids[4:10], "failed": ids[:4], "not_attempted": ids[10:]}

    # A slow machine needs a longer one to come as far as its first batch.
    for longer in (20, 200):
        if cases["deadline"].batches():
            break
        cases["deadline"] = late(longer)
        play({"deadline": cases["deadline"]})
    assert cases["deadline"].batches() == [ids[:1]]
    assert cases["deadline"].told() == {"changed": ids[:1], "not_attempted": ids[1:]}
    assert {cases["deadline"].reasons()[one] for one in ids[1:]} == {"deadline"}
    assert cases["deadline"].status == "ignored"

    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(lines, key=lambda line: str(line["id"])) == sorted(
        cases["report"].result["workloads"], key=lambda row: str(row["id"])
    )
    assert {line["id"]: line["outcome"] for line in lines} == {
        **dict.fromkeys(ids[:4], "failed"),
        **dict.fromkeys(ids[4:], "changed"),
    }
    assert report.stat().st_mode & 0o777 == 0o600
    assert not Path(f"{report}.part").exists()

    limited = cases["workloads_limit"].result
    assert [row["outcome"] for row in limited["workloads"]] == ["failed"] * 4 + ["changed"]
    assert limited["workloads_truncated"] is True
    assert cases["report"].result["workloads_truncated"] is False

    (left,) = tmp_path.glob("kept.jsonl.part.*")
    assert left.read_text() == "what a killed task left\n"
    assert len(kept.read_text().splitlines()) == 30


def test_phases_waits_and_single_ids(play: Play) -> None:
    ids = workload_ids(4)
    phases = dict(zip(ids, ["Running", "Stopped", "Completed", "Failed"], strict=True))
    # Stopping until all four were looked at once.
    stops = {
        "match": {"method": "GET"},
        "nth": 4,
        "fault": {"kind": "change_phase", "ids": ids, "after": True},
    }
    moving = {"fleet": fleet(4, "Stopping", frozen=True), "faults": [stops]}
    ever = {"fleet": fleet(2, "Stopping", frozen=True)}
    quick = {"wait_timeout": 30, "wait_interval": 0.05}
    short = {"wait_timeout": 0.3, "wait_interval": 0.05}
    # More GPUs are wanted than there are: what is resumed stays Pending.
    full = {"fleet": fleet(2, "Stopped", requestedResources={"gpu": 1}), "transition_seconds": 600}
    unsupported = {"fleet": fleet(2, actionsSupport={"delete": True, "suspend": False})}
    cases = {
        "only_phases": Case(
            {"fleet": fleet_in(phases)},
            action="delete",
            ids=ids,
            only_phases=["Completed", "Failed"],
            max_affected=2,
        ),
        "resume of Stopping": Case(moving, action="resume", ids=ids, **quick),
        "resume of Stopping by phase": Case(
            moving, action="resume", ids=ids, only_phases=["Stopping"], **quick
        ),
        "never stops": Case(ever, action="resume", ids=ids[:2], **short),
        "wait": Case(moving, action="suspend", ids=ids, wait=True, **quick),
        "wait is over": Case(ever, action="suspend", ids=ids[:2], wait=True, **short),
        "target": Case(full, action="resume", ids=ids[:2], wait=True, **short),
        "active": Case(full, action="resume", ids=ids[:2], wait=True, wait_for="active", **quick),
        "gone": Case({"fleet": fleet(4)}, action="delete", ids=ids, wait=True, **quick),
        "one is forbidden": Case(
            {"fleet": fleet(4), "forbidden_ids": frozenset(ids[:1])}, action="suspend", ids=ids
        ),
        "not there": Case({"fleet": fleet(2)}, action="delete", ids=ids),
        "missing": Case({"fleet": fleet(2)}, action="suspend", ids=ids),
        "missing is tolerated": Case({"fleet": fleet(2)}, action="suspend", ids=ids, tolerate=["missing"]),
        "unsupported": Case(unsupported, action="suspend", ids=ids[:2]),
        "unsupported is tolerated": Case(
            unsupported, action="suspend", ids=ids[:2], tolerate=["unsupported"]
        ),
        "finished is not tolerated": Case(
            {"fleet": fleet_in(phases)}, action="suspend", ids=ids, tolerate=[]
        ),
    }
    run = play(cases)
    assert not run.warnings, run.warnings

    assert cases["only_phases"].told() == {"changed": ids[2:], "skipped": ids[:2]}
    assert set(cases["only_phases"].reasons().values()) == {"phase", ""}

    for name in ("resume of Stopping", "resume of Stopping by phase"):
        assert cases[name].told() == {"changed": ids}, name
        # Not sent while they were stopping, which the control plane would refuse.
        assert cases[name].result["summary"]["failed"] == 0
        assert sum(map(len, cases[name].batches())) == 4
    assert cases["never stops"].told() == {"failed": ids[:2]}
    assert set(cases["never stops"].reasons().values()) == {"still_stopping"}
    assert cases["never stops"].batches() == []

    assert cases["wait"].told() == {"unchanged": ids}
    assert (cases["wait"].status, cases["wait"].result["not_reached"]) == ("ok", [])
    assert cases["wait is over"].told() == {"unchanged": ids[:2]}
    assert cases["wait is over"].result["not_reached"] == ids[:2]
    assert cases["wait is over"].status == "ignored"
    assert cases["wait is over"].result["changed"] is False
    assert cases["target"].result["not_reached"] == ids[:2]
    assert cases["target"].result["changed"] is True
    assert cases["target"].result["msg"] == (
        "resume: 2 changed of 2; 2 not Running when the wait ended: 2 Resuming"
    )
    assert {row["message"] for row in cases["target"].result["workloads"]} == {
        "not Running when the wait ended: Resuming"
    }
    assert (cases["active"].status, cases["active"].result["not_reached"]) == ("ok", [])
    assert (cases["gone"].status, cases["gone"].result["not_reached"]) == ("ok", [])
    assert cases["gone"].simulator.state.live() == []

    assert cases["one is forbidden"].told() == {"changed": ids[1:], "failed": ids[:1]}
    assert cases["one is forbidden"].reasons()[ids[0]] == "forbidden"
    assert cases["not there"].told() == {"changed": ids[:2], "unchanged": ids[2:]}
    assert cases["not there"].reasons()[ids[3]] == "not_found"
    assert "2 not there: gone, or not visible to this account" in cases["not there"].result["msg"]
    assert cases["not there"].status == "ok"
    assert cases["missing"].told() == {"changed": ids[:2], "failed": ids[2:]}
    assert cases["missing"].reasons()[ids[3]] == "missing"
    assert cases["missing is tolerated"].told() == {"changed": ids[:2], "skipped": ids[2:]}
    assert cases["unsupported"].told() == {"failed": ids[:2]}
    assert cases["unsupported is tolerated"].told() == {"skipped": ids[:2]}
    assert set(cases["unsupported is tolerated"].reasons().values()) == {"unsupported"}
    assert cases["finished is not tolerated"].told() == {
        "changed": ids[:1],
        "unchanged": ids[1:2],
        "failed": ids[2:],
    }


def test_odd_control_planes(play: Play) -> None:
    ids = workload_ids(1200)
    chosen = ids[:60] + ids[1140:]
    every = {"times": "always"}
    whole_batch = {"kind": "status", "status": 400, "message": "one of these is odd"}
    too_large = {"kind": "html", "status": 413}
    lists = {"method": "GET", "path": "/api/v1/workloads"}
    cases = {
        "no count": Case({"fleet": fleet(1200), "count_endpoint": False}, action="suspend", ids=chosen),
        "rows shift": Case(
            {
                "fleet": fleet(1200),
                "faults": [{"match": lists, "fault": {"kind": "shift_rows", "rows": 3}, **every}],
            },
            action="suspend",
            ids=ids,
        ),
        "upper case": Case(
            {"fleet": fleet(120), "faults": [{"match": {}, "fault": "upper_case_ids", **every}]},
            action="suspend",
            ids=ids[:120],
        ),
        "101": Case({"fleet": fleet(101)}, action="suspend", ids=ids[:101]),
        "400": Case(
            {"fleet": fleet(200), "faults": [{"match": {"path": BATCH}, "fault": whole_batch}]},
            action="suspend",
            ids=ids[:200],
            max_failures="50%",
            concurrency=1,
        ),
        "413": Case(
            {"fleet": fleet(200), "faults": [{"match": {"path": BATCH}, "fault": too_large}]},
            action="suspend",
            ids=ids[:200],
            max_failures="49%",
            concurrency=1,
        ),
        "old token": Case(
            {"fleet": fleet(3), "api_version": "2.20"},
            action="suspend",
            ids=ids[:3],
            token=None,
            client_id="rehearsal",
            client_secret="rehearsal-secret",
        ),
    }
    run = play(cases)
    assert not run.warnings, run.warnings

    assert cases["no count"].told() == {"changed": chosen}
    offsets = [
        one["query"] for one in cases["no count"].simulator.requests() if one["path"] == "/api/v1/workloads"
    ]
    assert len(offsets) == 3
    assert cases["rows shift"].told() == {"changed": ids}
    assert cases["upper case"].told() == {"changed": ids[:120]}
    assert cases["101"].told() == {"changed": ids[:101]}
    assert sorted(map(len, cases["101"].batches())) == [1, 100]
    assert cases["400"].told() == {"failed": ids[:100], "changed": ids[100:200]}
    assert "(400 one of these is odd: 100)" in cases["400"].result["msg"]
    assert cases["413"].told() == {"failed": ids[:100], "not_attempted": ids[100:200]}
    assert "413" in cases["413"].result["msg"]
    assert cases["old token"].told() == {"changed": ids[:3]}
    assert cases["old token"].simulator.summary()["by_path"]["POST /api/v1/token"] == 1


def test_what_is_odd_in_an_answer_is_told_once(play: Play) -> None:
    ids = workload_ids(40)

    def odd(**fault: Any) -> dict[str, Any]:
        return {"fleet": fleet(40), "faults": [{"match": {"path": BATCH}, "fault": fault, "times": 1}]}

    options = {"action": "suspend", "ids": ids, "batch_size": 20, "concurrency": 1, "max_failures": 40}
    cases = {
        "omitted": Case(odd(kind="omit_ids", count=3), **options),
        "foreign": Case(odd(kind="foreign_ids", count=3), **options),
        "both": Case(odd(kind="both_lists", count=3), **options),
    }
    run = play(cases)
    assert cases["omitted"].told() == {"changed": ids}
    assert cases["foreign"].told() == {"changed": ids}
    assert len(cases["both"].told()["failed"]) == 3
    warnings = {name: case.result["warnings"] for name, case in cases.items()}
    assert ["a batch response omitted a workload" in one for one in warnings["omitted"]] == [True]
    assert ["was not asked for; it was ignored (3 times)" in one for one in warnings["foreign"]] == [True]
    assert ["it counts as failed" in one for one in warnings["both"]] == [True]
    assert len(run.warnings) == 3
