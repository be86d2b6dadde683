# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What job viewers get of a task with 10,000 ids: they keep its result, and no event is too much for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ansible_runner
import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.support.workloads import workload_row

IDS = 10_000
# In colour there are some twenty characters more for each line that is printed.
IDS_IN_COLOUR = 8_000
# Of each batch of 100.
FAILURES = 10
# What ansible-runner keeps, and AWX with it: MAX_EVENT_RES.
LARGEST_RESULT = 700_000
LARGEST_EVENT = 1_000_000
# The longest that Kubernetes allows, and each character escaped in JSON.
PLAIN, ESCAPED = "x" * 63, "\u00fc\u4e16\U0001f5a7" * 21
COLOUR = {"ANSIBLE_FORCE_COLOR": "true"}
AS_YAML = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
# The latest ansible-core leaves it out unless it is asked for.
INJECT_INVOCATION = {"ANSIBLE_INJECT_INVOCATION": "true"}
NOTHING: Mapping[str, str] = MappingProxyType({})

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - gpuops.runai.runai_workload_batch:
        action: suspend
        ids: "{{ ids }}"
        base_url: "{{ url }}"
        token: "{{ token }}"
        max_failures: 100%
"""


@dataclass(frozen=True)
class Job:
    """What a viewer has of a job: its events, and the size of each as it is stored."""

    rc: int
    events: list[dict[str, Any]]
    sizes: list[int]

    def stdout(self, event: str) -> list[str]:
        return [one["stdout"] for one in self.events if one["event"] == event]

    def result(self) -> dict[str, Any]:
        (event,) = (e for e in self.events if e["event"] in ("runner_on_ok", "runner_on_failed"))
        result: dict[str, Any] = event["event_data"]["res"]
        return result


@pytest.fixture
def run_job(run_playbook: PlaybookRunner, tmp_path: Path) -> Any:
    def run(
        *arguments: str, name: str, failures: int = 0, size: int = IDS, env: Mapping[str, str] = NOTHING
    ) -> Job:
        rows = [
            workload_row(number, name=f"{name}{number}", projectName=name, submittedBy=f"{name}@example.com")
            for number in range(size)
        ]
        data = tmp_path / "job"
        (data / "project").mkdir(parents=True)
        (data / "project" / "play.yml").write_text(PLAYBOOK)
        refuse = {
            "match": {"action": "suspend"},
            "times": "always",
            "fault": {
                "kind": "refuse_ids",
                "count": failures,
                "message": f"refused: {name * 5}",
            },
        }
        settings = Settings(fleet={"workloads": rows}, faults=[refuse] if failures else [])
        with running(settings) as simulator:
            variables = data / "variables.json"
            ids = [row["id"] for row in rows]
            variables.write_text(
                json.dumps(
                    {"ids": ids, "url": simulator.url, "token": simulator.control_plane.settings.token}
                )
            )
            done = ansible_runner.run(
                private_data_dir=str(data),
                playbook="play.yml",
                cmdline=" ".join(["--extra-vars", f"@{variables}", *arguments]),
                envvars={**run_playbook.environment(tmp_path / "record"), **INJECT_INVOCATION, **env},
                quiet=True,
            )
        files = list(Path(done.config.artifact_dir, "job_events").glob("*.json"))
        return Job(done.rc, list(done.events), [file.stat().st_size for file in files])

    return run


# The worst of each way to print; the unit tests of the result's size have all others.
@pytest.mark.parametrize(
    ("name", "arguments", "failures", "env"),
    [
        pytest.param(ESCAPED, ("--diff",), FAILURES, NOTHING, id="failures and diff"),
        pytest.param(ESCAPED, ("--diff", "-vvvv"), 0, NOTHING, id="all is printed indented"),
        pytest.param(ESCAPED, ("-vvvv",), FAILURES, COLOUR, id="failures are printed in colour"),
        pytest.param(PLAIN, (), FAILURES, AS_YAML, id="failures are printed as YAML"),
    ],
)
def test_viewer_of_a_task_with_10000_ids_keeps_its_whole_result(
    run_job: Any, name: str, arguments: tuple[str, ...], failures: int, env: Mapping[str, str]
) -> None:
    size = IDS_IN_COLOUR if env is COLOUR else IDS
    job = run_job(*arguments, name=name, failures=failures, size=size, env=env)
    assert job.rc == (2 if failures else 0)
    result = job.result()
    assert result["summary"]["failed"] == size * failures // 100
    assert result["summary"]["changed"] == size - result["summary"]["failed"]
    assert sum(len(ids) for ids in result["outcomes"].values()) == size
    assert len(str(result)) < LARGEST_RESULT
    # As it is printed, be it because it failed or because of -v; from -vvv on with a line for each id.
    assert all(len(event["stdout"]) < LARGEST_RESULT for event in job.events)
    assert max(job.sizes) < LARGEST_EVENT
    assert len(job.events) < 100
    told = [line for line in job.stdout("verbose") if line.startswith("runai suspend: ")]
    assert len([line for line in told if " batch " in line]) == 50
    assert told[-1] == "runai " + result["msg"]
    # Each id of the outcomes stands on a line of its own; with a diff beside them there is no room for rows.
    if "--diff" not in arguments:
        assert result["workloads"]
        assert result["batches"]
    shown = result["invocation"]["module_args"]["ids"]
    assert len(shown) < 10
    assert f"{size - 3} more" in shown[-1]
