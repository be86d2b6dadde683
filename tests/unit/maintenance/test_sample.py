# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reads of a reclaim, with a clock of their own."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import begin as _maintenance_begin
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.begin import begin_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.context import Context
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import RecordError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.sample import Sampled, sample_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.sampling import Sampling, sampling_of
from ansible_collections.gpuops.runai.tests.support.fake_maintenance import FakeControlPlane, context

SAID: dict[str, Any] = {
    "role": "workload_reclaim",
    "name": "weekend",
    "reason": "idle",
    "min_idle_gpus": 1,
    "idle_for": "2h",
    "samples": 5,
    "max_affected": "none",
    "max_percent": "none",
}


class Clock:
    """A clock that only a sleep moves on."""

    def __init__(self) -> None:
        self.now = datetime.now(timezone.utc) - timedelta(hours=3)
        self.slept: list[float] = []
        self.warnings: list[str] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def read(self, at: Context, earlier: Optional[Sampled] = None) -> Sampled:
        """Take one read, handed on as the role does."""
        handed = None
        if earlier is not None:
            assert earlier.sampling is not None
            handed = sampling_of(earlier.sampling.as_option())
        return sample_step(at, handed, self.warnings.append, self.sleep, self)


@pytest.fixture
def control_plane() -> FakeControlPlane:
    return FakeControlPlane(["Running"] * 3)


@pytest.fixture
def folder(tmp_path: object) -> str:
    return str(tmp_path)


def test_each_read_waits_until_it_is_due_however_soon_it_is_asked_for(
    control_plane: FakeControlPlane, folder: str
) -> None:
    clock, at = Clock(), context(control_plane, folder, **SAID)
    found = clock.read(at)
    assert found.words.startswith("3 idle at 1 of 5 reads; the next one is at ")
    # A part of the time went by before it was asked for.
    clock.now += timedelta(minutes=15)
    found = clock.read(at, found)
    control_plane.workloads[control_plane.ids[1]].idle_gpus = 0
    found = clock.read(at, found)
    control_plane.workloads[control_plane.ids[1]].idle_gpus = 1
    for _read in range(2):
        found = clock.read(at, found)
    assert clock.slept == [900.0, 1800.0, 1800.0, 1800.0]
    assert found.words == "2 idle at 5 of 5 reads"
    assert begin_step(at, found.sampling).ids == [control_plane.ids[0], control_plane.ids[2]]


def test_a_plan_that_a_begin_left_behind_is_made_anew_of_what_idles_now(
    control_plane: FakeControlPlane, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = context(control_plane, folder, **SAID)

    def sampled() -> Optional[Sampling]:
        clock = Clock()
        found = clock.read(at)
        for _read in range(4):
            found = clock.read(at, found)
        return found.sampling

    def cut_off(*_args: object) -> None:
        raise RunaiError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(_maintenance_begin, "check_scope", cut_off)
        with pytest.raises(RunaiError, match="no answer"):
            begin_step(at, sampled())
    assert at.need().state == "planned"
    control_plane.workloads[control_plane.ids[1]].idle_gpus = 0
    with pytest.raises(RecordError, match="there were 0 reads"):
        begin_step(at)
    assert begin_step(at, sampled()).ids == [control_plane.ids[0], control_plane.ids[2]]
    assert at.need().entry_ids() == [control_plane.ids[0], control_plane.ids[2]]
    # What it has asked for by now, it goes on with.
    assert begin_step(at).ids == [control_plane.ids[0], control_plane.ids[2]]


@pytest.mark.parametrize(
    ("reads", "over", "words"),
    [
        (5, timedelta(seconds=10), "5 reads spread over it; there were 5 reads over 1[0-9]s"),
        (1, timedelta(hours=3), "5 reads spread over it; there was 1 over 3h"),
        (0, None, "5 reads spread over it; there were 0 reads over 0s"),
    ],
)
def test_nothing_is_called_idle_for_longer_than_it_was_seen(
    control_plane: FakeControlPlane, folder: str, reads: int, over: Optional[timedelta], words: str
) -> None:
    sampling = None if over is None else Sampling(control_plane.ids, datetime.now(timezone.utc) - over, reads)
    with pytest.raises(RecordError, match=words):
        begin_step(context(control_plane, folder, **SAID), sampling)


@pytest.mark.parametrize("samples", [0, 1])
def test_one_read_or_none_tells_no_time(control_plane: FakeControlPlane, folder: str, samples: int) -> None:
    with pytest.raises(RecordError, match="workload_reclaim_samples must be at least 2"):
        Clock().read(context(control_plane, folder, **{**SAID, "samples": samples}))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"exclude": "prod-*"}, "matches no selected workload"),
        ({"projects": "misspelt"}, "the control plane lists no project misspelt"),
    ],
)
def test_what_is_misspelt_is_told_at_the_first_read(
    control_plane: FakeControlPlane, folder: str, said: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecordError, match=words):
        Clock().read(context(control_plane, folder, **{**SAID, **said}))


def test_a_ceiling_may_be_kept_in_the_end_and_is_warned_of_at_the_first_read(
    control_plane: FakeControlPlane, folder: str
) -> None:
    clock, at = Clock(), context(control_plane, folder, **{**SAID, "max_affected": 2})
    found = clock.read(at)
    assert clock.warnings == [
        "as of the first read it would be refused: workload_reclaim_max_affected is 2, but 3 would be acted "
        "on, 1 more. The reads go on, since fewer may idle at each of them"
    ]
    control_plane.workloads[control_plane.ids[1]].idle_gpus = 0
    for _read in range(4):
        found = clock.read(at, found)
    assert len(clock.warnings) == 1
    assert len(begin_step(at, found.sampling).ids) == 2


def test_a_workload_that_is_at_work_may_be_spared_all_the_same(
    control_plane: FakeControlPlane, folder: str
) -> None:
    control_plane.workloads[control_plane.ids[1]].idle_gpus = 0
    at = context(control_plane, folder, **{**SAID, "idle_for": "now", "exclude": [control_plane.ids[1]]})
    found = Clock().read(at)
    assert begin_step(at, found.sampling).ids == [control_plane.ids[0], control_plane.ids[2]]
