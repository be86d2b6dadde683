# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A summary of lines and tables: for the terminal, as Markdown and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .record_rows import MOST_ROWS


class Table(NamedTuple):
    """A table with a heading; cells are text."""

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Page(NamedTuple):
    """What people read: the first line says which control plane it is about."""

    lines: list[str]
    tables: list[Table]


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


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _markdown(text: str) -> str:
    return "".join("\\" + char if char in "\\`*_{}[]<>#|!" else char for char in text)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"


def _html_row(cells: Iterable[str], tag: str) -> str:
    return "<tr>{0}</tr>".format("".join("<{0}>{1}</{0}>".format(tag, html.escape(cell)) for cell in cells))
