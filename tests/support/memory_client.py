# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The batch module without AnsibleModule, and a client that is the control plane in memory."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    RequestError,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchResponse, Page, Refusal
from ansible_collections.gpuops.runai.plugins.module_utils._api.retry import RetryBudget
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.plugins.module_utils._batch import delivery as _delivery
from ansible_collections.gpuops.runai.plugins.module_utils._batch import run as _batch_run
from ansible_collections.gpuops.runai.plugins.module_utils._batch.context import NO_HOOKS, BatchHooks
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch import ARGUMENT_SPEC
from ansible_collections.gpuops.runai.tests.support.memory_control_plane import MemoryControlPlane, Simulated
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
# In the order of the result.
KEYS = [
    "changed",
    "msg",
    "action",
    "summary",
    "outcomes",
    "not_reached",
    "workloads",
    "workloads_truncated",
    "batches",
]
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


@dataclasses.dataclass
class BatchControlPlane(MemoryControlPlane):
    """The control plane in memory as batches see it, and how it treats workloads by id.

    ``omitted`` are acted on or refused as any other, but named in neither list of the response. ``frozen``
    never stop. ``batches`` are the ids of each call, ``applied`` those that were acted on.
    """

    unsupported: Collection[str] = ()
    forbidden: Collection[str] = ()
    refused: Collection[str] = ()
    omitted: Collection[str] = ()
    frozen: Collection[str] = ()
    fault: RequestError | None = None
    applied: list[str] = dataclasses.field(default_factory=list)
    batches: list[list[str]] = dataclasses.field(default_factory=list)
    read_ids: Counter[str] = dataclasses.field(default_factory=Counter)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def row(self, one: str) -> dict[str, Any]:
        """Return a row of the API; what is Stopping at its second read has stopped after it."""
        self.read_ids[one] += 1
        phase = self.phase(one)
        if phase in ("Stopping", "Suspending") and self.read_ids[one] > 1 and one not in self.frozen:
            self.move(one, "Stopped", "")
        supports = one not in self.unsupported
        return {"id": one, "phase": phase, "actionsSupport": {"suspend": supports, "delete": supports}}

    def apply(self, action: str, one: str) -> None:
        """Act on a workload, at once."""
        self.applied.append(one)
        self.move(one, {"suspend": "Stopped", "resume": "Running", "delete": None}[action], "batch")

    def phase(self, one: str) -> str | None:
        """Return the phase, ``None`` for a workload that is not there."""
        return self.workloads[one].phase if one in self.workloads else None


def control_plane_of(phases: Mapping[str, str | None], **treatment: Any) -> BatchControlPlane:
    """Make a control plane of workloads in these phases; one without a phase is not there."""
    workloads = {one: Simulated(phase) for one, phase in phases.items() if phase is not None}
    return BatchControlPlane(workloads, **treatment)


def same(count: int, phase: str | None, **treatment: Any) -> BatchControlPlane:
    """Make a control plane of ``count`` workloads in one phase."""
    return control_plane_of(dict.fromkeys(workload_ids(count), phase), **treatment)


class MemoryClient:
    """Stands in for the client: the same methods, on a control plane in memory."""

    control_plane: BatchControlPlane

    def __init__(
        self,
        connection: object,
        connections: int,
        cancellation: Cancellation,
        stats: RequestStats,
        on_trouble: Callable[[str, float], None],
        tokens: object,
    ) -> None:
        self._cancellation = cancellation
        self._stats = stats
        self.on_trouble = on_trouble

    def close(self) -> None:
        pass

    def retry_budget(self) -> RetryBudget:
        return RetryBudget(0.0, self._cancellation, self._stats)

    def count(self) -> int:
        with self.control_plane.lock:
            return len(self.control_plane.workloads)

    def list_page(self, offset: int, limit: int = 500, retry_budget: RetryBudget | None = None) -> Page:
        there = self.control_plane
        with there.lock:
            return Page([there.row(one) for one in there.workloads if one not in there.forbidden], None)

    def workload(self, one: str, retry_budget: RetryBudget | None = None) -> dict[str, Any]:
        there = self.control_plane
        with there.lock:
            if one in there.forbidden:
                raise StatusError("GET", "/" + one, 403, "not yours")
            if there.phase(one) is None:
                raise StatusError("GET", "/" + one, 404, "no such workload")
            return there.row(one)

    def batch(self, action: str, ids: Sequence[str]) -> BatchResponse:
        self._cancellation.check_write()
        self._stats.count_request()
        there = self.control_plane
        with there.lock:
            there.batches.append(list(ids))
            if there.fault is not None:
                raise there.fault
            refused = {one: Refusal(409, "busy") for one in ids if one in there.refused}
            succeeded = [one for one in ids if one not in refused]
            for one in succeeded:
                there.apply(action, one)
            return BatchResponse(
                str(uuid.UUID(int=len(there.batches))),
                [one for one in succeeded if one not in there.omitted],
                {one: refusal for one, refusal in refused.items() if one not in there.omitted},
            )


@contextmanager
def memory_as_control_plane() -> Iterator[None]:
    """Replace the client, and do not wait for phases that change late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch_run, "Client", MemoryClient)
        patch.setattr(_delivery, "_LAG_SECONDS", 0.0)
        yield


def run(
    control_plane: BatchControlPlane,
    check_mode: bool = False,
    with_diff: bool = False,
    hooks: BatchHooks = NO_HOOKS,
    **options: Any,
) -> ModuleResult:
    """Run the module with these options, against a control plane that forgets earlier calls."""
    control_plane.applied, control_plane.batches = [], []
    return _run(control_plane, options, check_mode, with_diff, hooks=hooks)


def run_with_lines(control_plane: BatchControlPlane, **options: Any) -> tuple[ModuleResult, list[str]]:
    """Return the result and the progress lines."""
    lines: list[str] = []
    return _run(control_plane, options, False, False, say=lines.append), lines


def _run(
    control_plane: BatchControlPlane,
    options: Mapping[str, Any],
    check_mode: bool,
    with_diff: bool,
    **more: Any,
) -> ModuleResult:
    MemoryClient.control_plane = control_plane
    given = {option: value for option, value in options.items() if value is not None}
    return _batch_run.run_batch({**OPTIONS, **options}, {}, check_mode, with_diff, given=given, **more)


def outcome_by_id(finished: ModuleResult) -> dict[str, str]:
    """Return the outcome of each id."""
    return {one: name for name in OUTCOMES for one in finished.result["outcomes"][name]}
