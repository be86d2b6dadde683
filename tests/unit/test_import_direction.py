# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rooms of module_utils import one way only."""

from __future__ import annotations

import re
from pathlib import Path

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
# A room, and the rooms that it may import from.
ALLOWED = {
    "_common": set[str](),
    "_system": {"_common"},
    "_api": {"_common", "_system"},
    "_workload": {"_common", "_system", "_api"},
    "_batch": {"_common", "_system", "_api", "_workload"},
    "_selection": {"_common", "_system", "_api", "_workload"},
    "_record": {"_common", "_system", "_api", "_workload", "_batch"},
    "_maintenance": {"_common", "_system", "_api", "_workload", "_batch", "_selection", "_record"},
}


def test_imports_of_each_room_lead_to_rooms_before_it() -> None:
    wrong = []
    for file in MODULE_UTILS.glob("*/*.py"):
        rooms = set(re.findall(r"^\s*from \.\.(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
        strays = rooms - ALLOWED[file.parent.name]
        wrong += ["{0}/{1} imports {2}".format(file.parent.name, file.name, room) for room in sorted(strays)]
    assert wrong == []


def test_rooms_have_no_other_way_to_each_other_than_relative_imports() -> None:
    absolute = [
        file.name for file in MODULE_UTILS.rglob("*.py") if "import ansible_collections" in file.read_text()
    ]
    absolute += [
        file.name for file in MODULE_UTILS.rglob("*.py") if "from ansible_collections" in file.read_text()
    ]
    assert absolute == []
