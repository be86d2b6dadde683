# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that came from outside, made safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

MESSAGE_LENGTH = 500
NAME_LENGTH = 253
HIDDEN = "********"

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
    """Return ``text`` without ``secrets``; called before it is cut, since half a secret is not recognised."""
    # The longest first: one secret may be part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def first_line(body: bytes) -> str:
    """Return the first line of an answer that is not JSON, e.g. a proxy's page."""
    for line in body[:4096].decode("utf-8", "replace").splitlines():
        if line.strip():
            return clean(line, 200)
    return ""


def some_of(values: Sequence[str], most: int = 10) -> str:
    """Return the first few of ``values`` in a row, e.g. ``a, b and 3 more``."""
    more = " and {0} more".format(len(values) - most) if len(values) > most else ""
    return ", ".join(values[:most]) + more


def counted(number: int, noun: str) -> str:
    """Return e.g. ``1 workload`` or ``3 workloads``."""
    return "{0} {1}{2}".format(number, noun, "" if number == 1 else "s")
