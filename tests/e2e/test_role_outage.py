# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control plane that goes away in the middle of a begin: what is known is told, and begin goes on later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import Site, workload

BEGIN = {"method": "POST", "path": "/api/v1/workloads/batch", "action": "suspend"}
SAID: dict[str, Any] = {
    "name": "night",
    "reason": "new fan",
    "projects": "vision,nlp",
    "max_affected": "none",
    "max_percent": "none",
}


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_a_begin_that_an_outage_cut_off_goes_on_when_it_is_over(
    run_playbook: PlaybookRunner, tmp_path: Path, is_carried_out: bool
) -> None:
    fleet = {"workloads": [workload(number) for number in range(1, 5)]}
    with running(Settings(fleet=fleet, transition_seconds=0.05)) as simulator:
        site = Site(simulator, run_playbook, tmp_path / "records")
        before = site.phases()
        where: dict[str, Any] = {"record_dir": str(site.folder)}
        simulator.faults(
            {"match": BEGIN, "fault": {"kind": "down", "seconds": 3600, "apply": is_carried_out}}
        )
        begun = site.play("maintenance_begin", retry_timeout=0.2, **where, **SAID)
        assert begun.rc == 2, begun.output
        assert "the record has what is known: 4 unknown" in begun.output
        assert "ansible-playbook gpuops.runai.maintenance_begin" in begun.output
        assert site.record()["state"] == "acting"

        simulator.faults()
        again = site.play("maintenance_begin", **where, **SAID)
        assert again.rc == 0, again.output
        assert "4 suspended of 4 workloads asked for" in again.stdout
        # A workload that is seen to be stopped is not asked for again, and how that came is not certain.
        assert set(site.sent("suspend").values()) == {1 if is_carried_out else 2}
        assert {entry.get("assumed", False) for entry in site.record()["workloads"]} == {is_carried_out}

        ended = site.play("maintenance_end", name="night", **where)
        assert ended.rc == 0, ended.output
        assert site.record()["state"] == "ended"
        assert set(site.sent("resume").values()) == {1}
        assert {one for one, phase in site.phases().items() if phase != "Stopped"} == set(before)
