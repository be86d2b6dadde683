# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads that their owners keep until a date. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Optional

from .._common.errors import OptionError
from .._common.text import clean
from .._common.times import parse_timestamp

_CRITERIA = ("name", "project", "owner")
_KEYS = (*_CRITERIA, "until", "reason")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class KeepEntry(NamedTuple):
    """Workloads to leave alone before ``end``; ``given`` are the texts of the option by their keys."""

    given: Mapping[str, str]
    end: datetime

    def keeps(self, name: Optional[str], project: Optional[str], owner: Optional[str]) -> bool:
        """Return whether all that the entry names is true of a workload."""
        return (
            fnmatchcase(name or "", self.given.get("name", "*"))
            and self.given.get("project", project) == project
            and self.given.get("owner", owner) == owner
        )

    @property
    def until(self) -> str:
        """The end as it was given."""
        return self.given["until"]

    def describe(self) -> str:
        """Return the entry for people."""
        named = ["{0} {1}".format(key, clean(self.given[key], 100)) for key in _CRITERIA if key in self.given]
        reason = " ({0})".format(clean(self.given["reason"], 100)) if "reason" in self.given else ""
        return "{0}, until {1}{2}".format(", ".join(named), self.until, reason)


class Keep(NamedTuple):
    """The entries that count at this moment, and those that have run out."""

    entries: Sequence[KeepEntry] = ()
    run_out: Sequence[KeepEntry] = ()

    def entry_for(
        self, name: Optional[str], project: Optional[str], owner: Optional[str]
    ) -> Optional[KeepEntry]:
        """Return the entry that keeps a workload longest, if one does."""
        found = [one for one in self.entries if one.keeps(name, project, owner)]
        return max(found, key=lambda one: one.end) if found else None

    def notes(self) -> list[str]:
        """Return a line for each entry that has run out."""
        return ["keep: ignored, since it has run out: {0}".format(one.describe()) for one in self.run_out]


def keep_argument_spec() -> dict[str, Any]:
    """Return the option ``keep``."""
    return {"type": "list", "elements": "dict", "options": {key: {"type": "str"} for key in _KEYS}}


def keep_of(values: Optional[Iterable[Mapping[str, Any]]], now: datetime) -> Keep:
    """Check the entries, and sort them by whether they count. Raises OptionError."""
    entries = [_entry(number, value) for number, value in enumerate(values or (), 1)]
    return Keep([one for one in entries if one.end > now], [one for one in entries if one.end <= now])


def _entry(number: int, value: Mapping[str, Any]) -> KeepEntry:
    given = {key: str(one).strip() for key, one in value.items() if one is not None}
    blank = [key for key, text in given.items() if not text]
    if blank:
        raise _error(number, "{0} is empty. Set or omit it".format(", ".join(blank)))
    if not any(key in given for key in _CRITERIA):
        raise _error(number, "it names no workload. Set name, project or owner")
    if "until" not in given:
        raise _error(number, "until is missing. Set a date such as 2026-12-31; nothing is kept for ever")
    text = given["until"]
    end = parse_timestamp(text)
    if end is None:
        raise _error(number, "until: '{0}' is no date or time such as 2026-12-31".format(clean(text, 60)))
    if _DATE.fullmatch(text):
        # The whole of that day counts.
        end += timedelta(days=1)
    return KeepEntry(given, end)


def _error(number: int, problem: str) -> OptionError:
    return OptionError("keep", "entry {0}: {1}".format(number, problem))
