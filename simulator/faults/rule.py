# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule of a fault plan: which requests it matches, and which of them it strikes."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """What a rule matches: `ids` and `action` are those of a batch."""

    method: str
    path: str
    query: str = ""
    action: str | None = None
    ids: tuple[str, ...] = ()


@dataclass
class Fault:
    """A fault to carry out: its kind, everything that can be set of it, and what it did before."""

    kind: str
    options: dict[str, Any]
    memory: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.options[name]

    def chosen(self, ids: Iterable[str]) -> list[str]:
        """The ids of a batch that it is about: those it names, or the first `count`, or `all`."""
        asked = list(ids)
        if self.options.get("ids") is not None:
            named = {one.lower() for one in self.options["ids"]}
            return [one for one in asked if one.lower() in named]
        count = self.options.get("count", 1)
        return asked if count == "all" else asked[:count]


@dataclass
class Rule:
    """One rule of a plan, and how many requests it has matched and struck so far.

    It counts the requests that it matches, and strikes from its `nth` on, `times` in a row (None: always).
    """

    fault: Fault
    match: dict[str, Any] = field(default_factory=dict)
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    seed: int = 0
    name: str = ""
    matched: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def strikes(self, request: Request) -> bool:
        """Count the request if it matches, and say whether it is to be hit."""
        if not self._matches(request):
            return False
        self.matched += 1
        if self.matched < self.nth or (self.times is not None and self.matched >= self.nth + self.times):
            return False
        return self.probability is None or self._dice.random() < self.probability

    def _matches(self, request: Request) -> bool:
        match = self.match
        if "method" in match and request.method != match["method"].upper():
            return False
        if "path" in match and not fnmatch.fnmatchcase(request.path, match["path"]):
            return False
        if "action" in match and request.action != match["action"]:
            return False
        if "ids" in match and not {one.lower() for one in match["ids"]} & set(request.ids):
            return False
        if "query" in match:
            given = dict(parse_qsl(request.query, keep_blank_values=True))
            return all(given.get(name) == str(value) for name, value in match["query"].items())
        return True
