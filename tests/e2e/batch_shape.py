# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options and the results of the batch module, as a test expects them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODULE = "gpuops.runai.runai_workload_batch"
BATCH = "/api/v1/workloads/batch"

# Options of the module: type, default, choices.
OPTIONS: dict[str, tuple[str, Any, list[str] | None]] = {
    "action": ("str", None, ["suspend", "resume", "delete"]),
    "ids": ("list", None, None),
    "protect": ("list", [], None),
    "only_phases": ("list", None, None),
    "tolerate": ("list", ["finished", "deleting"], ["missing", "finished", "unsupported", "deleting"]),
    "max_affected": ("int", None, None),
    "max_failures": ("str", None, None),
    "batch_size": ("int", 100, None),
    "concurrency": ("int", None, None),
    "wait": ("bool", False, None),
    "wait_timeout": ("float", 600.0, None),
    "wait_interval": ("float", 5.0, None),
    "wait_for": ("str", "target", ["target", "active"]),
    "deadline": ("int", None, None),
    "report_path": ("path", None, None),
    "workloads_limit": ("int", 1000, None),
}
CONNECTION: dict[str, tuple[str, Any, list[str] | None]] = {
    "base_url": ("str", None, None),
    "client_id": ("str", None, None),
    "client_secret": ("str", None, None),
    "token": ("str", None, None),
    "validate_certs": ("bool", True, None),
    "ca_path": ("path", None, None),
    "proxy": ("str", None, None),
    "timeout": ("float", 30.0, None),
    "retry_timeout": ("float", 120.0, None),
}
SUMMARY = {
    *("requested", "changed", "unchanged", "skipped", "failed", "unknown", "not_attempted"),
    *("duplicates", "requests", "batches", "retries", "seconds"),
}
OUTCOMES = {"changed", "unchanged", "skipped", "failed", "unknown", "not_attempted"}
ROW = {
    *("id", "name", "project", "cluster", "submitted_by", "outcome"),
    *("phase", "reason", "code", "message", "batch_id"),
}
RECORD = {"id", "size", "succeeded", "failed", "attempts", "seconds"}
KEYS = {
    *("changed", "msg", "error", "action", "summary", "outcomes", "not_reached"),
    *("workloads", "workloads_truncated", "batches"),
}
# What Ansible itself puts beside the keys of a result.
ANSIBLES_OWN = {"invocation", "failed", "warnings", "deprecations", "diff", "exception"}


def assert_shape(result: Mapping[str, Any]) -> None:
    """The keys are always the same ones, down to the last row; only a failure adds `error`."""
    keys = {key for key in result if not key.startswith("_ansible")} - ANSIBLES_OWN
    assert keys | {"error"} == KEYS
    assert set(result["summary"]) == SUMMARY
    assert set(result["outcomes"]) == OUTCOMES
    assert all(set(row) == ROW for row in result["workloads"])
    assert all(set(record) == RECORD for record in result["batches"])
    told = [one for ids in result["outcomes"].values() for one in ids]
    assert len(told) == len(set(told)) == result["summary"]["requested"]
    assert result["changed"] is bool(result["outcomes"]["changed"])


def fleet_in(phases: Mapping[str, str], **fields: Any) -> dict[str, Any]:
    """A fleet file's content: each number's workload in its phase."""
    return {"workloads": [{"id": one, "phase": phase, **fields} for one, phase in phases.items()]}
