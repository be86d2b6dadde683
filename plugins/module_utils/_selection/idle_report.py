# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds how many idle GPU-hours: the flow of runai_idle_report, from options to files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable

from .._api.connection import connection_argument_spec
from .._common.errors import OptionError, RunaiError
from .._common.result import LARGEST_RESULT, ModuleResult, characters, fitting
from .._system.files import check_output, write_whole
from .._workload.workload import workload_from_row
from .fields import PEAK
from .idle import IdleWindow
from .idle_report_files import as_csv, as_html, as_markdown
from .idle_report_rows import IdleReport, IdleWorkload, report_lines
from .keep import Keep, keep_argument_spec, keep_of
from .options import info_options, select_argument_spec
from .result import Selection, empty_result, make_result
from .run import run_selection

_FORMATS: dict[str, Callable[[IdleReport], str]] = {
    ".csv": as_csv,
    ".md": as_markdown,
    ".html": as_html,
}


def idle_report_argument_spec() -> dict[str, dict[str, Any]]:
    """Return the options of the module."""
    return {
        **connection_argument_spec(),
        "select": {"type": "dict", "options": select_argument_spec()},
        "keep": keep_argument_spec(),
        "paths": {"type": "list", "elements": "path", "default": []},
    }


def run_idle_report(
    params: Mapping[str, Any], given: Mapping[str, Any], environ: Mapping[str, str], check_mode: bool
) -> ModuleResult:
    """Measure, and write the files. Never raises for what users or control planes do wrong."""
    now = datetime.now(timezone.utc)
    select = given.get("select")
    chosen = params["select"] or {}
    try:
        keep = keep_of(params["keep"], now)
        formats = [_format(path) for path in params["paths"]]
        if chosen.get("idle_for") is None:
            raise OptionError("select", "idle_for is not set. Set it, for example to 24h")
        options = info_options(chosen, select if isinstance(select, dict) else {}, now)
        if options.idle is None or options.selects_nothing:
            raise OptionError("select", "ids is empty. Set a criterion")
        for path in params["paths"]:
            check_output(path)
        run = run_selection(options, params, environ)
    except RunaiError as fault:
        return rejected(str(fault))
    if run.fault is not None:
        result = _failed(str(run.fault), run.base_url)
        return ModuleResult(result, True, run.warnings, run.secrets, run.fault)
    report = IdleReport(
        options.idle,
        run.base_url,
        _workloads(run.selection, options.idle, keep),
        len(run.selection.undecided),
        run.selection.is_limited,
    )
    result = _result(report, make_result(run.selection, run.base_url, (), 0, now), keep)
    if result["workloads_truncated"]:
        run.warnings.append(
            "workloads: the first {0} of {1} rows, so that job viewers can show the result. "
            "ids and the files are complete.".format(len(result["workloads"]), len(report.workloads))
        )
    finished = ModuleResult(result, False, run.warnings, run.secrets)
    try:
        for path, form in zip(params["paths"], formats):
            if not check_mode:
                write_whole(path, form(report))
                result["paths"].append(path)
    except RunaiError as fault:
        return finished._replace(result={**result, "msg": str(fault)}, failed=True, fault=fault)
    return finished


def rejected(message: str) -> ModuleResult:
    """Return the result of a task that is rejected before any request, with the usual keys."""
    return ModuleResult(_failed(message, ""), True, [], set())


def _failed(message: str, base_url: str) -> dict[str, Any]:
    return {
        **empty_result(base_url),
        "msg": message,
        "idle_gpu_hours": 0.0,
        "projects": [],
        "owners": [],
        "lines": [message],
        "paths": [],
    }


def _format(path: str) -> Callable[[IdleReport], str]:
    for ending, form in _FORMATS.items():
        if path.lower().endswith(ending):
            return form
    raise OptionError("paths", "'{0}' does not end in {1}".format(path, " or ".join(_FORMATS)))


def _workloads(selection: Selection, window: IdleWindow, keep: Keep) -> list[IdleWorkload]:
    clusters = {one.id: one.name for one in selection.clusters}
    hours = window.age.total_seconds() / 3600
    found = []
    for workload_id, row in zip(selection.ids, selection.rows):
        workload = workload_from_row(workload_id, row)
        kept = keep.entry_for(workload.name, workload.project, workload.submitted_by)
        found.append(
            IdleWorkload(
                project=workload.project,
                owner=workload.submitted_by,
                name=workload.name,
                cluster=clusters.get(workload.cluster, workload.cluster),
                gpus=workload.gpus,
                idle_gpu_hours=round(workload.gpus * hours, 2),
                peak=row[PEAK],
                kept_until=kept.until if kept is not None else "",
                id=workload.id,
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
        "paths": [],
    }
    room = (LARGEST_RESULT - characters(result)) // 4
    for kind, shares in report.shares().items():
        result[kind + "s"], _taken = fitting((one._asdict() for one in shares), room)
    result["workloads"], _taken = fitting((one._asdict() for one in report.workloads), room * 2)
    result["workloads_truncated"] = len(result["workloads"]) < len(report.workloads)
    return result
