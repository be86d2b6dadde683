# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever fails, no secret is shown: not with -vvvv, not in results, warnings, progress lines or reports."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.component.secret_scenarios import (
    ENCODED,
    FROM_ENVIRONMENT,
    IDS,
    NOWHERE,
    SCENARIOS,
    SECRET,
    TOKEN,
    secrets_of,
)
from tests.e2e.playbook import PlaybookRunner
from tests.support.workloads import fleet

# One for each way that a secret comes in; tests/component/test_secrets.py plays all.
PLAYED = (
    "the token endpoint repeats the secret",
    "the list repeats the token",
    "ids are refused with the secret",
    "a proxy of the environment",
    "a secret of the environment",
    "an address with a token in what Ansible refuses",
)


def templated(options: dict[str, Any]) -> dict[str, Any]:
    """Options with secrets that are variables of the play."""
    found = {}
    for option, value in options.items():
        found[option] = value
        if isinstance(value, str):
            found[option] = value.replace(TOKEN, "{{ token }}").replace(NOWHERE, "{{ nowhere }}")
    return found


def tasks(folder: Path) -> list[dict[str, Any]]:
    found = []
    for number, name in enumerate(PLAYED):
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
        task = {
            "name": name,
            "gpuops.runai.runai_workload_batch": {**options, **templated(SCENARIOS[name].options)},
        }
        found.append({**task, "ignore_errors": True})
    return found


def test_batch_that_fails_with_the_most_verbose_output_shows_no_secret(
    run_playbook_on_each_core: PlaybookRunner, tmp_path: Path, nowhere: str
) -> None:
    with ExitStack() as stack:
        simulators: dict[str, Handle] = {}
        for name in PLAYED:
            settings = Settings(
                fleet=fleet(60),
                client_secret=SECRET,
                token=TOKEN,
                transition_seconds=3600,
                faults=SCENARIOS[name].faults,
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
        secrets = secrets_of(simulators.values())
    assert len(secrets) > 7, "no token was made"

    # Each failed as it was meant to.
    assert run.rc == 0, run.output
    results = {task.task: task.result for task in run.of("runai_workload_batch") if task.status == "ignored"}
    assert set(results) == set(PLAYED)
    for name in PLAYED:
        assert SCENARIOS[name].message in results[name]["msg"], (name, results[name]["msg"])

    reports = [path for path in tmp_path.glob("report-*") if path.is_file()]
    shown = {path.name: path.read_text() for path in reports}
    shown["output"] = run.output
    shown["results"] = json.dumps(results)
    for where, text in shown.items():
        for secret in secrets:
            assert secret not in text, (where, text[max(0, text.index(secret) - 300) :][:500])
    assert reports
    assert {path.stat().st_mode & 0o777 for path in reports} == {0o600}
