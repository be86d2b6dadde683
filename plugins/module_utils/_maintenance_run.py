# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_maintenance_record: options and variables, one step, its result."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._ancestors import watch_ancestors
from ansible_collections.gpuops.runai.plugins.module_utils._errors import OptionError, RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._finished import Finished
from ansible_collections.gpuops.runai.plugins.module_utils._guard import Guard
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_begin import (
    begin_step,
    begun_step,
    fold_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_context import Context, Step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_end import (
    end_step,
    ended_step,
    seconds_to_settle,
    status_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_next import (
    Caller,
    after_refusal,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_plan import (
    plan_step,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_reads import ControlPlaneReader
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_sample import sample_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_settings import (
    CLEANUP_ROLE,
    RECLAIM_ROLE,
    REQUIRED,
    Settings,
    VariablesError,
    read_settings,
    to_fill_in,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_trouble import status_notes
from ansible_collections.gpuops.runai.plugins.module_utils._phases import RESUME
from ansible_collections.gpuops.runai.plugins.module_utils._record import (
    CLEANUP,
    RECLAIM,
    Record,
    RecordError,
    Remedy,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record import ENDED as HAS_ENDED
from ansible_collections.gpuops.runai.plugins.module_utils._record_file import RecordFolder, write_whole
from ansible_collections.gpuops.runai.plugins.module_utils._record_lock import (
    RunLock,
    busy,
    this_play,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record_owners import owners_of
from ansible_collections.gpuops.runai.plugins.module_utils._record_packed import pack
from ansible_collections.gpuops.runai.plugins.module_utils._record_playbooks import (
    BEGIN_PLAYBOOK,
    CLEANUP_PLAYBOOK,
    END_PLAYBOOK,
    PLAN_PLAYBOOK,
    RECLAIM_PLAYBOOK,
    REHEARSAL_PLAYBOOK,
    STATUS_PLAYBOOK,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record_words import (
    Page,
    Trouble,
    as_html,
    as_markdown,
    as_text,
    first_line,
)
from ansible_collections.gpuops.runai.plugins.module_utils._sampling import Sampling, sampling_of

PLAN, BEGIN, FOLD, BEGUN, END, ENDED, STATUS, SAMPLE, SETTLE, WHICH = STEPS = (
    "plan",
    "begin",
    "fold",
    "begun",
    "end",
    "ended",
    "status",
    "sample",
    "settle",
    "which",
)
# Steps that hand on a packed record, and those after which a page is written for people.
_HANDS_ON = (PLAN, BEGUN, ENDED)
_ONLY_READ = (STATUS, SAMPLE, WHICH)
_LAST_STEPS = (PLAN, BEGUN, ENDED, STATUS)
# Steps of a run that acts on a record; others are kept out of it from its first step to its last.
_ALONE = (BEGIN, FOLD, BEGUN, SETTLE, END, ENDED)
_ENDS_RUN = (BEGUN, ENDED)
_BEGINS = (PLAN, SAMPLE, BEGIN)
_MAY_CREATE = (PLAN, BEGIN)
_PLAYBOOKS = {CLEANUP_ROLE: CLEANUP_PLAYBOOK, RECLAIM_ROLE: RECLAIM_PLAYBOOK}
_PLAYBOOK_OF_STEP = {
    PLAN: PLAN_PLAYBOOK,
    **dict.fromkeys((BEGIN, FOLD, BEGUN, SAMPLE), BEGIN_PLAYBOOK),
    **dict.fromkeys((SETTLE, END, ENDED), END_PLAYBOOK),
    STATUS: STATUS_PLAYBOOK,
    WHICH: REHEARSAL_PLAYBOOK,
}
# Options of the connection that hold no secret.
_SHOWN_CONNECTION = ("base_url", "validate_certs", "ca_path")


class _Run(NamedTuple):
    """What a step is run with."""

    params: Mapping[str, Any]
    context: Context
    settings: Settings
    warn: Callable[[str], None]


def run_step(params: Mapping[str, Any], environ: Mapping[str, str], check_mode: bool) -> Finished:
    """Run one step. Never raises for what users or control planes do wrong."""
    reader: Optional[ControlPlaneReader] = None
    try:
        settings = read_settings(params["role"], params["variables"])
        reader = ControlPlaneReader(params, environ, settings)
        context = _context(params, settings, reader, environ, check_mode)
        run = _Run(params, context, settings, reader.warn_once)
        result = _take(run)
    except VariablesError as fault:
        return refused(str(fault), after_refusal(_caller(params, fault.settings), fault.remedy))
    except RunaiError as fault:
        if isinstance(fault, RecordError):
            words, remedy = str(fault), fault.remedy
        else:
            words = settings.in_own_words(str(fault))
            remedy = Remedy(to_fill_in(settings.role, settings.asked_for(words)))
        return refused(words, after_refusal(_caller(params, settings), remedy), reader)
    return Finished(result, False, reader.warnings, reader.secrets)


def refused(words: str, next_command: str, reader: Optional[ControlPlaneReader] = None) -> Finished:
    """Return the result of a step that could not be taken, in the usual shape."""
    trouble = Trouble(words, [], next_command)
    result = {**_result(Step(None, trouble=trouble), {}), "msg": words, "refused": True}
    return Finished(result, True, reader.warnings if reader else [], reader.secrets if reader else set())


def _caller(params: Mapping[str, Any], settings: Settings) -> Caller:
    shown = {name: params[name] for name in _SHOWN_CONNECTION if params.get(name) not in (None, True)}
    playbook = _PLAYBOOKS.get(settings.role) or _PLAYBOOK_OF_STEP[params["step"]]
    if params["step"] == FOLD and params.get("action") == RESUME:
        playbook = END_PLAYBOOK
    return Caller(settings, playbook, shown, bool(params.get("rehearsal")))


def _context(
    params: Mapping[str, Any],
    settings: Settings,
    reader: ControlPlaneReader,
    environ: Mapping[str, str],
    check_mode: bool,
) -> Context:
    settings.require("name", *(REQUIRED[settings.role] if params["step"] in _BEGINS else ()))
    if settings.get("summary_path"):
        _check_summary_path(settings.get("summary_path"), settings)
    durable = settings.said("record_dir")
    path = settings.get("record_dir") or params.get("scratch_dir")
    folder = RecordFolder(path) if path else None
    if folder is not None and params["step"] not in _ONLY_READ:
        may_create = params["step"] in _MAY_CREATE or settings.said("record")
        folder.check(may_create and not check_mode)
    return Context(
        caller=_caller(params, settings),
        folder=folder,
        durable=durable,
        packed=settings.get("record"),
        reader=reader,
        by=_by(settings, environ),
        check_mode=check_mode,
    )


def _take(run: _Run) -> dict[str, Any]:
    """Take the step; where it acts on a record, other runs are kept off that until this one is through.

    Where nothing outlives the job nobody else has the record. Check mode looks, and keeps nobody out.
    """
    step, context = run.params["step"], run.context
    if step not in (*_ALONE, STATUS) or context.folder is None or not context.durable:
        return _STEPS[step](run)
    if step != BEGIN:
        # A misspelt name needs no lock.
        context.need()
    play = this_play()
    lock = RunLock(context.folder.lock_of(run.settings.name), play)
    if step == STATUS or context.check_mode:
        other = lock.other()
        if other is not None and step != STATUS:
            raise busy(other)
        at_work = other.words() if other is not None else ""
        return _STEPS[step](run._replace(context=context._replace(at_work=at_work)))
    if play is None:
        run.warn(
            "it can't be told which play this is: other runs are kept off the record only during each step"
        )
    lock.take(_what(run), context.by)
    is_over = True
    try:
        result = _STEPS[step](run)
        is_over = step in _ENDS_RUN or result["state"] == HAS_ENDED
    finally:
        if is_over:
            lock.leave()
    return result


def _what(run: _Run) -> str:
    """Name the run that this is a step of."""
    if run.params["step"] in (SETTLE, END, ENDED) or run.params.get("action") == RESUME:
        return "an end"
    return {CLEANUP: "a clean-up", RECLAIM: "a reclaim"}.get(run.context.kind, "a begin")


def _by(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Name who asks, as far as it is known."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = str(os.getuid())
    by = {"user": environ.get("SUDO_USER") or user, "host": socket.gethostname()}
    return {**by, **(settings.get("awx") or {})}


def _plan(run: _Run) -> dict[str, Any]:
    return _finish(run, plan_step(run.context, _sampling(run)))


def _begin(run: _Run) -> dict[str, Any]:
    return _finish(run, begin_step(run.context, _sampling(run)))


def _fold(run: _Run) -> dict[str, Any]:
    params = run.params
    if not params.get("action"):
        raise OptionError("the step fold needs action, outcomes and report_name")
    step = fold_step(
        run.context,
        params["action"],
        params.get("outcomes") or {},
        params.get("report_name") or "",
        is_last=params["attempt"] >= (run.settings.get("attempts") or 1),
    )
    return _finish(run, step)


def _sample(run: _Run) -> dict[str, Any]:
    """Return which workloads meet the selection now, and at every read before."""
    sleep = Guard(is_wanted=watch_ancestors()).sleep
    found = sample_step(run.context, _sampling(run), run.warn, sleep)
    result = {**_result(Step(found.record), run.settings.values), "msg": found.words}
    if found.sampling is not None and found.spread is not None:
        result.update(
            ids=found.sampling.ids,
            sampled=found.sampling.as_option(),
            samples=found.spread.reads,
            seconds=found.spread.between.total_seconds(),
        )
    return result


def _settle(run: _Run) -> dict[str, Any]:
    seconds = seconds_to_settle(run.context)
    return {**_result(Step(run.context.need()), run.settings.values), "seconds": seconds}


def _which(run: _Run) -> dict[str, Any]:
    """Say which control plane answers."""
    plane = run.context.reader.identity().plane
    line = first_line(plane)
    result = _result(Step(None), run.settings.values)
    return {**result, "simulator": plane.simulator, "msg": line, "lines": [line]}


_STEPS: dict[str, Callable[[_Run], dict[str, Any]]] = {
    PLAN: _plan,
    BEGIN: _begin,
    FOLD: _fold,
    BEGUN: lambda run: _finish(run, begun_step(run.context)),
    END: lambda run: _finish(run, end_step(run.context)),
    ENDED: lambda run: _finish(run, ended_step(run.context)),
    STATUS: lambda run: _finish(run, status_step(run.context)),
    SAMPLE: _sample,
    SETTLE: _settle,
    WHICH: _which,
}


def _finish(run: _Run, step: Step) -> dict[str, Any]:
    step = _with_page_of_the_run(run, step)
    result = _result(step, run.settings.values)
    record, name = step.record, run.params["step"]
    if record is None:
        return result
    folder = run.context.folder
    if folder is not None:
        result["record_path"] = folder.file_of(record.name)
        for key, report in (("report_path", step.report), ("report_path_after", step.report_after)):
            result[key] = folder.beside(report.name) if report is not None else None
    if name in _HANDS_ON and not run.context.durable:
        # What is kept needs not travel, and would be taken for the record of other jobs.
        result["packed"] = _packed(record, must_fit=name == PLAN)
    path = run.settings.get("summary_path")
    if path and name in _LAST_STEPS and step.page is not None and not run.context.check_mode:
        try:
            _write_page(path, step.page)
        except RecordError as fault:
            # All is done by now, and what it came to must still be told and handed on.
            run.warn("the summary is not written: {0}".format(fault))
    return result


def _with_page_of_the_run(run: _Run, step: Step) -> Step:
    """Have the page say that nothing is sent in check mode; else what to type after a plan and a begin."""
    page, record = step.page, step.record
    if page is None or record is None:
        return step
    lines = list(page.lines)
    if run.context.check_mode:
        lines[0] += "; CHECK MODE, nothing is sent"
    elif run.params["step"] in (PLAN, BEGUN):
        lines += status_notes(run.context, record, step.trouble)
    return step._replace(page=page._replace(lines=lines))


def _packed(record: Record, must_fit: bool) -> Optional[str]:
    try:
        return pack(record)
    except RecordError:
        if must_fit:
            raise
        return None


def _write_page(path: str, page: Page) -> None:
    path = os.path.expanduser(path)
    write_whole(path, as_html(page) if path.lower().endswith((".html", ".htm")) else as_markdown(page))


def _check_summary_path(path: str, settings: Settings) -> None:
    """Raise RecordError, before anything is asked, for a path that no summary can be written to."""
    path = os.path.expanduser(path)
    is_writable = os.access(os.path.dirname(path), os.W_OK) and not os.path.isdir(path)
    if not os.path.isabs(path) or not is_writable:
        raise RecordError(
            "{0} must be the absolute path of a file in a folder that can be written to, not {1!r}; nothing "
            "was done".format(settings.variable("summary_path"), path),
            Remedy(to_fill_in(settings.role, ["summary_path"])),
        )


def _sampling(run: _Run) -> Optional[Sampling]:
    return sampling_of(run.params.get("sampled"))


def _result(step: Step, values: Mapping[str, Any]) -> dict[str, Any]:
    record, trouble = step.record, step.trouble
    limits: dict[str, Any] = {}
    if record is not None:
        limits = {**record.settings, **values}
    lines = as_text(step.page) if step.page is not None else []
    return {
        "changed": step.changed,
        "refused": False,
        "msg": lines[1] if len(lines) > 1 else "",
        "state": record.state if record is not None else None,
        "simulator": record is not None and record.control_plane.simulator,
        "record_path": None,
        "lines": lines,
        "ids": list(step.ids),
        "ids_after": list(step.ids_after),
        "report_name": step.report.name if step.report is not None else None,
        "report_name_after": step.report_after.name if step.report_after is not None else None,
        "report_path": None,
        "report_path_after": None,
        "attempts": int(limits.get("attempts") or 1),
        "max_failures": limits.get("max_failures"),
        "wait_timeout": limits.get("wait_timeout"),
        "wait_interval": limits.get("wait_interval"),
        "phases": limits.get("phases"),
        "sampled": {"ids": [], "since": "", "reads": 0},
        "samples": 0,
        "seconds": 0.0,
        "packed": None,
        "owners": owners_of(record) if record is not None else [],
        "trouble": None if trouble is None else trouble._asdict(),
    }
