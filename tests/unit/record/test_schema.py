# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schema of a record. tests/component/maintenance_site.py holds each record against it."""

from __future__ import annotations

from typing import get_args

import jsonschema
import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import Line, head_event, state_event

from tools.record_schema import SCHEMA, schema, text

GUIDE = SCHEMA.parent / "docsite" / "rst" / "guide_maintenance.rst"


def test_record_schema_is_of_the_types_of_the_lines() -> None:
    assert SCHEMA.read_text() == text(), "write it anew with: make schema"


def test_record_schema_accepts_one_kind_a_line() -> None:
    head = head_event("1", "night", {}, "2026-01-01T00:00:00Z", {})
    jsonschema.validate(head, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**head, "version": 0}, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**state_event("begun", "", {}), "state": "paused"}, schema())


@pytest.mark.parametrize("line", get_args(Line))
def test_guide_of_the_record_names_each_line_and_its_keys(line: type) -> None:
    definition = schema()["$defs"][line.__name__]
    (kind,) = definition["properties"]["event"]["enum"]
    row = next(row for row in GUIDE.read_text().split("\n   * - ") if row.startswith(f"``{kind}``"))
    for key in definition["required"]:
        assert key == "event" or f"``{key}``" in row
