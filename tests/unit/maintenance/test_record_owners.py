# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from typing import Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ACT,
    BEGUN,
    LEAVE,
    PLANNED,
    Asked,
    ControlPlane,
    Entry,
    Record,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_owners import owners_of


def record(state: str, entries: list[Entry]) -> Record:
    control_plane = ControlPlane("https://a.example", "1", {})
    return Record(
        "x", "night", "maintenance", "suspend", state, "fan", control_plane, {}, {}, {}, {}, entries
    )


def entry(number: int, outcome: Optional[str] = None, owner: str = "ada", plan: str = ACT) -> Entry:
    act = None if outcome is None else Asked("t", outcome)
    workload_id = str(uuid.UUID(int=number))
    return Entry(workload_id, plan, "w-{0}".format(number), "p", owner, gpus=2.0, act=act)


@pytest.mark.parametrize(
    ("outcome", "is_told"),
    [("changed", True), ("unknown", True), ("failed", False), ("not_attempted", False), ("unchanged", False)],
)
def test_only_who_lost_something_is_told_after_a_begin(outcome: str, is_told: bool) -> None:
    found = owners_of(record(BEGUN, [entry(1, outcome), entry(2, plan=LEAVE)]))
    expected = {"owner": "ada", "gpus": 2.0, "count": 1, "workloads": ["p/w-1"]}
    assert found == ([expected] if is_told else [])


@pytest.mark.parametrize(
    ("kind", "outcome", "phase", "is_told"),
    [
        ("maintenance", "failed", "Running", False),
        ("maintenance", "not_attempted", "Pending", False),
        ("maintenance", "failed", "Stopped", True),
        ("maintenance", "not_attempted", None, True),
        ("maintenance", "unknown", "Running", True),
        ("cleanup", "failed", "Completed", False),
        ("cleanup", "failed", None, True),
    ],
)
def test_a_look_tells_whether_an_earlier_ask_stopped_what_was_refused_later(
    kind: str, outcome: str, phase: Optional[str], is_told: bool
) -> None:
    one = entry(1, outcome)
    assert one.act is not None
    one.act.unsettled, one.phase_now = True, phase
    began = record(BEGUN, [one])
    began.kind = kind
    assert bool(owners_of(began)) is is_told


def test_a_plan_tells_all_that_it_is_about_and_at_most_20_names_of_one() -> None:
    entries = [*(entry(number) for number in range(25)), entry(30, owner="bob")]
    ada, bob = owners_of(record(PLANNED, entries))
    assert (ada["owner"], ada["count"], len(ada["workloads"]), bob["count"]) == ("ada", 25, 20, 1)
