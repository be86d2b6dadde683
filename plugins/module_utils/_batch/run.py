# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_workload_batch: options, state, plan, dispatch, report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from .._api.cancellation import ORPHANED, Cancellation
from .._api.client import Client
from .._api.connection import Connection, connect_options, no_connection
from .._api.stats import RequestStats
from .._api.transport import require_requests
from .._common.errors import OptionError, RunaiError
from .._common.ids import well_formed_ids
from .._common.result import ModuleResult
from .._common.text import counted, hide
from .._system.processes import watch_ancestors
from .._system.signals import heeded_interrupts
from .._workload.phases import DELETE, SEND, WAIT
from .._workload.state import StateReader
from .concurrency import ConcurrencyLimit
from .context import NO_HOOKS, BatchContext, BatchHooks
from .dispatch import Dispatcher
from .fresh_state import FreshState
from .options import DEFAULT_WORKLOADS_LIMIT, BatchOptions, batch_options
from .outcome import CHANGED, NOT_ATTEMPTED, Outcome
from .plan import PlannedItem, describe_ceiling, ids_to, plan_one, send_anyway, settled_by
from .progress import Progress
from .report_file import ReportFile
from .result import make_result
from .run_state import RunState
from .wait import resume_after_stop, wait_until_reached

_LEAST_READERS = 4


def run_batch(
    params: Mapping[str, Any],
    environ: Mapping[str, str],
    check_mode: bool,
    with_diff: bool,
    say: Callable[[str], None] = lambda line: None,
    verbosity: int = 0,
    given: Optional[Mapping[str, Any]] = None,
    hooks: BatchHooks = NO_HOOKS,
) -> ModuleResult:
    """Do what the options say. Raises RequestsMissing, but nothing for what users or control planes do wrong.

    ``say`` gets progress lines; ``verbosity`` is how many ``v`` the play was started with;
    ``given`` are the task's own arguments before Ansible completed them. Once interrupted, it ends as
    if its play were gone.
    """
    try:
        options = batch_options(params, given or {})
        # What selected nothing has nothing to do, also where nobody may connect.
        connect = connect_options if options.ids.ids else no_connection
        connection = connect(params, environ)
    except OptionError as fault:
        return rejected(params, str(fault), with_diff, verbosity)
    if options.ids.ids:
        require_requests()
    began = time.monotonic()
    stats = RequestStats(connection.secrets)

    def scrub(text: str) -> str:
        return hide(text, stats.secrets)

    report_file = ReportFile(None if check_mode else options.report_path, scrub)
    run_state = RunState(options.action, options.ids, check_mode, stats, report_file)
    progress = Progress(options.action, lambda line: say(scrub(line)))
    is_play_gone = watch_ancestors()
    with heeded_interrupts() as is_interrupted:
        cancellation = Cancellation(options.deadline, lambda: is_interrupted() or is_play_gone())
        try:
            report_file.open()
        except OptionError as fault:
            run_state.stop(str(fault))
        else:
            if options.ids.ids:
                _work(options, hooks, connection, cancellation, progress, run_state)
        run_state.mark_rest_not_attempted()
        if run_state.reason != ORPHANED:
            # Nobody is left to hear the result of a run whose play is gone: its report stays unfinished.
            report_file.complete(run_state.row(one) for one in run_state.not_reached)
        run_state.seconds = round(time.monotonic() - began, 3)
        result = make_result(run_state, options.workloads_limit, with_diff, verbosity)
        progress.end(result["msg"])
    warnings = [*connection.warnings, *options.warnings, *stats.warnings(), *report_file.warnings]
    return ModuleResult(result, run_state.is_failed, warnings, stats.secrets, run_state.fault)


def rejected(params: Mapping[str, Any], message: str, with_diff: bool, verbosity: int) -> ModuleResult:
    """Return the result of a task that is refused before anything is sent, in the usual shape."""
    ids = well_formed_ids(params["ids"])
    run_state = RunState(params["action"], ids, False, RequestStats(()), ReportFile(None, str))
    run_state.stop(message)
    run_state.mark_rest_not_attempted()
    limit = params["workloads_limit"]
    if limit is None or limit < 0:
        limit = DEFAULT_WORKLOADS_LIMIT
    result = make_result(run_state, limit, with_diff, verbosity)
    return ModuleResult({**result, "msg": message}, True, [], set())


def _work(
    options: BatchOptions,
    hooks: BatchHooks,
    connection: Connection,
    cancellation: Cancellation,
    progress: Progress,
    run_state: RunState,
) -> None:
    """Connect, and settle the ids as far as the run gets."""
    workers = max(options.concurrency or 0, _LEAST_READERS)
    concurrency = ConcurrencyLimit(options.concurrency)
    client = Client(
        connection,
        workers + concurrency.most,
        cancellation,
        run_state.stats,
        on_trouble=progress.trouble,
        tokens=hooks.tokens,
    )
    reader = StateReader(client, workers)
    try:
        _plan_and_act(
            BatchContext(options, hooks, client, reader, cancellation, concurrency, progress, run_state)
        )
    except RunaiError as fault:
        run_state.stop_for(fault)
    finally:
        client.close()


def _plan_and_act(context: BatchContext) -> None:
    """Read the state, plan, and act on the plan unless something forbids it."""
    options, run_state = context.options, context.run_state
    read_at = time.monotonic()
    known = context.hooks.state
    to_read = [one for one in run_state.ids if one not in known]
    if to_read:
        context.progress.phase("reading the state of {0}".format(counted(len(to_read), "workload")))
    run_state.state = {**known, **context.reader.read(to_read, on_read=context.progress.reading)}
    plan = [plan_one(options.action, run_state.state[one], options.rules) for one in run_state.ids]
    plan = send_anyway(plan, context.hooks.send_anyway)
    run_state.settle(settled_by(plan))
    affected = run_state.unsettled()
    over_ceiling = describe_ceiling(len(affected), options.max_affected)
    if over_ceiling is not None:
        run_state.stop(over_ceiling)
    elif run_state.check_mode:
        # As it goes when the control plane refuses nothing.
        run_state.settle(Outcome(workload_id, CHANGED) for workload_id in affected)
    else:
        _act(context, plan, read_at)


def _act(context: BatchContext, plan: Sequence[PlannedItem], read_at: float) -> None:
    """Send the planned ids, and with the option ``wait`` wait until they reach the target."""
    options, run_state = context.options, context.run_state
    to_send = ids_to(SEND, plan)
    fresh_state = None
    if options.action == DELETE:
        fresh_state = FreshState(context.reader, options.rules, to_send, run_state.state, read_at)
    dispatcher = Dispatcher(context, fresh_state)
    dispatcher.send(to_send)
    resume_after_stop(context, dispatcher, ids_to(WAIT, plan))
    stop = dispatcher.why_stopped()
    if stop is not None and (run_state.counts[NOT_ATTEMPTED] or run_state.unsettled()):
        run_state.stop_for(stop)
    run_state.mark_rest_not_attempted()
    if options.wait:
        wait_until_reached(context, can_read=not dispatcher.is_aborted)
