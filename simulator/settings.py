# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be set when a simulator is started."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .model.clock import Clock, RealClock
from .model.fleet import Behaviour
from .model.generator import DEFAULT_TENANT_ID
from .validation import check_choice, check_number, check_switch, check_texts

CLIENT_ID = "rehearsal"
CLIENT_SECRET = "rehearsal-secret"  # noqa: S105 - a dummy, as the README says
TOKEN = "rehearsal-token"  # noqa: S105
_LARGEST_TENANT_ID = 2**31 - 1  # the API has an int32


@dataclass
class Settings:
    """See `python -m simulator --help`, which has an option for each of these but `clock`.

    Times are seconds. `fleet` is a file, or the same content as a mapping; None makes up `workloads` of them
    from `seed`. `faults` is a list of rules as in a fault plan. Raises ValueError for what makes no sense.
    """

    workloads: int = 250
    seed: int = 1
    fleet: Path | dict[str, Any] | None = None
    tenant_id: int = DEFAULT_TENANT_ID
    api_version: str = "2.25"
    count_endpoint: bool = True
    unknown_parameters: str = "refuse"
    address: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    token: str = TOKEN
    token_seconds: float = 3600.0
    latency: float = 0.0
    latency_per_id: float = 0.0
    transition_seconds: float = 2.0
    lag_seconds: float = 0.0
    redundant: str = "succeed"
    gpu_capacity: float | None = None
    actions_support: bool = True
    forbidden_ids: Collection[str] = frozenset()
    forbidden_paths: Collection[str] = ()
    faults: list[dict[str, Any]] = field(default_factory=list)
    validate_responses: bool = True
    clock: Clock = field(default_factory=RealClock)

    def __post_init__(self) -> None:
        if self.address != "localhost" and not ipaddress.ip_address(self.address).is_loopback:
            raise ValueError(f"{self.address} is not a loopback address")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is a number from 0 to 65535, not {self.port}")
        if not 0 <= self.tenant_id <= _LARGEST_TENANT_ID:
            raise ValueError(f"tenant_id is a number from 0 to {_LARGEST_TENANT_ID}, not {self.tenant_id}")
        for name in ("workloads", "token_seconds", "latency", "latency_per_id"):
            check_number(name, getattr(self, name))
        check_switch("count_endpoint", self.count_endpoint)
        check_choice("unknown_parameters", self.unknown_parameters, ("refuse", "ignore"))
        check_texts("forbidden_paths", self.forbidden_paths)
        self.behaviour()

    def behaviour(self) -> Behaviour:
        """How phases move at the start."""
        return Behaviour(
            transition_seconds=self.transition_seconds,
            lag_seconds=self.lag_seconds,
            redundant=self.redundant,
            gpu_capacity=self.gpu_capacity,
            forbidden_ids=self.forbidden_ids,
        )
