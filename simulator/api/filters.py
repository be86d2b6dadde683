# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of `filterBy`: `field operator value`, several joined by commas, all of which must hold.

That items are joined by AND, that texts compare with their case, and that a comma can't be part of a value
is what this simulator assumes: Run:ai documents neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ..model.clock import from_text
from .contract import ApiError

MAX_ITEMS = 10
_ITEM = re.compile(r"(?s)\A([A-Za-z]+)(==|!=|<=|>=|=@|!@|=\^|=\$)(.+)\Z")
_ORDERED = frozenset({"==", "!=", "<=", ">="})

DATES = frozenset(
    {"createdAt", "updatedAt", "deletedAt", "completedAt", "phaseUpdatedAt", "guaranteedRuntimeEndsAt"}
)
NUMBERS = frozenset(
    {
        "allocatedGPU",
        "idleGpus",
        "idleAllocatedGpus",
        "priority",
        "totalPendingTimeSeconds",
        "totalRunningTimeSeconds",
    }
)


def comparable(field: str, value: Any) -> Any:
    """A row's value as conditions compare it: timestamps as seconds since 1970."""
    return from_text(value) if field in DATES and isinstance(value, str) else value


Getter = Callable[[Any, str], Any]
"""From an object and a field's name to its value: a text, a number, seconds since 1970, a list or None."""


@dataclass(frozen=True)
class Condition:
    """One item of `filterBy`."""

    field: str
    operator: str
    value: str | float

    def holds(self, found: Any) -> bool:
        """Whether a value, or any of a list of values, is as the condition says."""
        if isinstance(found, (list, tuple)):
            if self.operator in ("!=", "!@"):
                return all(self._one(item) for item in found)
            return any(self._one(item) for item in found)
        return self._one(found)

    def _one(self, found: Any) -> bool:
        operator = self.operator
        if found is None:
            return operator in ("!=", "!@")
        if operator == "==":
            return bool(found == self.value)
        if operator == "!=":
            return bool(found != self.value)
        if operator == "<=":
            return bool(found <= self.value)
        if operator == ">=":
            return bool(found >= self.value)
        text, part = str(found), str(self.value)
        if operator == "=@":
            return part in text
        if operator == "!@":
            return part not in text
        return text.startswith(part) if operator == "=^" else text.endswith(part)


def parse(items: Iterable[str], known: Collection[str]) -> tuple[Condition, ...]:
    """Conditions of the items of one `filterBy`. Raises ApiError 400 for what the grammar does not allow."""
    conditions = []
    for item in items:
        match = _ITEM.match(item)
        if match is None:
            raise ApiError(400, "bad filterBy", f"{item!r} is not field, operator, value")
        field, operator, text = match.groups()
        if field not in known:
            raise ApiError(400, "bad filterBy", f"field {field!r} is not known")
        conditions.append(Condition(field, operator, _value(field, operator, text)))
    if len(conditions) > MAX_ITEMS:
        raise ApiError(400, "bad filterBy", f"{len(conditions)} items, at most {MAX_ITEMS} are allowed")
    return tuple(conditions)


def check_sort_field(field: str | None, known: Collection[str]) -> None:
    """Raises ApiError 400 when a list can't be sorted by the field; None asks for no order."""
    if field is not None and field not in known:
        raise ApiError(400, "bad sortBy", f"field {field!r} is not known")


def _value(field: str, operator: str, text: str) -> str | float:
    if field in DATES:
        if operator not in _ORDERED:
            raise ApiError(400, "bad filterBy", f"operator {operator} is not for dates such as {field}")
        try:
            return from_text(text)
        except ValueError as error:
            raise ApiError(400, "bad filterBy", str(error)) from None
    if field in NUMBERS and operator in _ORDERED:
        try:
            return float(text)
        except ValueError:
            raise ApiError(400, "bad filterBy", f"{text!r} is not a number") from None
    return text


def select(conditions: tuple[Condition, ...], things: Iterable[Any], value_of: Getter) -> list[Any]:
    """The things for which every condition holds, in their order."""
    found = list(things)
    for condition in conditions:
        field, holds = condition.field, condition.holds
        found = [thing for thing in found if holds(value_of(thing, field))]
    return found
