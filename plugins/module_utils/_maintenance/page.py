# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The summary for people: Markdown, or HTML where the name ends in .html."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._common.text import escaped
from .._system.files import write_whole

_WORKLOADS = (
    "name",
    "project",
    "submitted_by",
    "gpus",
    "plan",
    "phase_before",
    "phase",
    "verdict",
    "held_by",
    "message",
)
_OWNERS = ("owner", "count", "gpus", "projects")
_Table = tuple[str, Sequence[str], list[list[str]]]


def write_summary(path: str, result: Mapping[str, Any], workloads: Iterable[Mapping[str, Any]]) -> None:
    """Write lines, owners and all workloads; a file is replaced as a whole and no link followed."""
    tables: list[_Table] = [
        ("Owners", _OWNERS, _cells(_OWNERS, result["owners"])),
        ("Workloads", _WORKLOADS, _cells(_WORKLOADS, workloads)),
    ]
    is_html = path.lower().endswith((".html", ".htm"))
    write_whole(path, (as_html if is_html else as_markdown)(result["lines"], tables))


def as_markdown(lines: Sequence[str], tables: Iterable[_Table]) -> str:
    """Return a Markdown document."""
    text = ["# " + escaped(lines[0])]
    text += [escaped(line) for line in lines[1:]]
    for title, columns, rows in tables:
        table = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
        table += ["| " + " | ".join(map(escaped, row)) + " |" for row in rows]
        text += ["## " + title, "\n".join(table)]
    return "\n\n".join(text) + "\n"


def as_html(lines: Sequence[str], tables: Iterable[_Table]) -> str:
    """Return a whole page without any script or outside reference."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        "<title>{0}</title></head><body>".format(html.escape(lines[0])),
        "<h1>{0}</h1>".format(html.escape(lines[0])),
        *("<p>{0}</p>".format(html.escape(line)) for line in lines[1:]),
    ]
    for title, columns, rows in tables:
        parts.append("<h2>{0}</h2><table><tr><th>{1}</th></tr>".format(title, "</th><th>".join(columns)))
        parts += ["<tr><td>{0}</td></tr>".format("</td><td>".join(map(html.escape, row))) for row in rows]
        parts.append("</table>")
    return "\n".join([*parts, "</body></html>\n"])


def _cells(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    return [["{0:g}".format(row[key]) if key == "gpus" else str(row[key]) for key in columns] for row in rows]
