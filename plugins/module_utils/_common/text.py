# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that came from outside, made safe to show."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus

MESSAGE_LENGTH = 500
NAME_LENGTH = 253
HIDDEN = "********"
# A shorter secret occurs in ids and texts by chance: hiding it would spoil them.
SHORTEST_SECRET = 4

_PERCENT_CODE = re.compile("%[0-9A-F]{2}")
_HEADING = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile("<[^>]*>?")
_UNSAFE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def clean(value: object, length: int = MESSAGE_LENGTH) -> str:
    """Return ``value`` as one line of at most ``length`` characters that a terminal can show.

    Control, format (bidirectional marks among them) and line separating characters become a
    space; anything but a string becomes the empty string.
    """
    if not isinstance(value, str):
        return ""
    # Cut before looking at each character: a hostile message may be megabytes long.
    text = value[: length * 2]
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(char) in _UNSAFE_CATEGORIES else char for char in text)
    text = text.strip()
    if len(text) > length:
        return text[: length - 1] + "…"
    return text


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without ``secrets``, also where it has them as JSON, a form or an address would.

    Called before it is cut, since half a secret is not recognised. Secrets of fewer than
    SHORTEST_SECRET characters are left.
    """
    shapes = {shape for secret in secrets if is_hideable(secret) for shape in _shapes(secret)}
    # The longest first: one secret may be part of another.
    for shape in sorted(shapes, key=len, reverse=True):
        text = text.replace(shape, HIDDEN)
    return text


def is_hideable(secret: str) -> bool:
    """Return whether a secret is long enough to be hidden without hiding other text."""
    return len(secret) >= SHORTEST_SECRET


def _shapes(secret: str) -> list[str]:
    quoted = [
        quote(secret, safe="", errors="surrogateescape"),
        quote(secret, errors="surrogateescape"),
        quote_plus(secret, errors="surrogateescape"),
    ]
    lower_case = [_PERCENT_CODE.sub(lambda code: code.group().lower(), one) for one in quoted]
    return [secret, json.dumps(secret)[1:-1], *quoted, *lower_case]


def first_line(body: bytes) -> str:
    """Return the first line of a response that is not JSON; of a page its title or heading, if it has one."""
    text = body[:4096].decode("utf-8", "replace")
    lines = text.splitlines()
    if text.lstrip().startswith("<"):
        headings = [found.group(2) for found in _HEADING.finditer(text)]
        lines = [" ".join(html.unescape(_TAG.sub(" ", line)).split()) for line in (*headings, *lines)]
    return next((clean(line, 200) for line in lines if line.strip()), "")


def shortened(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return ``text``, cut after ``length`` characters, with the number of those left out."""
    if len(text) <= length:
        return text
    return "{0}... and {1} more characters".format(text[:length], len(text) - length)


def some_of(values: Sequence[str], most: int = 10) -> str:
    """Return the first few of ``values`` in a row, e.g. ``a, b and 3 more``."""
    more = " and {0} more".format(len(values) - most) if len(values) > most else ""
    return ", ".join(values[:most]) + more


def counted(number: int, noun: str) -> str:
    """Return e.g. ``1 workload`` or ``3 workloads``."""
    return "{0} {1}{2}".format(number, noun, "" if number == 1 else "s")


def counted_gpus(number: float) -> str:
    """Return e.g. ``1 GPU`` or ``7.5 GPUs``."""
    return "{0:g} GPU{1}".format(number, "" if number == 1 else "s")


def escaped(value: str) -> str:
    """Return a text for Markdown."""
    return "".join("\\" + one if one in "\\`*_{}[]<>#|" else one for one in value)
