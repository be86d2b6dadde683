# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The architecture page names files, functions and constants that exist."""

from __future__ import annotations

import re
from pathlib import Path

COLLECTION = Path(__file__).resolve().parents[2]
MODULE_UTILS = COLLECTION / "plugins" / "module_utils"
# The last one is for names of tests in a table of one folder.
PLACES = (COLLECTION, MODULE_UTILS, COLLECTION / "tests" / "component")
# Only in the checkout, not in what ansible-test gets to see.
CHECKOUT_ONLY = ("tests/e2e", "tests/component", "test_")


def test_architecture_page_names_only_files_that_exist() -> None:
    page = (COLLECTION / "docs" / "docsite" / "rst" / "architecture.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"``([\w/]+\.py)``", page)) - {"__init__.py", "options.py"}
    assert len(named) > 20
    is_checkout = (COLLECTION / "tests" / "component").is_dir()
    held = [name for name in named if is_checkout or not name.startswith(CHECKOUT_ONLY)]
    assert [name for name in sorted(held) if not any((place / name).is_file() for place in PLACES)] == []


def test_architecture_page_names_only_functions_and_constants_of_their_files() -> None:
    page = (COLLECTION / "docs" / "docsite" / "rst" / "architecture.rst").read_text(encoding="utf-8")
    named = re.findall(r"``(_\w+/\w+\.py)``,\s+``([\w.]+)``(?:\s+and\s+``(\w+)``)?", page)
    assert len(named) > 10
    missing = [
        (path, name)
        for path, *names in named
        for name in filter(None, names)
        if not re.search(
            r"\b{0}\b".format(name.split(".")[-1]), (MODULE_UTILS / path).read_text(encoding="utf-8")
        )
    ]
    assert missing == []


def test_architecture_page_shows_every_room() -> None:
    page = (COLLECTION / "docs" / "docsite" / "rst" / "architecture.rst").read_text(encoding="utf-8")
    rooms = [
        folder.name for folder in MODULE_UTILS.iterdir() if folder.is_dir() and folder.name != "__pycache__"
    ]
    assert [room for room in sorted(rooms) if "    {0}/".format(room) not in page] == []
    assert len(list(MODULE_UTILS.glob("[!_]*"))) == 0
    for folder in (MODULE_UTILS, *(MODULE_UTILS / room for room in rooms)):
        entries = [entry for entry in folder.iterdir() if entry.name != "__pycache__"]
        assert len(entries) <= (9 if folder == MODULE_UTILS else 18)
