# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every code block of the documentation: which test plays it, or why none can."""

from __future__ import annotations

import re
import textwrap
from collections import Counter

import pytest
import yaml

from tools.paths import CHECKOUT

RST = "docs/docsite/rst/"
PAGES = [
    "README.md",
    "simulator/README.md",
    *(str(one.relative_to(CHECKOUT)) for one in sorted(CHECKOUT.glob("roles/*/README.md"))),
    *(str(one.relative_to(CHECKOUT)) for one in sorted(CHECKOUT.glob(RST + "*.rst"))),
]
# By page and language, the test that plays its blocks.
PLAYED = {
    ("README.md", "shell"): "e2e/test_pages.py",
    ("README.md", "yaml"): "e2e/test_pages.py",
    (RST + "start.rst", "shell"): "e2e/test_pages.py",
    (RST + "start.rst", "yaml"): "e2e/test_pages.py",
    ("simulator/README.md", "shell"): "e2e/test_pages.py",
    (RST + "guide_alert_to_node.rst", "yaml"): "e2e/test_pages.py",
    (RST + "guide_connection.rst", "yaml"): "e2e/test_pages.py",
    (RST + "guide_select.rst", "yaml"): "e2e/test_info_guide.py",
    (RST + "guide_maintenance.rst", "shell"): "e2e/test_maintenance_guide.py",
    (RST + "guide_maintenance.rst", "yaml"): "e2e/test_maintenance_guide.py",
    (RST + "guide_outcomes.rst", "yaml"): "e2e/test_outcomes_guide.py",
    (RST + "guide_faults.rst", "yaml"): "e2e/test_faults_guide.py",
    **{(page, "shell"): "e2e/test_role_runbooks.py" for page in PAGES if "/runbook_" in page},
    **{(f"{RST}runbook_rehearsal.rst", one): "e2e/test_maintenance_guide.py" for one in ("shell", "yaml")},
    **{
        (f"{RST}runbook_node_maintenance.rst", one): "e2e/test_node_maintenance.py"
        for one in ("shell", "yaml")
    },
    **{
        (f"{RST}runbook_{name}.rst", "yaml"): "e2e/test_role_runbooks.py"
        for name in ("cluster_upgrade", "nightly_cleanup", "quota_emergency")
    },
    (RST + "runbook_weekend_reclaim.rst", "shell"): "e2e/test_runbooks_reclaim.py",
    (RST + "runbook_weekend_reclaim.rst", "yaml"): "e2e/test_runbooks_reclaim.py",
    (RST + "runbook_off_hours.rst", "shell"): "e2e/test_runbooks_reclaim.py",
    **{(page, "yaml"): "e2e/test_role_runbooks.py" for page in PAGES if page.startswith("roles/")},
    ("simulator/README.md", "json"): "simulator/test_readme.py",
    ("simulator/README.md", "yaml"): "simulator/test_readme.py",
}
# By page and language, how many blocks no test plays, and why.
NOT_PLAYED: dict[tuple[str, str], tuple[int, str]] = {
    ("README.md", "shell"): (3, "each says so in a comment above it"),
    (RST + "guide_awx.rst", "shell"): (2, "they need podman: no image is built here"),
    (RST + "guide_outcomes.rst", "shell"): (1, "test_role_runbooks.py runs the same for other names"),
    (RST + "guide_alert_to_node.rst", "shell"): (
        2,
        "one needs a controller, and test_rulebook.py has a stand-in; the other is in the runbook, too",
    ),
    ("roles/workload_reclaim/README.md", "shell"): (1, "the runbook has the same commands, and is played"),
}


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of a page."""
    text = (CHECKOUT / page).read_text()
    if page.endswith(".md"):
        return re.findall(r"(?ms)^ *```(\w+)\n(.*?)^ *```", text)
    found = re.findall(r"(?m)^( *)\.\. code-block:: (\S+)\n((?:\n|\1 +.*\n)+)", text)
    return [(language, textwrap.dedent(block)) for _indent, language, block in found]


def test_blocks_of_the_documentation_are_played_or_listed() -> None:
    there = {(page, language) for page in PAGES for language, _text in blocks(page)}
    outputs = {one for one in there if one[1] in ("text", "console")}
    assert there - outputs == {*PLAYED, *NOT_PLAYED} & there, "a block that no test plays"
    assert {*PLAYED, *NOT_PLAYED} <= there, "a listed block that is gone"


def test_number_of_blocks_that_are_not_played_is_the_listed_one() -> None:
    counted = Counter((page, language) for page in PAGES for language, _text in blocks(page))
    alone = {key: number for key, (number, _why) in NOT_PLAYED.items() if key not in PLAYED}
    assert {key: counted[key] for key in alone} == alone
    readme = (CHECKOUT / "README.md").read_text()
    assert readme.count("<!-- not run: ") == NOT_PLAYED["README.md", "shell"][0]


@pytest.mark.parametrize("name", sorted(set(PLAYED.values())))
def test_listed_test_of_blocks_exists(name: str) -> None:
    assert (CHECKOUT / "tests" / name).is_file()


@pytest.mark.parametrize("page", PAGES)
def test_yaml_of_a_page_can_be_read(page: str) -> None:
    for language, text in blocks(page):
        if language == "yaml":
            assert yaml.safe_load(text)
