# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the rules of a fault plan are written, as README.md tells it: every kind of fault with its options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from .faults import Fault, Rule


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


class _Value(NamedTuple):
    """What a value must be: in words, and as a test."""

    words: str
    fits: Callable[[Any], bool]

    def check(self, where: str, value: Any) -> None:
        if not self.fits(value):
            raise FaultPlanError(f"{where} is {self.words}, not {value!r}")

    def or_null(self) -> _Value:
        return _Value(f"{self.words}, or null", lambda value: value is None or self.fits(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_TEXT = _Value("a text", lambda value: isinstance(value, str))
_TEXTS = _Value("a list of texts", _are_texts)
_MAPPING = _Value("a mapping", lambda value: isinstance(value, Mapping))
_SWITCH = _Value("true or false", lambda value: isinstance(value, bool))
_SECONDS = _Value("a number of seconds from 0", lambda value: _is_number(value) and value >= 0)
_WHOLE = _Value("a whole number", _is_whole)
_FROM_ONE = _Value("a whole number from 1", lambda value: _is_whole(value) and value >= 1)
_SHARE = _Value("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)

_OPTIONS = {
    "after": _SWITCH,
    "apply": _SWITCH,
    "body": _Value("anything", lambda _value: True),
    "code": _WHOLE,
    "count": _Value(
        "a whole number from 0, or all", lambda value: value == "all" or (_is_whole(value) and value >= 0)
    ),
    "details": _TEXT.or_null(),
    "drop": _TEXTS,
    "frozen": _SWITCH,
    "headers": _MAPPING,
    "ids": _TEXTS.or_null(),
    "list": _Value("succeeded or failed", lambda value: value in ("succeeded", "failed")),
    "location": _TEXT,
    "message": _TEXT,
    "phase": _TEXT,
    "pieces": _FROM_ONE,
    "reset": _SWITCH,
    "retry_after": _Value(
        "a number of seconds or a text", lambda value: isinstance(value, str) or _is_number(value)
    ).or_null(),
    "retry_after_date": _Value("a number of seconds", _is_number).or_null(),
    "rows": _WHOLE,
    "seconds": _SECONDS,
    "set": _MAPPING,
    "shape": _Value(
        "one of " + ", ".join(SHAPES), lambda value: isinstance(value, str) and value in SHAPES
    ).or_null(),
    "status": _Value("a status from 200 to 599", lambda value: _is_whole(value) and 200 <= value <= 599),
}
_OPTIONS_OF = {
    ("change_phase", "ids"): _TEXTS,
    ("foreign_ids", "count"): _Value("a whole number from 0", lambda value: _is_whole(value) and value >= 0),
    ("wrong_count", "count"): _WHOLE,
}
"""Where an option is something else for one kind."""

_MATCH = {"method": _TEXT, "path": _TEXT, "action": _TEXT, "ids": _TEXTS, "query": _MAPPING}
_RULE = {
    "match": _MAPPING.or_null(),
    "nth": _FROM_ONE,
    "times": _Value(
        "a whole number from 1, or always", lambda value: value in ("always", None) or _FROM_ONE.fits(value)
    ),
    "probability": _SHARE.or_null(),
    "seed": _WHOLE,
    "fault": _Value("a kind, or a mapping with one", lambda value: isinstance(value, (str, Mapping))),
    "name": _TEXT,
}


def parse_rules(described: Any) -> list[Rule]:
    """The rules of a plan. Raises FaultPlanError, which says which of them is wrong."""
    if not isinstance(described, (list, tuple)):
        raise FaultPlanError("a list of rules is needed")
    rules = []
    for number, one in enumerate(described, 1):
        try:
            rules.append(_parse_rule(one))
        except FaultPlanError as error:
            raise FaultPlanError(f"rule {number}: {error}") from None
    return rules


def _parse_rule(described: Any) -> Rule:
    _MAPPING.check("a rule", described)
    _check_keys("", described, _RULE)
    for name, value in described.items():
        _RULE[name].check(name, value)
    match = described.get("match") or {}
    _check_keys("match: ", match, _MATCH)
    for name, value in match.items():
        _MATCH[name].check(f"match: {name}", value)
    probability = described.get("probability")
    # By chance it strikes as often as it does, unless it is said how often.
    times = described.get("times", 1 if probability is None else None)
    return Rule(
        fault=_parse_fault(described.get("fault")),
        match=dict(match),
        nth=described.get("nth", 1),
        times=None if times == "always" else times,
        probability=probability,
        seed=described.get("seed", 0),
        name=described.get("name", ""),
    )


def _parse_fault(described: Any) -> Fault:
    _RULE["fault"].check("fault", described)
    given = {"kind": described} if isinstance(described, str) else dict(described)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultPlanError(f"fault: kind {kind!r} is none of {', '.join(KINDS)}")
    where = f"fault {kind}: "
    _check_keys(where, given, KINDS[kind])
    for name, value in given.items():
        _OPTIONS_OF.get((kind, name), _OPTIONS[name]).check(where + name, value)
    return Fault(kind, {**KINDS[kind], **given})


def _check_keys(where: str, given: Mapping[Any, Any], known: Iterable[str]) -> None:
    unknown = sorted(str(name) for name in given if name not in set(known))
    if unknown:
        raise FaultPlanError(f"{where}{', '.join(unknown)} is not known, only {', '.join(sorted(known))}")
