# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told, and what may be suspended: pure functions of the plan, the notices and the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.notice import (
    DUE,
    EXPIRED,
    NOT_TOLD,
    WAITING,
    NoticeResult,
    apply_notice,
    notice_status,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import RecordedWorkload
from ansible_collections.gpuops.runai.plugins.module_utils._selection.keep import keep_of

NOW = datetime(2026, 12, 4, 20, tzinfo=UTC)
DAY = timedelta(hours=24)


def _at(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(workload_id: str, owner: str = "ada") -> RecordedWorkload:
    return RecordedWorkload(
        workload_id,
        "act",
        name=f"train-{workload_id}",
        project="vision",
        owner=owner,
        gpus=2.0,
        since=_at(-100),
    )


def _choose(
    entries: list[RecordedWorkload],
    told: dict[str, str],
    suspends: bool,
    notice: timedelta | None = DAY,
    keep: list[dict[str, str]] | None = None,
) -> NoticeResult:
    return apply_notice(entries, told, keep_of(keep, NOW), notice, suspends, NOW)


@pytest.mark.parametrize(
    ("told", "since", "expected"),
    [
        (None, -100, NOT_TOLD),
        (-23.9, -100, WAITING),
        (-24, -100, DUE),
        (-24 - 6 * 24, -1000, DUE),
        (-24.1 - 6 * 24, -1000, EXPIRED),
        (-30, -10, EXPIRED),
        (-10, -9, EXPIRED),
    ],
)
def test_notice_status_by_notice_and_start(told: float | None, since: float, expected: str) -> None:
    assert notice_status(None if told is None else _at(told), _at(since), DAY, NOW) == expected


def test_apply_notice_of_a_begin_takes_only_due_workloads() -> None:
    entries = [_entry(one) for one in ("due", "fresh", "never", "kept")]
    told = {"due": _at(-25), "fresh": _at(-8), "kept": _at(-25), "busy": _at(-25), "later": _at(-1)}
    keep = [{"name": "train-kept", "until": "2027-01-01"}]
    chosen = _choose(entries, told, suspends=True, keep=keep)
    assert [one.id for one in chosen.entries] == ["due"]
    assert chosen.to_tell == []
    # A notice of what is busy now counts no more; one that is not due yet does.
    assert sorted(chosen.expired) == ["busy", "kept"]
    assert chosen.notes == [
        "1 workload left alone: kept by their owners",
        "1 workload left alone: no notice was given",
        "1 workload left alone: notice given less than 1d ago",
        "2 workloads left alone in spite of a notice: not selected any more, or kept",
    ]


def test_apply_notice_of_a_begin_without_notice_takes_all_but_the_kept() -> None:
    entries = [_entry("a"), _entry("b", owner="bob")]
    keep = [{"owner": "bob", "until": "2027-01-01"}]
    assert [one.id for one in _choose(entries, {}, True, None, keep).entries] == ["a"]


def test_apply_notice_of_a_plan_groups_by_owner_and_leaves_out_notified_ones() -> None:
    entries = [_entry("a"), _entry("b", owner="bob"), _entry("c"), _entry("d"), _entry("e", owner="")]
    told = {"c": _at(-2), "d": _at(-30), "gone": _at(-2)}
    entries[3].since = _at(-10)
    chosen = _choose(entries, told, suspends=False)
    assert [one.id for one in chosen.entries] == ["a", "b", "c", "d", "e"]
    assert [(one["owner"], [row["id"] for row in one["workloads"]]) for one in chosen.to_tell] == [
        ("ada", ["a", "d"]),
        ("bob", ["b"]),
    ]
    assert chosen.to_tell[1] == {
        "owner": "bob",
        "workloads": [{"id": "b", "name": "train-b", "project": "vision", "gpus": 2.0}],
        "gpus": 2.0,
        "suspend_after": "2026-12-05T20:00:00Z",
    }
    # What was started again, or is not selected any more, needs a new notice.
    assert sorted(chosen.expired) == ["d", "gone"]
    assert chosen.notes == [
        "1 workload with an earlier notice",
        "1 workload without an owner: nobody gets a notice, so that they are never suspended",
    ]
