# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role workload_cleanup as people run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.e2e.site import Site, killed, told, told_each, wait_for_play, workload

SAID: dict[str, Any] = {"older_than": "7d", "max_affected": 5, "max_percent": "none"}


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
def simulator() -> Iterator[Handle]:
    with running(Settings(fleet={"workloads": FLEET}, transition_seconds=0.05)) as handle:
        yield handle


@pytest.fixture
def site(simulator: Handle, run_playbook: PlaybookRunner, tmp_path: Path) -> Site:
    return Site(simulator, run_playbook, tmp_path)


@pytest.fixture
def site_of_the_oldest(
    simulator: Handle, run_playbook_on_the_oldest_core: PlaybookRunner, tmp_path: Path
) -> Site:
    return Site(simulator, run_playbook_on_the_oldest_core, tmp_path)


def result(run: PlaybookRun) -> dict[str, Any]:
    """The fact that the role returned."""
    found: dict[str, Any] = run.one("set_fact")["ansible_facts"]["workload_cleanup_result"]
    return found


def trail(run: PlaybookRun) -> dict[str, str]:
    """The outcome of each workload by the trail that the result names."""
    rows = [json.loads(line) for line in Path(result(run)["record_path"]).read_text().splitlines()]
    return {row["id"]: row["outcome"] for row in rows if "id" in row}


def test_role_cleanup_repeated_under_one_name_decides_anew(site_of_the_oldest: Site) -> None:
    site = site_of_the_oldest
    said: dict[str, Any] = {
        **SAID,
        "record_dir": str(site.folder),
        "name": "night",
        "phases": "completed, FAILED",
        "keep_names": "prod-*",
        "keep_newest": 1,
    }
    checked = site.play("cleanup", check=True, **said)
    assert checked.rc == 0, checked.output
    assert "2 would change of 2" in result(checked)["lines"][0]
    assert result(checked)["record_path"] == ""
    assert site.writes() == []
    done = site.play("cleanup", **said)
    assert done.rc == 0, done.output
    assert done.warnings == []
    assert len(done.tasks) == 6
    # The newest of each project stays: new in nlp, and last-but-one in vision.
    assert sorted(site.sent("delete")) == sorted([FLEET[0]["id"], FLEET[1]["id"]])
    assert trail(done) == {FLEET[0]["id"]: "changed", FLEET[1]["id"]: "changed"}
    assert result(done)["owners"] == [
        {
            "owner": "ada@example.com",
            "gpus": 0.0,
            "count": 2,
            "projects": "nlp, vision",
            "workloads": ["old", "old-failed"],
        }
    ]
    # One that was kept before is not any more, and one that was old enough runs again.
    site.simulator.state.set_phase(FLEET[4]["id"], "Running")
    again = site.play("cleanup", **{**said, "keep_names": "none", "keep_newest": "none"})
    assert again.rc == 0, again.output
    assert set(trail(again)) == {FLEET[2]["id"]}
    assert site.phases()[FLEET[4]["id"]] == "Running"
    assert result(again)["record_path"] != result(done)["record_path"]


def test_role_cleanup_workload_that_runs_again_is_spared_and_a_refused_one_is_red(site: Site) -> None:
    lives_again = {"kind": "change_phase", "ids": [OLD[0]], "phase": "Running"}
    refuse = {"kind": "refuse_ids", "ids": [OLD[1]], "message": "owned by another"}
    site.simulator.faults(
        {"match": {"path": f"/api/v1/workloads/{OLD[0]}"}, "fault": lives_again},
        {"match": {"action": "delete"}, "times": "always", "fault": refuse},
    )
    said: dict[str, Any] = {"phases": "completed, FAILED", "keep_names": "prod-*", "keep_newest": 1}
    run = site.play("cleanup", record_dir=str(site.folder), **SAID, **said)
    assert run.rc == 2, run.output
    assert run.warnings == []
    assert site.phases()[OLD[0]] == "Running"
    assert trail(run) == {OLD[0]: "skipped", OLD[1]: "failed"}
    assert result(run)["trouble"]["rows"] == ["old-failed | nlp | ada@example.com | 409 | owned by another"]


def test_role_cleanup_that_would_go_too_far_is_rejected(site: Site) -> None:
    said: dict[str, dict[str, Any]] = {
        "max_affected is 3, but 4 would be acted on": {"max_affected": 3},
        "workload_cleanup_max_percent: 4 of 5 finished workloads would be deleted": {"max_percent": "50%"},
        "audti matches no finished workload": {"keep_projects": ["nlp", "audti"]},
        "workload_cleanup_keep_newst: not a variable of this role. Did you mean ": {"keep_newst": 3},
        "workload_cleanup_phases: only Completed and Failed workloads are deleted.": {"phases": "Running"},
        "workload_cleanup_older_than: not set. Set it.": {"older_than": ...},
        "workload_cleanup_keep_projects: is empty, or has an empty element.": {"keep_projects": ["nlp", ""]},
    }
    with running(Settings(fleet={"workloads": FLEET})) as short:
        count = {"path": "/api/v1/workloads/count"}
        short.faults({"match": count, "times": "always", "fault": {"kind": "wrong_count", "count": 99}})
        said["workloads: the list of the control plane is incomplete ("] = {"base_url": short.url}
        run = site.play_cases("workload_cleanup", list(said.values()), record_dir=str(site.folder), **SAID)
        assert [
            words for words, message in zip(said, told_each(run), strict=True) if words not in message
        ] == []
        assert site.writes() == [one for one in short.requests(0) if one["action"]] == []


def test_role_cleanup_variable_cut_at_a_space_is_rejected_before_any_request(site: Site) -> None:
    run = site.play("cleanup", "-e", "workload_cleanup_keep_projects=vision, nlp", **SAID)
    assert told(run).startswith("extra variables: Ansible cut a value at the space before 'nlp'")
    assert told(run).endswith(" Nothing was sent.")
    assert site.simulator.requests(0) == []


MANY = [finished(number, 30) for number in range(1, 102)]


def test_role_cleanup_killed_leaves_the_trail_of_what_was_known(
    run_playbook: PlaybookRunner, tmp_path: Path
) -> None:
    folder = tmp_path / "trails"
    folder.mkdir(mode=0o700)
    with running(Settings(fleet={"workloads": MANY}, transition_seconds=0.05)) as simulator:
        site = Site(simulator, run_playbook, folder)
        hang = {"kind": "hang", "seconds": 3600, "apply": True}
        simulator.faults({"match": {"action": "delete"}, "nth": 2, "fault": hang})
        play = site.start("cleanup", record_dir=str(folder), **{**SAID, "max_affected": "none"})
        wait_for_play(lambda: len(site.writes()) == 2, play)
        with killed(play):
            (part,) = folder.glob("cleanup-*.jsonl.part")
            rows = [json.loads(line) for line in part.read_text().splitlines()]
        first = site.writes()[0]["ids"]
        assert {row["id"]: row["outcome"] for row in rows if "id" in row} == dict.fromkeys(first, "changed")
