# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A begin that an outage or a kill cut off goes on, and is given up, by its record; on the oldest core."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._record.log import RecordFolder

from simulator.server import running
from simulator.settings import CLIENT_SECRET, Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import Site, killed, next_command, wait_for_play, workload
from tests.support.waiting import wait_until

BATCH = {"method": "POST", "path": "/api/v1/workloads/batch"}
SAID: dict[str, Any] = {
    "name": "night",
    "reason": "new fan",
    "all": True,
    "max_affected": "none",
    "max_percent": "none",
}
BACK = {"Resuming", "Pending", "Initializing", "Running"}


@pytest.fixture
def site(run_playbook_on_the_oldest_core: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    fleet = {"workloads": [workload(number) for number in range(1, 5)]}
    with running(Settings(fleet=fleet, transition_seconds=0.05)) as simulator:
        yield Site(simulator, run_playbook_on_the_oldest_core, tmp_path / "records")


def _descendants(pid: int) -> list[int]:
    """The processes below one, parents first; the last is a module's while a play runs one."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *_descendants(int(child))]
    return found


def test_role_maintenance_begin_cut_off_by_an_outage_goes_on_when_it_is_over(site: Site) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder)}
    down = {"kind": "down", "seconds": 3600, "apply": True}
    site.simulator.faults({"match": {**BATCH, "action": "suspend"}, "fault": down})
    begun = site.play("maintenance_begin", retry_timeout=0.2, **where, **SAID)
    assert begun.rc == 2, begun.output
    assert site.recorded().state == "acting"
    assert {one.outcome for one in site.recorded().workloads.values()} == {"unknown"}

    site.simulator.faults()
    again = site.play("maintenance_begin", **where, **SAID)
    assert again.rc == 0, again.output
    assert "4 of 4 suspended" in again.stdout
    # A workload that is seen to be stopped is not sent again.
    assert set(site.sent("suspend").values()) == {1}
    ended = site.run(
        *next_command(again),
        "-e",
        "workload_maintenance_settle_time=0",
        env={"RUNAI_CLIENT_SECRET": CLIENT_SECRET},
    )
    assert ended.rc == 0, ended.output
    assert site.recorded().state == "ended"
    assert set(site.sent("resume").values()) == {1}
    assert set(site.phases().values()) <= BACK


def test_role_maintenance_end_after_a_killed_begin_resumes_what_it_asked_for(site: Site) -> None:
    where: dict[str, Any] = {"record_dir": str(site.folder)}
    # Accepted, and its answer never comes.
    site.simulator.faults({"match": BATCH, "fault": {"kind": "hang", "apply": True}})
    process = site.start("maintenance_begin", **where, **SAID)
    wait_for_play(lambda: len(site.sent("suspend")) == 4, process)
    module = _descendants(process.pid)[-1]
    with killed(process):
        os.kill(module, signal.SIGKILL)
    folder = RecordFolder(str(site.folder), may_create=False)
    wait_until(lambda: not folder.is_locked("night"), "the end of the module")
    assert site.recorded().state == "acting"
    ended = site.play("maintenance_end", name="night", **where)
    assert ended.rc == 0, ended.output
    assert "4 of 4 workloads back" in ended.stdout
    assert site.recorded().state == "ended"
    assert set(site.phases().values()) <= BACK
