# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch module from the installed tarball: what it promises, in check mode and for real."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.batch_shape import (
    BATCH,
    CONNECTION,
    KEYS,
    MODULE,
    OPTIONS,
    OUTCOMES,
    RECORD,
    ROW,
    SUMMARY,
    assert_shape,
    fleet_in,
)
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.support.workloads import workload_ids
from tools.paths import command, environment

MAINTENANCE = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/gpuops.runai.runai:
      base_url: "{{ url }}"
      client_id: rehearsal
      client_secret: "{{ secret }}"
  tasks:
    - name: none
      gpuops.runai.runai_workload_batch:
        action: delete
        ids: []
    - name: suspend
      gpuops.runai.runai_workload_batch:
        action: suspend
        ids: "{{ ids }}"
        wait: true
        wait_timeout: 60
        wait_interval: 0.1
    - name: again
      gpuops.runai.runai_workload_batch:
        action: suspend
        ids: "{{ ids }}"
    - name: resume
      gpuops.runai.runai_workload_batch:
        action: resume
        ids: "{{ ids }}"
        wait: true
        wait_for: active
        wait_timeout: 60
        wait_interval: 0.1
    - name: delete
      gpuops.runai.runai_workload_batch:
        action: delete
        # As a survey gives it.
        ids: "{{ survey }}"
        protect: "{{ ids[2] }}"
        concurrency: 2
        batch_size: 2
"""


def by_name(run: PlaybookRun) -> dict[str, dict[str, Any]]:
    assert {task.status for task in run.tasks} <= {"ok"}, run.output
    return {task.task: task.result for task in run.tasks}


def test_batch_in_check_mode_predicts_what_the_real_run_does(
    run_playbook: PlaybookRunner, run_playbook_on_the_oldest_core: PlaybookRunner
) -> None:
    """Check mode runs with the newest ansible-core, the real run with the oldest one."""
    phases = ["Running", "Pending", "Stopped", "Completed", "Unknown", "Degraded"]
    ids = workload_ids(250)
    wished = {one: phases[number % len(phases)] for number, one in enumerate(ids)}
    settings = Settings(fleet=fleet_in(wished), transition_seconds=0.1)
    variables = {
        "secret": "rehearsal-secret",
        "ids": ids,
        "survey": "\n{0} ,{1}, {0}\n{2}\t{3},,".format(ids[0].upper(), *ids[1:4]),
    }
    with running(settings) as simulator:
        variables["url"] = simulator.url
        rehearsed = run_playbook(MAINTENANCE, extra_vars=variables, check=True, diff=True)
        assert rehearsed.rc == 0, rehearsed.output
        assert not rehearsed.warnings, rehearsed.warnings
        assert simulator.summary()["batches"] == {}
        assert {request["method"] + request["path"] for request in simulator.requests()} == {
            "POST/api/v2/token",
            "GET/api/v1/workloads",
            "GET/api/v1/workloads/count",
            *("GET/api/v1/workloads/" + one for one in ids[:4]),
        }
        asked_before = len(simulator.requests())
        done = run_playbook_on_the_oldest_core(MAINTENANCE, extra_vars=variables, diff=True)
        assert done.rc == 0, done.output
        assert not done.warnings, done.warnings
        requests = simulator.requests(since=asked_before)

    would, was = by_name(rehearsed), by_name(done)
    for result in (*would.values(), *was.values()):
        assert_shape(result)
        assert result["invocation"]["module_args"]["ids"] in (
            [],
            [*ids[:3], "and 247 more"],
            variables["survey"],
        ) or (len(json.dumps(result["invocation"])) < 3000)
        assert "rehearsal-secret" not in json.dumps(result)
    assert "rehearsal-secret" not in rehearsed.output + done.output

    # An empty list makes no call.
    for result in (would["none"], was["none"]):
        assert (result["changed"], result["summary"]["requests"]) == (False, 0)

    # Check mode predicts the real run.
    for result in (would["suspend"], was["suspend"]):
        outcomes = result["outcomes"]
        assert outcomes["changed"] == [one for one in ids if wished[one] not in ("Stopped", "Completed")]
        assert outcomes["unchanged"] == [one for one in ids if wished[one] == "Stopped"]
        assert outcomes["skipped"] == [one for one in ids if wished[one] == "Completed"]
        assert result["not_reached"] == []
        assert result["diff"]["before"].count("Running") == 42
        assert result["diff"]["after"].count("Stopped") == len(outcomes["changed"])
    assert would["suspend"]["msg"] == "suspend: 166 would change, 42 unchanged, 42 skipped of 250"
    assert was["suspend"]["msg"] == "suspend: 166 changed, 42 unchanged, 42 skipped of 250"
    assert {row["phase"] for row in was["suspend"]["workloads"] if row["outcome"] == "skipped"} == {
        "Completed"
    }

    # As few calls as the limit of 100 ids allows: a token, a count, a page, two batches, and looks.
    batches = [request for request in requests if request["path"] == BATCH]
    suspended = [request for request in batches if request["action"] == "suspend"]
    assert sorted(len(request["ids"]) for request in suspended) == [66, 100]
    assert sorted(one for request in suspended for one in request["ids"]) == sorted(
        was["suspend"]["outcomes"]["changed"]
    )
    assert sorted(record["size"] for record in was["suspend"]["batches"]) == [66, 100]

    # A repeat sends nothing.
    assert was["again"]["changed"] is False
    assert was["again"]["summary"]["batches"] == 0
    assert was["again"]["summary"]["requests"] <= 3
    assert was["again"]["summary"]["unchanged"] == 208

    assert was["resume"]["outcomes"]["changed"] == [one for one in ids if wished[one] != "Completed"]
    assert was["resume"]["not_reached"] == []

    # The survey's text: folded, split, and the protected one left alone.
    for result in (would["delete"], was["delete"]):
        assert result["outcomes"]["changed"] == [ids[0], ids[1], ids[3]]
        assert result["outcomes"]["skipped"] == [ids[2]]
        assert result["summary"]["duplicates"] == 1
    assert [len(request["ids"]) for request in batches if request["action"] == "delete"] in ([2, 1], [1, 2])
    assert {request["user_agent"] for request in requests} == {"gpuops.runai/1.0.0"}


def test_documentation_of_the_module_holds_its_options_and_results(collections: Path) -> None:
    said = subprocess.run(
        [command("ansible-doc"), "--json", MODULE],
        env=environment(collections),
        capture_output=True,
        text=True,
        check=True,
    )
    whole = json.loads(said.stdout)[MODULE]
    options = {
        name: (option["type"], option.get("default"), option.get("choices"))
        for name, option in whole["doc"]["options"].items()
    }
    assert options == {**OPTIONS, **CONNECTION}
    assert {name for name, option in whole["doc"]["options"].items() if option.get("required")} == {
        "action",
        "ids",
    }
    returned = whole["return"]
    assert set(returned) == KEYS - {"changed"}
    assert set(returned["summary"]["contains"]) == SUMMARY
    assert set(returned["outcomes"]["contains"]) == OUTCOMES
    assert set(returned["workloads"]["contains"]) == ROW
    assert set(returned["batches"]["contains"]) == RECORD
    assert whole["doc"]["attributes"]["check_mode"]["support"] == "full"
    assert whole["doc"]["attributes"]["diff_mode"]["support"] == "full"
