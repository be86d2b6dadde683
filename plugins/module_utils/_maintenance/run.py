# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_maintenance and runai_maintenance_info: options, one run on one record, its result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable, Optional

from .._common.errors import RunaiError, no_request
from .._common.result import LARGEST_RESULT, ModuleResult
from .._record.handover import pack
from .._record.log import RecordFolder
from .._record.record import BEGUN, ENDED, PLANNED, Record, RecordError, record_of
from .._system.files import check_output
from .control_plane import ControlPlaneReader
from .notice import tell
from .options import TOLD, MaintenanceOptions, maintenance_options
from .page import write_summary
from .restore import end, status
from .results import Outcome, command, empty_result, make_result
from .session import Reader, Session, plane_of
from .suspend import begin, plan

_RUNS = {PLANNED: plan, TOLD: tell, BEGUN: begin, ENDED: end}
_LONGEST_MESSAGE = 4000


def run_maintenance(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    check_mode: bool,
    say: Callable[[str], None] = lambda line: None,
    reader: Optional[Reader] = None,
    batch: Optional[Callable[..., Any]] = None,
) -> ModuleResult:
    """Do what the options say. Never raises for what users or control planes do wrong."""
    try:
        options = maintenance_options(params, given, environ)
    except RunaiError as fault:
        return refused(str(fault), check_mode)
    reader = reader or ControlPlaneReader(params, environ, options.wait_for_api)
    more = {} if batch is None else {"batch": batch}
    session = Session(options, params, environ, check_mode, reader, say, **more)
    return _run(session, _RUNS[options.state], params.get("base_url"))


def run_maintenance_info(
    params: Mapping[str, Any], given: Mapping[str, Any], environ: Mapping[str, str]
) -> ModuleResult:
    """List the records of a folder, or compare one with the control plane."""
    try:
        if params["name"] is None:
            return ModuleResult({**empty_result(False), **_listed(params, environ)}, False, [], set())
        filled = {**_INFO_DEFAULTS, **params}
        options = maintenance_options(filled, given, environ)
    except RunaiError as fault:
        return refused(str(fault), False)
    reader = ControlPlaneReader(params, environ, options.wait_for_api)
    # Reading only, it keeps nobody off the record.
    session = Session(options, params, environ, True, reader)
    return _run(session, status, params.get("base_url"), only_reads=True)


_INFO_DEFAULTS: dict[str, Any] = {
    "state": ENDED,
    "record_max_age": "3650d",
    "reason": None,
    "select": None,
    "max_affected": None,
    "max_percent": None,
    "max_drift": None,
    "recheck": False,
    "allow_empty": True,
    "reuse_name": False,
    "notice": None,
    "keep": None,
    "told": None,
    "unsuspendable": "refuse",
    "unmatched_exemptions": "refuse",
    "node_fenced": True,
    "crosses_version": None,
    "resume_touched": False,
    "attempts": 1,
    "max_failures": "10%",
    "concurrency": 4,
    "wait_timeout": 0,
    "wait_interval": 5,
    "settle_time": 0,
    "deadline": None,
    "by": None,
}


def refused(words: str, check_mode: bool, next_command: str = "", rows: Any = ()) -> ModuleResult:
    """Return the result of a run that was rejected, in the usual shape."""
    msg = words if words.endswith((".", "?")) else words + "."
    lines = [msg, *rows, *(["Next: " + next_command] if next_command else [])]
    result = {
        **empty_result(check_mode),
        "msg": words,
        "lines": lines,
        "next": next_command,
        "error": {**no_request(words), "rows": list(rows)},
    }
    return ModuleResult(result, True, [], set())


def _run(
    session: Session,
    run: Callable[[Session, Any], Outcome],
    base_url: Optional[str],
    only_reads: bool = False,
) -> ModuleResult:
    options, reader = session.options, session.reader
    try:
        _check_summary_path(options)
        identity = reader.identity()
        session.open()
        outcome = run(session, identity)
        result = make_result(
            outcome, options, session.check_mode and not only_reads, plane_of(identity), base_url
        )
        _add_record(session, result)
        if options.summary_path and not session.check_mode:
            write_summary(options.summary_path, result)
        failed = result["error"] is not None
    except RunaiError as fault:
        finished = _failed(session, fault, base_url)
        result, failed = finished.result, True
    finally:
        session.close()
    return ModuleResult(result, failed, list(reader.warnings), {*reader.secrets, *session.secrets})


def _failed(session: Session, fault: RunaiError, base_url: Optional[str]) -> ModuleResult:
    """Return a run that was rejected, or cut off by a fault; what the record says is told."""
    options = session.options
    state, rows = options.state, []
    if isinstance(fault, RecordError):
        state, rows = fault.next_state or options.state, fault.rows
    words = str(fault)
    if not session.has_sent and not session.check_mode:
        words += "; nothing was sent"
    more = {"node_fenced": "<true once it is cordoned>"} if words.startswith("node_fenced:") else {}
    finished = refused(
        words, session.check_mode, command(state, options, session.check_mode, base_url, **more), rows
    )
    finished.result["changed"] = session.has_sent
    finished.result["error"].update(fault.shown, message=words)
    if session.record is not None:
        finished.result["state"] = session.record.state or None
    _add_record(session, finished.result)
    return finished


def _add_record(session: Session, result: dict[str, Any]) -> None:
    if session.folder is not None:
        result["record_path"] = session.folder.path_of(session.options.name)
    elif session.file is not None and session.file.events and not session.check_mode:
        try:
            result["record"] = pack(session.file.events)
        except RecordError as fault:
            session.reader.warn_once(str(fault))


def _check_summary_path(options: MaintenanceOptions) -> None:
    path = options.summary_path
    if not path:
        return
    if not os.path.isabs(path):
        raise RecordError("summary_path: must be an absolute path")
    try:
        check_output(path)
    except RunaiError as fault:
        raise RecordError("summary_path: {0}".format(fault)) from None


def _listed(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    path = params["record_dir"] or environ.get("RUNAI_RECORD_DIR")
    if not path:
        raise RecordError("record_dir: not set. Set it to the folder of the records")
    folder = RecordFolder(path, may_create=False)
    try:
        rows = [_listed_row(folder, name) for name in folder.names()]
    finally:
        folder.close()
    words = "{0} records in {1}".format(len(rows), folder.path)
    lines = [
        words,
        *(
            "{name}: {state} since {since}, {reason}{0}".format(
                ", at work now" if one["at_work"] else "", **one
            )
            for one in rows
        ),
    ]
    while len(str(rows)) > LARGEST_RESULT:
        rows = rows[: len(rows) // 2]
    return {"msg": words, "records": rows, "lines": lines}


def _listed_row(folder: RecordFolder, name: str) -> dict[str, Any]:
    row = {
        "name": name,
        "state": "damaged",
        "reason": "",
        "since": "",
        "by": {},
        "workloads": 0,
        "at_work": False,
    }
    try:
        record: Record = record_of(folder.read(name))
        row.update(
            state=record.state,
            reason=record.reason,
            since=record.times.get(record.state, ""),
            by=record.by,
            workloads=len(record.concerned()),
            at_work=folder.is_locked(name),
        )
    except RecordError as fault:
        row["reason"] = str(fault)
    return row
