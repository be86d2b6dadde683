# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_workload_batch: options, state, plan, dispatch, report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Callable, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._ancestors import watch_ancestors
from ansible_collections.gpuops.runai.plugins.module_utils._batch_options import BatchOptions, batch_options
from ansible_collections.gpuops.runai.plugins.module_utils._client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._connection import (
    Connection,
    connect_options,
    no_connection,
)
from ansible_collections.gpuops.runai.plugins.module_utils._deliver import Courier
from ansible_collections.gpuops.runai.plugins.module_utils._dispatch import Dispatcher
from ansible_collections.gpuops.runai.plugins.module_utils._errors import Interrupted, OptionError, RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._finished import Finished
from ansible_collections.gpuops.runai.plugins.module_utils._guard import Guard
from ansible_collections.gpuops.runai.plugins.module_utils._ids import parse_ids
from ansible_collections.gpuops.runai.plugins.module_utils._interrupts import heeded_interrupts
from ansible_collections.gpuops.runai.plugins.module_utils._journal import Journal
from ansible_collections.gpuops.runai.plugins.module_utils._outcome import (
    CHANGED,
    FAILED,
    NOT_ATTEMPTED,
    NOT_REACHED,
    ORPHANED,
    SKIPPED,
    STILL_STOPPING,
    STOPPED_EARLY,
    UNCHANGED,
    BatchRecord,
    Outcome,
)
from ansible_collections.gpuops.runai.plugins.module_utils._phases import (
    RESUME,
    SEND,
    THERE,
    WAIT,
)
from ansible_collections.gpuops.runai.plugins.module_utils._plan import (
    Plan,
    Rules,
    ceiling_words,
    decide,
    make_plan,
    rules_once_stopped,
)
from ansible_collections.gpuops.runai.plugins.module_utils._progress import Progress
from ansible_collections.gpuops.runai.plugins.module_utils._report import (
    Figures,
    Finding,
    is_failed,
    make_result,
    report_row,
)
from ansible_collections.gpuops.runai.plugins.module_utils._state import StateReader
from ansible_collections.gpuops.runai.plugins.module_utils._tally import Tally
from ansible_collections.gpuops.runai.plugins.module_utils._text import counted, hide, some_of
from ansible_collections.gpuops.runai.plugins.module_utils._wait import Goal, place_of, polls
from ansible_collections.gpuops.runai.plugins.module_utils._workload import Workload

_LEAST_READERS = 4
_MOST_PLACES = 5


def run_batch(
    params: Mapping[str, Any],
    environ: Mapping[str, str],
    check_mode: bool,
    with_diff: bool,
    say: Callable[[str], None] = lambda line: None,
    verbosity: int = 0,
    given: Optional[Mapping[str, Any]] = None,
) -> Finished:
    """Do what the options say. Never raises for what users or control planes do wrong.

    ``say`` gets lines on how far it is; ``verbosity`` is how many ``v`` the play was started with;
    ``given`` are the task's own arguments before Ansible completed them. Once interrupted, it ends as
    if its play were gone.
    """
    given = given or {}
    if isinstance(given.get("ids"), str):
        # Ansible cuts a survey's text at its commas: one at its end would look like an empty element.
        params = {**params, "ids": [given["ids"]]}
    try:
        options = batch_options(params, given)
        # What selected nothing has nothing to do, also where nobody may connect.
        connect = connect_options if options.ids.ids else no_connection
        connection = connect(params, environ)
    except OptionError as fault:
        return refused(params, str(fault))
    with heeded_interrupts() as is_uninterrupted:
        run = _Run(options, connection, check_mode, with_diff, say, verbosity, is_uninterrupted)
        return run.finish()


def refused(params: Mapping[str, Any], words: str) -> Finished:
    """Return the result of a task that is refused before anything is sent, in the usual shape."""
    try:
        ids = parse_ids(params.get("ids"), "ids")
    except OptionError:
        ids = parse_ids([], "ids")
    finding = Finding(
        action=params["action"],
        check_mode=False,
        outcomes=[Outcome(workload_id, NOT_ATTEMPTED, "refused") for workload_id in ids.ids],
        state={},
        not_reached=[],
        batches=[],
        figures=Figures(ids.duplicates, 0, 0, 0, 0.0),
        notes=[],
        stopped=True,
    )
    result = make_result(finding, workloads_limit=0, with_diff=False)
    return Finished({**result, "msg": words}, True, [], set())


class _Run:
    """One run, from checked options to a result; holds what is known so far, so that nothing is lost."""

    def __init__(
        self,
        options: BatchOptions,
        connection: Connection,
        check_mode: bool,
        with_diff: bool,
        say: Callable[[str], None],
        verbosity: int,
        is_uninterrupted: Callable[[], bool],
    ) -> None:
        self._options = options
        self._connection = connection
        self._check_mode = check_mode
        self._with_diff = with_diff
        self._verbosity = verbosity
        self._tally = Tally()
        self._progress = Progress(options.action, lambda line: say(self._scrub(line)))
        is_play_there = watch_ancestors()
        self._guard = Guard(options.deadline, lambda: is_uninterrupted() and is_play_there())
        self._journal = Journal(None if check_mode else options.report_path, self._scrub)
        self._state: dict[str, Workload] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._not_reached: list[str] = []
        self._notes: list[str] = []
        self._stopped = False
        self._reason = STOPPED_EARLY
        self._counts: Counter[str] = Counter()
        self._to_settle = 0
        self._dispatcher: Optional[Dispatcher] = None

    def finish(self) -> Finished:
        began = time.monotonic()
        try:
            self._journal.open()
        except OptionError as fault:
            self._stop(str(fault))
        else:
            if self._options.ids.ids:
                self._work()
        self._leave_the_rest()
        # Nobody is left to hear the result of a run whose play is gone: its report stays unfinished.
        trouble = None if self._reason == ORPHANED else self._journal.complete()
        figures = Figures(
            duplicates=self._options.ids.duplicates,
            requests=self._tally.requests,
            batches=self._dispatcher.sent_batches if self._dispatcher else 0,
            retries=self._tally.retries,
            seconds=round(time.monotonic() - began, 3),
        )
        finding = Finding(
            action=self._options.action,
            check_mode=self._check_mode,
            outcomes=[self._outcomes[workload_id] for workload_id in self._options.ids.ids],
            state=self._state,
            not_reached=self._not_reached,
            batches=self._batches(),
            figures=figures,
            notes=self._notes,
            stopped=self._stopped,
        )
        result = make_result(finding, self._options.workloads_limit, self._with_diff, self._verbosity)
        self._progress.end(result["msg"])
        return Finished(
            result,
            is_failed(finding),
            [
                *self._connection.warnings,
                *self._options.warnings,
                *self._tally.warnings(),
                *self._kept(trouble),
            ],
            self._secrets(),
        )

    def _work(self) -> None:
        workers = max(self._options.concurrency, _LEAST_READERS)
        client = Client(
            self._connection, self._guard, self._tally, connections=workers + self._options.concurrency
        )
        try:
            reader = StateReader(client, workers)
            ids = self._options.ids.ids
            self._progress.phase("reading the state of {0}".format(counted(len(ids), "workload")))
            self._state = reader.read(ids)
            plan = make_plan(self._options.action, ids, self._state, self._options.rules)
            self._settle(_settled_by(plan))
            too_many = ceiling_words(plan, self._options.max_affected)
            if too_many is not None:
                self._stop(too_many)
            elif self._check_mode:
                # As it goes when the control plane refuses nothing.
                self._settle(Outcome(workload_id, CHANGED) for workload_id in plan.ids(SEND, WAIT))
            else:
                self._act(plan, client, reader)
        except RunaiError as fault:
            self._stop_for(fault)
        finally:
            client.close()

    def _act(self, plan: Plan, client: Client, reader: StateReader) -> None:
        options = self._options
        planned = len(plan.ids(SEND, WAIT))
        self._to_settle = len(self._outcomes) + planned
        rules = rules_once_stopped(options.rules) if options.action == RESUME else options.rules
        courier = Courier(options.action, client, reader, self._guard, self._tally, rules, self._state)
        self._dispatcher = Dispatcher(
            courier.deliver,
            self._guard,
            options.batch_size,
            options.concurrency,
            options.max_failures,
            planned,
            self._settle_batch,
        )
        if plan.ids(SEND):
            self._progress.phase("acting on {0}".format(counted(planned, "workload")))
            self._dispatcher.send(plan.ids(SEND))
        if plan.ids(WAIT):
            self._send_once_stopped(plan.ids(WAIT), rules, reader, self._dispatcher)
        self._note_a_stop()
        if options.wait:
            self._wait(reader)

    def _send_once_stopped(
        self, ids: list[str], rules: Rules, reader: StateReader, dispatcher: Dispatcher
    ) -> None:
        """Send a resume for what was still stopping, as it stops; a full batch at once, the rest together."""
        options = self._options
        if self._guard.write_stop is not None:
            dispatcher.leave(ids)
            return
        left: Collection[str] = ids
        ready: list[str] = []
        try:
            for settled, left in polls(
                ids,
                reader,
                self._guard,
                options.wait_timeout,
                options.wait_interval,
                lambda workload: decide(options.action, workload, rules).verdict != WAIT,
            ):
                self._progress.waiting(len(left), "to stop before they are resumed", options.wait_timeout)
                for workload in settled.values():
                    step = decide(options.action, workload, rules)
                    if step.verdict == SEND:
                        ready.append(workload.id)
                    else:
                        self._settle(_settled_by(Plan(options.action, [step])))
                if len(ready) >= options.batch_size or not settled:
                    dispatcher.send(ready)
                    ready = []
                if self._guard.write_stop is not None:
                    break
        except Interrupted as stop:
            self._stop_for(stop)
            return
        except RunaiError as fault:
            dispatcher.break_off(str(fault))
            dispatcher.leave([*ready, *left])
            return
        dispatcher.send(ready)
        if self._guard.write_stop is not None:
            dispatcher.leave(list(left))
        else:
            words = "still Stopping after {0:g} s".format(options.wait_timeout)
            self._settle([Outcome(workload_id, FAILED, STILL_STOPPING, words) for workload_id in left])

    def _wait(self, reader: StateReader) -> None:
        options = self._options
        goal = Goal(options.action, options.content_with_active)
        ids = [
            workload_id
            for workload_id, outcome in self._outcomes.items()
            if goal.is_ahead_of(outcome.outcome, self._state[workload_id])
        ]
        short: dict[str, Optional[Workload]] = dict.fromkeys(ids)
        if not (self._dispatcher and self._dispatcher.is_broken_off):
            try:
                for settled, left in polls(
                    ids, reader, self._guard, options.wait_timeout, options.wait_interval, goal.is_settled_by
                ):
                    short.update(left)
                    short.update(settled)
                    for workload in settled.values():
                        if goal.is_reached_by(workload):
                            del short[workload.id]
                    self._progress.waiting(len(left), "to get there", options.wait_timeout)
            except RunaiError as fault:
                self._stop_for(fault)
        self._tell_short(short)

    def _tell_short(self, short: Mapping[str, Optional[Workload]]) -> None:
        """Say of the ids that did not get there where they were when the wait ended."""
        self._not_reached = [workload_id for workload_id in self._options.ids.ids if workload_id in short]
        if not short:
            return
        places = {workload_id: place_of(workload) for workload_id, workload in short.items()}
        for workload_id, place in places.items():
            words = "did not get there, {0} when the wait ended".format(place)
            outcome = self._outcomes[workload_id]
            self._outcomes[workload_id] = outcome._replace(reason=NOT_REACHED, message=words)
        self._journal.amend(
            report_row(self._outcomes[workload_id], self._state.get(workload_id)) for workload_id in places
        )
        told = ["{0} {1}".format(count, place) for place, count in Counter(places.values()).most_common()]
        self._notes.append("when the wait ended: " + some_of(told, _MOST_PLACES))

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        settled = list(outcomes)
        self._outcomes.update((outcome.id, outcome) for outcome in settled)
        self._counts.update(outcome.outcome for outcome in settled)
        self._journal.write(report_row(outcome, self._state.get(outcome.id)) for outcome in settled)

    def _settle_batch(self, outcomes: Sequence[Outcome]) -> None:
        self._settle(outcomes)
        done = self._dispatcher.sent_batches if self._dispatcher else 0
        # What stops one by one, to be resumed, may go in more batches than are needed for all together.
        batches = done - (len(self._outcomes) - self._to_settle) // self._options.batch_size
        self._progress.batch(self._counts, len(self._outcomes), len(self._options.ids.ids), done, batches)

    def _leave_the_rest(self) -> None:
        rest = [workload_id for workload_id in self._options.ids.ids if workload_id not in self._outcomes]
        words = self._notes[0] if self._notes else ""
        self._settle(Outcome(workload_id, NOT_ATTEMPTED, self._reason, words) for workload_id in rest)

    def _note_a_stop(self) -> None:
        """Note why writing was stopped, if it was and anything was left for it."""
        if all(outcome.outcome != NOT_ATTEMPTED for outcome in self._outcomes.values()):
            return
        try:
            self._guard.check_write()
        except Interrupted as stop:
            self._stop_for(stop)

    def _stop(self, words: str) -> None:
        self._stopped = True
        if words not in self._notes:
            self._notes.append(words)

    def _stop_for(self, fault: RunaiError) -> None:
        if isinstance(fault, Interrupted):
            self._reason = fault.reason
        self._stop(str(fault))

    def _batches(self) -> list[BatchRecord]:
        return self._dispatcher.batches if self._dispatcher else []

    def _kept(self, trouble: Optional[str]) -> list[str]:
        kept = []
        if self._journal.kept is not None:
            kept.append("a killed task left an unfinished report, kept as {0}".format(self._journal.kept))
        if trouble is not None:
            kept.append(trouble)
        return kept

    def _secrets(self) -> set[str]:
        return {*self._connection.secrets, *self._tally.secrets}

    def _scrub(self, text: str) -> str:
        return hide(text, self._secrets())


def _settled_by(plan: Plan) -> list[Outcome]:
    """Return the outcomes that the plan alone settles."""
    outcome = {THERE: UNCHANGED, SKIPPED: SKIPPED, FAILED: FAILED}
    return [
        Outcome(step.workload.id, outcome[step.verdict], step.reason, step.message)
        for step in plan.steps
        if step.verdict in outcome
    ]
