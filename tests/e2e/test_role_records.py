# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two records of one fleet, two control planes, words that are wrong: what plays say, and what they send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.e2e.site import Site, next_command, told, workload

BERLIN, PARIS = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
VISION = [workload(number)["id"] for number in (1, 3)]
NLP = [workload(number)["id"] for number in (2, 4)]
SAID: dict[str, Any] = {"reason": "new fan", "max_affected": 10, "max_percent": "none"}


def fleet(cluster: str) -> dict[str, Any]:
    return {
        "clusters": [{"uuid": cluster, "name": "berlin"}],
        "workloads": [workload(number, clusterId=cluster) for number in (1, 2, 3, 4)],
    }


@pytest.fixture
def site(run_playbook: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    with running(Settings(fleet=fleet(BERLIN), transition_seconds=0.05)) as simulator:
        yield Site(simulator, run_playbook, tmp_path / "records")


def typed(site: Site, words: list[str]) -> PlaybookRun:
    """Type the next command as it stands; only the credentials come from elsewhere."""
    environment = {"RUNAI_CLIENT_ID": "rehearsal", "RUNAI_CLIENT_SECRET": "rehearsal-secret"}
    return site.run(*words, "-e", "workload_maintenance_wait_interval=0.1", env=environment)


def test_what_two_records_hold_comes_back_with_the_last_one(site: Site) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder)}
    first = site.play("maintenance_begin", name="vision", projects="vision", **where, **SAID)
    assert first.rc == 0, first.output
    second = site.play("maintenance_begin", name="all", all=True, **where, **SAID)
    assert second.rc == 0, second.output
    assert "2 workloads already stopped by another open record, and shared with it" in second.stdout
    assert set(site.sent("suspend").values()) == {1}

    ended = site.play("maintenance_end", name="vision", **where)
    assert ended.rc == 0, ended.output
    assert "2 stay stopped for another open record" in ended.stdout
    assert "held by all" in ended.stdout
    assert site.record("vision")["state"] == "ended"
    assert {one["standing"] for one in site.record("vision")["workloads"]} == {"held"}
    assert site.sent("resume") == {}
    assert set(site.phases().values()) == {"Stopped"}

    ended = site.play("maintenance_end", name="all", **where)
    assert ended.rc == 0, ended.output
    assert sorted(site.sent("resume")) == sorted([*VISION, *NLP])
    assert site.record("all")["state"] == "ended"
    assert "Stopped" not in site.phases().values()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Settings(fleet=fleet(BERLIN), tenant_id=1234), "is tenant 1234; nothing was sent"),
        (
            Settings(fleet=fleet(PARIS)),
            "has none of the clusters that its workloads are on; nothing was sent",
        ),
    ],
    ids=["tenant", "cluster"],
)
def test_the_record_of_another_control_plane_is_refused(site: Site, other: Settings, words: str) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder), "name": "night"}
    assert site.play("maintenance_begin", all=True, **where, **SAID).rc == 0
    record = site.record()
    with running(other) as elsewhere:
        there = Site(elsewhere, site.run, site.folder)
        for one in [*VISION, *NLP]:
            elsewhere.state.set_phase(one, "Stopped")
        for playbook, said in (("maintenance_end", {}), ("maintenance_begin", SAID)):
            refused = there.play(playbook, **where, **said)
            assert words in told(refused)
            assert f"the record night is of tenant 9000 at {site.simulator.url}" in told(refused)
        assert there.writes() == []
        assert site.record() == record
    # What is said to be typed next names the right control plane.
    words_to_type = next_command(refused)
    assert words_to_type[0] == "gpuops.runai.maintenance_begin"
    assert f"workload_maintenance_base_url={site.simulator.url}" in words_to_type
    assert typed(site, words_to_type).rc == 0


def test_a_misspelt_place_is_refused(site: Site) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder), "name": "night"}
    for kind, name in (("project", "visoin"), ("cluster", "berlni")):
        option = kind + "s"
        said: dict[str, Any] = {option: name}
        run = site.play("maintenance_plan", **said, **where, **SAID)
        words = f"workload_maintenance_{option}: the control plane lists no {kind} {name}; nothing was done"
        assert words in told(run)
        assert f"{{workload_maintenance_{option}: <{option} or any>}}" in next_command(run)
    run = site.play("maintenance_begin", projects="vision,visoin", **where, **SAID)
    assert "workload_maintenance_projects: the control plane lists no project visoin" in told(run)
    assert not list(site.folder.glob("*.record.json"))
    assert site.writes() == []


def test_a_plan_of_nothing_can_not_be_mistaken(site: Site) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder)}
    said: dict[str, Any] = {"departments": "visoin", "submitted_by": "ada@exmaple.com"}
    for check in (True, False):
        run = site.play("maintenance_plan", check=check, name="night", **said, **where, **SAID)
        assert run.rc == 0, run.output
        assert "planned: NOTHING to suspend: no workload is in the plan" in run.stdout
        unmet = "workload_maintenance_departments=visoin; workload_maintenance_submitted_by=ada@exmaple.com"
        assert f"No workload meets {unmet}" in run.stdout
    for one in VISION:
        site.simulator.state.set_phase(one, "Completed")
    run = site.play("maintenance_begin", name="other", projects="vision", **where, **SAID)
    assert run.rc == 0, run.output
    assert "NOTHING to suspend" in run.stdout
    assert "2 workloads meet the selection, but none of them is active" in run.stdout
    assert site.writes() == []


def test_check_mode_of_an_end_is_red_where_the_end_would_be(site: Site) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder), "name": "night"}
    assert site.play("maintenance_begin", all=True, **where, **SAID).rc == 0
    site.simulator.state.update(VISION[0], hidden=True)
    site.simulator.state.update(NLP[0], actions_support={"suspend": False, "delete": True})
    writes = len(site.writes())
    checked = site.play("maintenance_end", check=True, **where)
    assert len(site.writes()) == writes
    ended = site.play("maintenance_end", **where)
    assert told(checked) == told(ended)
    assert told(ended).startswith("2 of 4 workloads: 1 could not be resumed, 1 is not to be seen, and not in")
    assert next_command(ended)[0] == "gpuops.runai.maintenance_end"
    assert site.record()["state"] == "ending"
    site.simulator.state.update(VISION[0], hidden=False)
    site.simulator.state.update(NLP[0], actions_support=None)
    checked = site.play("maintenance_end", check=True, **where)
    assert checked.rc == 0, checked.output
    ended = typed(site, next_command(ended))
    assert ended.rc == 0, ended.output
