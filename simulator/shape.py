# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON schemas, compiled once, that say in one line what is wrong with a value."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

_LONGEST_PROBLEM = 300


class Shape:
    """What a JSON value must look like; `schemas` are those that `#/components/schemas/` refers to."""

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
