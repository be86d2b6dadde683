# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan: which request is to be answered wrongly, and how. Pure; `misbehaviour.py` carries it out.

The grammar is in README.md. A rule counts the requests that it matches; it strikes from its `nth` on, `times`
times in a row. The first rule that strikes wins; the others count the request all the same.
"""

from __future__ import annotations

import fnmatch
import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


class FaultPlanError(ValueError):
    """A rule is not of the grammar; the text says which and why."""


_APPLY = {"apply": False}
_SPREAD = {"count": 1, "ids": None}

KINDS: dict[str, dict[str, Any]] = {
    "status": {
        "status": 503,
        "retry_after": None,
        "retry_after_date": None,
        "body": "error",
        "message": "injected fault",
        "details": None,
        "headers": {},
        **_APPLY,
    },
    "hang": {"seconds": 3600.0, **_APPLY},
    "slow": {"seconds": 1.0},
    "dribble": {"seconds": 1.0, "pieces": 10},
    "cut": {"reset": False, **_APPLY},
    "cut_in_body": {"reset": False},
    "half_json": {},
    "html": {"status": 200, **_APPLY},
    "other_json": {"body": {"hello": "world"}, **_APPLY},
    "empty": {"status": 200, **_APPLY},
    "omit_ids": {"apply": True, **_SPREAD},
    "foreign_ids": {"count": 1, "list": "succeeded"},
    "both_lists": {"code": 500, "message": "in both lists", **_SPREAD},
    "refuse_ids": {"code": 409, "message": "conflict, try later", "shape": None, **_SPREAD},
    "upper_case_ids": {},
    "repeat_page": {},
    "stuck_next": {},
    "endless_list": {},
    "drop_next": {},
    "shift_rows": {"rows": 1},
    "wrong_count": {"count": 0},
    "edit_rows": {"set": {}, "drop": [], "count": "all", "ids": None},
    "down": {"seconds": 1.0, **_APPLY},
    "redirect": {"location": "http://localhost:9/", "status": 307},
    "revoke_tokens": {},
    "change_phase": {"phase": "Stopped", "frozen": False, "ids": [], "after": False},
}
"""Every kind of fault with what can be set of it and what that is when it isn't."""

SHAPES = {
    "huge": "x" * 100_000,
    "control": "one\r\ntwo\x1b[31m red \x1b[0m\x07\x00\u202e reversed",
    "jinja": "{{ 7 * 7 }} {% for one in range(9) %}x{% endfor %} {{ lookup('env', 'HOME') }}",
}
"""Messages that a refused id may come with, to see whether the client is safe from them."""

_MATCHES = frozenset({"method", "path", "action", "ids", "query"})
_RULE_KEYS = frozenset({"match", "nth", "times", "probability", "seed", "fault", "name"})


@dataclass(frozen=True)
class Request:
    """What a rule looks at: `ids` and `action` are those of a batch."""

    method: str
    path: str
    query: str = ""
    action: str | None = None
    ids: tuple[str, ...] = ()


@dataclass
class Fault:
    """A fault to carry out: its kind and everything that can be set of it."""

    kind: str
    options: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.options[name]

    def chosen(self, ids: Iterable[str]) -> list[str]:
        """The ids of a batch that it is about: those it names, or the first `count`, or `all`."""
        asked = list(ids)
        if self.options.get("ids") is not None:
            named = {one.lower() for one in self.options["ids"]}
            return [one for one in asked if one.lower() in named]
        count = self.options.get("count", 1)
        return asked if count == "all" else asked[: int(count)]


@dataclass
class Rule:
    """One rule of the plan, and how many requests it has matched and struck so far."""

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


def parse_rule(described: Any) -> Rule:
    """A rule from its mapping. Raises FaultPlanError."""
    if not isinstance(described, Mapping):
        raise FaultPlanError(f"a rule is a mapping, not {described!r}")
    _refuse_unknown("rule", described, _RULE_KEYS)
    match = described.get("match") or {}
    if not isinstance(match, Mapping):
        raise FaultPlanError(f"match is a mapping, not {match!r}")
    _refuse_unknown("match", match, _MATCHES)
    times = described.get("times", 1)
    if times in ("always", None):
        times = None
    elif not isinstance(times, int) or times < 1:
        raise FaultPlanError(f"times is a number from 1 or 'always', not {times!r}")
    nth = described.get("nth", 1)
    if not isinstance(nth, int) or nth < 1:
        raise FaultPlanError(f"nth is a number from 1, not {nth!r}")
    probability = described.get("probability")
    if probability is not None:
        times = None if "times" not in described else times
    return Rule(
        fault=_parse_fault(described.get("fault")),
        match=dict(match),
        nth=nth,
        times=times,
        probability=None if probability is None else float(probability),
        seed=int(described.get("seed", 0)),
        name=str(described.get("name", "")),
    )


def _parse_fault(described: Any) -> Fault:
    if isinstance(described, str):
        described = {"kind": described}
    if not isinstance(described, Mapping) or "kind" not in described:
        raise FaultPlanError(f"fault is a kind or a mapping with one, not {described!r}")
    kind = described["kind"]
    if kind not in KINDS:
        raise FaultPlanError(f"fault kind {kind!r} is none of {', '.join(KINDS)}")
    _refuse_unknown(f"fault {kind}", described, {"kind", *KINDS[kind]})
    given = {name: value for name, value in described.items() if name != "kind"}
    for name, value in given.items():
        _check_option(kind, name, value)
    if given.get("shape") not in (None, *SHAPES):
        raise FaultPlanError(f"shape is one of {', '.join(SHAPES)}, not {given['shape']!r}")
    return Fault(kind, {**KINDS[kind], **given})


def _check_option(kind: str, name: str, value: Any) -> None:
    usual = KINDS[kind][name]
    wanted: tuple[type, ...] = (object,) if usual is None else (type(usual),)
    if name == "ids":
        wanted = (list,)
    elif name == "body" or (name == "count" and value == "all"):
        wanted = (object,)
    elif isinstance(usual, float):
        wanted = (int, float)
    elif name == "count":
        wanted = (int,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(usual, bool)):
        raise FaultPlanError(f"fault {kind}: {name} can't be {value!r}")


def _refuse_unknown(what: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise FaultPlanError(f"{what}: {', '.join(unknown)} is not known, only {', '.join(sorted(known))}")


class FaultPlan:
    """The rules in force. Safe to use from several threads."""

    def __init__(self, rules: Iterable[Any] = ()) -> None:
        self._lock = threading.Lock()
        self._rules = [parse_rule(rule) for rule in rules]

    def replace(self, rules: Iterable[Any]) -> None:
        """Put these rules in the place of all others. Raises FaultPlanError, and then changes nothing."""
        parsed = [parse_rule(rule) for rule in rules]
        with self._lock:
            self._rules = parsed

    def add(self, rules: Iterable[Any]) -> None:
        """Add rules behind those in force. Raises FaultPlanError, and then changes nothing."""
        parsed = [parse_rule(rule) for rule in rules]
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
