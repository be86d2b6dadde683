# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the documentation, and what they tell people to type."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TypeVar

from tools.paths import CHECKOUT

Step = TypeVar("Step")


def page(name: str) -> str:
    """Return the source of a page."""
    return (CHECKOUT / "docs" / "docsite" / "rst" / f"{name}.rst").read_text()


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text)
    return [textwrap.dedent(block).strip() for block in found]


def commands(text: str) -> list[str]:
    """Return the shell commands of a page in order; a blank line or the end of a block ends one."""
    return [command for block in blocks(text, "shell") for command in block.split("\n\n")]


def last_of_each(steps: Sequence[Step]) -> list[Step]:
    """Leave out what comes again further down: a play is dear, and a page has many twice."""
    return [step for number, step in enumerate(steps) if step not in steps[number + 1 :]]
