# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose a stop is: by the record of a workload, its phase now, and its history."""

from __future__ import annotations

from datetime import datetime

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import (
    ACTING,
    BEGUN,
    ENDING,
    OTHERS,
    US,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.ownership import (
    BACK,
    FINISHED,
    GONE,
    HELD,
    LATE,
    NOT_STOPPED,
    NOT_VISIBLE,
    OURS,
    RESTOPPED,
    RESUMED_SINCE,
    STARTING,
    TOUCHED,
    UNCERTAIN,
    UNCLEAR,
    Holder,
    PhaseChange,
    held_by,
    in_need_of_history,
    maker_by_history,
    uncertain_if_few,
    verdict_of,
    verdicts_of,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import Record, RecordedWorkload
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import SEEN, Workload
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id

IDS = [workload_id(number) for number in range(4)]
BEFORE, SENT, AT, LATER = (f"2026-01-01T00:{minute:02d}:00Z" for minute in (0, 1, 2, 3))


def _now(phase: str, since: str = "") -> Workload:
    return Workload(IDS[0], SEEN, phase=phase, phase_since=since)


def _stopped(one: str = IDS[0], since: str = AT, sent_at: str = SENT) -> RecordedWorkload:
    workload = RecordedWorkload(one, "act", phase="Running")
    workload.note_request("suspend", SENT, sent_at)
    workload.note_result("suspend", "changed", None, "")
    workload.note_phase("Stopped", since)
    return workload


def _record(*workloads: RecordedWorkload, state: str = BEGUN) -> Record:
    return Record("1", "night", {}, state=state, workloads={one.id: one for one in workloads})


def _history(*changes: tuple[str, str]) -> list[PhaseChange]:
    return [PhaseChange(datetime.fromisoformat(at.replace("Z", "+00:00")), phase) for at, phase in changes]


def test_verdict_of_an_accepted_suspend_that_was_not_seen_is_late() -> None:
    one = RecordedWorkload(IDS[0], "act", phase="Running")
    one.note_request("suspend", SENT, SENT)
    assert verdict_of(one, _now("Running"), False, False) == LATE
    one.note_result("suspend", "changed", None, "")
    assert verdict_of(one, _now("Running"), False, False) == LATE


@pytest.mark.parametrize("outcome", ["changed", "unknown", None])
def test_verdict_of_a_late_suspend_stays_late_when_its_resume_is_refused(outcome: str | None) -> None:
    one = RecordedWorkload(IDS[0], "act", phase="Running")
    one.note_request("suspend", SENT, SENT)
    if outcome is not None:
        one.note_result("suspend", outcome, None, "")
    one.note_request("resume", AT, AT)
    one.note_result("resume", "failed", 409, "already in phase Running")
    assert verdict_of(one, _now("Running"), False, False) == LATE
    one.note_phase("Stopped", AT)
    assert verdict_of(one, _now("Stopped", AT), False, False) == OURS


def test_verdict_of_a_workload_that_was_never_asked_or_refused_is_not_stopped() -> None:
    one = RecordedWorkload(IDS[0], "act", phase="Running")
    assert verdict_of(one, _now("Stopped"), False, False) == NOT_STOPPED
    one.note_request("suspend", SENT, SENT)
    one.note_result("suspend", "failed", 409, "conflict")
    assert verdict_of(one, _now("Stopped"), False, False) == NOT_STOPPED


def test_verdict_of_a_second_suspend_that_is_refused_forgets_the_first_that_was_carried_out() -> None:
    one = _stopped()
    one.note_request("suspend", LATER, LATER)
    one.note_result("suspend", "failed", 409, "conflict")
    assert verdict_of(one, _now("Running", LATER), False, False) == NOT_STOPPED


def test_verdict_of_a_second_suspend_keeps_the_first_that_may_still_stop() -> None:
    one = RecordedWorkload(IDS[0], "act", phase="Running")
    one.note_request("suspend", SENT, SENT)
    one.note_request("suspend", AT, AT)
    one.note_result("suspend", "failed", 409, "conflict")
    assert verdict_of(one, _now("Running"), False, False) == LATE
    assert one.sent_at == SENT


@pytest.mark.parametrize(
    ("phase", "is_deleted", "expected"),
    [
        ("Stopped", False, OURS),
        ("Stopping", False, UNCERTAIN),
        ("Running", False, RESUMED_SINCE),
        ("Unknown", False, UNCLEAR),
        ("Completed", False, FINISHED),
        ("Deleting", False, GONE),
        (None, True, GONE),
        (None, False, NOT_VISIBLE),
    ],
)
def test_verdict_of_a_stop_by_the_phase_now(phase: str | None, is_deleted: bool, expected: str) -> None:
    now = None if phase is None else _now(phase, AT if phase == "Stopped" else LATER)
    assert verdict_of(_stopped(), now, is_deleted, False) == expected


def test_verdict_of_a_resumed_workload() -> None:
    one = _stopped()
    one.note_request("resume", LATER, LATER)
    one.note_result("resume", "changed", None, "")
    assert verdict_of(one, _now("Stopped", AT), False, False) == OURS
    assert verdict_of(one, _now("Pending"), False, False) == STARTING
    assert verdict_of(one, _now("Running"), False, False) == BACK
    one.note_phase("Running", LATER)
    assert verdict_of(one, _now("Stopped", "later"), False, False) == RESTOPPED


def test_verdict_of_a_moved_time_stamp_is_uncertain_until_somebody_is_named() -> None:
    one = _stopped()
    assert verdict_of(one, _now("Stopped", LATER), False, False) == UNCERTAIN
    one.note_attribution(LATER, OTHERS)
    assert verdict_of(one, _now("Stopped", LATER), False, False) == TOUCHED
    assert verdict_of(one, _now("Stopped", "even later"), False, False) == UNCERTAIN
    one.note_attribution(LATER, US)
    assert verdict_of(one, _now("Stopped", LATER), False, False) == OURS


def test_verdict_of_a_stop_before_the_suspend_was_sent_is_uncertain() -> None:
    one = _stopped(since=BEFORE)
    assert verdict_of(one, _now("Stopped", BEFORE), False, False) == UNCERTAIN
    assert verdict_of(_stopped(since=BEFORE, sent_at=""), _now("Stopped", BEFORE), False, False) == OURS


def test_verdicts_of_many_moved_stamps_ask_for_no_history() -> None:
    record = _record(*(_stopped(one) for one in IDS))
    found = verdicts_of(record, {one: _now("Stopped", LATER) for one in IDS})
    assert set(found.values()) == {UNCERTAIN}
    assert uncertain_if_few(found) == []
    now = {one: _now("Stopped", LATER if one == IDS[0] else AT) for one in IDS}
    found = verdicts_of(record, now)
    assert list(found.values()) == [UNCERTAIN, OURS, OURS, OURS]
    assert in_need_of_history(record, found, now) == uncertain_if_few(found) == [IDS[0]]


def test_in_need_of_history_is_an_early_stop_where_another_stop_shows_that_clocks_agree() -> None:
    early = _stopped(since=BEFORE)
    now = {IDS[0]: _now("Stopped", BEFORE), IDS[1]: _now("Stopped", AT)}
    for record, ids in ((_record(early), []), (_record(early, _stopped(IDS[1])), [IDS[0]])):
        found = verdicts_of(record, now)
        assert uncertain_if_few(found) == [IDS[0]]
        assert in_need_of_history(record, found, now) == ids


def test_verdicts_of_many_stops_before_the_suspend_prove_that_clocks_differ() -> None:
    record = _record(*(_stopped(one, since=BEFORE) for one in IDS))
    assert set(verdicts_of(record, {one: _now("Stopped", BEFORE) for one in IDS}).values()) == {OURS}


STOP = [("2026-01-01T00:00:00Z", "Running"), (AT, "Stopping"), (AT, "Stopped")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (STOP, US),
        ([*STOP, (LATER, "Running"), (LATER, "Stopped")], OTHERS),
        # Newest first, as the simulator lists them.
        ([(LATER, "Stopped"), (LATER, "Resuming"), *reversed(STOP)], OTHERS),
        # It does not reach back to the stop.
        ([(LATER, "Stopped")], None),
        ([], None),
    ],
)
def test_maker_by_history_decides_on_a_moved_time_stamp(
    changes: list[tuple[str, str]], expected: str | None
) -> None:
    assert maker_by_history(_stopped(), _now("Stopped", LATER), _history(*changes)) == expected


def test_maker_by_history_of_a_moved_time_stamp_keeps_what_is_known_of_the_stop() -> None:
    one = _stopped(since=BEFORE)
    assert maker_by_history(one, _now("Stopped", LATER), _history((BEFORE, "Stopped"))) == OTHERS
    one = _stopped()
    one.note_attribution(AT, OTHERS)
    assert maker_by_history(one, _now("Stopped", LATER), _history(*STOP)) == OTHERS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([(BEFORE, "Running"), ("2026-01-01T00:00:30Z", "Stopping"), (BEFORE, "Stopped")], OTHERS),
        ([(BEFORE, "Running"), (AT, "Stopped")], US),
        ([(BEFORE, "Stopped")], OTHERS),
        ([(BEFORE, "Running")], None),
        ([], None),
    ],
)
def test_maker_by_history_decides_on_a_stop_before_the_suspend(
    changes: list[tuple[str, str]], expected: str | None
) -> None:
    assert maker_by_history(_stopped(since=BEFORE), _now("Stopped", BEFORE), _history(*changes)) == expected


@pytest.mark.parametrize(
    ("state", "now", "is_held"),
    [
        (BEGUN, _now("Stopped", AT), True),
        (ACTING, _now("Stopped", AT), True),
        (ENDING, _now("Stopped", AT), False),
        (BEGUN, _now("Stopped", LATER), True),
        (BEGUN, _now("Running", LATER), False),
    ],
)
def test_held_by_names_an_open_record_that_stopped_it(state: str, now: Workload, is_held: bool) -> None:
    held = held_by([_record(_stopped(), state=state)], {IDS[0]: now})
    assert held == ({IDS[0]: Holder("night", AT, SENT)} if is_held else {})


def test_held_by_prefers_a_record_that_surely_stopped_it() -> None:
    sure, unsure = _record(_stopped()), _record(_stopped(since=BEFORE))
    unsure.name = "unsure"
    for records in ([sure, unsure], [unsure, sure]):
        assert held_by(records, {IDS[0]: _now("Stopped", AT)})[IDS[0]].name == "night"


@pytest.mark.parametrize(("since", "now"), [(AT, LATER), (BEFORE, BEFORE)])
def test_verdict_of_a_shared_stop_is_as_uncertain_as_that_of_its_holder(since: str, now: str) -> None:
    one = RecordedWorkload(IDS[0], "share", phase="Stopped")
    one.note_shared(since, SENT)
    one.note_phase("Stopped", now)
    assert verdict_of(one, _now("Stopped", now), False, False) == UNCERTAIN


def test_held_by_leaves_out_what_somebody_else_stopped_since() -> None:
    one = _stopped()
    one.note_attribution(LATER, OTHERS)
    assert held_by([_record(one)], {IDS[0]: _now("Stopped", LATER)}) == {}


def test_verdict_of_a_held_workload_that_may_still_stop_is_held() -> None:
    one = RecordedWorkload(IDS[0], "act", phase="Running")
    one.note_request("suspend", SENT, SENT)
    assert verdict_of(one, _now("Running"), False, True) == HELD
    assert verdict_of(_stopped(), _now("Running", LATER), False, True) == RESUMED_SINCE
