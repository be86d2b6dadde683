# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of idle GPUs as CSV, Markdown and HTML: each a whole file in one string. No I/O."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence

from .._common.text import escaped
from .idle_report_rows import IdleReport, notes, summary_line

_SHARE_COLUMNS = ("idle GPU-hours", "GPUs", "workloads")
_COLUMNS = ("project", "owner", "workload", "cluster", "GPUs", "idle GPU-hours", "peak percent", "kept until")
# Pixels of the longest bar.
_BAR_WIDTH = 420
# With one of these a spreadsheet takes a text for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_STYLE = """
body { font-family: system-ui, sans-serif; margin: 2rem; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; margin-bottom: 2rem; }
th, td { border-bottom: 1px solid #ccc; padding: 0.25rem 0.75rem; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.bar { height: 1rem; background: #3b6ea5; }
"""


class _Bar(float):
    """A bar of a chart, as a part of the longest one."""


def as_csv(report: IdleReport) -> str:
    """Return a line a workload, for a spreadsheet."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [column.replace(" ", "_").replace("-", "_").lower() for column in _COLUMNS]
    writer.writerow([*names, "id"])
    for one in report.workloads:
        writer.writerow([_as_cell(value) for value in one])
    return file.getvalue()


def as_markdown(report: IdleReport) -> str:
    """Return a document with a table a project, an owner and a workload."""
    lines = ["# Idle GPUs", "", escaped(summary_line(report)), ""]
    for note in notes(report):
        lines += [escaped(note), ""]
    for kind, shares in report.shares().items():
        lines += ["## By {0}".format(kind), "", *_markdown_table((kind, *_SHARE_COLUMNS), shares), ""]
    lines += ["## Workloads", "", *_markdown_table(_COLUMNS, _workload_rows(report))]
    return "\n".join(lines) + "\n"


def as_html(report: IdleReport) -> str:
    """Return a page with a bar chart, without any script or outside reference."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        "<title>Idle GPUs</title><style>{0}</style></head><body>".format(_STYLE),
        "<h1>Idle GPUs</h1>",
        "<p><strong>{0}</strong></p>".format(html.escape(summary_line(report))),
        *("<p>{0}</p>".format(html.escape(note)) for note in notes(report)),
        "<p>Control plane: {0}</p>".format(html.escape(report.base_url)),
    ]
    for kind, shares in report.shares().items():
        most = max((one.idle_gpu_hours for one in shares), default=0) or 1
        rows = [(*one, _Bar(one.idle_gpu_hours / most)) for one in shares]
        parts += [
            "<h2>Idle GPU-hours by {0}</h2>".format(kind),
            _html_table((kind, *_SHARE_COLUMNS, ""), rows),
        ]
    parts += [
        "<h2>Workloads</h2>",
        _html_table(_COLUMNS, _workload_rows(report)),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _workload_rows(report: IdleReport) -> list[Sequence[object]]:
    # Without the id, which only the spreadsheet has.
    return [one[:-1] for one in report.workloads]


def _as_cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return _text(value)


def _text(value: object) -> str:
    return "{0:g}".format(round(value, 2)) if isinstance(value, float) else str(value)


def _markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| {0} |".format(" | ".join(columns)), "|" + " --- |" * len(columns)]
    return lines + ["| {0} |".format(" | ".join(escaped(_text(cell)) for cell in row)) for row in rows]


def _html_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["".join("<th>{0}</th>".format(column) for column in columns)]
    lines += ["".join(_html_cell(value) for value in row) for row in rows]
    return "<table>\n{0}\n</table>".format("\n".join("<tr>{0}</tr>".format(line) for line in lines))


def _html_cell(value: object) -> str:
    if isinstance(value, _Bar):
        return '<td><div class="bar" style="width: {0:.0f}px"></div></td>'.format(value * _BAR_WIDTH)
    kind = ' class="number"' if isinstance(value, (int, float)) else ""
    return "<td{0}>{1}</td>".format(kind, html.escape(_text(value)))
