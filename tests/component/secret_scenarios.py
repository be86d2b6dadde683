# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the batch module that fail, each with a secret that comes its way."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulator.server import Handle
from tests.component.harness import BATCH, LIST, READS, TOKENS
from tests.support.workloads import workload_id

SECRET = "kept-secret-e7c1b0"
TOKEN = "given-token-5d2a94"
PASSWORD = "proxy-pass/90f3ae"
ENCODED = "proxy-pass%2F90f3ae"
FROM_ENVIRONMENT = "environment-secret-3b8d11"
IDS = [workload_id(number) for number in range(60)]


@dataclass(frozen=True)
class Scenario:
    """Something that goes wrong: a fault plan, the options of the task, what its message must hold."""

    message: str
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


def secrets_of(simulators: Iterable[Handle]) -> set[str]:
    """All that must not be shown, with every token that they made; none was revoked."""
    minted = {token for one in simulators for token in one.control_plane.tokens._expiry}
    encoded = base64.b64encode(f"ops:{PASSWORD}".encode()).decode()
    return {SECRET, SECRET[:9], TOKEN, PASSWORD, ENCODED, FROM_ENVIRONMENT, encoded, *minted}
