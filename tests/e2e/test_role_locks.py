# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two plays on one record, a begin without its play, and a begin and its end in one play."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import Site, killed, told, wait_for_play, workload
from tests.support.waiting import PATIENCE, wait_until

IDS = [workload(number)["id"] for number in (1, 2, 3)]
SAID: dict[str, Any] = {
    "name": "night",
    "reason": "new fan",
    "all": True,
    "max_affected": 3,
    "max_percent": "none",
}


@pytest.fixture
def site(run_playbook: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    """Its workloads change their phases only when a test says so: a play that waits for them is at work."""
    fleet = {"workloads": [workload(number) for number in (1, 2, 3)]}
    with running(Settings(fleet=fleet, transition_seconds=3600)) as simulator:
        yield Site(simulator, run_playbook, tmp_path / "records")


def is_locked(site: Site) -> bool:
    """Whether a run keeps the record for itself."""
    with (site.folder / "night.record.jsonl").open() as record:
        try:
            fcntl.flock(record, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_role_maintenance_end_after_a_begin_without_its_play_resumes_all(site: Site) -> None:
    where: dict[str, Any] = {"name": "night", "record_dir": str(site.folder)}
    play = site.start("maintenance_begin", **{**SAID, **where})
    wait_for_play(lambda: len(site.sent("suspend")) == len(IDS), play)
    with killed(play):
        # The module may outlive the play for a moment.
        wait_until(lambda: not is_locked(site), "the end of the module")
    for one in IDS:
        site.simulator.state.set_phase(one, "Stopped")
    site.simulator.configure(transition_seconds=0.05)
    ended = site.play("maintenance_end", **where)
    assert ended.rc == 0, ended.output
    assert site.recorded().state == "ended"
    assert set(site.sent("resume")) == set(IDS)


def test_role_maintenance_second_run_on_a_record_is_rejected(site: Site) -> None:
    where: dict[str, Any] = {"name": "night", "record_dir": str(site.folder)}
    play = site.start("maintenance_begin", **{**SAID, **where})
    try:
        wait_for_play(lambda: len(site.sent("suspend")) == len(IDS), play)
        ended = site.play("maintenance_end", settle_time=3600, **where)
        assert "another run works on the record night" in told(ended)
        assert len(site.writes()) == 1
        for one in IDS:
            site.simulator.state.set_phase(one, "Stopped")
        output, _nothing = play.communicate(timeout=PATIENCE)
        assert play.returncode == 0, output
    finally:
        play.kill()
    assert site.recorded().state == "begun"


def test_role_maintenance_begin_that_fails_is_ended_in_the_same_play(site: Site) -> None:
    role = "gpuops.runai.workload_maintenance"
    playbook = f"""
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - block:
        - include_role: {{name: {role}, tasks_from: begin}}
      always:
        - include_role: {{name: {role}, tasks_from: end}}
"""
    site.simulator.configure(transition_seconds=0.05)
    said = {
        **SAID,
        "record_dir": str(site.folder),
        "base_url": site.simulator.url,
        "token": "rehearsal-token",
        "wait_interval": "0.1",
        "settle_time": "0.5",
    }
    variables = {f"workload_maintenance_{key}": value for key, value in said.items()}
    refuse = {"kind": "refuse_ids", "ids": IDS[:1], "message": "no"}
    site.simulator.faults({"match": {"action": "suspend"}, "times": "always", "fault": refuse})
    run = site.run(playbook, extra_vars=variables)
    assert "2 of 3 suspended" in told(run)
    assert site.recorded().state == "ended"
    assert set(site.sent("resume")) == set(IDS[1:])
