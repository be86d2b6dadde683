# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_workload_batch: options, state, plan, dispatch, report."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from .._api.auth import TokenSource
from .._api.cancellation import ORPHANED, STOPPED_EARLY, Cancellation
from .._api.client import Client
from .._api.connection import Connection, connect_options, no_connection
from .._api.errors import Interrupted
from .._api.stats import RequestStats
from .._api.transport import require_requests
from .._common.errors import OptionError, RunaiError
from .._common.ids import well_formed_ids
from .._common.option_values import MOST_CONCURRENT
from .._common.result import ModuleResult
from .._common.text import counted, hide
from .._system.processes import watch_ancestors
from .._system.signals import heeded_interrupts
from .._workload.phases import DELETE, RESUME, SEND, WAIT
from .._workload.state import StateReader
from .._workload.workload import Workload
from .concurrency import ConcurrencyLimit
from .delivery import DeliveryContext, deliver
from .dispatch import Dispatcher
from .fresh_state import FreshState
from .options import DEFAULT_WORKLOADS_LIMIT, BatchOptions, batch_options, with_texts
from .outcome import CHANGED, NOT_ATTEMPTED, Outcome
from .plan import Plan, describe_ceiling, make_plan, rules_after_stop, send_anyway, settled_by
from .progress import Progress
from .report_file import ReportFile
from .result import Counters, RunSummary, is_failed, make_result
from .run_state import RunState
from .wait import Waiter, WaitTarget, resume_after_stop, wait_until_reached

_LEAST_READERS = 4
# Where concurrency is not given, the number of batches in flight follows the responses of the control plane.
_FIRST_CONCURRENCY = 4


class BatchHooks(NamedTuple):
    """What a caller in the same process has to say while batches are sent.

    ``on_send`` gets the ids of each batch before it is sent; a RunaiError of it stops the batches.
    ``on_settled`` gets outcomes as soon as they are settled. ``send_anyway`` are ids that are sent even
    where their phase says that there is nothing to do: it may not show an earlier call yet. ``state`` are
    workloads that the caller has just read, which are not read again before the first batch. ``on_reached``
    gets the workloads that a read of the wait saw at its target, and the time at which that read began.
    ``tokens`` are those of a client of the caller.
    """

    on_send: Callable[[Sequence[str]], None] = lambda ids: None
    on_settled: Callable[[Sequence[Outcome]], None] = lambda outcomes: None
    send_anyway: Collection[str] = ()
    state: Mapping[str, Workload] = {}
    on_reached: Callable[[float, Sequence[Workload]], None] = lambda read_at, workloads: None
    tokens: Optional[TokenSource] = None


NO_HOOKS = BatchHooks()


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

    ``say`` gets lines on how far it is; ``verbosity`` is how many ``v`` the play was started with;
    ``given`` are the task's own arguments before Ansible completed them. Once interrupted, it ends as
    if its play were gone.
    """
    given = given or {}
    params = with_texts(params, given)
    try:
        options = batch_options(params, given)
        # What selected nothing has nothing to do, also where nobody may connect.
        connect = connect_options if options.ids.ids else no_connection
        connection = connect(params, environ)
    except OptionError as fault:
        return rejected(params, str(fault), with_diff, verbosity)
    if options.ids.ids:
        require_requests()
    with heeded_interrupts() as is_interrupted:
        run = _Run(options, connection, check_mode, say, is_interrupted, hooks)
        return run.finish(with_diff, verbosity)


def rejected(params: Mapping[str, Any], message: str, with_diff: bool, verbosity: int) -> ModuleResult:
    """Return the result of a task that is refused before anything is sent, in the usual shape."""
    ids = well_formed_ids(params["ids"])
    run_summary = RunSummary(
        action=params["action"],
        check_mode=False,
        outcomes=[Outcome(workload_id, NOT_ATTEMPTED, STOPPED_EARLY, message) for workload_id in ids.ids],
        state={},
        not_reached=[],
        batches=[],
        counters=Counters(ids.duplicates, 0, 0, 0, 0.0),
        notes=[],
        stopped=True,
    )
    limit = params["workloads_limit"]
    if limit is None or limit < 0:
        limit = DEFAULT_WORKLOADS_LIMIT
    result = make_result(run_summary, limit, with_diff, verbosity)
    return ModuleResult({**result, "msg": message}, True, [], set())


class _Run:
    """One run, from checked options to a result."""

    def __init__(
        self,
        options: BatchOptions,
        connection: Connection,
        check_mode: bool,
        say: Callable[[str], None],
        is_interrupted: Callable[[], bool],
        hooks: BatchHooks,
    ) -> None:
        self._hooks = hooks
        self._options = options
        self._connection = connection
        self._check_mode = check_mode
        self._stats = RequestStats(connection.secrets)
        is_play_gone = watch_ancestors()
        self._cancellation = Cancellation(options.deadline, lambda: is_interrupted() or is_play_gone())
        self._report_file = ReportFile(None if check_mode else options.report_path, self._scrub)
        self._run_state = RunState(options.ids.ids, self._report_file)
        self._progress = Progress(options.action, lambda line: say(self._scrub(line)))
        self._concurrency = _concurrency_limit(options.concurrency)
        self._read_at = 0.0
        self._dispatcher: Optional[Dispatcher] = None

    def finish(self, with_diff: bool, verbosity: int) -> ModuleResult:
        began = time.monotonic()
        try:
            self._report_file.open()
        except OptionError as fault:
            self._run_state.stop(str(fault))
        else:
            if self._run_state.ids:
                self._work()
        self._run_state.mark_rest_not_attempted()
        if self._run_state.reason != ORPHANED:
            # Nobody is left to hear the result of a run whose play is gone: its report stays unfinished.
            self._report_file.complete()
        run_summary = self._run_summary(time.monotonic() - began)
        result = make_result(run_summary, self._options.workloads_limit, with_diff, verbosity)
        self._progress.end(result["msg"])
        warnings = [
            *self._connection.warnings,
            *self._options.warnings,
            *self._stats.warnings(),
            *self._report_file.warnings,
        ]
        return ModuleResult(
            result, is_failed(run_summary), warnings, self._stats.secrets, self._run_state.fault
        )

    def _run_summary(self, seconds: float) -> RunSummary:
        sent = self._dispatcher
        return RunSummary(
            action=self._options.action,
            check_mode=self._check_mode,
            outcomes=self._run_state.in_order(),
            state=self._run_state.state,
            not_reached=self._run_state.not_reached,
            batches=sent.batches if sent else [],
            counters=Counters(
                duplicates=self._options.ids.duplicates,
                requests=self._stats.requests,
                batches=sent.sent_batches if sent else 0,
                retries=self._stats.retries,
                seconds=round(seconds, 3),
            ),
            notes=self._run_state.notes,
            stopped=self._run_state.is_stopped,
        )

    def _work(self) -> None:
        """Read the state, plan, and act on the plan unless something forbids it."""
        options, run_state = self._options, self._run_state
        workers = max(options.concurrency or _FIRST_CONCURRENCY, _LEAST_READERS)
        client = Client(
            self._connection,
            self._cancellation,
            self._stats,
            connections=workers + self._concurrency.most,
            on_trouble=self._progress.trouble,
            tokens=self._hooks.tokens,
        )
        try:
            reader = StateReader(client, workers)
            self._read_at = time.monotonic()
            run_state.state = {**self._hooks.state, **self._read_missing(reader)}
            plan = make_plan(options.action, run_state.ids, run_state.state, options.rules)
            plan = send_anyway(plan, self._hooks.send_anyway)
            run_state.settle(settled_by(plan.items))
            over_ceiling = describe_ceiling(plan, options.max_affected)
            if over_ceiling is not None:
                run_state.stop(over_ceiling)
            elif self._check_mode:
                # As it goes when the control plane refuses nothing.
                run_state.settle(Outcome(workload_id, CHANGED) for workload_id in plan.ids(SEND, WAIT))
            else:
                self._act(plan, client, reader)
        except RunaiError as fault:
            run_state.stop_for(fault)
        finally:
            client.close()

    def _read_missing(self, reader: StateReader) -> Mapping[str, Workload]:
        """Read the state of the workloads that the caller has not read."""
        ids = [one for one in self._run_state.ids if one not in self._hooks.state]
        if not ids:
            return {}
        self._progress.phase("reading the state of {0}".format(counted(len(ids), "workload")))
        return reader.read(ids, on_read=self._progress.reading)

    def _act(self, plan: Plan, client: Client, reader: StateReader) -> None:
        """Send what the plan says, and wait for it where that is asked for."""
        options, run_state = self._options, self._run_state
        planned = len(plan.ids(SEND, WAIT))
        rules = rules_after_stop(options.rules) if options.action == RESUME else options.rules
        fresh_state = None
        if options.action == DELETE:
            fresh_state = FreshState(reader, rules, plan.ids(SEND), run_state.state, self._read_at)
        context = DeliveryContext(
            options.action,
            client,
            reader,
            self._cancellation,
            self._stats,
            rules,
            run_state.state,
            fresh_state,
            self._concurrency.record_overload,
            self._hooks.send_anyway,
        )
        dispatcher = self._dispatcher = Dispatcher(
            partial(deliver, context),
            self._cancellation,
            options.batch_size,
            self._concurrency,
            options.max_failures,
            planned,
            lambda: self._progress.phase("acting on {0}".format(counted(planned, "workload"))),
            self._settle_batch,
            self._hooks.on_send,
        )
        waiter = Waiter(
            reader, self._cancellation, options.wait_timeout, options.wait_interval, self._progress
        )
        if plan.ids(SEND):
            dispatcher.send(plan.ids(SEND))
        if plan.ids(WAIT):
            resume_after_stop(plan.ids(WAIT), options, rules, waiter, dispatcher, run_state)
        if run_state.counts[NOT_ATTEMPTED]:
            self._note_the_stop()
        if options.wait:
            target = WaitTarget(options.action, options.accepts_active)
            can_read = not dispatcher.is_aborted
            wait_until_reached(target, waiter, run_state, can_read, self._hooks.on_reached)

    def _settle_batch(self, outcomes: Sequence[Outcome]) -> None:
        run_state, dispatcher = self._run_state, self._dispatcher
        run_state.settle(outcomes)
        self._hooks.on_settled(outcomes)
        done = dispatcher.sent_batches if dispatcher else 0
        # What stops one by one, to be resumed, may go in more batches than are needed for all together.
        to_come = math.ceil((len(run_state.ids) - len(run_state.outcomes)) / self._options.batch_size)
        self._progress.batch(
            run_state.counts, len(run_state.outcomes), len(run_state.ids), done, done + to_come
        )

    def _note_the_stop(self) -> None:
        """Note why something was left that was to be sent."""
        try:
            self._cancellation.check_write()
        except Interrupted as stop:
            self._run_state.stop_for(stop)

    def _scrub(self, text: str) -> str:
        return hide(text, self._stats.secrets)


def _concurrency_limit(concurrency: Optional[int]) -> ConcurrencyLimit:
    if concurrency is None:
        return ConcurrencyLimit(_FIRST_CONCURRENCY, 1, MOST_CONCURRENT)
    return ConcurrencyLimit(concurrency, concurrency, concurrency)
