# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever fails, no secret is shown: not in results, options, warnings, progress lines or reports."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress_pipe import progress_lines
from ansible_collections.gpuops.runai.plugins.modules import runai_workload_batch

from simulator.server import Handle
from tests.component.conftest import Start
from tests.component.harness import BATCH, LIST, READS, TOKENS
from tests.support.module_run import module_runner
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


GIVEN_TOKEN = {"token": TOKEN, "client_id": "", "client_secret": ""}
# Half of it would be left where a message is cut to 500 characters.
ESCAPED = '{"code": 400, "message": "%s"}' % ("x" * 488 + SECRET.replace("-", "\\u002d"))
# Stand for the simulator's address, and for one where nobody listens.
PLANE, NOWHERE = "PLANE", "NOWHERE"
OUTAGE = f"http://{NOWHERE}"
PROXY = f"http://ops:{ENCODED}@{NOWHERE}"

SCENARIOS = {
    "the secret is wrong": Scenario("401", options={"client_secret": f"{SECRET}-not"}),
    "the token is dead": Scenario("401", options={**GIVEN_TOKEN, "token": f"{TOKEN}-not"}),
    "the token endpoint repeats the secret": Scenario("HTTP 400", [always(TOKENS, telling(400, SECRET))]),
    "the list repeats the token": Scenario("HTTP 403", [always(LIST, telling(403, TOKEN))], GIVEN_TOKEN),
    "a batch repeats the token": Scenario("403", [always(BATCH, telling(403, TOKEN))], GIVEN_TOKEN),
    "an error repeats the secret with escapes where it is cut": Scenario(
        "400", [always(BATCH, {"kind": "status", "status": 400, "body": ESCAPED})]
    ),
    "ids are refused with the secret": Scenario(
        "409", [always(BATCH, {"kind": "refuse_ids", "count": "all", "message": f"not with {SECRET}"})]
    ),
    "a page of a proxy repeats the secret": Scenario(
        "HTTP 418", [always(LIST, {"kind": "status", "status": 418, "body": f"<html>{SECRET}</html>"})]
    ),
    "answers get lost": Scenario("unknown", [always(BATCH, "cut")]),
    "answers are half": Scenario(
        "unknown",
        [always(BATCH, {"kind": "cut_in_body", "reset": True}), always(READS, "half_json") | {"nth": 3}],
    ),
    "an outage in the middle": Scenario(
        "not attempted",
        [{"match": BATCH, "nth": 2, "fault": {"kind": "down", "seconds": 3600}}],
        {"concurrency": 1},
    ),
    "no control plane": Scenario("connection refused", options={"base_url": OUTAGE}),
    "no TLS": Scenario("TLS failed", options={"base_url": f"https://{PLANE}"}),
    "no proxy": Scenario("by the proxy", options={"proxy": PROXY}),
    "a proxy of the environment": Scenario("by the proxy", options={"base_url": "https://plane.test"}),
    "a proxy without a scheme": Scenario("proxy: must be", options={"proxy": f"ops:{ENCODED}@127.0.0.1"}),
    "a secret of the environment": Scenario("401", options={"client_secret": ""}),
    "a token that can not be sent": Scenario("token: holds", options={**GIVEN_TOKEN, "token": f"{TOKEN}\tx"}),
    "an address with a token": Scenario("without a query", options={"base_url": f"{OUTAGE}/?token={TOKEN}"}),
    "an address with a password": Scenario("must not hold", options={"base_url": PROXY}),
    "an address with a token in what Ansible refuses": Scenario(
        "Unsupported parameters", options={"base_url": f"{OUTAGE}/?token={TOKEN}", "protected": []}
    ),
    "a breaker": Scenario(
        "max_failures", [always(BATCH, {"kind": "refuse_ids"})], {"max_failures": "0", "concurrency": 1}
    ),
    "a ceiling": Scenario("max_affected", options={"max_affected": 1}),
}


def minted(simulator: Handle) -> set[str]:
    """Every token that it made; none was revoked."""
    return set(simulator.control_plane.tokens._expiry)


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
    assert scenario.words in result["msg"]
    secrets = {SECRET, SECRET[:9], TOKEN, PASSWORD, ENCODED, FROM_ENVIRONMENT, *minted(simulator)}
    secrets.add(base64.b64encode(f"ops:{PASSWORD}".encode()).decode())
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
