# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbooks of the weekend reclaim and of the off-hours, as typed, and the settings of the README."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from ansible_collections.gpuops.runai.plugins.plugin_utils.role_variables import documented_options

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.pages import blocks, page
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import workload
from tests.support.receivers import webhook
from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT

ROLE = CHECKOUT / "roles" / "workload_reclaim"
LONG_AGO = "2026-01-01T00:00:00Z"
IDLE: dict[str, Any] = {"phaseUpdatedAt": LONG_AGO, "createdAt": LONG_AGO, "gpuHistory": {"percent": 0.4}}
# A night before that the page names.
THAT_NIGHT = "2026-11-23"


class Site:
    """Runs commands in a shell as people type them; /srv/runai is a folder of the test."""

    def __init__(self, simulator: Handle, run_playbook: PlaybookRunner, folder: Path) -> None:
        self.simulator = simulator
        self.folder = folder
        self._environment = {
            **run_playbook.environment(folder / "tasks.jsonl"),
            "RUNAI_BASE_URL": simulator.url,
            "RUNAI_CLIENT_ID": "rehearsal",
            "RUNAI_CLIENT_SECRET": "rehearsal-secret",
        }

    def type(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command.replace("/srv/runai", str(self.folder))],
            check=False,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, command + "\n" + done.stdout + done.stderr
        return done.stdout

    def sent(self, action: str) -> dict[str, int]:
        found: dict[str, int] = self.simulator.summary()["ids_sent"].get(action, {})
        return found

    def pass_time(self, name: str, **time: float) -> None:
        """Make all notices older."""
        path = self.folder / "records" / f"{name}.record.jsonl"
        events = [json.loads(line) for line in path.read_text().splitlines()]
        for event in events:
            if event["event"] == "told":
                at = datetime.fromisoformat(event["at"]) - timedelta(**time)
                event["at"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        path.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_runbook_weekend_reclaim_works_as_typed(run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    fleet = [
        workload(1, **IDLE),
        workload(2, **IDLE, submittedBy="bob@example.com"),
        workload(3, **{**IDLE, "gpuHistory": {"percent": 90}}),
        workload(4, **{**IDLE, "name": "thesis-7"}),
    ]
    kept = {workload(number)["id"] for number in (3, 4)}
    settings, keep = blocks(page("runbook_weekend_reclaim"), "yaml")
    commands = blocks(page("runbook_weekend_reclaim"), "shell")
    folder, *commands = commands
    report, check_warn, warn, check, suspend, again, status, end = commands
    with (
        running(Settings(fleet={"workloads": fleet}, transition_seconds=0.05)) as simulator,
        webhook() as chat,
    ):
        site = Site(simulator, run_playbook, tmp_path)
        (url,) = re.findall(r"https://\S+", settings)
        (tmp_path / "reclaim.yml").write_text(
            settings.replace(url, chat.url).replace("/srv/runai", str(tmp_path))
            + "\nworkload_reclaim_wait_interval: 0.1\n"
        )
        (tmp_path / "keep.yml").write_text(keep)
        site.type(folder)
        assert "idle GPU-hours" in site.type(report)
        assert {path.name for path in (tmp_path / "reports").iterdir()} == {"idle.html", "idle.csv"}
        site.type(check_warn)
        assert chat.bodies == []
        site.type(warn)
        assert sorted(body["text"].partition(",")[0] for body in chat.bodies) == [
            "ada@example.com",
            "bob@example.com",
        ]
        site.pass_time("weekend", hours=7)
        assert "2 workloads would be suspended" in site.type(check)
        assert site.sent("suspend") == {}
        assert again == suspend
        site.type(suspend)
        assert set(site.sent("suspend")).isdisjoint(kept)
        assert len(site.sent("suspend")) == 2
        site.type(status)
        site.type(end)
        assert set(site.sent("resume")) == set(site.sent("suspend"))


def test_runbook_off_hours_works_as_typed(run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    fleet = [
        workload(1, preemptible=True),
        workload(2, preemptible=True),
        workload(3, preemptible=False),
        workload(4, "Stopped", preemptible=True),
        workload(5, preemptible=True, projectName="serving"),
    ]
    check, evening, morning, late = blocks(page("runbook_off_hours"), "shell")
    with running(Settings(fleet={"workloads": fleet}, transition_seconds=0.05)) as simulator:
        site = Site(simulator, run_playbook, tmp_path)
        assert check == evening + " \\\n  --check"
        site.type(evening)
        assert set(site.sent("suspend")) == {workload(1)["id"], workload(2)["id"]}
        site.type(morning)
        assert set(site.sent("resume")) == {workload(1)["id"], workload(2)["id"]}
    # The late end names the night itself.
    assert late == re.sub(r"\$\(.*?\)", THAT_NIGHT, morning)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata"])
@pytest.mark.parametrize(
    "day", ["2027-03-13", "2027-03-27", "2027-04-03", "2027-09-25", "2027-10-30", "2027-11-06"]
)
def test_runbook_off_hours_when_the_clock_changes_names_the_same_night(day: str, zone: str) -> None:
    """Nights before and at a change of the clock, of all these zones."""
    _check, evening, morning, _late = blocks(page("runbook_off_hours"), "shell")
    (name,) = {re.findall(r"workload_maintenance_name=(\S+\$\(.*?\))", one)[0] for one in (evening, morning)}
    assert "TZ=Europe/Berlin date -d '12 hours ago'" in name
    first = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    for night in range(2):
        date = first + timedelta(days=night)
        ends = (date.replace(hour=20), (date + timedelta(days=1)).replace(hour=7))
        for end in ends:
            # The machine is in another zone than the schedule.
            typed = name.replace("Europe/Berlin", zone).replace(
                "12 hours ago", f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} 12 hours ago"
            )
            done = subprocess.run(
                ["sh", "-c", f"echo {typed}"],
                check=True,
                capture_output=True,
                text=True,
                env={"PATH": "/usr/bin:/bin", "TZ": "Pacific/Honolulu"},
            )
            assert done.stdout.strip() == f"off-hours-{date:%Y-%m-%d}"


def test_role_reclaim_settings_of_its_readme_are_its_variables() -> None:
    settings = re.findall(r"```yaml\n(# /srv.*?)```", (ROLE / "README.md").read_text(), re.DOTALL)
    specs: Any = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())
    (found,) = (yaml.safe_load(one) for one in settings)
    assert len(found) > 10
    assert set(found) <= set(documented_options(specs))
