# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan in force."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from .fault_grammar import parse_rules
from .faults import Fault, Request


class FaultPlan:
    """Rules in their order: the first that strikes wins, the others count the request all the same.

    Rules come as README.md tells how they are written. Safe to use from several threads.
    """

    def __init__(self, rules: Sequence[Any] = ()) -> None:
        self._lock = threading.Lock()
        self._rules = parse_rules(rules)

    def replace(self, rules: Sequence[Any]) -> None:
        """Put these rules in the place of all others. Raises FaultPlanError, and then changes nothing."""
        parsed = parse_rules(rules)
        with self._lock:
            self._rules = parsed

    def add(self, rules: Sequence[Any]) -> None:
        """Add rules behind those in force. Raises FaultPlanError, and then changes nothing."""
        parsed = parse_rules(rules)
        with self._lock:
            self._rules.extend(parsed)

    def pick(self, request: Request) -> Fault | None:
        """The fault that this request is to meet, if any."""
        with self._lock:
            striking = [rule for rule in self._rules if rule.strikes(request)]
            if not striking:
                return None
            striking[0].struck += 1
            return striking[0].fault

    def is_in_force(self, fault: Fault) -> bool:
        """Whether the rule that this fault comes from has not been replaced since."""
        with self._lock:
            return any(rule.fault is fault for rule in self._rules)

    def state(self) -> list[dict[str, Any]]:
        """Each rule in force with how many requests it matched and struck."""
        with self._lock:
            return [
                {
                    "name": rule.name,
                    "match": rule.match,
                    "kind": rule.fault.kind,
                    "matched": rule.matched,
                    "struck": rule.struck,
                }
                for rule in self._rules
            ]
