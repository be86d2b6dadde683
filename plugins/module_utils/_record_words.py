# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record in words: for the terminal, as Markdown and as HTML."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._outcome import (
    CHANGED,
    UNKNOWN_OUTCOME,
    WORST_FIRST,
)
from ansible_collections.gpuops.runai.plugins.module_utils._phases import STOPPED
from ansible_collections.gpuops.runai.plugins.module_utils._record import (
    CLEANUP,
    JOIN,
    LEAVE,
    PLANNED,
    RECLAIM,
    ControlPlane,
    Entry,
    Record,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record_end import STANDINGS, standing_words
from ansible_collections.gpuops.runai.plugins.module_utils._record_plan import MOST_ROWS, group
from ansible_collections.gpuops.runai.plugins.module_utils._record_seen import is_active
from ansible_collections.gpuops.runai.plugins.module_utils._text import clean, counted, some_of

REHEARSAL = "REHEARSAL on a simulator"
# What Ansible takes as it stands: after name=, and in a YAML mapping.
_PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./*?<>-]+\Z")
_PLAIN_WORDS = re.compile(r"[A-Za-z/<][A-Za-z0-9_@%+./<>-]*( [A-Za-z0-9_@%+./<>-]+)+\Z")

_ENTRY_COLUMNS = ("workload", "project", "owner", "phase", "remark")


class Table(NamedTuple):
    """A table with a heading; cells are text."""

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Page(NamedTuple):
    """What people read: the first line says which control plane it is about."""

    lines: list[str]
    tables: list[Table]


class Trouble(NamedTuple):
    """Why a task fails: one sentence, the worst rows, and what to type next."""

    sentence: str
    rows: list[str]
    next_command: str


class PodsOnNode(NamedTuple):
    """How many pods of how many projects this account sees on a node."""

    node: str
    pods: int
    projects: int
    # Ids of the workloads that they are of, as far as that is known.
    workloads: tuple[str, ...] = ()

    def words(self) -> str:
        """Return e.g. ``gpu-17: 3 pods visible to this account in 2 projects``."""
        return "{0}: {1} visible to this account in {2}".format(
            self.node, counted(self.pods, "pod"), counted(self.projects, "project")
        )


class Holder(NamedTuple):
    """A workload that has pods on a node, and why. ``is_active``: another begin would stop it."""

    name: str
    project: Optional[str]
    owner: Optional[str]
    node: str
    why: str
    is_active: bool

    def words(self) -> str:
        """Return e.g. ``train-1 of ada@example.com in vision (left on purpose, since ...)``."""
        owner, project = (clean(one, 80) or "-" for one in (self.owner, self.project))
        return "{0} of {1} in {2} ({3})".format(clean(self.name, 80), owner, project, self.why)


class OnNodes(NamedTuple):
    """What is left on the nodes that a maintenance is about; ``unread`` says why that is not known."""

    pods: tuple[PodsOnNode, ...] = ()
    holders: tuple[Holder, ...] = ()
    unread: str = ""

    def is_empty(self) -> bool:
        """Tell whether this account sees no pod there."""
        return not self.unread and not any(one.pods for one in self.pods)

    def words(self) -> str:
        """Say in one sentence what is left, of whom, and who must move it."""
        if self.unread:
            return self.unread
        pods = "; ".join(one.words() for one in self.pods if one.pods)
        of = ", of {0}".format(some_of([one.words() for one in self.holders], 3)) if self.holders else ""
        return "{0}{1}: a taint with NoExecute or their owners must move them, then look again".format(
            pods, of
        )

    def tables(self) -> list[Table]:
        """Name all of them."""
        rows = [
            tuple(clean(cell, 80) or "-" for cell in (one.name, one.project, one.owner, one.node, one.why))
            for one in self.holders
        ]
        return [Table("Pods left", ("workload", "project", "owner", "node", "why"), rows)] if rows else []


NOTHING_LEFT = OnNodes()


def first_line(plane: ControlPlane) -> str:
    """Say which control plane it is."""
    clusters = ", ".join(sorted(plane.clusters.values())) or "no clusters known"
    if plane.clusters and not plane.all_clusters:
        clusters += " (this account may not list them: there may be others)"
    place = "{0}, tenant {1}, clusters: {2}".format(plane.base_url, plane.tenant_id or "unknown", clusters)
    return "{0}: {1}".format(REHEARSAL, place) if plane.simulator else "Control plane {0}".format(place)


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
        code = "-" if asked is None or asked.code is None else str(asked.code)
        words = (asked.message if asked is not None else None) or _remark(entry) or "-"
        cells = (entry.name or entry.id, entry.project or "-", entry.owner or "-", code, words)
        rows.append(" | ".join(clean(cell, 160) for cell in cells))
    return rows[:MOST_ROWS]


def command(playbook: str, variables: Sequence[tuple[str, Any]]) -> str:
    """Return the command to type next; values are text, numbers, booleans or lists of text."""
    words = ["ansible-playbook", "gpuops.runai." + playbook]
    for name, value in variables:
        words += ["-e", shlex.quote(_extra_var(name, value))]
    return " ".join(words)


def _extra_var(name: str, value: Any) -> str:
    """Say one variable. Ansible cuts ``name=value`` at blanks, and viewers show a ``"`` with a backslash."""
    if isinstance(value, (list, tuple)) and not any("," in one for one in value):
        value = ",".join(value)
    if isinstance(value, float) and value == int(value):
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value)
    if _PLAIN.match(text):
        return "{0}={1}".format(name, text)
    if _PLAIN_WORDS.match(text):
        return "{{{0}: {1}}}".format(name, text)
    return json.dumps({name: value})


def as_text(page: Page) -> list[str]:
    """Return lines for a terminal."""
    lines = list(page.lines)
    for table in page.tables:
        if not table.rows:
            continue
        widths = [
            max(len(row[column]) for row in [table.columns, *table.rows])
            for column in range(len(table.columns))
        ]
        lines.append("{0}:".format(table.heading))
        lines += [_aligned(row, widths) for row in [table.columns, *table.rows[:MOST_ROWS]]]
        if len(table.rows) > MOST_ROWS:
            lines.append("  and {0} more".format(len(table.rows) - MOST_ROWS))
    return lines


def as_markdown(page: Page) -> str:
    """Return a Markdown document."""
    parts = ["# " + _markdown(page.lines[0]), ""]
    for line in page.lines[1:]:
        parts += [_markdown(line), ""]
    for table in page.tables:
        if table.rows:
            parts += ["## " + _markdown(table.heading), "", _markdown_row(table.columns)]
            parts.append("|" + " --- |" * len(table.columns))
            parts += [_markdown_row(row) for row in table.rows] + [""]
    return "\n".join(parts).rstrip() + "\n"


def as_html(page: Page) -> str:
    """Return a whole HTML page without any script or outside reference."""
    title = html.escape(page.lines[0])
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{0}</title>'.format(title),
        "<style>body{font-family:sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:left}</style>",
        "</head><body>",
        "<h1>{0}</h1>".format(title),
    ]
    parts += ["<p>{0}</p>".format(html.escape(line)) for line in page.lines[1:]]
    for table in page.tables:
        if table.rows:
            parts.append(
                "<h2>{0}</h2><table>{1}".format(html.escape(table.heading), _html_row(table.columns, "th"))
            )
            parts += [_html_row(row, "td") for row in table.rows]
            parts.append("</table>")
    return "\n".join([*parts, "</body></html>", ""])


def _idle_words(record: Record) -> str:
    """One read tells what is idle now, and nothing of how long it has been."""
    idle_for, samples = record.settings.get("idle_for"), record.settings.get("samples")
    if idle_for is None:
        return "Idle now, at one read: not known for how long"
    return "Idle for {0}: at each of {1} reads spread over it".format(idle_for, samples)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


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


def _markdown(text: str) -> str:
    return "".join("\\" + char if char in "\\`*_{}[]<>#|!" else char for char in text)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"


def _html_row(cells: Iterable[str], tag: str) -> str:
    return "<tr>{0}</tr>".format("".join("<{0}>{1}</{0}>".format(tag, html.escape(cell)) for cell in cells))
