# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_maintenance and runai_maintenance_info: options, one run on one record, its result."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from .._common.errors import RunaiError, no_request
from .._common.result import LARGEST_RESULT, ModuleResult, fitting
from .._common.text import counted
from .._record.events import BEGUN, ENDED, PLANNED
from .._record.handover import pack
from .._record.log import RecordFolder
from .._record.record import Record, RecordError, record_of
from .._selection.places import AmbiguousNode
from .._system.files import check_output
from .._system.mounts import is_in_container
from .control_plane import ControlPlaneReader
from .next_command import STATUS, NextCommand, TypedCommand, faulty_options
from .notice import record_told
from .options import TOLD, MaintenanceOptions, maintenance_argument_spec, maintenance_options
from .page import write_summary
from .restore import end, status
from .results import Outcome, RunContext, empty_result, make_result, rows_of
from .session import Session, control_plane_of
from .suspend import begin, plan

_VERBS = {PLANNED: plan, TOLD: record_told, BEGUN: begin, ENDED: end, STATUS: status}
# In lines for people.
_MOST_LISTED = 200


def run_maintenance(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    check_mode: bool,
    say: Callable[[str], None] = lambda line: None,
    verbosity: int = 0,
    typed: Optional[TypedCommand] = None,
) -> ModuleResult:
    """Plan, begin or end a maintenance. Never raises for faults of users or control planes.

    ``verbosity`` is how many ``v`` the play was started with, ``typed`` what is known of its command.
    """
    commands = NextCommand(given, environ, check_mode, typed)
    return _run(params, given, environ, RunContext(params["state"], check_mode, verbosity, commands), say)


def run_maintenance_info(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    check_mode: bool = False,
    verbosity: int = 0,
    typed: Optional[TypedCommand] = None,
) -> ModuleResult:
    """List the records of a folder, or compare one with the control plane."""
    commands = NextCommand(given, environ, check_mode, typed)
    context = RunContext(STATUS, check_mode, verbosity, commands)
    if params["name"] is None:
        finished = _list(params, environ, context)
    else:
        # A read uses none of the options that runai_maintenance alone has.
        defaults = {option: spec.get("default") for option, spec in maintenance_argument_spec().items()}
        finished = _run({**defaults, "state": ENDED, **params}, given, environ, context)
    for key in ("record", "to_tell"):
        # A task that only reads has none.
        finished.result.pop(key)
    return finished


def _rejected(fault: RunaiError, context: RunContext) -> ModuleResult:
    message = str(fault)
    next_command = context.commands.repeat(context.verb, faulty_options(message))
    return rejected_result(message, context.is_check, next_command)


def rejected_result(message: str, check_mode: bool, next_command: str = "", rows: Any = ()) -> ModuleResult:
    """Return the result of a run that was rejected, in the usual shape."""
    msg = message if message.endswith((".", "?")) else message + "."
    lines = [msg, *rows, *(["Next: " + next_command] if next_command else [])]
    result = {
        **empty_result(check_mode),
        "msg": message,
        "lines": lines,
        "next": next_command,
        "error": {**no_request(message), "rows": list(rows)},
    }
    return ModuleResult(result, True, [], set())


def _run(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    context: RunContext,
    say: Callable[[str], None] = lambda line: None,
) -> ModuleResult:
    try:
        options = maintenance_options(params, given, environ)
    except RunaiError as fault:
        return _rejected(fault, context)
    reader = ControlPlaneReader(params, environ, options.wait_for_api)
    # Reading only, a status keeps nobody off the record.
    session = Session(options, params, environ, context.is_check or context.verb == STATUS, reader, say)
    try:
        _check_summary_path(options)
        identity = reader.identity()
        session.open()
        _warn_of_container(session, context)
        outcome = _VERBS[context.verb](session)
        control_plane = control_plane_of(identity)
        result = make_result(outcome, options, context, control_plane, _record_keys(session))
        if options.summary_path and not context.is_check:
            _write_summary(options.summary_path, result, outcome)
        failed = result["error"] is not None
    except RunaiError as fault:
        result, failed = _failed(session, fault, context), True
    finally:
        session.close()
    # A warning that the rejection has in its message is shown once.
    warnings = [one for one in reader.warnings if not failed or one not in result["msg"]]
    return ModuleResult(result, failed, warnings, {*reader.secrets, *session.secrets})


def _failed(session: Session, fault: RunaiError, context: RunContext) -> dict[str, Any]:
    """Return the result of a run that was rejected, or cut off by a fault, with the state of its record."""
    message, state = str(fault), context.verb
    rows: Sequence[str] = ()
    corrections: Mapping[str, str] = {}
    if isinstance(fault, RecordError):
        state, rows, corrections = fault.next_state or context.verb, fault.rows, fault.corrections
    elif isinstance(fault, AmbiguousNode):
        corrections = {"clusters": "<{0}>".format(" or ".join(fault.clusters))}
    if not session.check_mode:
        sent = (
            "requests for {0} were".format(counted(len(session.sent), "workload"))
            if session.sent
            else "nothing was"
        )
        message = "{0}; {1} sent".format(message.rstrip("."), sent)
    faulty = faulty_options(message)
    if state == PLANNED and context.verb != PLANNED:
        next_command = context.commands.plan_again(session.record, "name" in faulty)
    elif state == context.verb:
        next_command = context.commands.repeat(state, faulty, **corrections)
    else:
        next_command = context.commands.continue_with(state, session.record)
    result = rejected_result(message, context.is_check, next_command, rows).result
    result["error"].update(fault.shown, message=message)
    result.update(_record_keys(session), changed=session.has_changed, state=session.record.state or None)
    return result


def _record_keys(session: Session) -> dict[str, Any]:
    if session.folder is not None:
        return {"record_path": session.folder.path_of(session.options.name)}
    if session.file.events and not session.check_mode:
        try:
            return {"record": pack(session.file.events)}
        except RecordError as fault:
            session.reader.warn_once(str(fault))
    return {}


def _warn_of_container(session: Session, context: RunContext) -> None:
    if session.folder is not None and context.verb != STATUS and is_in_container(session.folder.path):
        session.reader.warn_once(
            "record_dir: {0} lies in the file system of this container and is lost with it. Mount a folder "
            "that outlives the container".format(session.folder.path)
        )


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


def _write_summary(path: str, result: dict[str, Any], outcome: Outcome) -> None:
    """Write the page for people; where it can't be written, the result says so beside what was done."""
    try:
        write_summary(path, result, rows_of(outcome))
    except RunaiError as fault:
        message = "{0}. summary_path: {1}".format(result["msg"], fault)
        error = {"rows": [], **(result["error"] or no_request(message)), "message": message}
        result.update(msg=message, lines=[message, *result["lines"][1:]], error=error)


def _list(params: Mapping[str, Any], environ: Mapping[str, str], context: RunContext) -> ModuleResult:
    path = params["record_dir"] or environ.get("RUNAI_RECORD_DIR")
    try:
        if not path:
            raise RecordError("record_dir: not set. Set it to the folder of the records")
        folder = RecordFolder(path, may_create=False)
    except RecordError as fault:
        return _rejected(fault, context)
    rows = [_listed_row(folder, name) for name in folder.names()]
    folder.close()
    msg = "{0} in {1}".format(counted(len(rows), "record"), folder.path)
    lines = [
        "{name}: {state}{0}, {reason}{1}".format(
            " since {0}".format(one["since"]) if one["since"] else "",
            ", at work now" if one["at_work"] else "",
            **one,
        )
        for one in rows[:_MOST_LISTED]
    ]
    if len(rows) > _MOST_LISTED:
        lines.append("and {0} more".format(len(rows) - _MOST_LISTED))
    shown, _taken = fitting(rows, LARGEST_RESULT // 2)
    result = {**empty_result(context.is_check), "msg": msg, "records": shown, "lines": [msg, *lines]}
    return ModuleResult(result, False, [], set())


def _listed_row(folder: RecordFolder, name: str) -> dict[str, Any]:
    at_work = False
    try:
        record = record_of(folder.read(name), name)
        at_work = folder.is_locked(name)
    except RecordError as fault:
        record = Record("", name, {}, state="damaged", reason=str(fault))
    return {
        "name": name,
        "state": record.state,
        "reason": record.reason,
        "since": record.times.get(record.state, ""),
        "by": record.by,
        "workloads": len(record.covered()),
        "at_work": at_work,
    }
