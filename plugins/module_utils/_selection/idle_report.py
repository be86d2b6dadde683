# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds how many idle GPU-hours: the flow of runai_idle_report, from options to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from .._api.connection import connection_argument_spec
from .._common.errors import OptionError, RunaiError
from .._common.result import LARGEST_RESULT, ModuleResult, characters, fitting
from .._system.files import check_output, write_whole
from .fields import PEAK, RenderContext, shown_rows
from .idle_report_files import as_csv, as_html, as_markdown
from .idle_report_rows import IdleReport, IdleWorkload, Share, report_lines
from .keep import Keep, keep_argument_spec, keep_of
from .options import info_options, select_argument_spec, selection_argument_spec
from .result import Selection, make_result
from .run import rejected as rejected_selection
from .run import run_info

_FIELDS = ("id", "name", "project", "submitted_by", "cluster", "allocated_gpus")
_FORMATS: dict[str, Callable[[IdleReport], str]] = {
    ".csv": as_csv,
    ".md": as_markdown,
    ".html": as_html,
}
_EMPTY: dict[str, Any] = {"idle_gpu_hours": 0.0, "projects": [], "owners": [], "lines": [], "paths": []}


def idle_report_argument_spec() -> dict[str, dict[str, Any]]:
    """Return the options of the module."""
    return {
        **connection_argument_spec(),
        "select": {"type": "dict", "options": select_argument_spec()},
        "keep": keep_argument_spec(),
        "paths": {"type": "list", "elements": "path", "default": []},
    }


def run_idle_report(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    check_mode: bool,
    now: Optional[datetime] = None,
) -> ModuleResult:
    """Measure, and write the files. Never raises for what users or control planes do wrong."""
    now = now or datetime.now(timezone.utc)
    select = given.get("select")
    chosen: dict[str, Any] = {
        **{option: spec.get("default") for option, spec in selection_argument_spec().items()},
        **(params["select"] or {}),
        "fields": list(_FIELDS),
    }
    try:
        keep = keep_of(params["keep"], now)
        formats = [_format(path) for path in params["paths"]]
        if chosen["idle_for"] is None:
            raise OptionError("select", "idle_for is not set. Set it, for example to 24h")
        options = info_options(chosen, select if isinstance(select, dict) else {}, now)
        window = options.idle
        if window is None or options.selects_nothing:
            raise OptionError("select", "ids is empty. Set a criterion")
        for path in params["paths"]:
            check_output(path)
    except RunaiError as fault:
        return rejected(str(fault))
    reports: list[IdleReport] = []

    def render(selection: Selection, base_url: str, *more: Any) -> dict[str, Any]:
        report = IdleReport(
            window.start,
            window.end,
            window.threshold,
            base_url,
            _workloads(selection, keep, now, (window.end - window.start).total_seconds() / 3600),
            len(selection.undecided),
            selection.is_limited,
        )
        reports.append(report)
        return _result(report, make_result(selection, base_url, (), 0, now), keep)

    connection = {option: params[option] for option in connection_argument_spec()}
    finished = run_info({**connection, **chosen}, select or {}, environ, now, render)
    result = {**_EMPTY, **finished.result}
    if finished.failed:
        return finished._replace(result={**result, "lines": [result["msg"]]})
    try:
        for path, form in zip(params["paths"], formats):
            if not check_mode:
                write_whole(path, form(reports[0]))
                result["paths"] = [*result["paths"], path]
    except RunaiError as fault:
        return finished._replace(result={**result, "msg": str(fault)}, failed=True, fault=fault)
    return finished._replace(result=result)


def rejected(message: str) -> ModuleResult:
    """Return the result of a task that is rejected before any request, with the usual keys."""
    result = {**_EMPTY, **rejected_selection(message).result, "lines": [message]}
    return ModuleResult(result, True, [], set())


def _format(path: str) -> Callable[[IdleReport], str]:
    for ending, form in _FORMATS.items():
        if path.lower().endswith(ending):
            return form
    raise OptionError("paths", "'{0}' does not end in {1}".format(path, " or ".join(_FORMATS)))


def _workloads(selection: Selection, keep: Keep, now: datetime, hours: float) -> list[IdleWorkload]:
    context = RenderContext({one.id: one.name for one in selection.clusters or ()}, now, selection.peaks)
    found = []
    for row in shown_rows(selection.rows, _FIELDS, context):
        kept = keep.entry_for(row["name"], row["project"], row["submitted_by"])
        found.append(
            IdleWorkload(
                row["id"] or "",
                row["name"] or "",
                row["project"] or "",
                row["submitted_by"] or "",
                row["cluster"] or "",
                row["allocated_gpus"] or 0.0,
                round((row["allocated_gpus"] or 0.0) * hours, 2),
                row[PEAK],
                kept.until if kept is not None else "",
            )
        )
    return sorted(found, key=lambda one: (-one.idle_gpu_hours, one.project, one.name))


def _result(report: IdleReport, selected: dict[str, Any], keep: Keep) -> dict[str, Any]:
    lines = [*report_lines(report), *keep.notes()]
    result = {
        **selected,
        "msg": lines[0],
        "lines": lines,
        "idle_gpu_hours": report.idle_gpu_hours,
    }
    room = (LARGEST_RESULT - characters(result)) // 4
    result["projects"], _taken = fitting(_as_rows(report.by_project()), room)
    result["owners"], _taken = fitting(_as_rows(report.by_owner()), room)
    result["workloads"], _taken = fitting((one._asdict() for one in report.workloads), room * 2)
    result["workloads_truncated"] = len(result["workloads"]) < len(report.workloads)
    return result


def _as_rows(shares: Sequence[Share]) -> list[dict[str, Any]]:
    return [one._asdict() for one in shares]
