# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan in force, and how its rules are written: README.md shows it to users."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..validation import Shape

# Each registers its kinds of fault.
from . import batches, connections, gateways, lists, responses  # noqa: F401 # pylint: disable=unused-import
from .rule import Fault, Request, Rule
from .strike import KINDS


class FaultPlanError(ValueError):
    """A rule is not of the grammar; the text says which and why."""


_TEXT = {"type": "string"}
_MATCH = {
    "method": _TEXT,
    "path": _TEXT,
    "action": _TEXT,
    "ids": {"type": "array", "items": _TEXT},
    "query": {"type": "object"},
}
_RULE = Shape(
    {
        "type": "object",
        "required": ["fault"],
        "additionalProperties": False,
        "properties": {
            "match": {"type": ["object", "null"], "additionalProperties": False, "properties": _MATCH},
            "nth": {"type": "integer", "minimum": 1},
            "times": {"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["always", None]}]},
            "probability": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "seed": {"type": "integer"},
            "fault": {"type": ["string", "object"], "required": ["kind"], "properties": {"kind": _TEXT}},
            "name": _TEXT,
        },
    }
)


def parse_rules(described: Any) -> list[Rule]:
    """The rules of a plan. Raises FaultPlanError, which says which of them is wrong."""
    if not isinstance(described, (list, tuple)):
        raise FaultPlanError("a list of rules is needed")
    rules = []
    for number, one in enumerate(described, 1):
        try:
            rules.append(_parse_rule(one))
        except ValueError as error:
            raise FaultPlanError(f"rule {number}: {error}") from None
    return rules


def _parse_rule(described: Any) -> Rule:
    _check(_RULE, described)
    probability = described.get("probability")
    # By chance it strikes as often as it does, unless `times` is set.
    times = described.get("times", 1 if probability is None else None)
    return Rule(
        fault=_parse_fault(described["fault"]),
        match=dict(described.get("match") or {}),
        nth=described.get("nth", 1),
        times=None if times == "always" else times,
        probability=probability,
        seed=described.get("seed", 0),
        name=described.get("name", ""),
    )


def _parse_fault(described: Any) -> Fault:
    given = {"kind": described} if isinstance(described, str) else dict(described)
    name = given.pop("kind")
    kind = KINDS.get(name)
    if kind is None:
        raise FaultPlanError(f"fault: kind {name!r} is none of {', '.join(KINDS)}")
    _check(kind.shape, given, f"fault {name}: ")
    return Fault(name, {**kind.defaults, **given})


def _check(shape: Shape, value: Any, where: str = "") -> None:
    problem = shape.problem(value)
    if problem is not None:
        raise FaultPlanError(where + problem)


class FaultPlan:
    """Rules in their order: the first that strikes wins, the others count the request all the same.

    README.md shows how rules are written. Safe to use from several threads.
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
