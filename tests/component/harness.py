# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the batch module's core against a misbehaving control plane, and what must hold after any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import BAD, OUTCOMES
from ansible_collections.gpuops.runai.plugins.module_utils._batch.run import run_batch
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._selection.run import run_info
from ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch import ARGUMENT_SPEC
from ansible_collections.gpuops.runai.plugins.modules.runai_workload_info import ARGUMENT_SPEC as INFO_SPEC

from simulator.server import Handle
from simulator.settings import CLIENT_ID, CLIENT_SECRET

BATCH = {"method": "POST", "path": "/api/v1/workloads/batch"}
ONE = {"method": "GET", "path": "/api/v1/workloads/*-*"}
LIST = {"method": "GET", "path": "/api/v1/workloads"}
COUNT = {"method": "GET", "path": "/api/v1/workloads/count"}
READS = {"method": "GET", "path": "/api/v1/workloads*"}
TOKENS = {"method": "POST", "path": "/api/v*/token"}

# As Ansible hands them over when none is given, but for the simulator's credentials and short intervals.
DEFAULTS: dict[str, Any] = {
    **{name: described.get("default") for name, described in ARGUMENT_SPEC.items()},
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "wait_interval": 0.02,
}

# The phase that a workload shows from which it can be sent, and those that show that it was acted on.
READY = {"suspend": "Running", "resume": "Stopped", "delete": "Running"}
DONE = {
    "suspend": ("Stopping", "Stopped"),
    "resume": ("Resuming", "Pending", "Initializing", "Running"),
    "delete": ("Deleting", None),
}


@dataclass(frozen=True)
class Rehearsal:
    """The result of a run, and what the control plane saw of it."""

    simulator: Handle
    action: str
    result: dict[str, Any]
    failed: bool
    warnings: list[str]
    secrets: set[str]
    lines: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Number of ids by outcome, without those that are none."""
        return {name: len(ids) for name, ids in self.result["outcomes"].items() if ids}

    @property
    def sent(self) -> Counter[str]:
        """How often each id was sent."""
        return Counter(self.simulator.summary()["ids_sent"].get(self.action, {}))

    @property
    def batches(self) -> int:
        """How many batch calls reached the control plane."""
        found: int = self.simulator.summary()["batches"].get(self.action, 0)
        return found

    def rows(self, outcome: str) -> list[dict[str, Any]]:
        """The rows of the ids with this outcome."""
        return [row for row in self.result["workloads"] if row["outcome"] == outcome]


def rehearse(
    simulator: Handle,
    action: str,
    ids: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    check_mode: bool = False,
    **options: Any,
) -> Rehearsal:
    """Run the module's core in this process, and check the promises that hold whatever happens."""
    params = {**DEFAULTS, "base_url": simulator.url, "action": action, "ids": list(ids), **options}
    lines: list[str] = []
    finished = run_batch(params, environ or {}, check_mode, True, lines.append)
    outcomes = finished.result["outcomes"]
    assert tuple(outcomes) == OUTCOMES
    assert sorted(one for found in outcomes.values() for one in found) == sorted(set(ids))
    assert finished.result["changed"] is bool(outcomes["changed"])
    assert finished.failed or not any(outcomes[outcome] for outcome in BAD)
    assert len(finished.warnings) == len(set(finished.warnings))
    return Rehearsal(
        simulator, action, finished.result, finished.failed, finished.warnings, finished.secrets, lines
    )


def select(simulator: Handle, **options: Any) -> ModuleResult:
    """A run of the info module's core with these options."""
    given = {**DEFAULTS, "concurrency": 4, "base_url": simulator.url, **options}
    params = {name: given.get(name, described.get("default")) for name, described in INFO_SPEC.items()}
    return run_info(params, options, {})


def is_acted_on(simulator: Handle, action: str, one: str) -> bool:
    """Whether the control plane's ground truth shows that the workload was acted on."""
    return simulator.state.phase(one) in DONE[action]
