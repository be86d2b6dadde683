# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the JSON schema of a record's lines, from their types: make schema"""

from __future__ import annotations

import json
import sys
from typing import Any, get_args

import msgspec
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import VERSION, Line

from tools.paths import CHECKOUT

SCHEMA = CHECKOUT / "docs" / "record.schema.json"


def schema() -> dict[str, Any]:
    """The schema of one line."""
    lines, definitions = msgspec.json.schema_components(get_args(Line), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of a record of runai_maintenance, version {VERSION}",
        "oneOf": list(lines),
        "$defs": definitions,
    }


def text() -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(), indent=2) + "\n"


def main() -> int:
    SCHEMA.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
