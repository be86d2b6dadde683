# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control plane that is a dictionary, and the whole batch module without AnsibleModule on it."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    AccessDenied,
    NotFound,
    RequestError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchResponse, Page, Refusal
from ansible_collections.gpuops.runai.plugins.module_utils._api.retry import RetryBudget
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.plugins.module_utils._batch import delivery as _deliver
from ansible_collections.gpuops.runai.plugins.module_utils._batch import run as _batch_run
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch import ARGUMENT_SPEC
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

PHASES = [
    "Creating",
    "Pending",
    "Initializing",
    "Running",
    "Degraded",
    "Updating",
    "Resuming",
    "Stopping",
    "Suspending",
    "Stopped",
    "Completed",
    "Failed",
    "Deleting",
    "Terminating",
    "Unknown",
    "Novel",
]
OUTCOMES = ["changed", "unchanged", "skipped", "failed", "unknown", "not_attempted"]
KEYS = {
    "changed",
    "msg",
    "action",
    "summary",
    "outcomes",
    "not_reached",
    "workloads",
    "workloads_truncated",
    "batches",
}
SECRET = "a-bearer-that-is-never-shown"
# As Ansible completes a task that says no more than this.
OPTIONS: dict[str, Any] = {
    **{option: spec.get("default") for option, spec in ARGUMENT_SPEC.items()},
    "action": "suspend",
    "ids": [],
    "max_failures": "100%",
    "wait_timeout": 0.05,
    "wait_interval": 0.01,
    "base_url": "http://127.0.0.1:9",
    "token": SECRET,
    "retry_timeout": 0.0,
}


class Fleet:
    """Workloads and how the control plane treats them; a workload without a phase is not there."""

    def __init__(
        self,
        phases: Mapping[str, Optional[str]],
        unsupported: Sequence[str] = (),
        forbidden: Sequence[str] = (),
        refused: Sequence[str] = (),
        omitted: Sequence[str] = (),
        frozen: Sequence[str] = (),
    ) -> None:
        self.phases = dict(phases)
        self.unsupported = set(unsupported)
        self.forbidden = set(forbidden)
        self.refused = set(refused)
        # Acted on or refused as any other, but named in neither list of the answer.
        self.omitted = set(omitted)
        self.frozen = set(frozen)
        self.applied: list[str] = []
        self.batches: list[list[str]] = []
        self.fault: Optional[RequestError] = None
        self.reads: Counter[str] = Counter()
        self.lock = threading.Lock()

    def row(self, one: str) -> dict[str, Any]:
        self.reads[one] += 1
        phase = self.phases[one]
        if phase in ("Stopping", "Suspending") and self.reads[one] > 1 and one not in self.frozen:
            self.phases[one] = "Stopped"
        supports = one not in self.unsupported
        return {"id": one, "phase": phase, "actionsSupport": {"suspend": supports, "delete": supports}}

    def apply(self, action: str, one: str) -> None:
        self.applied.append(one)
        self.phases[one] = {"suspend": "Stopped", "resume": "Running", "delete": None}[action]


class FleetClient:
    """Stands in for the client: the same methods, on a Fleet."""

    fleet: Fleet

    def __init__(
        self,
        connection: object,
        cancellation: Cancellation,
        stats: RequestStats,
        connections: int,
        on_trouble: Callable[[str, float], None],
    ) -> None:
        self._cancellation = cancellation
        self._stats = stats
        self.on_trouble = on_trouble

    def close(self) -> None:
        pass

    def retry_budget(self) -> RetryBudget:
        return RetryBudget(0.0, self._cancellation, self._stats)

    def count(self) -> int:
        with self.fleet.lock:
            return sum(phase is not None for phase in self.fleet.phases.values())

    def list_page(self, offset: int, limit: int = 500, retry_budget: Optional[RetryBudget] = None) -> Page:
        fleet = self.fleet
        with fleet.lock:
            shown = [one for one, phase in fleet.phases.items() if phase and one not in fleet.forbidden]
            return Page([fleet.row(one) for one in shown], None)

    def workload(self, one: str, retry_budget: Optional[RetryBudget] = None) -> dict[str, Any]:
        fleet = self.fleet
        with fleet.lock:
            if one in fleet.forbidden:
                raise AccessDenied("GET", "/" + one, 403, "not yours")
            if fleet.phases[one] is None:
                raise NotFound("GET", "/" + one, 404, "no such workload")
            return fleet.row(one)

    def batch(self, action: str, ids: Sequence[str]) -> BatchResponse:
        self._cancellation.check_write()
        self._stats.count_request()
        fleet = self.fleet
        with fleet.lock:
            fleet.batches.append(list(ids))
            if fleet.fault is not None:
                raise fleet.fault
            refused = {one: Refusal(409, "busy") for one in ids if one in fleet.refused}
            succeeded = [one for one in ids if one not in refused]
            for one in succeeded:
                fleet.apply(action, one)
            return BatchResponse(
                str(uuid.UUID(int=len(fleet.batches))),
                [one for one in succeeded if one not in fleet.omitted],
                {one: refusal for one, refusal in refused.items() if one not in fleet.omitted},
                [one for one in ids if one in fleet.omitted],
            )


@contextmanager
def fleet_as_control_plane() -> Iterator[None]:
    """Replace the client by the dictionary, and do not wait for phases that change late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch_run, "Client", FleetClient)
        patch.setattr(_deliver, "_LAG_SECONDS", 0.0)
        yield


def run(fleet: Fleet, check_mode: bool = False, with_diff: bool = False, **options: Any) -> ModuleResult:
    FleetClient.fleet = fleet
    fleet.applied, fleet.batches = [], []
    return _batch_run.run_batch({**OPTIONS, **options}, {}, check_mode, with_diff)


def run_aloud(fleet: Fleet, **options: Any) -> tuple[ModuleResult, list[str]]:
    """The result, and what it said on the way."""
    FleetClient.fleet = fleet
    said: list[str] = []
    return _batch_run.run_batch({**OPTIONS, **options}, {}, False, False, said.append), said


def same(count: int, phase: Optional[str], **other: Any) -> Fleet:
    return Fleet(dict.fromkeys(workload_ids(count), phase), **other)


def told(finished: ModuleResult) -> dict[str, str]:
    return {one: name for name in OUTCOMES for one in finished.result["outcomes"][name]}
