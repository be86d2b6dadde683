# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated control plane: its fleet, its tokens, what it was asked, and how it misbehaves."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .api import contract, fleet_file
from .api.lists import Views
from .api.tokens import Tokens
from .api.versions import ApiVersion
from .faults.plan import FaultPlan
from .http.request_log import RequestLog
from .model.clock import ManualClock
from .model.fleet import Behaviour, Fleet
from .model.generator import generate
from .model.places import Places
from .model.workload import Workload
from .settings import Settings

CHANGEABLE = ("latency", "latency_per_id", "forbidden_paths", "count_endpoint")
"""Settings, beside those of `Behaviour`, that may change while the simulator runs."""


class ControlPlane:
    """Everything but HTTP."""

    def __init__(self, settings: Settings) -> None:
        self._at_start = settings
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
        """Settings, fleet, fault plan, tokens and log as they were at the start."""
        self.settings = self._at_start
        self.fleet, self.views = self._new_fleet()
        self.faults.replace(self.settings.faults)
        self.tokens.revoke()
        self.log.clear()

    def configure(self, changes: dict[str, Any]) -> None:
        """Change settings while it runs: those of `Behaviour` and CHANGEABLE.

        Raises ValueError for others and for values without sense, and then changes nothing.
        """
        of_phases = {field.name for field in fields(Behaviour)}
        unknown = set(changes) - of_phases - set(CHANGEABLE)
        if unknown:
            raise ValueError(f"can't be set while it runs: {', '.join(sorted(unknown))}")
        behaviour = replace(
            self.fleet.behaviour, **{name: changes[name] for name in changes if name in of_phases}
        )
        self.settings = replace(
            self.settings, **{name: changes[name] for name in changes if name in CHANGEABLE}
        )
        self.fleet.behave(behaviour)

    def advance(self, seconds: float) -> None:
        """Move a manual clock on. Raises ValueError with another clock."""
        if not isinstance(self.clock, ManualClock):
            raise ValueError("this simulator runs on the machine's clock")
        self.clock.advance(seconds)
        self.fleet.settle()

    def _new_fleet(self) -> tuple[Fleet, Views]:
        settings = self.settings
        workloads, places = self._population()
        for cluster in places.clusters:
            cluster["version"] = f"{settings.api_version}.0"
        if not settings.actions_support:
            for workload in workloads:
                workload.actions_support = None
        fleet = Fleet(workloads, places, settings.clock, settings.behaviour())
        return fleet, Views(fleet)

    def _population(self) -> tuple[list[Workload], Places]:
        settings = self.settings
        now = settings.clock.now()
        if settings.fleet is None:
            return generate(settings.workloads, settings.seed, now, settings.tenant_id)
        if isinstance(settings.fleet, Path):
            return fleet_file.load(settings.fleet, now, settings.tenant_id)
        return fleet_file.build(settings.fleet, now, settings.tenant_id)
