# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import uuid
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import record_end as end
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ACT,
    JOIN,
    LEAVE,
    Asked,
    Entry,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_seen import (
    Seen,
    workload_from_row,
)
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import PHASES

ID = str(uuid.UUID(int=1))
OURS_AT = "2026-01-01T10:00:00.500Z"
LATER = "2026-01-01T10:00:01Z"
CHANGED = Asked("t", "changed")
UNKNOWN_RESULT = Asked("t")


def seen(phase: str, since: Optional[str] = OURS_AT) -> Seen:
    return workload_from_row(ID, {"id": ID, "phase": phase, "phaseUpdatedAt": since})


def entry(**changes: Any) -> Entry:
    return Entry(
        **{"id": ID, "plan": ACT, "phase_before": "Running", "act": CHANGED, "stopped_at": OURS_AT, **changes}
    )


@pytest.mark.parametrize(
    ("mine", "now", "deleted", "standing"),
    [
        (entry(), seen("Stopped"), False, end.OURS),
        (entry(), seen("Stopped", "2026-01-01T11:00:00.500+01:00"), False, end.OURS),
        (entry(), seen("Stopped", "2026-01-01T09:00:00Z"), False, end.OURS),
        (entry(), seen("Stopped", LATER), False, end.TOUCHED),
        (entry(), seen("Stopping", LATER), False, end.TOUCHED),
        (entry(), seen("Stopping"), False, end.TOUCHED),
        (entry(stopped_at=None), seen("Stopping"), False, end.ASSUMED),
        (entry(stopped_at=None), seen("Suspending"), False, end.ASSUMED),
        (entry(), seen("Stopped", None), False, end.ASSUMED),
        (entry(), seen("Stopped", "yesterday"), False, end.ASSUMED),
        (entry(assumed=True), seen("Stopped"), False, end.ASSUMED),
        (entry(assumed=True), seen("Stopped", LATER), False, end.TOUCHED),
        (entry(act=UNKNOWN_RESULT, stopped_at=None), seen("Stopped"), False, end.ASSUMED),
        (entry(act=Asked("t", "unknown"), stopped_at=None), seen("Stopped"), False, end.ASSUMED),
        (
            entry(act=Asked("t", "failed", unsettled=True), stopped_at=None),
            seen("Stopped"),
            False,
            end.ASSUMED,
        ),
        (entry(act=Asked("t", "failed"), stopped_at=None), seen("Stopped"), False, end.NOT_STOPPED),
        (entry(act=Asked("t", "unchanged"), stopped_at=None), seen("Stopped"), False, end.NOT_STOPPED),
        (entry(act=None, stopped_at=None), seen("Stopped"), False, end.NOT_STOPPED),
        (entry(act=None, stopped_at=None, plan=JOIN), seen("Stopped"), False, end.ASSUMED),
        (entry(act=None, plan=JOIN), seen("Stopped"), False, end.OURS),
        (entry(act=None, plan=JOIN), seen("Running"), False, end.RESUMED_SINCE),
        (entry(act=None), None, False, end.NOT_STOPPED),
        (entry(), seen("Running"), False, end.RESUMED_SINCE),
        (entry(), seen("Pending"), False, end.RESUMED_SINCE),
        (entry(stopped_at=None), seen("Running"), False, end.RESUMED_SINCE),
        (entry(act=UNKNOWN_RESULT, stopped_at=None), seen("Running"), False, end.NOT_STOPPED),
        (entry(), seen("Completed"), False, end.FINISHED),
        (entry(), seen("Failed"), False, end.FINISHED),
        (entry(), seen("Deleting"), False, end.GONE),
        (entry(), None, True, end.GONE),
        (entry(), None, False, end.NOT_VISIBLE),
        # The list of deleted ones forgets.
        (entry(standing=end.GONE), None, False, end.GONE),
        (entry(standing=end.GONE), seen("Stopped"), False, end.OURS),
        (entry(standing=end.NOT_VISIBLE), None, False, end.NOT_VISIBLE),
        (entry(), seen("Unknown"), False, end.UNCLEAR),
        (entry(), seen("Terminating"), False, end.UNCLEAR),
        (entry(), seen("Something new"), False, end.UNCLEAR),
        (entry(act=UNKNOWN_RESULT, stopped_at=None), seen("Unknown"), False, end.UNCLEAR),
        (entry(act=Asked("t", "failed"), stopped_at=None), seen("Unknown"), False, end.NOT_STOPPED),
        (entry(resume=CHANGED), seen("Unknown"), False, end.UNCLEAR),
        (entry(resume=CHANGED, phase_before="Unknown"), seen("Unknown"), False, end.BACK),
        (entry(resume=UNKNOWN_RESULT, phase_before="Unknown"), seen("Unknown"), False, end.UNCLEAR),
        (entry(resume=CHANGED), seen("Running"), False, end.BACK),
        (entry(resume=UNKNOWN_RESULT), seen("Completed"), False, end.BACK),
        (entry(resume=CHANGED), seen("Pending"), False, end.NOT_RUNNING_YET),
        (entry(resume=CHANGED), seen("Stopped"), False, end.OURS),
        (entry(resume=CHANGED), seen("Stopped", LATER), False, end.TOUCHED),
        # Seen at work since our stop, or with another one, by an earlier look.
        (entry(resume=CHANGED, stopped_at=None, standing=end.BACK), seen("Stopped"), False, end.TOUCHED),
        (entry(stopped_at=None, standing=end.TOUCHED), seen("Stopped"), False, end.TOUCHED),
    ],
)
def test_what_has_become_of_a_workload(
    mine: Entry, now: Optional[Seen], deleted: bool, standing: str
) -> None:
    end.stand([mine], {ID: now} if now else {}, {ID} if deleted else set(), {})
    assert mine.standing == standing
    assert standing in end.STANDINGS


def test_every_standing_has_words_for_one_and_for_several() -> None:
    for standing in end.STANDINGS:
        assert end.standing_words(standing, 1).startswith("1 ")
        assert not re.search(r"\b(are|were|have|do|they)\b", end.standing_words(standing, 1))
        assert not re.search(r"\b(is|was|has|does)\b", end.standing_words(standing, 2))
    assert end.standing_words(end.OURS, 2, "that ") == "2 that are stopped by us"


@pytest.mark.parametrize("phase", [*PHASES, "Something new"])
def test_every_phase_has_a_standing(phase: str) -> None:
    for mine in (entry(), entry(resume=CHANGED), entry(act=UNKNOWN_RESULT, stopped_at=None)):
        end.stand([mine], {ID: seen(phase)}, set(), {})
        assert mine.standing in end.STANDINGS


def test_what_is_left_alone_has_no_standing() -> None:
    mine = entry(plan=LEAVE)
    end.stand([mine], {}, set(), {})
    assert mine.standing is None
    assert end.is_over([mine])


@pytest.mark.parametrize(
    ("asked", "standing"),
    [
        (Asked("t", "failed"), end.RESUME_FAILED),
        (Asked("t", "not_attempted"), end.RESUME_FAILED),
        (Asked("t", "changed"), end.RESUME_UNKNOWN),
        (Asked("t", "unknown"), end.RESUME_UNKNOWN),
        (Asked("t"), end.RESUME_UNKNOWN),
    ],
)
def test_what_did_not_come_back_keeps_the_record_open(asked: Asked, standing: str) -> None:
    mine = entry(resume=asked, standing=end.OURS)
    end.judge_resumes([mine])
    assert mine.standing == standing
    assert not end.is_over([mine])


def test_those_that_ran_come_first() -> None:
    waited = entry(id=str(uuid.UUID(int=2)), phase_before="Pending", standing=end.ASSUMED)
    touched = entry(id=str(uuid.UUID(int=3)), standing=end.TOUCHED)
    ran = entry(standing=end.OURS)
    assert end.ids_to_resume([waited, touched, ran], with_touched=False) == ([ran.id], [waited.id])
    assert end.ids_to_resume([waited, touched, ran], with_touched=True) == ([touched.id, ran.id], [waited.id])
