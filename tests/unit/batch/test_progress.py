# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of the progress lines, and that there are never many of them."""

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch import progress as _progress
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress import MOST_LINES, Progress
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock(0.0)
    monkeypatch.setattr(_progress, "time", clock)
    return clock


def lines_of_batches(batches: int) -> list[str]:
    lines: list[str] = []
    progress = Progress("suspend", lines.append)
    for done in range(1, batches + 1):
        progress.batch(Counter(changed=done * 100), batches * 100, done, batches)
    return lines


def test_progress_batch_with_failures_shows_their_counts() -> None:
    lines: list[str] = []
    progress = Progress("resume", lines.append)
    counts = {"changed": 390, "unchanged": 6, "failed": 4, "not_attempted": 1, "skipped": 0}
    progress.batch(counts, 2500, 4, 25)
    assert lines == [
        "runai resume: 401/2500 ids, 390 changed, 6 unchanged, 4 failed, 1 not attempted, batch 4 of 25"
    ]


@pytest.mark.parametrize("batches", [1, 2, 49, 50, 51, 99, 100, 101, 500, 1234])
def test_progress_many_batches_are_thinned_and_the_last_is_shown(batches: int) -> None:
    lines = lines_of_batches(batches)
    assert len(lines) == min(batches, MOST_LINES)
    assert lines[-1].endswith("batch {0} of {0}".format(batches))
    numbers = [0] + [int(line.rpartition(" of ")[0].rpartition(" ")[2]) for line in lines]
    steps = [later - earlier for earlier, later in zip(numbers, numbers[1:])]
    assert max(steps) <= -(-batches // MOST_LINES)


def test_progress_more_batches_than_planned_add_no_lines() -> None:
    lines: list[str] = []
    progress = Progress("resume", lines.append)
    for done in range(1, 301):
        progress.batch(Counter(changed=done), 1000, done, done + (1000 - done) // 100)
    assert len(lines) <= MOST_LINES


def test_progress_slow_batches_show_a_line_each_minute(clock: FakeClock) -> None:
    line_times: list[float] = []
    progress = Progress("delete", lambda line: line_times.append(clock.seconds))
    for done in range(1, 501):
        clock.advance(60.0)
        progress.batch(Counter(changed=done * 100), 50_000, done, 500)
    assert max(later - earlier for earlier, later in zip([0.0, *line_times], line_times)) == 300.0
    assert line_times[-1] == clock.seconds


def test_progress_wait_shows_lines_by_share_of_its_time(clock: FakeClock) -> None:
    lines: list[str] = []
    progress = Progress("suspend", lines.append)
    for _look in range(600):
        progress.waiting(7, "to be Stopped", 600.0)
        clock.advance(1.0)
    assert lines == ["runai suspend: waiting for 7 workloads to be Stopped"] * MOST_LINES


def test_progress_long_wait_is_not_silent_for_long(clock: FakeClock) -> None:
    shown_at: list[float] = []
    progress = Progress("resume", lambda line: shown_at.append(clock.seconds))
    for _look in range(1000):
        progress.waiting(7, "to be Stopped", 86400.0)
        clock.advance(60.0)
    assert max(later - earlier for earlier, later in zip(shown_at, shown_at[1:])) == 300.0


def test_progress_second_wait_is_shown_at_once(clock: FakeClock) -> None:
    lines: list[str] = []
    progress = Progress("resume", lines.append)
    progress.waiting(2, "to stop before they are resumed", 600.0)
    progress.waiting(1, "to be Stopped", 600.0)
    assert [line.rpartition("waiting for ")[2] for line in lines] == [
        "2 workloads to stop before they are resumed",
        "1 workload to be Stopped",
    ]


def test_progress_long_read_is_shown_and_a_short_one_is_not(clock: FakeClock) -> None:
    lines: list[str] = []
    progress = Progress("delete", lines.append)
    for read in range(1, 1001):
        clock.advance(0.0625)
        progress.reading("one by one", read, 1000)
    assert lines == [
        "runai delete: reading the state one by one: {0} of 1000".format(read)
        for read in (160, 320, 480, 640, 800, 960)
    ]
    progress.phase("acting")
    for read in range(1, 100):
        clock.advance(0.1)
        progress.reading("from the list", read, None)
    assert lines[6:] == ["runai delete: acting"]
    clock.advance(0.2)
    progress.reading("from the list", 100, None)
    assert lines[-1] == "runai delete: reading the state from the list: 100"


def test_progress_reads_of_an_hour_are_thinned_and_never_silent_for_long(clock: FakeClock) -> None:
    shown_at: list[float] = []
    progress = Progress("delete", lambda line: shown_at.append(clock.seconds))
    while clock.seconds < 86_400:
        clock.advance(0.5)
        progress.reading("one by one", 1, 2)
    assert len([one for one in shown_at if one <= 3600]) <= MOST_LINES
    assert max(later - earlier for earlier, later in zip([0.0, *shown_at], shown_at)) == 300.0


def test_progress_trouble_of_many_requests_is_shown_once(clock: FakeClock) -> None:
    lines: list[str] = []
    progress = Progress("suspend", lines.append)
    for _request in range(8):
        progress.trouble("HTTP 503", 90.4)
        clock.advance(1.0)
    assert lines == ["runai suspend: control plane unavailable (HTTP 503); retrying for up to 90 s"]
    clock.advance(300.0)
    progress.trouble("HTTP 503", 90.0)
    assert len(lines) == 2


def test_progress_wait_that_is_over_shows_nothing() -> None:
    lines: list[str] = []
    Progress("suspend", lines.append).waiting(0, "to be Stopped", 600.0)
    assert lines == []


def test_progress_end_shows_the_message_of_the_result() -> None:
    lines: list[str] = []
    Progress("delete", lines.append).end("delete: 3 changed of 3")
    assert lines == ["runai delete: 3 changed of 3"]
