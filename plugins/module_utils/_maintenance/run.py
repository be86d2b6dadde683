# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_maintenance_record: options and variables, one step, its result."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from .._api.cancellation import Cancellation
from .._common.errors import OptionError, RunaiError
from .._common.option_values import seconds
from .._common.result import ModuleResult
from .._system.processes import watch_ancestors
from .._workload.phases import RESUME
from .begin import (
    begin_step,
    begun_step,
    fold_step,
)
from .context import Context, Step
from .end import (
    await_batches,
    end_step,
    ended_step,
    seconds_to_settle,
    status_step,
)
from .kinds import kind_of_role
from .next import (
    Caller,
    after_refusal,
)
from .plan import (
    plan_step,
)
from .reads import ControlPlaneReader
from .record import ENDED as HAS_ENDED
from .record import (
    Record,
    RecordError,
    Remedy,
)
from .record_file import RecordFolder, write_whole
from .record_lock import (
    RunLock,
    busy,
    this_play,
)
from .record_owners import owners_of
from .record_packed import pack
from .record_playbooks import (
    BEGIN_PLAYBOOK,
    END_PLAYBOOK,
    PLAN_PLAYBOOK,
    REHEARSAL_PLAYBOOK,
    STATUS_PLAYBOOK,
)
from .record_words import Trouble, first_line
from .sample import sample_step
from .sampling import Sampling, sampling_of
from .settings import (
    MAINTENANCE_ROLE,
    REQUIRED,
    Settings,
    VariablesError,
    read_settings,
    to_fill_in,
)
from .summary import Page, as_html, as_markdown, as_text
from .trouble import status_notes

PLAN, BEGIN, FOLD, BEGUN = "plan", "begin", "fold", "begun"
END, ENDED, STATUS = "end", "ended", "status"
SAMPLE, SETTLE, WHICH = "sample", "settle", "which"
# Options of the connection that hold no secret.
_SHOWN_CONNECTION = ("base_url", "validate_certs", "ca_path")


class _Run(NamedTuple):
    """What a step is run with."""

    params: Mapping[str, Any]
    context: Context
    settings: Settings
    warn: Callable[[str], None]


def run_step(params: Mapping[str, Any], environ: Mapping[str, str], check_mode: bool) -> ModuleResult:
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
        rows: Sequence[str] = ()
        if isinstance(fault, RecordError):
            words, remedy, rows = str(fault), fault.remedy, fault.rows
        else:
            words = settings.in_own_words(str(fault))
            remedy = Remedy(to_fill_in(settings.role, settings.asked_for(words)))
        return refused(words, after_refusal(_caller(params, settings), remedy), reader, rows)
    return ModuleResult(result, False, reader.warnings, reader.secrets)


def refused(
    words: str, next_command: str, reader: Optional[ControlPlaneReader] = None, rows: Sequence[str] = ()
) -> ModuleResult:
    """Return the result of a step that could not be taken, in the usual shape."""
    trouble = Trouble(words, list(rows), next_command)
    result = {**_result(Step(None, trouble=trouble), {}), "msg": words, "refused": True}
    return ModuleResult(result, True, reader.warnings if reader else [], reader.secrets if reader else set())


def _caller(params: Mapping[str, Any], settings: Settings) -> Caller:
    shown = {name: params[name] for name in _SHOWN_CONNECTION if params.get(name) not in (None, True)}
    kind = kind_of_role(settings.role)
    playbook = _playbook(params) if kind.role == MAINTENANCE_ROLE else kind.playbook
    return Caller(settings, playbook, shown, _rehearsed(params.get("rehearsal")))


def _rehearsed(rehearsal: Optional[Mapping[str, Any]]) -> Optional[Settings]:
    """Return what is rehearsed, as far as it can be read."""
    if rehearsal is None:
        return None
    try:
        return read_settings(rehearsal["role"], rehearsal["variables"])
    except VariablesError as fault:
        return fault.settings


def _playbook(params: Mapping[str, Any]) -> str:
    """Return the playbook that this is a step of where the role is that of a maintenance."""
    is_resume = params["step"] == FOLD and params.get("action") == RESUME
    return END_PLAYBOOK if is_resume else _STEPS[params["step"]].playbook


def _context(
    params: Mapping[str, Any],
    settings: Settings,
    reader: ControlPlaneReader,
    environ: Mapping[str, str],
    check_mode: bool,
) -> Context:
    step = _STEPS[params["step"]]
    settings.require("name", *(REQUIRED[settings.role] if step.plans else ()))
    durable = settings.said("record_dir")
    path = settings.get("record_dir") or params.get("scratch_dir")
    folder = RecordFolder(path) if path else None
    if settings.get("summary_path"):
        _check_summary_path(settings.get("summary_path"), settings, folder)
    if folder is not None and not step.only_reads:
        may_create = step.plans or settings.said("record")
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
    step, context = _STEPS[run.params["step"]], run.context
    is_concerned = step.acts or step.tells_who_acts
    if not is_concerned or context.folder is None or not context.durable:
        return step.take(run)
    if not step.plans:
        # A misspelt name needs no lock.
        context.need()
    play = this_play()
    lock = RunLock(context.folder.lock_of(run.settings.name), play)
    if step.only_reads or context.check_mode:
        other = lock.other()
        if other is not None and step.acts:
            raise busy(other)
        at_work = other.words() if other is not None else ""
        return step.take(run._replace(context=context._replace(at_work=at_work)))
    if play is None:
        run.warn(
            "it can't be told which play this is: other runs are kept off the record only during each step"
        )
    is_end = _playbook(run.params) == END_PLAYBOOK
    lock.take("an end" if is_end else kind_of_role(run.settings.role).run, context.by)
    is_over = True
    try:
        result = step.take(run)
        is_over = step.is_last or result["state"] == HAS_ENDED
    finally:
        if is_over:
            lock.leave()
    return result


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
        raise OptionError("step", "fold needs action, outcomes and report_name")
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
    sleep = Cancellation(is_cancelled=watch_ancestors()).sleep
    found = sample_step(run.context, _sampling(run), run.warn, sleep)
    result = {**_result(Step(found.record), run.settings.values), "msg": found.words}
    if found.sampling is not None and found.spread is not None:
        result.update(
            sampled=found.sampling.as_option(),
            samples=found.spread.reads,
        )
    return result


def _settle(run: _Run) -> dict[str, Any]:
    # As long as one of its calls may take: to connect, and to be answered.
    longest = 2 * seconds("timeout", run.params["timeout"], least=0.001)
    await_batches(run.context, longest, Cancellation(is_cancelled=watch_ancestors()).sleep)
    retry_budget = seconds_to_settle(run.context)
    return {**_result(Step(run.context.need()), run.settings.values), "seconds": retry_budget}


def _which(run: _Run) -> dict[str, Any]:
    """Say which control plane answers."""
    control_plane = run.context.reader.identity().control_plane
    line = first_line(control_plane)
    result = _result(Step(None), run.settings.values)
    return {**result, "simulator": control_plane.simulator, "msg": line, "lines": [line]}


class _StepKind(NamedTuple):
    """How a step is run; ``playbook`` is that of a maintenance which it is a step of.

    ``plans``: it needs what a new plan needs. ``acts``: it is a step of a run that keeps others off the
    record from its first step to its last. ``is_last``: it ends such a run, or a plan, so that a page is
    written for people, and the record is handed on. ``tells_who_acts``: it says which run is at work.
    """

    take: Callable[[_Run], dict[str, Any]]
    playbook: str
    plans: bool = False
    acts: bool = False
    only_reads: bool = False
    is_last: bool = False
    tells_who_acts: bool = False


_STEPS = {
    PLAN: _StepKind(_plan, PLAN_PLAYBOOK, plans=True, is_last=True),
    BEGIN: _StepKind(_begin, BEGIN_PLAYBOOK, plans=True, acts=True),
    FOLD: _StepKind(_fold, BEGIN_PLAYBOOK, acts=True),
    BEGUN: _StepKind(
        lambda run: _finish(run, begun_step(run.context)), BEGIN_PLAYBOOK, acts=True, is_last=True
    ),
    END: _StepKind(lambda run: _finish(run, end_step(run.context)), END_PLAYBOOK, acts=True),
    ENDED: _StepKind(
        lambda run: _finish(run, ended_step(run.context)), END_PLAYBOOK, acts=True, is_last=True
    ),
    STATUS: _StepKind(
        lambda run: _finish(run, status_step(run.context)),
        STATUS_PLAYBOOK,
        only_reads=True,
        is_last=True,
        tells_who_acts=True,
    ),
    SAMPLE: _StepKind(_sample, BEGIN_PLAYBOOK, plans=True, only_reads=True),
    SETTLE: _StepKind(_settle, END_PLAYBOOK, acts=True),
    WHICH: _StepKind(_which, REHEARSAL_PLAYBOOK, only_reads=True),
}
STEPS = tuple(_STEPS)


def _finish(run: _Run, step: Step) -> dict[str, Any]:
    step = _with_page_of_the_run(run, step)
    result = _result(step, run.settings.values)
    record, kind = step.record, _STEPS[run.params["step"]]
    if record is None:
        return result
    folder = run.context.folder
    if folder is not None:
        result["record_path"] = folder.file_of(record.name)
        for key, report in (("report_path", step.report), ("report_path_after", step.report_after)):
            result[key] = folder.beside(report.name) if report is not None else None
    if kind.is_last and not kind.only_reads and not run.context.durable:
        # What is kept needs not travel, and would be taken for the record of other jobs.
        result["packed"] = _packed(record, must_fit=kind.plans)
    path = run.settings.get("summary_path")
    if path and kind.is_last and step.page is not None and not run.context.check_mode:
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


def _check_summary_path(path: str, settings: Settings, folder: Optional[RecordFolder]) -> None:
    """Raise RecordError, before anything is asked, for a path that no summary can be written to."""
    path = os.path.expanduser(path)
    parent = os.path.dirname(path)
    # The folder of the records may still be to be made.
    is_to_be_made = folder is not None and not folder.is_there() and os.path.normpath(folder.path) == parent
    is_writable = is_to_be_made or (os.access(parent, os.W_OK) and not os.path.isdir(path))
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
