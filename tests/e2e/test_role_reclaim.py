# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role workload_reclaim as people run it, and the end of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import Site, told, workload

FLEET: list[dict[str, Any]] = [
    workload(1, idleAllocatedGpus=2),
    workload(2, idleAllocatedGpus=2, submittedBy="bob@example.com"),
    workload(3, idleAllocatedGpus=0),
    workload(4, "Stopped"),
]
SAID: dict[str, Any] = {
    "name": "weekend",
    "reason": "idle",
    "min_idle_gpus": 1,
    "idle_for": "1s",
    "samples": 2,
    "max_affected": 2,
    "max_percent": 100,
}


@pytest.fixture
def site(run_playbook: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    with running(Settings(fleet={"workloads": FLEET}, transition_seconds=0.05)) as simulator:
        yield Site(simulator, run_playbook, tmp_path / "records")


def test_what_idles_at_every_read_is_suspended_and_comes_back(site: Site) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder)}
    checked = site.play("reclaim", check=True, **where, **SAID)
    assert checked.rc == 0, checked.output
    assert "Idle for 1s: at each of 2 reads spread over it" in checked.stdout
    assert site.writes() == []
    assert not site.folder.exists()
    done = site.play("reclaim", **where, **SAID)
    assert done.rc == 0, done.output
    assert done.warnings == []
    assert sorted(site.sent("suspend")) == [FLEET[0]["id"], FLEET[1]["id"]]
    (result,) = (task.result for task in done.tasks if task.task.endswith("whom to tell"))
    owners = result["ansible_facts"]["workload_reclaim_result"]["owners"]
    assert {one["owner"]: one["workloads"] for one in owners} == {
        "ada@example.com": ["vision/train-1"],
        "bob@example.com": ["nlp/train-2"],
    }
    again = site.play("reclaim", **where, **SAID)
    assert again.rc == 0, again.output
    assert "changed=0" in again.stdout
    ended = site.play("maintenance_end", name="weekend", **where)
    assert ended.rc == 0, ended.output
    assert sorted(site.sent("resume")) == [FLEET[0]["id"], FLEET[1]["id"]]
    assert site.record("weekend")["state"] == "ended"


def test_what_works_again_between_two_reads_is_left_alone(site: Site) -> None:
    busy = {"kind": "edit_rows", "set": {"idleAllocatedGpus": 0}, "ids": [FLEET[0]["id"]]}
    # The first look reads the list twice: what idles, and how much is active.
    site.simulator.faults({"match": {"path": "/api/v1/workloads"}, "nth": 3, "times": 1, "fault": busy})
    done = site.play("reclaim", record_dir=str(site.folder), **SAID)
    assert done.rc == 0, done.output
    assert sorted(site.sent("suspend")) == [FLEET[1]["id"]]


def test_one_read_is_called_idle_now(site: Site) -> None:
    run = site.play("reclaim", check=True, record_dir=str(site.folder), **{**SAID, "idle_for": "now"})
    assert run.rc == 0, run.output
    assert "Idle now, at one read: not known for how long" in run.stdout
    assert "Idle for" not in run.stdout


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"samples": 1}, "must be at least 2"),
        ({"idle_for": "long"}, "must be an age"),
        ({"min_idle_gpus": ""}, "blank"),
        ({"max_affected": 1}, "max_affected is 1, but 2 would be acted on"),
    ],
)
def test_what_would_go_too_far_is_refused(site: Site, said: dict[str, Any], words: str) -> None:
    run = site.play("reclaim", **{**SAID, "record_dir": str(site.folder), **said})
    assert words in told(run)
    assert site.writes() == []
