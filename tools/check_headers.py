# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that every source file opens with the licence header: python -m tools.check_headers"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.paths import CHECKOUT, source_files

LICENCE = "GPL-3.0-or-later"
HEADER = (
    "Copyright (c) ",
    f"GNU General Public License v3.0+ (see LICENSES/{LICENCE}.txt or https://www.gnu.org/licenses/gpl-3.0.txt)",
    f"SPDX-License-Identifier: {LICENCE}",
)
COMMENTED = {".cfg", ".ini", ".j2", ".md", ".py", ".rst", ".sh", ".toml", ".txt", ".yaml", ".yml"}
NAMES = {".ansible-lint", ".gitignore", "Makefile", "run"}
# The licence itself, and what antsibull-changelog writes.
NOT_OURS = {Path(f"LICENSES/{LICENCE}.txt"), Path("CHANGELOG.rst"), Path("changelogs/changelog.yaml")}


def lacks_header(text: str) -> bool:
    """Whether the three lines are missing from the first ones, in order (a #! or {# may come before them)."""
    lines = iter(text.splitlines()[:6])
    return not all(any(wanted in line for line in lines) for wanted in HEADER)


def main() -> int:
    checked = [
        name
        for name in source_files()
        if name not in NOT_OURS and (name.suffix in COMMENTED or name.name in NAMES)
    ]
    missing = [name for name in checked if lacks_header((CHECKOUT / name).read_text(encoding="utf-8"))]
    for name in missing:
        print(f"{name}: no licence header in the first lines")
    print(f"licence header: {len(checked) - len(missing)} of {len(checked)} files have it")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
