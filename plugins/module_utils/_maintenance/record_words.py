# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record in words: the pages that people read, and the rows of what failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from .._batch.outcome import (
    CHANGED,
    UNKNOWN_OUTCOME,
    WORST_FIRST,
)
from .._common.text import clean, counted
from .._workload.phases import STOPPED
from .record import (
    CLEANUP,
    JOIN,
    LEAVE,
    PLANNED,
    RECLAIM,
    ControlPlane,
    Entry,
    Record,
)
from .record_end import STANDINGS, standing_words
from .record_nodes import NOTHING_LEFT, OnNodes
from .record_plan import group
from .record_rows import MOST_ROWS, problem_row
from .record_seen import is_active
from .summary import Page, Table

REHEARSAL = "REHEARSAL on a simulator"

_ENTRY_COLUMNS = ("workload", "project", "owner", "phase", "warn_once")


class Trouble(NamedTuple):
    """Why a task fails: one sentence, the worst rows, and what to type next."""

    sentence: str
    rows: list[str]
    next_command: str


def first_line(control_plane: ControlPlane) -> str:
    """Say which control plane it is."""
    clusters = ", ".join(sorted(control_plane.clusters.values())) or "no clusters known"
    if control_plane.clusters and not control_plane.all_clusters:
        clusters += " (this account may not list them: there may be others)"
    place = "{0}, tenant {1}, clusters: {2}".format(
        control_plane.base_url, control_plane.tenant_id or "unknown", clusters
    )
    return (
        "{0}: {1}".format(REHEARSAL, place) if control_plane.simulator else "Control plane {0}".format(place)
    )


def plan_page(record: Record, notes: Sequence[str] = ()) -> Page:
    """Say what would happen. ``notes`` are further sentences."""
    ours = record.concerned()
    lines = [
        first_line(record.control_plane),
        "{0} {1} ({2}), {3}: {4}".format(
            record.kind.capitalize(),
            record.name,
            clean(record.reason, 120),
            record.state,
            _plan_words(record),
        ),
    ]
    if record.kind == RECLAIM:
        lines.append(_idle_words(record))
    interactive = sum(entry.interactive for entry in ours)
    if interactive and record.kind != CLEANUP:
        lines.append(
            "{0} among them {1} interactive: data and logs inside the containers are lost".format(
                interactive, "is" if interactive == 1 else "are"
            )
        )
    joined = sum(entry.plan == JOIN for entry in ours)
    if joined:
        lines.append(
            "{0} already stopped by another open record, and shared with it".format(
                counted(joined, "workload")
            )
        )
    left = [entry for entry in record.workloads if entry.plan == LEAVE]
    if left:
        lines.append(
            "{0} left running, since the control plane can't suspend {1}".format(
                counted(len(left), "workload"), "it" if len(left) == 1 else "them"
            )
        )
    if record.drift:
        lines.append(
            "1 workload meets the selection now and is not in the plan: never acted on"
            if len(record.drift) == 1
            else "{0} workloads meet the selection now and are not in the plan: never acted on".format(
                len(record.drift)
            )
        )
    lines += notes
    tables = [_groups("By project and owner", ours)]
    if left:
        tables.append(_groups("Left running", left))
    return Page(lines, [*tables, *_drift_table(record, "New since the plan")])


def _plan_words(record: Record) -> str:
    ours = record.concerned()
    verb = "delete" if record.kind == CLEANUP else "suspend"
    if not ours:
        return "NOTHING to {0}: no workload is in the plan".format(verb)
    gpus = round(sum(entry.gpus for entry in ours), 2)
    falls = "1 GPU falls free" if gpus == 1 else "{0:g} GPUs fall free".format(gpus)
    return "{0}s {1} of {2} in {3}{4}".format(
        verb,
        counted(len(ours), "workload"),
        counted(len({entry.owner for entry in ours}), "owner"),
        counted(len({entry.project for entry in ours}), "project"),
        "" if record.kind == CLEANUP else "; " + falls,
    )


def begun_page(record: Record, left: OnNodes = NOTHING_LEFT, notes: Sequence[str] = ()) -> Page:
    """Say what `begin` did, and what is ``left`` on the nodes. ``notes`` are further sentences."""
    asked = [entry for entry in record.concerned() if entry.act is not None]
    done = [entry for entry in asked if entry.act is not None and entry.act.outcome == CHANGED]
    verb = "deleted" if record.kind == CLEANUP else "suspended"
    lines = [
        first_line(record.control_plane),
        "{0} {1}, {2}: {3} {4} of {5} asked for".format(
            record.kind.capitalize(),
            record.name,
            record.state,
            len(done),
            verb,
            counted(len(asked), "workload"),
        ),
    ]
    lines += [*(one.words() for one in left.pods), *notes]
    tables = [
        *left.tables(),
        _groups(verb.capitalize(), done),
        *_not_done_table(verb, asked),
        *_drift_table(record, "New since the plan, not acted on"),
    ]
    return Page(lines, tables)


def _not_done_table(verb: str, asked: Iterable[Entry]) -> list[Table]:
    """Name what was asked for and is not known to be done, worst first."""
    outcomes = {entry.id: entry.act.outcome or UNKNOWN_OUTCOME for entry in asked if entry.act is not None}
    rest = [entry for entry in asked if outcomes.get(entry.id, CHANGED) != CHANGED]
    rest.sort(key=lambda entry: WORST_FIRST.index(outcomes[entry.id]))
    return (
        [Table("Not {0}".format(verb), _ENTRY_COLUMNS, [_entry_row(entry) for entry in rest])] if rest else []
    )


def standing_page(record: Record, left: OnNodes = NOTHING_LEFT, notes: Sequence[str] = ()) -> Page:
    """Say where each workload of the record stands, worst first. ``notes`` are further sentences."""
    entries = record.concerned()
    lines = [
        first_line(record.control_plane),
        "{0} {1}, {2}: {3}".format(
            record.kind.capitalize(), record.name, record.state, counted(len(entries), "workload")
        ),
    ]
    is_untouched = record.state == PLANNED and all(entry.act is None for entry in entries)
    if is_untouched:
        active = sum(is_active(entry.phase_now or STOPPED) for entry in entries)
        lines.append("Nothing was sent yet; {0} of {1} still active".format(active, len(entries)))
    lines += [*(one.words() for one in left.pods), *notes]
    tables = left.tables()
    for standing in () if is_untouched else STANDINGS:
        those = [entry for entry in entries if entry.standing == standing]
        if those:
            is_cleanup = record.kind == CLEANUP
            lines.append(standing_words(standing, len(those), is_cleanup=is_cleanup))
            if standing != "back":
                rows = [_entry_row(entry) for entry in those]
                heading = standing_words(standing, len(those), "that ", is_cleanup)
                tables.append(Table(heading, _ENTRY_COLUMNS, rows))
    tables.append(_groups("By project and owner", entries))
    return Page(lines, tables)


def trouble_rows(entries: Iterable[Entry], resume: bool) -> list[str]:
    """Return at most 20 rows: name, project, owner, code, message."""
    rows = []
    for entry in entries:
        asked = entry.resume if resume else entry.act
        code = asked.code if asked is not None else None
        words = (asked.message if asked is not None else None) or _remark(entry) or "-"
        rows.append(problem_row(entry.name or entry.id, entry.project, entry.owner, words, code))
    return rows[:MOST_ROWS]


def _idle_words(record: Record) -> str:
    """One read tells what is idle now, and nothing of how long it has been."""
    idle_for, samples = record.settings.get("idle_for"), record.settings.get("samples")
    if idle_for is None:
        return "Idle now, at one read: not known for how long"
    return "Idle for {0}: at each of {1} reads spread over it".format(idle_for, samples)


def _drift_table(record: Record, heading: str) -> list[Table]:
    rows = [tuple(str(one.get(key) or "-") for key in ("name", "project", "owner")) for one in record.drift]
    return [Table(heading, ("workload", "project", "owner"), rows)] if rows else []


def _groups(heading: str, entries: Iterable[Entry]) -> Table:
    rows = [(one.project, one.owner, str(one.workloads), "{0:g}".format(one.gpus)) for one in group(entries)]
    return Table(heading, ("project", "owner", "workloads", "GPUs"), rows)


def _entry_row(entry: Entry) -> tuple[str, ...]:
    cells = (entry.name or entry.id, entry.project, entry.owner, entry.phase_now, _remark(entry))
    return tuple(clean(cell, 80) or "-" for cell in cells)


def _remark(entry: Entry) -> Optional[str]:
    if entry.held_by:
        return "held by {0}".format(entry.held_by)
    asked = entry.resume or entry.act
    if asked is not None and asked.message:
        return asked.message
    return "now {0}".format(entry.phase_now) if entry.phase_now else None
