# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_cleanup import (
    Keep,
    finished_at,
    plan_cleanup,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_seen import (
    Seen,
    workload_from_row,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
LATEST = NOW - timedelta(days=7)
FINISHED = ("Completed", "Failed")


def seen(number: int, days: float, phase: str = "Completed", **fields: Any) -> Seen:
    workload_id = str(uuid.UUID(int=number))
    when = (NOW - timedelta(days=days)).isoformat()
    row = {"name": "w{0}".format(number), "projectName": "p", "phase": phase, "completedAt": when}
    return workload_from_row(workload_id, {**row, **fields})


def chosen(rows: list[Seen], keep: Keep = Keep()) -> list[int]:  # noqa: B008 - a tuple
    return [uuid.UUID(entry.id).int for entry in plan_cleanup(rows, FINISHED, LATEST, keep).entries]


def test_age_counts_from_when_it_finished() -> None:
    rows = [seen(1, 8), seen(2, 6), seen(3, 7), seen(4, 8, "Stopped"), seen(5, 8, "Failed")]
    assert chosen(rows) == [1, 3, 5]


def test_without_a_completion_the_phase_counts_and_without_both_it_stays() -> None:
    old = (NOW - timedelta(days=9)).isoformat()
    rows = [
        seen(1, 0, completedAt=None, phaseUpdatedAt=old),
        seen(2, 0, completedAt=None),
        seen(3, 0, completedAt="soon", phaseUpdatedAt=7),
    ]
    assert chosen(rows) == [1]


def test_what_is_kept() -> None:
    rows = [seen(1, 30), seen(2, 20), seen(3, 10, name="prod-x"), seen(4, 9, projectName="audit"), seen(5, 1)]
    assert chosen(rows, Keep(names=["prod-*"])) == [1, 2, 4]
    assert chosen(rows, Keep(projects=["audit"])) == [1, 2, 3]
    # The newest of p are 5 and 3; the one of audit is 4.
    assert chosen(rows, Keep(newest=2)) == [1, 2]


def test_the_newest_count_in_each_cluster() -> None:
    rows = [seen(number, 30 - number, clusterId="west" if number < 4 else "east") for number in range(1, 7)]
    assert chosen(rows, Keep(newest=2)) == [1, 4]


def test_exemptions_that_match_nothing_are_named() -> None:
    keep = Keep(names=["prod-*", "w*"], projects=["p", "audit"])
    assert plan_cleanup([seen(1, 30)], FINISHED, LATEST, keep).unmatched == ["prod-*", "audit"]


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("pqr")), max_size=12), st.integers(0, 5))
def test_as_many_of_each_project_stay_as_was_said(found: list[tuple[float, str]], newest: int) -> None:
    rows = [seen(number, days, projectName=project) for number, (days, project) in enumerate(found)]
    gone = set(chosen(rows, Keep(newest=newest)))
    for project in "pqr":
        mine = [row for row in rows if row.project == project]
        stay = [row for row in mine if uuid.UUID(row.id).int not in gone]
        assert len(stay) >= min(newest, len(mine))
        for row in mine:
            when = finished_at(row)
            if uuid.UUID(row.id).int in gone:
                assert when is not None
                assert when <= LATEST
                assert sum((finished_at(other) or NOW) >= when for other in stay) >= newest
