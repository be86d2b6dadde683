# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever fails, no secret is shown: not in results, options, warnings, progress lines or reports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress_pipe import progress_lines
from ansible_collections.gpuops.runai.plugins.modules import runai_workload_batch

from tests.component.conftest import Start
from tests.component.secret_scenarios import (
    ENCODED,
    FROM_ENVIRONMENT,
    IDS,
    NOWHERE,
    PLANE,
    SCENARIOS,
    SECRET,
    TOKEN,
    secrets_of,
)
from tests.support.module_run import module_runner
from tests.support.workloads import fleet


@pytest.mark.parametrize("name", SCENARIOS)
def test_batch_that_fails_shows_no_secret(
    start: Start,
    name: str,
    tmp_path: Path,
    nowhere: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scenario = SCENARIOS[name]
    simulator = start(fleet=fleet(60), client_secret=SECRET, token=TOKEN, faults=scenario.faults)
    monkeypatch.setenv("RUNAI_CLIENT_SECRET", FROM_ENVIRONMENT)
    monkeypatch.setenv("HTTPS_PROXY", f"http://ops:{ENCODED}@{nowhere}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    report = tmp_path / "report.jsonl"
    options: dict[str, Any] = {
        "base_url": f"http://{PLANE}",
        "client_id": "rehearsal",
        "client_secret": SECRET,
        "action": "suspend",
        "ids": IDS,
        "batch_size": 20,
        "retry_timeout": 0.4,
        "timeout": 60,
        "report_path": str(report),
        **scenario.options,
    }
    for option, value in options.items():
        if isinstance(value, str):
            options[option] = value.replace(PLANE, simulator.url.partition("//")[2]).replace(NOWHERE, nowhere)
    lines: list[str] = []
    with progress_lines(str(tmp_path), os.environ, lines.append):
        printed = module_runner(monkeypatch, capsys)(runai_workload_batch, options)
    result = json.loads(printed)
    assert result["failed"]
    assert scenario.message in result["msg"]
    secrets = secrets_of([simulator])
    reports = list(tmp_path.glob("report*"))
    assert {path.stat().st_mode & 0o777 for path in reports} <= {0o600}
    for text in (
        printed,
        json.dumps(result, ensure_ascii=False),
        *lines,
        *(one.read_text() for one in reports),
    ):
        for secret in secrets:
            assert secret not in text, text[max(0, text.index(secret) - 300) :][:500]
