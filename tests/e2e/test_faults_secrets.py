# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever fails, no secret is shown: not with -vvvv, not in results, warnings, progress lines or reports."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.component.harness import BATCH, LIST, TOKENS
from tests.e2e.playbook import PlaybookRunner
from tests.support.workloads import fleet, workload_id

SECRET = "kept-secret-e7c1b0"
TOKEN = "given-token-5d2a94"
PASSWORD = "proxy-pass/90f3ae"
ENCODED = "proxy-pass%2F90f3ae"
FROM_ENVIRONMENT = "environment-secret-3b8d11"
IDS = [workload_id(number) for number in range(60)]


@dataclass(frozen=True)
class Scenario:
    """Something that goes wrong: a fault plan, the options of the task, what its message must hold."""

    words: str
    faults: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


def always(match: dict[str, Any], fault: Any) -> dict[str, Any]:
    return {"match": match, "times": "always", "fault": fault}


def telling(status: int, secret: str) -> dict[str, Any]:
    """A control plane that repeats what it was sent."""
    return {
        "kind": "status",
        "status": status,
        "message": f"not with {secret}",
        "details": f"Bearer {secret}",
    }


GIVEN_TOKEN = {"token": "{{ token }}", "client_id": "", "client_secret": ""}
# Where nobody listens; the port is a variable of the play.
OUTAGE = "http://{{ nowhere }}"

# One for each way that a secret comes in; tests/component/test_secrets.py has all others.
SCENARIOS = {
    "the token endpoint repeats the secret": Scenario("HTTP 400", [always(TOKENS, telling(400, SECRET))]),
    "the list repeats the token": Scenario("HTTP 403", [always(LIST, telling(403, TOKEN))], GIVEN_TOKEN),
    "ids are refused with the secret": Scenario(
        "409", [always(BATCH, {"kind": "refuse_ids", "count": "all", "message": f"not with {SECRET}"})]
    ),
    "a proxy of the environment": Scenario("by the proxy", options={"base_url": "https://plane.test"}),
    "a secret of the environment": Scenario("401", options={"client_secret": ""}),
    "an address with a token in what Ansible refuses": Scenario(
        "Unsupported parameters", options={"base_url": f"{OUTAGE}/?token={{{{ token }}}}", "protected": []}
    ),
}


def tasks(folder: Path) -> list[dict[str, Any]]:
    found = []
    for number, (name, scenario) in enumerate(SCENARIOS.items()):
        options = {
            "base_url": f"{{{{ urls['{name}'] }}}}",
            "client_id": "rehearsal",
            "client_secret": "{{ secret }}",
            "action": "suspend",
            "ids": "{{ ids }}",
            "batch_size": 20,
            "retry_timeout": 0.4,
            "timeout": 60,
            "report_path": str(folder / f"report-{number}.jsonl"),
        }
        task = {"name": name, "gpuops.runai.runai_workload_batch": {**options, **scenario.options}}
        found.append({**task, "ignore_errors": True})
    return found


def minted(simulator: Handle) -> set[str]:
    """Every token that it made; none was revoked."""
    return set(simulator.control_plane.tokens._expiry)


def test_batch_that_fails_with_the_most_verbose_output_shows_no_secret(
    run_playbook_on_each_core: PlaybookRunner, tmp_path: Path, nowhere: str
) -> None:
    with ExitStack() as stack:
        simulators: dict[str, Handle] = {}
        for name, scenario in SCENARIOS.items():
            settings = Settings(
                fleet=fleet(60),
                client_secret=SECRET,
                token=TOKEN,
                transition_seconds=3600,
                faults=scenario.faults,
            )
            simulators[name] = stack.enter_context(running(settings))
        given = {"secret": SECRET, "token": TOKEN, "ids": IDS, "nowhere": nowhere}
        variables = tmp_path / "variables.json"
        variables.write_text(
            json.dumps({**given, "urls": {name: one.url for name, one in simulators.items()}})
        )
        play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks(tmp_path)}]
        # Of ansible-playbook itself: what stands under a task's `environment` is shown by -vvv.
        environment = {
            "RUNAI_CLIENT_SECRET": FROM_ENVIRONMENT,
            "HTTPS_PROXY": f"http://ops:{ENCODED}@{nowhere}",
            "no_proxy": "127.0.0.1",
        }
        run = run_playbook_on_each_core(yaml.safe_dump(play), "-vvvv", "-e", f"@{variables}", env=environment)
        secrets = {SECRET, SECRET[:9], TOKEN, PASSWORD, ENCODED, FROM_ENVIRONMENT}
        secrets.add(base64.b64encode(f"ops:{PASSWORD}".encode()).decode())
        for simulator in simulators.values():
            secrets |= minted(simulator)
    assert len(secrets) > 7, "no token was made"

    # Each failed as it was meant to.
    assert run.rc == 0, run.output
    results = {task.task: task.result for task in run.of("runai_workload_batch") if task.status == "ignored"}
    assert set(results) == set(SCENARIOS)
    for name, scenario in SCENARIOS.items():
        assert scenario.words in results[name]["msg"], (name, results[name]["msg"])

    reports = [path for path in tmp_path.glob("report-*") if path.is_file()]
    shown = {path.name: path.read_text() for path in reports}
    shown["output"] = run.output
    shown["results"] = json.dumps(results)
    for where, text in shown.items():
        for secret in secrets:
            assert secret not in text, (where, text[max(0, text.index(secret) - 300) :][:500])
    assert reports
    assert {path.stat().st_mode & 0o777 for path in reports} == {0o600}
