# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether JSON values have the fields and types of a dataclass: people edit records by hand."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Collection, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from .._common.text import clean

_NULL = type(None)
# The types that a JSON value of each kind is read as, and the word for it.
_READ_AS: Mapping[Any, Collection[type]] = {
    str: (str,),
    bool: (bool,),
    int: (int,),
    float: (int, float),
    _NULL: (_NULL,),
    list: (list,),
    dict: (dict,),
}
_WORDS: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    _NULL: "null",
    list: "a list",
    dict: "an object",
}


def check_shape(value: object, hint: Any, where: str = "", ignored: Collection[str] = ()) -> None:
    """Raise ValueError, saying where, unless a JSON value is what a type hint says.

    Hints are dataclasses, lists, dictionaries, plain types, ``Any``, and ``Optional`` ones of these.
    ``ignored`` names keys that a dataclass does not have and that may be there all the same.
    """
    if hint is Any:
        return
    if type(value) not in _types(hint):
        words = " or ".join(_WORDS[kind] for kind in _kinds(hint))
        raise ValueError(
            "{0} is {1}, and must be {2}".format(where or "it", clean(json.dumps(value), 60), words)
        )
    (inner, *_null) = get_args(hint) if get_origin(hint) is Union else (hint,)
    if isinstance(value, list):
        for number, one in enumerate(value):
            check_shape(one, get_args(inner)[0], "{0}[{1}]".format(where, number), ignored)
    elif isinstance(value, dict) and dataclasses.is_dataclass(inner):
        _check_fields(value, inner, where + "." if where else "", ignored)
    elif isinstance(value, dict):
        for key, one in value.items():
            check_shape(one, get_args(inner)[1], "{0}.{1}".format(where, key), ignored)


def _check_fields(value: Mapping[str, Any], kind: Any, prefix: str, ignored: Collection[str]) -> None:
    hints, needed = _fields(kind)
    for name in needed:
        if name not in value:
            raise ValueError("{0}{1} is missing".format(prefix, name))
    for name, one in value.items():
        if name in hints:
            check_shape(one, hints[name], prefix + name, ignored)
        elif name not in ignored:
            raise ValueError("{0}{1} is not known".format(prefix, clean(name, 60)))


@functools.cache
def _fields(kind: Any) -> tuple[Mapping[str, Any], Collection[str]]:
    """Return the hints of a dataclass's fields by name, and which fields have no default."""
    needed = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return get_type_hints(kind), needed


@functools.cache
def _types(hint: Any) -> Collection[type]:
    return frozenset(one for kind in _kinds(hint) for one in _READ_AS[kind])


def _kinds(hint: Any) -> list[Any]:
    if get_origin(hint) is Union:
        return [kind for one in get_args(hint) for kind in _kinds(one)]
    return [dict if dataclasses.is_dataclass(hint) else get_origin(hint) or hint]
