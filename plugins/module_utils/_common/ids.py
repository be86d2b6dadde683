# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of workload ids as people, playbooks and surveys give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional

from .errors import OptionError
from .text import clean, some_of

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEPARATORS = re.compile(r"[\s,]+")


class Ids(NamedTuple):
    """``ids`` are distinct, lower-case and in the order given; ``duplicates`` counts the rest."""

    ids: list[str]
    duplicates: int


def fold_id(value: object) -> Optional[str]:
    """Return a uuid in lower case, or ``None`` for anything that is not one."""
    if not isinstance(value, str):
        return None
    folded = value.lower()
    return folded if _UUID.fullmatch(folded) else None


def pieces(value: str) -> list[str]:
    """Return what commas and white space separate."""
    return [piece for piece in _SEPARATORS.split(value) if piece]


def parse_ids(value: Optional[Sequence[object]], option: str) -> Ids:
    """Split, check and fold a list of ids.

    Every element is split on commas and white space, since surveys give strings; pieces of white
    space alone drop. Raises OptionError for ``None``, for an element that is exactly empty (a null
    in a list arrives like that) and for anything that is not a uuid, naming what is wrong.
    """
    if value is None:
        raise OptionError(option, "is null. Give a list of workload ids, or an empty list for none.")
    for position, element in enumerate(value, start=1):
        if element is None or element == "":
            raise OptionError(
                option,
                "element {0} of {1} is empty (a null or an unanswered question arrives like that). "
                "Remove it.".format(position, len(value)),
            )
    ids, bad = _sorted_out(value)
    if bad:
        shown = some_of(["'{0}'".format(clean(_spelt_out(piece), 60)) for piece in bad])
        raise OptionError(option, "not a uuid: {0}".format(shown))
    return ids


def well_formed_ids(value: Optional[Sequence[object]]) -> Ids:
    """Return the well-formed ids of a list, without those that ``parse_ids`` would reject."""
    return _sorted_out(value or ())[0]


def _sorted_out(elements: Sequence[object]) -> tuple[Ids, list[str]]:
    """Return the ids, and the pieces that are none."""
    found: list[str] = []
    bad: list[str] = []
    for element in elements:
        for piece in pieces("" if element is None else str(element)):
            folded = fold_id(piece)
            if folded is None:
                bad.append(piece)
            else:
                found.append(folded)
    ids = list(dict.fromkeys(found))
    return Ids(ids, len(found) - len(ids)), bad


def _spelt_out(piece: str) -> str:
    """Return ``piece`` with what can't be seen in it as an escape: it may be all that is wrong."""
    text = piece[:100]
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
