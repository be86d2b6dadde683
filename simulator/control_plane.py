# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated control plane: its fleet, its tokens, what it was asked, and how it misbehaves."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from . import contract, fleet_file
from .faults import FaultPlan
from .fleet import generate
from .listing import Views
from .model import Behaviour, Fleet
from .places import Places
from .request_log import RequestLog
from .settings import Settings
from .tokens import Tokens
from .versions import ApiVersion
from .workload import Workload

CHANGEABLE = ("latency", "latency_per_id", "forbidden_paths", "count_endpoint")
"""Settings, beside those of `Behaviour`, that may change while the simulator runs."""


class ControlPlane:
    """Everything but HTTP."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = settings.clock
        self.contract = contract.load()
        self.version = ApiVersion(settings.api_version)
        self.log = RequestLog()
        self.faults = FaultPlan(settings.faults)
        self.tokens = Tokens(
            settings.clock, settings.client_id, settings.client_secret, settings.token, settings.token_seconds
        )
        self.fleet, self.views = self._new_fleet()

    def reset(self) -> None:
        """The fleet, the fault plan, the tokens and the log as they were at the start."""
        self.fleet, self.views = self._new_fleet()
        self.faults.replace(self.settings.faults)
        self.tokens.revoke()
        self.log.clear()

    def configure(self, changes: dict[str, Any]) -> None:
        """Change settings while it runs: those of `Behaviour` and CHANGEABLE; ValueError for others."""
        known = {field.name for field in fields(Behaviour)}
        unknown = set(changes) - known - set(CHANGEABLE)
        if unknown:
            raise ValueError(f"can't be set while running: {', '.join(sorted(unknown))}")
        with self.fleet.lock:
            self.fleet.settle()
            for name, value in changes.items():
                if name in known:
                    setattr(self.fleet.behaviour, name, set(value) if name == "forbidden_ids" else value)
                else:
                    setattr(self.settings, name, value)
            self.fleet.version += 1
            self.fleet.reconsider()

    def _new_fleet(self) -> tuple[Fleet, Views]:
        settings = self.settings
        workloads, places = self._population()
        for cluster in places.clusters:
            cluster["version"] = f"{settings.api_version}.0"
        if not settings.actions_support:
            for workload in workloads:
                workload.actions_support = None
        behaviour = Behaviour(
            transition_seconds=settings.transition_seconds,
            lag_seconds=settings.lag_seconds,
            redundant=settings.redundant,
            gpu_capacity=settings.gpu_capacity,
            forbidden_ids=set(settings.forbidden_ids),
        )
        fleet = Fleet(workloads, places, settings.clock, behaviour)
        return fleet, Views(fleet)

    def _population(self) -> tuple[list[Workload], Places]:
        settings = self.settings
        now = settings.clock.now()
        if settings.fleet is None:
            return generate(settings.workloads, settings.seed, now, settings.tenant_id)
        described = fleet_file.read(settings.fleet) if isinstance(settings.fleet, Path) else settings.fleet
        return fleet_file.build(described, now, settings.tenant_id)
