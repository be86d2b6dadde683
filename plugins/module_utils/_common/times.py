# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Points in time and ages, as the API writes them and as people do."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Optional

_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(?: ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_AGE = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[wdhms])+")
_AGE_PART = re.compile(r"([0-9.]+)([wdhms])")
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_timestamp(text: str) -> Optional[datetime]:
    """Return an ISO 8601 date or date and time as an aware datetime in UTC, or ``None`` if it is none.

    Without a zone it is UTC. Fractions may have any number of digits.
    """
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None:
        return None
    *numbers, fraction, zone = found.groups()
    year, month, day, hour, minute, second = (int(one or 0) for one in numbers)
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second, micros, timezone.utc)
        return moment - _offset(zone or "Z")
    except (ValueError, OverflowError):
        return None


def parse_http_date(text: str) -> Optional[datetime]:
    """Return the date of an HTTP header, or ``None`` if it is none. It is always GMT."""
    try:
        parsed = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    # Also where the text does not say so.
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def parse_age(text: str) -> Optional[timedelta]:
    """Return an age such as ``90m``, ``12h``, ``7d``, ``2w`` or ``1d12h``, or ``None`` if it is none.

    Units may be in upper case but for ``M``, which elsewhere means months.
    """
    folded = text.strip().lower()
    if not _AGE.fullmatch(folded) or "M" in text:
        return None
    try:
        return timedelta(
            seconds=sum(float(number) * _UNITS[unit] for number, unit in _AGE_PART.findall(folded))
        )
    except OverflowError:
        return None


def parse_before(text: str, now: datetime) -> datetime:
    """Return the moment that ``text``, an age or a timestamp, names.

    Raises ValueError, with a sentence that goes after the option's name, for anything else and for a
    moment to come: everything lies before that.
    """
    age = parse_age(text)
    if age is not None:
        try:
            return now - age
        except OverflowError:
            raise ValueError("'{0}' is too long ago".format(text)) from None
    if "M" in text and parse_age(text.lower()) is not None:
        raise ValueError(
            "'{0}' may mean minutes or months. Use a small m for minutes, and days for months (180d)".format(
                text
            )
        )
    moment = parse_timestamp(text)
    if moment is None:
        raise ValueError("'{0}' is neither an age (90m, 12h, 7d, 1d12h) nor a timestamp".format(text))
    if moment > now:
        raise ValueError("'{0}' lies in the future".format(text))
    return moment


def format_age(age: timedelta) -> str:
    """Return an age in its two largest units, e.g. ``5d3h``, ``12m`` or ``0s``; below zero it is ``0s``."""
    left = max(0, int(age.total_seconds()))
    parts: list[tuple[int, str]] = []
    for unit in "dhms":
        number, left = divmod(left, _UNITS[unit])
        if number or parts:
            parts.append((number, unit))
    return "".join("{0}{1}".format(number, unit) for number, unit in parts[:2] if number) or "0s"


def _offset(zone: str) -> timedelta:
    """Return the offset of a zone from UTC; raise ValueError for one that no clock has."""
    if zone in "Zz":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        raise ValueError(zone)
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone.startswith("-") else offset


def utc_now(ahead: float = 0.0) -> str:
    """Return the time as events carry it, by a clock that is ``ahead`` of this one by so many seconds."""
    return api_time(datetime.now(timezone.utc) + timedelta(seconds=ahead))


def api_time(moment: datetime) -> str:
    """Return an aware datetime as the API writes it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
