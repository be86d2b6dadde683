# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The summary for people: Markdown, or HTML where the name ends in .html."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from .._system.files import write_whole

_COLUMNS = ("name", "project", "submitted_by", "phase_before", "phase", "verdict", "message")


def write_summary(path: str, result: Mapping[str, Any]) -> None:
    """Write the lines and the workloads of a result; a file is replaced as a whole and no link followed."""
    is_html = path.lower().endswith((".html", ".htm"))
    text = as_html(result) if is_html else as_markdown(result)
    write_whole(path, text)


def as_markdown(result: Mapping[str, Any]) -> str:
    """Return a Markdown document."""
    lines = ["# " + _escaped(result["lines"][0]), ""]
    for line in result["lines"][1:]:
        lines += [_escaped(line), ""]
    lines += ["| " + " | ".join(_COLUMNS) + " |", "|" + " --- |" * len(_COLUMNS)]
    lines += ["| " + " | ".join(_escaped(one[key]) for key in _COLUMNS) + " |" for one in result["workloads"]]
    return "\n".join(lines) + "\n"


def as_html(result: Mapping[str, Any]) -> str:
    """Return a whole page without any script or outside reference."""
    cells = [[html.escape(str(one[key])) for key in _COLUMNS] for one in result["workloads"]]
    rows = ["<tr><td>{0}</td></tr>".format("</td><td>".join(row)) for row in cells]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            "<title>{0}</title></head><body>".format(html.escape(result["lines"][0])),
            *("<p>{0}</p>".format(html.escape(line)) for line in result["lines"]),
            "<table><tr><th>{0}</th></tr>".format("</th><th>".join(_COLUMNS)),
            *rows,
            "</table></body></html>\n",
        ]
    )


def _escaped(value: object) -> str:
    return "".join("\\" + one if one in "\\`*_{}[]<>#|" else one for one in str(value))
