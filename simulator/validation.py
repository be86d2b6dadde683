# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of values, by JSON schemas or one at a time; each says in a sentence what is wrong."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import jsonschema_rs

_LONGEST_PROBLEM = 300


class Shape:
    """What a JSON value must be; `schemas` are those that `#/components/schemas/` refers to."""

    def __init__(self, schema: dict[str, Any], schemas: dict[str, Any] | None = None) -> None:
        whole = {**schema, "components": {"schemas": schemas or {}}}
        self._validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    def problem(self, value: Any) -> str | None:
        """The first thing that is wrong with a value, and where; None when nothing is."""
        if self._validator.is_valid(value):
            return None
        error = next(iter(self._validator.iter_errors(value)))
        place = "/".join(str(part) for part in error.instance_path)
        text = f"{place}: {error.message}" if place else str(error.message)
        return text if len(text) <= _LONGEST_PROBLEM else text[:_LONGEST_PROBLEM] + " ..."


MOST = 1_000_000_000
"""No number of seconds, GPUs or workloads is larger: as seconds thirty years, and an int32 in responses."""

_UUID = Shape({"type": "string", "format": "uuid"})


def check_number(name: str, value: Any) -> None:
    """A number from 0 to MOST, such as seconds."""
    # Not a number is not in between either.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST:
        raise ValueError(f"{name} is a number from 0 to {MOST}, not {value!r}")


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """One of some values."""
    if value not in choices:
        raise ValueError(f"{name} is {' or '.join(choices)}, not {value!r}")


def check_switch(name: str, value: Any) -> None:
    """On or off."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false, not {value!r}")


def check_texts(name: str, value: Any) -> None:
    """Any number of texts."""
    if (
        isinstance(value, str)
        or not isinstance(value, Collection)
        or not all(isinstance(one, str) for one in value)
    ):
        raise ValueError(f"{name} is a list of texts, not {value!r}")


def check_ids(name: str, value: Any) -> None:
    """Any number of ids of workloads."""
    check_texts(name, value)
    for one in value:
        if _UUID.problem(one) is not None:
            raise ValueError(f"{name} is a list of uuids; {one!r} is none")
