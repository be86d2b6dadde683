# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reclaim that repeats under one name: notices, suspends and resumes, week after week."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.component.conftest import Start
from tests.component.maintenance_site import Site
from tests.support.workloads import fleet, workload_id

RECLAIM: dict[str, Any] = {
    "reason": "idle",
    "select": {"name": "job-*"},
    "max_affected": "none",
    "max_percent": "none",
    "allow_empty": True,
    "notice": "24h",
}
LONG_AGO = "2026-01-01T00:00:00Z"


class Reclaim(Site):
    """One simulator, and the folder of the records."""

    def warn(self, **options: Any) -> dict[str, Any]:
        return self.good("planned", **{**RECLAIM, **options})

    def tell(self, owners: list[dict[str, Any]]) -> dict[str, Any]:
        told = [{"owner": one["owner"], "ids": [row["id"] for row in one["workloads"]]} for one in owners]
        return self.good("told", told=told)

    def suspend(self, **options: Any) -> dict[str, Any]:
        return self.good("begun", **{**RECLAIM, **options})

    def end(self) -> dict[str, Any]:
        return self.good("ended")

    def pass_time(self, **time: float) -> None:
        """Make all notices older."""
        path = self.folder / "night.record.jsonl"
        events = self.events()
        for event in events:
            if event["event"] == "told":
                at = datetime.fromisoformat(event["at"]) - timedelta(**time)
                event["at"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        path.write_text("".join(json.dumps(event) + "\n" for event in events))

    def sent(self, action: str) -> dict[str, int]:
        found: dict[str, int] = self.simulator.summary()["ids_sent"].get(action, {})
        return found

    def good(self, state: str, **options: Any) -> dict[str, Any]:
        result = self.run(state, **options)
        assert not result.failed, result.result["lines"]
        return result.result


@pytest.fixture
def site(start: Start, tmp_path: Path) -> Reclaim:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    rows = fleet(3, phaseUpdatedAt=LONG_AGO, submittedBy="ada@example.com")["workloads"]
    rows[2]["submittedBy"] = "bob@example.com"
    return Reclaim(start(fleet={"workloads": rows}, transition_seconds=0.05), folder)


def test_begun_with_a_notice_suspends_due_workloads_alone(site: Reclaim) -> None:
    to_tell = site.warn()["to_tell"]
    assert [one["owner"] for one in to_tell] == ["ada@example.com", "bob@example.com"]
    site.tell(to_tell[:1])
    for _run in range(2):
        assert site.suspend()["summary"]["planned"] == 0
    assert site.sent("suspend") == {}
    # A second warning names only owners without a notice.
    assert [one["owner"] for one in site.warn()["to_tell"]] == ["bob@example.com"]
    site.pass_time(hours=25)
    done = site.suspend()
    assert done["state"] == "begun"
    assert site.phases(3) == ["Stopped", "Stopped", "Running"]
    assert "1 workload left alone: no notice was given" in done["lines"]
    site.end()
    assert site.are_active(3)


def test_begun_before_any_notice_is_rejected(site: Reclaim) -> None:
    rejected = site.run("begun", **RECLAIM)
    assert rejected.failed
    assert rejected.result["msg"].startswith("notice: nobody was told under the name night. Tell the owners")
    assert site.sent("suspend") == {}
    assert not list(site.folder.iterdir())


def test_begun_with_notice_none_plans_anew_each_time(site: Reclaim) -> None:
    site.suspend(notice="none", select={"name": "job-0"})
    assert site.phases(3) == ["Stopped", "Running", "Running"]
    site.suspend(notice="none", select={"name": "job-1"})
    assert site.phases(3) == ["Stopped", "Stopped", "Running"]
    site.end()
    assert set(site.sent("resume")) == {workload_id(0), workload_id(1)}


def test_begun_a_week_later_leaves_resumed_workloads_and_keeps_stopped_ones(site: Reclaim) -> None:
    site.tell(site.warn()["to_tell"])
    site.pass_time(hours=25)
    site.suspend()
    assert site.phases(3) == ["Stopped"] * 3
    # An owner resumes one; nobody ends the reclaim, and the job of the next week finds the record open.
    site.simulator.state.set_phase(workload_id(0), "Running")
    again = site.suspend()
    assert site.phases(3) == ["Running", "Stopped", "Stopped"]
    assert "1 workload left alone: no notice was given" in again["lines"]
    assert "2 workloads of earlier runs still stopped" in again["lines"]
    warned = site.warn()
    assert warned["state"] == "begun"
    assert [[row["id"] for row in one["workloads"]] for one in warned["to_tell"]] == [[workload_id(0)]]
    site.tell(warned["to_tell"])
    # A notice today, and a start after that: it needs another notice.
    site.pass_time(hours=25)
    site.suspend()
    assert site.phases(3) == ["Running", "Stopped", "Stopped"]
    assert site.sent("suspend") == {workload_id(number): 1 for number in range(3)}
    site.end()
    assert site.are_active(3)
    assert set(site.sent("resume")) == {workload_id(1), workload_id(2)}


def test_planned_after_the_end_uses_the_name_again(site: Reclaim) -> None:
    site.tell(site.warn()["to_tell"])
    site.pass_time(hours=25)
    site.suspend()
    site.end()
    assert site.run("begun", **RECLAIM).failed
    assert site.warn()["state"] == "planned"
    assert len(list(site.folder.iterdir())) == 2


def test_notices_after_the_end_of_a_record_still_count(site: Reclaim) -> None:
    site.tell(site.warn()["to_tell"])
    site.end()
    assert site.warn()["to_tell"] == []
    site.pass_time(hours=25)
    site.suspend()
    assert site.phases(3) == ["Stopped"] * 3


def test_begun_again_with_another_holder_keeps_workloads_stopped(site: Reclaim) -> None:
    site.tell(site.warn()["to_tell"])
    other: dict[str, Any] = {**RECLAIM, "notice": None, "select": {"name": "job-0"}}
    assert not site.run("planned", name="other", **other).failed
    site.pass_time(hours=25)
    site.suspend()
    assert not site.run("begun", name="other").failed
    site.warn()
    held = site.run("ended", name="other")
    assert "1 workload held by night" in held.result["msg"]
    site.end()
    assert site.are_active(3)


def test_begun_again_while_an_earlier_suspend_is_open_is_red_and_sends_nothing(site: Reclaim) -> None:
    site.tell(site.warn()["to_tell"])
    site.pass_time(hours=25)
    site.suspend()
    path = site.folder / "night.record.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["event"] != "seen"))
    for number in range(3):
        site.simulator.state.set_phase(workload_id(number), "Running")
    again = site.run("begun", **RECLAIM)
    assert again.failed
    assert again.result["summary"]["problems"] == 3
    assert site.sent("suspend") == {workload_id(number): 1 for number in range(3)}


def test_keep_of_a_workload_neither_notifies_nor_suspends(site: Reclaim) -> None:
    site.tell(site.warn()["to_tell"])
    site.pass_time(hours=25)
    keep = [{"owner": "ada@example.com", "until": "2999-01-01"}, {"name": "*", "until": "2020-01-01"}]
    done = site.suspend(keep=keep)
    assert site.phases(3) == ["Running", "Running", "Stopped"]
    assert "keep: ignored, since it has run out: name *, until 2020-01-01" in done["lines"]
    # What was kept needs a notice again.
    assert [one["owner"] for one in site.warn()["to_tell"]] == ["ada@example.com"]
    assert site.warn(keep=keep)["to_tell"] == []


def test_begun_without_notice_on_the_record_of_a_reclaim_is_rejected(site: Reclaim) -> None:
    site.tell(site.warn()["to_tell"])
    rejected = site.run("begun")
    assert rejected.failed
    assert rejected.result["msg"].startswith("notice: not set, and the record night is one of a reclaim")
    assert site.sent("suspend") == {}


def test_reclaim_in_check_mode_predicts_and_writes_nothing(site: Reclaim) -> None:
    checked = site.run("planned", check=True, **RECLAIM)
    assert [one["owner"] for one in checked.result["to_tell"]] == ["ada@example.com", "bob@example.com"]
    assert not list(site.folder.iterdir())
    site.tell(site.warn()["to_tell"])
    site.pass_time(hours=25)
    before = site.events()
    would = site.run("begun", check=True, **RECLAIM).result
    assert "CHECK MODE, 3 workloads would be suspended" in would["msg"]
    assert site.events() == before
    assert site.sent("suspend") == {}


def test_notices_after_a_crash_behind_the_request_still_count(site: Reclaim) -> None:
    """A suspend that was written down and never sent is sent by the next run."""
    site.tell(site.warn()["to_tell"])
    site.pass_time(hours=25)
    path = site.folder / "night.record.jsonl"
    asked = {
        "event": "asked",
        "action": "suspend",
        "ids": [workload_id(0)],
        "at": LONG_AGO,
        "sent_at": LONG_AGO,
    }
    state = {"event": "state", "state": "acting", "at": LONG_AGO, "by": {}}
    path.write_text(path.read_text() + json.dumps(state) + "\n" + json.dumps(asked) + "\n")
    site.suspend()
    assert site.phases(3) == ["Stopped"] * 3
    site.end()
    assert site.are_active(3)
