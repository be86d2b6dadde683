# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the roles, checked and read: what people, surveys and inventories say.

A blank is refused, whatever it was meant for: an unanswered survey question must neither widen a
selection nor drop an exemption. ``any`` says on purpose that a criterion does not matter, ``none`` that
there is no ceiling or no exemption. A variable that is not known is refused as well: it was misspelt.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional

from ansible.module_utils.parsing.convert_bool import boolean

from .._api.connection import connection_argument_spec
from .._common.text import clean
from .._common.times import parse_age
from .._selection.order import SORT_KEYS
from .._workload.phases import phases
from .record import (
    NAME_RULE,
    Record,
    RecordError,
    Remedy,
    is_name,
)

MAINTENANCE_ROLE = "workload_maintenance"
CLEANUP_ROLE = "workload_cleanup"
RECLAIM_ROLE = "workload_reclaim"
ROLES = (MAINTENANCE_ROLE, CLEANUP_ROLE, RECLAIM_ROLE)

ANY = "any"
NONE = "none"

_SEPARATORS = re.compile(r"[,\n]")
_VERSION = re.compile(r"[vV]?[0-9]+(\.[0-9]+)*([-+][0-9A-Za-z.+-]+)?")
# How the info module's sentences name an option.
_AS_OPTION = r"(?<![\w'/]){0}(?=:| must| holds)|(?<=with |that ){0}(?!\w)"
# Values above these are slips of the keyboard.
_MOST_SECONDS = 7 * 86400
_MOST_ATTEMPTS = 20
# What the batch module takes, known before anything is sent.
_SHORTEST_INTERVAL = 0.01

_NOTHING = object()


class _BlankError(Exception):
    """A value that says nothing."""


def _words(value: Any) -> list[str]:
    """A list; a string, as surveys give it, is split on commas and line breaks."""
    if isinstance(value, str):
        value = [piece for piece in _SEPARATORS.split(value) if piece.strip()] or [""]
    if not isinstance(value, (list, tuple)):
        value = [value]
    if not value:
        raise _BlankError
    if any(isinstance(one, (dict, list, bool)) for one in value):
        raise ValueError("must be a list of names")
    return [_text(one) for one in value]


def _phases(value: Any) -> list[str]:
    """Phases by the API's own names; what is none is for the selection to refuse."""
    return list(phases("phases", _words(value), []).values())


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise ValueError("must be text")
    text = "" if value is None else str(value).strip()
    if not text.strip(", "):
        raise _BlankError
    return text


def _name(value: Any) -> str:
    text = _text(value)
    if not is_name(text):
        raise ValueError(NAME_RULE)
    return text


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    try:
        number = float(_text(value))
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 <= number < float("inf"):
        raise ValueError("must be a number from 0 up")
    return number


def _count(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError("must be a whole number")
    return int(number)


def _count_from_1(value: Any) -> int:
    count = _count(value)
    if not count:
        raise ValueError("must be at least 1")
    return count


def _attempts(value: Any) -> int:
    number = _count(value)
    if not 1 <= number <= _MOST_ATTEMPTS:
        raise ValueError("must be a whole number from 1 to {0}".format(_MOST_ATTEMPTS))
    return number


def _gpus(value: Any) -> float:
    number = _number(value)
    if not number:
        raise ValueError("must be a number of GPUs greater than 0")
    return number


def _percent(value: Any) -> float:
    number = _number(value.strip().rstrip("%") if isinstance(value, str) else value)
    if number > 100:
        raise ValueError("must be a percentage from 0 to 100")
    return number


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return bool(boolean(_text(value)))
    except TypeError:
        raise ValueError("must be true or false") from None


def _seconds(value: Any) -> float:
    number = _number(value)
    if number > _MOST_SECONDS:
        raise ValueError("must be a number of seconds, at most {0}".format(_MOST_SECONDS))
    return number


def _whole_seconds(value: Any) -> int:
    _seconds(value)
    return _count(value)


def _interval(value: Any) -> float:
    seconds = _seconds(value)
    if seconds < _SHORTEST_INTERVAL:
        raise ValueError("must be at least {0} seconds".format(_SHORTEST_INTERVAL))
    return seconds


def _failures(value: Any) -> str:
    text = _text(value)
    is_percentage = text.endswith("%")
    number = _percent(text) if is_percentage else _number(text)
    if number != int(number):
        raise ValueError("must be a whole number of workloads, or a whole percentage such as 10%")
    return "{0}{1}".format(int(number), "%" if is_percentage else "")


def _age(value: Any) -> str:
    text = _text(value)
    if parse_age(text) is None:
        raise ValueError("must be an age such as 90m, 12h or 7d")
    return text


def _version(value: Any) -> str:
    text = _text(value)
    if not _VERSION.fullmatch(text):
        raise ValueError("must be a version: '{0}' is not a version; say e.g. 2.25".format(clean(text, 40)))
    return text


def _choice(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        text = _text(value)
        if text not in allowed:
            raise ValueError("must be one of {0}".format(", ".join(allowed)))
        return text

    return read


def _mapping(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("must be a dictionary")
    return {str(key): str(one) for key, one in value.items() if one not in (None, "")}


@dataclasses.dataclass(frozen=True)
class Variable:
    """How one variable is read. ``word`` is what says on purpose that there is none: ``any`` or ``none``."""

    read: Callable[[Any], Any]
    word: Optional[str] = None
    # The option of the info module that it becomes, if it is a part of the selection.
    option: Optional[str] = None
    is_criterion: bool = False
    # What the role says where nobody else does.
    usual: Any = _NOTHING


def _criteria(**options: Callable[[Any], Any]) -> dict[str, Variable]:
    return {name: Variable(read, ANY, name, is_criterion=True) for name, read in options.items()}


_CRITERIA = {
    **_criteria(
        ids=_words,
        projects=_words,
        departments=_words,
        clusters=_words,
        node_pools=_words,
        types=_words,
        categories=_words,
        submitted_by=_words,
        priority_classes=_words,
    ),
    "workload_name": Variable(_text, ANY, "name", is_criterion=True),
}
_MORE_CRITERIA = {
    **_criteria(
        phases=_phases,
        nodes=_words,
        search=_text,
        filter_by=_words,
        min_allocated_gpus=_number,
        min_idle_gpus=_number,
        preemptible=_flag,
        phase_older_than=_text,
        created_before=_text,
    ),
    # Nearly every workload is: by itself it is no choice.
    "suspendable": Variable(_flag, ANY, "suspendable"),
    "all": Variable(_flag, None, "all"),
    "limit": Variable(_count_from_1, NONE, "limit"),
    "until_gpus": Variable(_gpus, NONE, "until_gpus"),
    "partial": Variable(_flag, None, "partial"),
    "sort_by": Variable(_choice(*SORT_KEYS), None, "sort_by"),
    "sort_order": Variable(_choice("asc", "desc"), None, "sort_order"),
}
_RECORD = {
    "name": Variable(_name),
    "reason": Variable(_text),
    "record_dir": Variable(_text),
    "summary_path": Variable(_text, NONE),
    "wait_for_api": Variable(_seconds, usual=0.0),
    "awx": Variable(_mapping),
}
_CEILINGS = {"max_affected": Variable(_count, NONE), "max_percent": Variable(_percent, NONE)}
_ACTING = {
    "attempts": Variable(_attempts, usual=2),
    "max_failures": Variable(_failures, usual="10%"),
    "wait_timeout": Variable(_whole_seconds, usual=1800),
    "wait_interval": Variable(_interval, usual=5.0),
}
_EXEMPTIONS = {
    "exclude": Variable(_words, NONE, "exclude"),
    "unmatched_exemptions": Variable(_choice("refuse", "allow"), usual="refuse"),
}
_STOPPING = {
    "unsuspendable": Variable(_choice("refuse", "leave")),
    "crosses_version": Variable(_version, NONE),
}

VARIABLES: dict[str, dict[str, Variable]] = {
    MAINTENANCE_ROLE: {
        **_RECORD,
        **_CRITERIA,
        **_MORE_CRITERIA,
        **_EXEMPTIONS,
        **_CEILINGS,
        **_ACTING,
        "settle_time": Variable(_seconds, usual=15.0),
        **_STOPPING,
        "record": Variable(_text),
        "max_drift": Variable(_count, NONE),
        "node_fenced": Variable(_flag, usual=False),
        "resume_touched": Variable(_flag, usual=False),
    },
    CLEANUP_ROLE: {
        **_RECORD,
        **_CRITERIA,
        **_EXEMPTIONS,
        **_CEILINGS,
        **_ACTING,
        "max_failures": Variable(_failures, usual="0"),
        "reason": Variable(_text, usual="clean-up of finished workloads"),
        "phases": Variable(_phases, None, "phases"),
        "older_than": Variable(_age),
        "keep_names": Variable(_words, NONE),
        "keep_projects": Variable(_words, NONE),
        "keep_newest": Variable(_count, NONE),
    },
    RECLAIM_ROLE: {
        **_RECORD,
        **_CRITERIA,
        **_EXEMPTIONS,
        **_CEILINGS,
        **_ACTING,
        **_STOPPING,
        "phases": Variable(_phases, ANY, "phases", is_criterion=True),
        "preemptible": Variable(_flag, ANY, "preemptible", is_criterion=True),
        "min_idle_gpus": Variable(_number, None, "min_idle_gpus", is_criterion=True),
        "idle_for": Variable(_age, "now"),
        "samples": Variable(_count, usual=5),
    },
}

# What must be said to plan or to begin, beside the name.
REQUIRED = {
    MAINTENANCE_ROLE: ("reason",),
    CLEANUP_ROLE: ("record_dir", "older_than"),
    RECLAIM_ROLE: ("reason", "record_dir", "min_idle_gpus", "idle_for"),
}

# Answered by the connection options of every module, never by this one's `variables`.
CONNECTION_VARIABLES = tuple(connection_argument_spec())


@dataclasses.dataclass(frozen=True)
class Settings:
    """The variables of one role, read.

    ``values`` holds what was said, ``None`` where that was ``any`` or ``none``; what was not said is
    not in it. ``selection`` holds options of the info module.
    """

    role: str
    values: dict[str, Any]
    selection: dict[str, Any]
    has_criterion: bool

    def said(self, name: str) -> bool:
        """Tell whether the variable was given, be it as any or none."""
        return name in self.values

    def get(self, name: str, default: Any = None) -> Any:
        """Return a variable's value; ``default`` where it was not given."""
        return self.values.get(name, default)

    def selection_names(self) -> list[str]:
        """Return the names of the variables that make the selection."""
        return [name for name, variable in VARIABLES[self.role].items() if variable.option is not None]

    def variable(self, name: str) -> str:
        """Return the name under which people know a variable."""
        return "{0}_{1}".format(self.role, name)

    def require(self, *names: str) -> None:
        """Raise RecordError unless all of these were given."""
        missing = [name for name in names if name not in self.values]
        if missing:
            said = " and ".join(self.variable(name) for name in missing)
            raise RecordError(
                "{0} must be given{1}; nothing was done".format(said, _how_to_say_none(self.role, missing)),
                Remedy(to_fill_in(self.role, missing)),
            )

    def in_own_words(self, sentence: str) -> str:
        """Return a sentence of the info module with its options called by the names of the variables."""
        for name, variable in VARIABLES[self.role].items():
            if variable.option is not None:
                sentence = re.sub(_AS_OPTION.format(variable.option), self.variable(name), sentence)
        for name in CONNECTION_VARIABLES:
            # The others are words, too.
            if "_" in name:
                sentence = re.sub(r"\b{0}\b".format(name), self.variable(name), sentence)
        return sentence

    def asked_for(self, sentence: str) -> list[str]:
        """Return the variable of the selection that the info module's sentence asks for: it names it last."""
        places = {name: sentence.rfind(self.variable(name)) for name in self.selection_names()}
        named = [name for name, place in places.items() if place >= 0]
        # Of names that begin alike the longer one is meant.
        return sorted(named, key=lambda name: (places[name], len(name)))[-1:]

    @property
    def name(self) -> str:
        """The record's name."""
        self.require("name")
        name: str = self.values["name"]
        return name


class VariablesError(RecordError):
    """Variables that can't be used; ``settings`` holds those that can."""

    def __init__(self, sentence: str, settings: Settings, to_mend: Iterable[str]) -> None:
        super().__init__(sentence, Remedy(to_fill_in(settings.role, to_mend)))
        self.settings = settings


def to_fill_in(role: str, names: Iterable[str]) -> dict[str, str]:
    """Return what to say in place of each variable; no role takes it for a value."""
    words = {name: VARIABLES[role][name].word for name in names}
    return {
        name: "<{0}{1}>".format(name.replace("_", " "), " or {0}".format(word) if word else "")
        for name, word in words.items()
    }


def read_settings(role: str, variables: Mapping[str, Any]) -> Settings:
    """Read variables, by their names with the role's prefix. Raises VariablesError with one sentence."""
    table = VARIABLES[role]
    values: dict[str, Any] = {}
    unknown, blank, wrong = [], [], {}
    for full_name in sorted(variables):
        name = full_name[len(role) + 1 :] if full_name.startswith(role + "_") else full_name
        if name not in table:
            unknown.append(full_name)
            continue
        try:
            values[name] = _read(table[name], variables[full_name])
        except _BlankError:
            blank.append(name)
        except ValueError as fault:
            wrong[name] = "{0}_{1} {2}".format(role, name, fault)
    settings = _settings(role, values)
    if unknown:
        raise _unknown(unknown[0], settings)
    if blank:
        raise VariablesError(
            "{0}: blank, which could mean everything or nothing; leave a variable out, or say it: any for a "
            "criterion that does not matter, none for no exemption or no ceiling; nothing was done".format(
                ", ".join(settings.variable(name) for name in blank)
            ),
            settings,
            [*blank, *wrong],
        )
    if wrong:
        raise VariablesError("{0}; nothing was done".format("; ".join(wrong.values())), settings, wrong)
    return settings


def check_kept(role: str, record: Record, where: str) -> None:
    """Raise RecordError, naming ``where``, for settings or a selection that the role could not have kept."""
    table = VARIABLES[role]
    by_option = {variable.option: variable for variable in table.values() if variable.option is not None}
    kept = [("settings", table, record.settings), ("selection", by_option, record.selection)]
    for part, variables, values in kept:
        for name, value in values.items():
            if value is None or name not in variables:
                continue
            try:
                variables[name].read(value)
            except (_BlankError, ValueError) as fault:
                words = str(fault) or "is blank"
                raise RecordError(
                    "{0} is not a record that can be read: {1}.{2} {3}".format(where, part, name, words)
                ) from fault


def _settings(role: str, values: dict[str, Any]) -> Settings:
    table = VARIABLES[role]
    selection = {
        variable.option: values[name]
        for name, variable in table.items()
        if variable.option is not None and values.get(name) is not None
    }
    criteria = [name for name in table if table[name].is_criterion and values.get(name) is not None]
    return Settings(role, values, selection, bool(criteria) or bool(values.get("all")))


def _read(variable: Variable, value: Any) -> Any:
    words = value if isinstance(value, (list, tuple)) else [value]
    said = [one.strip().lower() for one in words if isinstance(one, str)]
    if variable.word is not None and said == [variable.word] and len(words) == 1:
        return None
    if variable.word is not None and variable.word in said and len(words) > 1:
        raise ValueError("says {0} beside other values".format(variable.word))
    return variable.read(value)


def _unknown(full_name: str, settings: Settings) -> VariablesError:
    """Return what to raise for a variable that the role does not have; its value may be a secret."""
    name = full_name.replace(settings.variable(""), "", 1)
    close = difflib.get_close_matches(name, VARIABLES[settings.role], n=1)
    hint = "; did you mean {0}?".format(settings.variable(close[0])) if close else "."
    sentence = "{0} is not a variable of the role{1} Nothing was done".format(full_name, hint)
    return VariablesError(sentence, settings, [one for one in close if one not in settings.values])


def _how_to_say_none(role: str, names: Iterable[str]) -> str:
    is_any = any(VARIABLES[role][name].word == NONE for name in names)
    return " ({0} says on purpose that there is none)".format(NONE) if is_any else ""
