# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role workload_cleanup as people run it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import Site, told, workload

SAID: dict[str, Any] = {"older_than": "7d", "max_affected": 5, "max_percent": "60"}


def finished(number: int, days: float, phase: str = "Completed", **fields: Any) -> dict[str, Any]:
    when = (datetime.now(UTC) - timedelta(days=days)).isoformat().replace("+00:00", "Z")
    return workload(number, phase, completedAt=when, phaseUpdatedAt=when, **fields)


FLEET: list[dict[str, Any]] = [
    finished(1, 30, name="old"),
    finished(2, 30, "Failed", name="old-failed"),
    finished(3, 30, name="prod-old"),
    finished(4, 1, name="new"),
    finished(5, 8, name="last-but-one"),
    workload(7, "Stopped"),
    workload(8, "Running"),
]
OLD = [row["id"] for row in (FLEET[0], FLEET[1], FLEET[2], FLEET[4])]


@pytest.fixture
def site(run_playbook: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    settings = Settings(fleet={"workloads": FLEET}, transition_seconds=0.05)
    with running(settings) as simulator:
        yield Site(simulator, run_playbook, tmp_path / "records")


def test_what_finished_long_ago_is_deleted_but_for_what_is_kept(site: Site) -> None:
    said: dict[str, Any] = {
        **SAID,
        "record_dir": str(site.folder),
        "phases": "completed, FAILED",
        "keep_names": "prod-*",
        "keep_newest": 1,
    }
    checked = site.play("cleanup", check=True, **said)
    assert checked.rc == 0, checked.output
    assert "deletes 2 workloads" in checked.stdout
    assert site.writes() == []
    assert not site.folder.exists()
    done = site.play("cleanup", **said)
    assert done.rc == 0, done.output
    assert done.warnings == []
    # The newest of each project stays: new in nlp, and last-but-one in vision.
    assert sorted(site.sent("delete")) == sorted([FLEET[0]["id"], FLEET[1]["id"]])
    (path,) = site.folder.glob("cleanup-*.record.json")
    assert site.record(path.name.removesuffix(".record.json"))["state"] == "ended"
    again = site.play("cleanup", **said)
    assert again.rc == 0, again.output
    assert "changed=0" in again.stdout
    assert len(list(site.folder.glob("*.record.json"))) == 1


def test_only_what_is_still_finished_is_deleted(site: Site) -> None:
    lives_again = {"kind": "change_phase", "ids": [OLD[0]], "phase": "Running"}
    site.simulator.faults({"match": {"path": f"/api/v1/workloads/{OLD[0]}"}, "fault": lives_again})
    said: dict[str, Any] = {**SAID, "max_percent": "none", "record_dir": str(site.folder), "name": "tonight"}
    run = site.play("cleanup", **said)
    assert run.rc == 0, run.output
    assert site.phases()[OLD[0]] == "Running"
    assert sorted(site.sent("delete")) == sorted(OLD[1:])
    outcomes = {one["id"]: one["act"]["outcome"] for one in site.record("tonight")["workloads"]}
    assert outcomes == {OLD[0]: "skipped", **dict.fromkeys(OLD[1:], "changed")}


@pytest.mark.parametrize(
    ("said", "words", "rows"),
    [
        ({"max_affected": 3}, "max_affected is 3, but 4 would be acted on", 2),
        ({"max_percent": 50}, "max_percent is 50, but 4 of 5 in scope would be acted on", 2),
        ({"keep_names": "prdo-*"}, "matches no selected workload: prdo-*", 0),
        ({"keep_projects": ""}, "blank", 0),
        ({"phases": "Running"}, "can only hold Completed and Failed", 0),
    ],
)
def test_what_would_go_too_far_is_refused(site: Site, said: dict[str, Any], words: str, rows: int) -> None:
    run = site.play("cleanup", **{**SAID, "max_percent": "none", "record_dir": str(site.folder), **said})
    assert words in told(run)
    (fact,) = [task for task in run.of("set_fact") if task.task.endswith("Return that it was refused")]
    assert fact.result["ansible_facts"]["workload_cleanup_result"]["trouble"]["sentence"] in told(run)
    assert len(re.findall(r"[13] workloads? \| (vision|nlp) \| ada@example.com \| - \|", run.stdout)) == rows
    assert site.writes() == []


def test_a_refusal_stops_it_and_is_told(site: Site) -> None:
    refuse = {"kind": "refuse_ids", "ids": [OLD[1]], "message": "owned by another"}
    site.simulator.faults({"match": {"action": "delete"}, "times": "always", "fault": refuse})
    said: dict[str, Any] = {**SAID, "record_dir": str(site.folder), "max_percent": "none", "name": "tonight"}
    run = site.play("cleanup", **said)
    sentence, _nothing, following = told(run).partition(" Next: ansible-playbook ")
    assert sentence == "1 of 4 workloads did not get there: 1 failed."
    assert "owned by another" in run.stdout
    site.simulator.faults()
    connection = {"base_url": site.simulator.url, "token": "rehearsal-token", "wait_interval": "0.1"}
    variables = {f"workload_cleanup_{key}": value for key, value in connection.items()}
    assert site.run(*shlex.split(following), extra_vars=variables).rc == 0
    assert site.record("tonight")["state"] == "ended"
    assert not set(OLD) & set(site.phases())
