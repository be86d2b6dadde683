# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of options as people, playbooks and surveys give them; each is checked, or raises OptionError."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from .errors import OptionError

# Of the option concurrency.
MOST_CONCURRENT = 16


def whole(option: str, value: Optional[int], least: int) -> Optional[int]:
    """Return a number that is at least ``least``, or ``None``."""
    if value is not None and value < least:
        raise OptionError(option, "must be at least {0}".format(least))
    return value


def within(option: str, value: int, most: int) -> int:
    """Return a number from 1 to ``most``."""
    if not 1 <= value <= most:
        raise OptionError(option, "must be from 1 to {0}".format(most))
    return value


def seconds(option: str, value: Any, least: float) -> float:
    """Return a time that is at least ``least``."""
    found = float(value)
    if not math.isfinite(found) or found < least:
        raise OptionError(option, "must be a number of seconds, at least {0:g}".format(least))
    return found


def with_whole_texts(
    params: Mapping[str, Any], given: Mapping[str, Any], options: Iterable[str]
) -> dict[str, Any]:
    """Return the options with each of ``options`` that was ``given`` as a text as a list of that one text.

    Ansible splits a survey's text at its commas. A comma at the end makes an empty element.
    """
    texts = {option: [given[option]] for option in options if isinstance(given.get(option), str)}
    return {**params, **texts}


def has_blank(value: object, ignored: str = "") -> bool:
    """Return whether it is null, a blank text or an empty list, or a list with such an element.

    The character ``ignored`` makes no text of a blank one.
    """
    elements = value if isinstance(value, (list, tuple)) else [value]
    return not elements or any(
        element is None or not str(element).replace(ignored, "").strip() for element in elements
    )


def reject_blank(option: str, value: object, may_be_empty: bool = False) -> None:
    """Reject null, "" and what is as empty: it must neither widen nor narrow a selection."""
    if has_blank(value) and not (may_be_empty and value in ([], ())):
        raise OptionError(
            option,
            "is empty, or holds an empty element (an unanswered question arrives like that). "
            "Omit it, or set a value.",
        )


def names(option: str, values: Sequence[object]) -> tuple[str, ...]:
    """Return distinct names; an element of several lines, as text areas give them, is several."""
    found = []
    for element in values:
        reject_blank(option, element)
        found += [line.strip() for line in str(element).splitlines() if line.strip()]
    return tuple(dict.fromkeys(found))
