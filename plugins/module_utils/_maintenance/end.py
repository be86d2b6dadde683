# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps around the batches of `end`, and `status`."""

from __future__ import annotations

import copy
from typing import Callable

from .._workload.phases import RESUME, SUSPEND
from .context import (
    Context,
    Step,
    check_same_plane,
    fold_reports,
    new_report,
    take_part,
)
from .handed import (
    assume_asked,
    fill_in,
    may_have_begun,
)
from .pods import look_on_nodes
from .record import (
    ACTING,
    BEGUN,
    ENDED,
    ENDING,
    PLANNED,
    Record,
    RecordError,
    Remedy,
    utc_now,
)
from .record_begin import ask_to_resume
from .record_claims import (
    HOLDING_STATES,
    claims,
    is_claimed,
)
from .record_end import (
    HELD,
    TO_RESUME,
    foresee_refusals,
    ids_to_resume,
    is_over,
    judge_resumes,
    may_stop_late,
    note_stops,
    stand,
)
from .record_nodes import NOTHING_LEFT
from .record_playbooks import STATUS_PLAYBOOK
from .record_seen import Seen
from .record_words import standing_page
from .reports import is_being_written
from .trouble import (
    end_notes,
    end_trouble,
    rehearsal_notes,
    status_notes,
    status_trouble,
)

_BEFORE_END = (PLANNED, ACTING, BEGUN)
# Seconds between two looks at whether a batch is still at work.
_BETWEEN_LOOKS = 0.1


def end_step(context: Context) -> Step:
    """Find what is ours and still stopped, write down that it is going to be resumed, return its ids."""
    with context.locked():
        record = _restorable(context)
        with_touched = bool(context.settings.get("resume_touched"))
        if record.state == ENDED and not with_touched and not _may_hold_more(record):
            return Step(record, standing_page(record))
        now = _look(context, record)
        if record.state == PLANNED:
            # Nothing was sent because of it, so there is nothing to bring back.
            context.enter(record, ENDED)
            context.save(record)
            return Step(record, standing_page(record), changed=True)
        before = record.state
        first, second = ids_to_resume(record.workloads, with_touched)
        page, trouble = standing_page(record, notes=end_notes(context, record)), None
        if before == ENDED and not first and not second:
            return Step(record, page)
        note_stops(record.workloads, now)
        context.enter(record, ENDING)
        ask_to_resume(record.workloads, [*first, *second], utc_now())
        if context.check_mode:
            # No later step will look at what came of it.
            foresee_refusals(record.workloads, now)
            trouble = end_trouble(context, record)
        report = new_report(record, RESUME) if first else None
        report_after = new_report(record, RESUME) if second else None
        context.save(record)
    changed = bool(first or second) or record.state != before
    return Step(record, page, changed, first, second, report, report_after, trouble)


def ended_step(context: Context) -> Step:
    """Look again once the batches are through; the record is closed when nothing is left to bring back."""
    with context.locked():
        record = _restorable(context)
        if record.state == ENDED:
            return Step(record, standing_page(record, notes=end_notes(context, record)))
        _look(context, record)
        judge_resumes(record.workloads, bool(context.settings.get("resume_touched")))
        before = record.state
        if is_over(record.workloads):
            context.enter(record, ENDED)
        context.save(record)
    page = standing_page(record, notes=end_notes(context, record))
    return Step(record, page, changed=record.state != before, trouble=end_trouble(context, record))


def status_step(context: Context) -> Step:
    """Compare the record with what is true now; nothing is written."""
    record = copy.deepcopy(context.need())
    state = record.state
    _assume_begun(context, record)
    _look(context, record)
    record.state = state
    has_begun = state in (ACTING, BEGUN) or any(entry.standing in TO_RESUME for entry in record.workloads)
    left = look_on_nodes(context, record) if has_begun and state in _BEFORE_END else NOTHING_LEFT
    trouble = status_trouble(context, record, left)
    notes = [*rehearsal_notes(context, left), *status_notes(context, record, trouble)]
    return Step(record, standing_page(record, left, notes), trouble=trouble)


def seconds_to_settle(context: Context) -> float:
    """Return how long to wait, from now, before the truth is looked at after a begin that was cut off.

    What it sent last may not show yet: the control plane is asynchronous. When it was cut off can't be
    known: the record says when it began to act.
    """
    record = context.load()
    if record is None:
        return 0.0
    has_acted = record.state == ACTING and any(entry.act is not None for entry in record.workloads)
    if not has_acted and not may_have_begun(context, record):
        return 0.0
    return float(context.settings.get("settle_time", 0))


def await_batches(context: Context, seconds: float, sleep: Callable[[float], None]) -> None:
    """Wait until the batches of a begin that was cut off have their answers, at most ``seconds``.

    They outlive their play: what is in flight is awaited, and may be carried out until then.
    """
    record = context.load()
    if record is None or record.state != ACTING or context.folder is None:
        return
    paths = [context.folder.beside(report.name) for report in record.reports if report.action == SUSPEND]
    for _look_number in range(round(seconds / _BETWEEN_LOOKS)):
        if not any(is_being_written(path) for path in paths):
            return
        sleep(_BETWEEN_LOOKS)


def _may_hold_more(record: Record) -> bool:
    """Tell whether a record that has ended may have something to bring back after all."""
    has_acted = ACTING in record.times
    return has_acted and any(may_stop_late(entry) or entry.standing == HELD for entry in record.concerned())


def _restorable(context: Context) -> Record:
    record = context.need()
    if record.action != SUSPEND:
        raise RecordError(
            "the record {0} is a {1}: it can't be undone; nothing was sent".format(record.name, record.kind),
            Remedy(playbook=STATUS_PLAYBOOK),
        )
    _assume_begun(context, record)
    if record.state == ENDED and context.is_handed_over():
        # Nothing more is sent, but neither names nor what became of the workloads has travelled.
        _look(context, record)
    return record


def _assume_begun(context: Context, record: Record) -> None:
    """Take a plan that was handed over as begun: whatever began since could not say what it did."""
    if may_have_begun(context, record):
        assume_asked(record, record.entry_ids())
        context.enter(record, ACTING)


def _look(context: Context, record: Record) -> dict[str, Seen]:
    """Compare the record with what is true now, and return that."""
    check_same_plane(record, context.reader.identity().control_plane)
    fold_reports(context, record)
    now = context.reader.look(record.entry_ids())
    others = take_part(context, record, now)
    missing = [entry.id for entry in record.concerned() if is_claimed(entry) and entry.id not in now]
    deleted = context.reader.deleted(missing) if missing else set()
    stand(record.workloads, now, deleted, claims(others, now, HOLDING_STATES))
    fill_in(record, now)
    return now
