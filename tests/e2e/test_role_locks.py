# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two plays at the same time on one record: the second one is told, and sends nothing."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
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
def site(run_playbook_on_each_core: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    """Its workloads change their phases only when a test says so: a play that waits for them is at work."""
    fleet = {"workloads": [workload(number) for number in (1, 2, 3)]}
    with running(Settings(fleet=fleet, transition_seconds=3600)) as simulator:
        yield Site(simulator, run_playbook_on_each_core, tmp_path / "records")


def all_are(site: Site, phase: str) -> None:
    for one in IDS:
        site.simulator.state.set_phase(one, phase)


def at_work(site: Site, playbook: str, action: str, /, **variables: Any) -> subprocess.Popen[str]:
    """Start a play, and return once it has sent its batch and waits for what comes of it."""
    process = site.start(playbook, **variables)
    wait_for_play(lambda: len(site.sent(action)) == len(IDS), process)
    return process


def is_locked(site: Site) -> bool:
    """Whether a run keeps the record for itself."""
    with (site.folder / ".night.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_refused(run: PlaybookRun, what: str) -> None:
    sentence = told(run)
    assert sentence.startswith(f"another run is at work on this record: {what} by "), sentence
    assert "; nothing was sent. Next: " in sentence


def test_a_begin_keeps_others_out_until_it_is_through(site: Site) -> None:
    where: dict[str, Any] = {"name": "night", "record_dir": str(site.folder)}
    first = at_work(site, "maintenance_begin", "suspend", **{**SAID, **where})
    try:
        record = site.record()
        number = len(site.writes())
        is_refused(site.play("maintenance_begin", **{**SAID, **where}), "a begin")
        # It would wait for what a begin that was cut off has sent, for an hour; this one was not.
        is_refused(site.play("maintenance_end", settle_time=3600, **where), "a begin")
        is_refused(site.play("maintenance_end", check=True, settle_time=3600, **where), "a begin")
        status = site.play("maintenance_status", **where)
        assert status.rc == 0, status.output
        assert "At work now: a begin by " in status.stdout
        assert len(site.writes()) == number
        assert site.record() == record
        all_are(site, "Stopped")
        output, _nothing = first.communicate(timeout=PATIENCE)
        assert first.returncode == 0, output
    finally:
        first.kill()
    assert site.record()["state"] == "begun"
    checked = site.play("maintenance_end", check=True, **where)
    assert checked.rc == 0, checked.output
    status = site.play("maintenance_status", **where)
    assert "At work now" not in status.stdout


def test_a_killed_end_lets_others_in(site: Site) -> None:
    where: dict[str, Any] = {"name": "night", "record_dir": str(site.folder)}
    site.simulator.configure(transition_seconds=0.05)
    assert site.play("maintenance_begin", **{**SAID, **where}).rc == 0
    hang = {"kind": "hang", "seconds": 3600, "apply": True}
    site.simulator.faults({"match": {"action": "resume"}, "fault": hang})
    first = at_work(site, "maintenance_end", "resume", timeout=3600, **where)
    refused = [site.play("maintenance_end", **where), site.play("maintenance_begin", **{**SAID, **where})]
    with killed(first):
        wait_until(lambda: not is_locked(site), "the end of what keeps the lock for the play")
        ended = site.play("maintenance_end", **where)
    for run in refused:
        is_refused(run, "an end")
    assert ended.rc == 0, ended.output
    assert site.record()["state"] == "ended"
    assert set(site.sent("resume").values()) == {1}


def test_begin_and_end_in_one_play(site: Site) -> None:
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
    }
    said |= {"wait_interval": "0.1", "settle_time": "0.5"}
    variables = {f"workload_maintenance_{key}": value for key, value in said.items()}
    # The first batch fails for good, and so does the begin: its end comes in the same play.
    refuse = {"kind": "refuse_ids", "ids": IDS[:1], "message": "no"}
    site.simulator.faults({"match": {"action": "suspend"}, "times": "always", "fault": refuse})
    run = site.run(playbook, extra_vars=variables)
    assert "1 of 3 workloads did not get there" in told(run)
    assert site.record()["state"] == "ended"
    assert set(site.sent("resume")) == set(IDS[1:])
