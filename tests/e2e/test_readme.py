# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README tells people to type, and the files it points to."""

from __future__ import annotations

import re

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tools.paths import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
ENVIRONMENT = {"RUNAI_CLIENT_ID": "rehearsal", "RUNAI_CLIENT_SECRET": "rehearsal-secret"}


@pytest.fixture
def first_playbook() -> str:
    """The playbook that follows its marker in the README."""
    found = re.search(r"<!-- first playbook -->\n```yaml\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found.group(1)


def idle(number: int, project: str, phase: str = "Running") -> dict[str, object]:
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "name": f"idle-{number}",
        "projectName": project,
        "phase": phase,
        "allocatedResources": {"gpu": 2},
        "idleAllocatedGpus": 2,
        "actionsSupport": {"delete": True, "suspend": True},
    }


def test_first_playbook_of_the_readme_suspends_idle_workloads_of_the_project(
    run_playbook: PlaybookRunner, run_playbook_on_the_oldest_core: PlaybookRunner, first_playbook: str
) -> None:
    """Check mode runs with the newest ansible-core, the real run with the oldest one."""
    rows = [idle(1, "vision"), idle(2, "vision", "Stopped"), idle(3, "speech"), idle(4, "vision")]
    with running(Settings(fleet={"workloads": rows}, transition_seconds=0.1)) as simulator:
        environment = {"RUNAI_BASE_URL": simulator.url, **ENVIRONMENT}
        rehearsed = run_playbook(first_playbook, env=environment, check=True)
        assert rehearsed.rc == 0, rehearsed.output
        assert "2 would change" in rehearsed.stdout
        assert simulator.summary()["batches"] == {}
        done = run_playbook_on_the_oldest_core(first_playbook, env=environment)
        assert done.rc == 0, done.output
        assert not done.warnings
        assert done.one("runai_workload_batch")["summary"]["changed"] == 2
        assert [simulator.state.phase(str(row["id"])) for row in rows] == [
            "Stopped",
            "Stopped",
            "Running",
            "Stopped",
        ]


def test_readme_has_no_relative_links() -> None:
    # They are dead where Automation Hub shows the page.
    assert [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target] == []


def test_readme_names_only_files_that_exist() -> None:
    named = re.findall(r"`([\w/.-]+\.(?:md|rst|txt))`", README)
    assert len(named) > 10
    folders = (CHECKOUT, CHECKOUT / "docs" / "docsite" / "rst")
    assert [name for name in named if not any((folder / name).is_file() for folder in folders)] == []


@pytest.mark.parametrize(
    "section",
    [
        "Requirements",
        "Installation",
        "Use cases",
        "Testing",
        "Support",
        "Release notes",
        "License information",
    ],
)
def test_readme_has_the_section_that_certification_asks_for(section: str) -> None:
    assert f"\n## {section}\n" in README


def test_readme_names_only_make_targets_that_exist() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"(?m)(?:^|`)make ([a-z-]+)\b", README))
    assert targets >= {"build", "demo", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
