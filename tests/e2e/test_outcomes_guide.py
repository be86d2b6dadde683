# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back from a suspend that the guide describes, played as it stands there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e.playbook import PlaybookRunner
from tests.support.workloads import fleet, workload_id
from tools.paths import CHECKOUT

GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "guide_outcomes.rst"
BLOCK = re.compile(
    r"^Suspended workloads have to be resumed\n(?:.*\n)*?    \.\. code-block:: yaml\n\n((?: {8}.*\n)+)", re.M
)


def test_playbook_of_the_guide_resumes_what_the_report_lists(
    run_playbook: PlaybookRunner, tmp_path: Path
) -> None:
    found = BLOCK.search(GUIDE.read_text())
    assert found is not None
    ids = [workload_id(number) for number in range(4)]
    suspend: dict[str, Any] = {"action": "suspend", "ids": ids, "report_path": "{{ report }}"}
    with running(Settings(fleet=fleet(4), transition_seconds=0)) as simulator:
        # Stopped by another before, and none of ours to resume.
        simulator.state.set_phase(ids[0], "Stopped")
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"report": str(tmp_path / "report.jsonl")},
            "module_defaults": {
                "group/gpuops.runai.runai": {
                    "base_url": simulator.url,
                    "client_id": CLIENT_ID,
                    "client_secret": CLIENT_SECRET,
                }
            },
            "tasks": [
                {"name": "Suspend", "gpuops.runai.runai_workload_batch": suspend},
                *yaml.safe_load(textwrap.dedent(found.group(1))),
            ],
        }
        run = run_playbook(yaml.safe_dump([play]))
        assert run.rc == 0, run.output
        assert set(simulator.summary()["ids_sent"]["resume"]) == set(ids[1:])
        assert simulator.state.phase(ids[0]) == "Stopped"
