# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of runai_maintenance in this process, with a simulator on loopback and a folder of records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import (
    run_maintenance,
    run_maintenance_info,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import Line
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import ACTIVE_PHASES
from ansible_collections.gpuops.runai.plugins.modules import runai_maintenance, runai_maintenance_info

from simulator.server import Handle
from simulator.settings import CLIENT_ID, CLIENT_SECRET
from tests.support.workloads import workload_id

PLAN: dict[str, Any] = {
    "reason": "new fan",
    "select": {"all": True},
    "max_affected": "none",
    "max_percent": "100",
}

# By the kind of a line, its type.
LINES = {get_args(get_type_hints(line)["event"])[0]: line for line in get_args(Line)}


def completed(argument_spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments as Ansible completes them."""
    found = {}
    for name, spec in argument_spec.items():
        found[name] = given.get(name, spec.get("default"))
        if spec["type"] == "dict" and found[name] is not None and "options" in spec:
            found[name] = completed(spec["options"], found[name])
    return found


class Site:
    """One simulator, and the folder of the records."""

    def __init__(self, simulator: Handle, folder: Path) -> None:
        self.simulator = simulator
        self.folder = folder

    def run(
        self,
        state: str,
        check: bool = False,
        name: str = "night",
        environ: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ModuleResult:
        given = {
            "name": name,
            "state": state,
            "record_dir": str(self.folder),
            "base_url": self.simulator.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "wait_interval": 0.05,
            "settle_time": 0.0,
            "retry_timeout": 5,
            **options,
        }
        given = {key: value for key, value in given.items() if value is not None}
        params = completed(runai_maintenance.ARGUMENT_SPEC, given)
        result = run_maintenance(params, given, environ or {}, check)
        if not result.failed and self.path(name).exists():
            for line in self.events(name):
                msgspec.convert(line, LINES[line["event"]])
        return result

    def info(
        self,
        name: str | None,
        environ: Mapping[str, str] | None = None,
        check: bool = False,
        **options: Any,
    ) -> ModuleResult:
        given = {
            "name": name,
            "record_dir": str(self.folder),
            "base_url": self.simulator.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **options,
        }
        given = {key: value for key, value in given.items() if value is not None}
        params = completed(runai_maintenance_info.ARGUMENT_SPEC, given)
        return run_maintenance_info(params, given, environ or {}, check)

    def path(self, name: str = "night") -> Path:
        return self.folder / f"{name}.record.jsonl"

    def events(self, name: str = "night") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path(name).read_text().splitlines()]

    def phases(self, count: int) -> list[str | None]:
        return [self.simulator.state.phase(workload_id(number)) for number in range(count)]

    def are_active(self, count: int) -> bool:
        return all(phase in ACTIVE_PHASES for phase in self.phases(count))


def good(result: ModuleResult) -> dict[str, Any]:
    assert not result.failed, result.result["lines"]
    return result.result
