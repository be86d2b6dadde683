# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a run, for people and for playbooks: the verdict first, the next command last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from .._common.errors import no_request
from .._common.result import ResultBudget
from .._common.text import clean, counted, counted_gpus, some_of
from .._record.events import ACT, ACTING, BEGUN, ENDED, ENDING, LEAVE, PLANNED, SHARE
from .._record.ownership import BACK, HELD, OURS, STARTING, UNCERTAIN, VERDICTS, Holder
from .._record.record import Record, RecordedWorkload
from .._workload.workload import Workload
from .next_command import STATUS, NextCommand
from .options import TOLD, MaintenanceOptions
from .plan_rules import MOST_ROWS, owners_of


class Problem(NamedTuple):
    """A reason for which a run fails: a row for people, and the id of its workload, empty if it has none."""

    row: str
    workload_id: str


class Outcome(NamedTuple):
    """The outcome of a run.

    ``verdicts`` are those of the workloads, if they were read. ``to_send`` is how many check mode
    would send. ``pods_left`` are pods that were left on the nodes on purpose. ``problems`` make the run fail.
    ``to_tell`` has an object an owner.
    """

    record: Record
    now: Mapping[str, Workload]
    verdicts: Mapping[str, str] = {}
    held: Mapping[str, Holder] = {}
    changed: bool = False
    to_send: int = 0
    notes: Sequence[str] = ()
    problems: Sequence[Problem] = ()
    to_tell: Sequence[dict[str, Any]] = ()
    pods_left: int = 0

    @property
    def workload_problems(self) -> int:
        """Number of problems that are about a workload, and not about pods."""
        return sum(bool(problem.workload_id) for problem in self.problems)

    def count(self, *verdicts: str) -> int:
        return sum(verdict in verdicts for verdict in self.verdicts.values())

    @property
    def back(self) -> int:
        return self.count(BACK, STARTING)

    @property
    def holders(self) -> Counter[str]:
        """How many workloads each other record holds."""
        return Counter(held.name for one, held in self.held.items() if self.verdicts.get(one) == HELD)


class RunContext(NamedTuple):
    """The verb of a run (a state or STATUS), how its result is printed, and who writes the next command."""

    verb: str
    is_check: bool
    verbosity: int
    commands: NextCommand


def empty_result(check_mode: bool) -> dict[str, Any]:
    """Return all keys of a result, empty."""
    return {
        "changed": False,
        "check_mode": check_mode,
        "msg": "",
        "state": None,
        "control_plane": {},
        "simulator": False,
        "record_path": None,
        "record": None,
        "summary": {},
        "workloads": [],
        "workloads_truncated": False,
        "owners": [],
        "to_tell": [],
        "lines": [],
        "next": "",
        "error": None,
    }


def make_result(
    outcome: Outcome,
    options: MaintenanceOptions,
    context: RunContext,
    control_plane: Mapping[str, Any],
    record_keys: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the result, within the size that job viewers keep. ``record_keys`` are never cut."""
    record = outcome.record
    msg = _verdict_sentence(outcome, context)
    nothing_comes = not outcome.back and not outcome.to_send
    is_held = bool(outcome.holders) and context.verb == ENDED and nothing_comes
    if is_held:
        msg += ". Nothing came back: {0}".format(_holders(outcome))
    rows = [problem.row for problem in outcome.problems]
    is_planned = record.state == PLANNED
    owners = owners_of(
        one for one in record.workloads.values() if (one.plan == ACT if is_planned else one.is_asked)
    )
    before, next_command = _next_step(outcome, options, context)
    lines = [
        msg,
        _control_plane_line(control_plane),
        *outcome.notes,
        *rows[:MOST_ROWS],
        *(["and {0} more".format(len(rows) - MOST_ROWS)] if len(rows) > MOST_ROWS else []),
        *(_verdict_lines(outcome) if outcome.verdicts else _owner_lines(owners)),
        *before,
    ]
    if next_command:
        lines.append("Next: {0}".format(next_command))
    result = {
        **empty_result(context.is_check),
        **record_keys,
        "changed": outcome.changed,
        "msg": msg,
        "state": record.state or None,
        "control_plane": dict(control_plane),
        "simulator": bool(control_plane.get("simulator")),
        "summary": summary_of(outcome),
        "lines": lines,
        "next": next_command,
    }
    if outcome.problems or is_held:
        result["error"] = {**no_request(msg), "rows": rows[:MOST_ROWS]}
    budget = ResultBudget(result, context.verbosity)
    result["to_tell"] = budget.take(outcome.to_tell, 0.5)
    left_out = len(outcome.to_tell) - len(result["to_tell"])
    if left_out:
        message = "{0} do not fit into this result. Tell the owners in it, then run the task again"
        lines.insert(1, message.format(counted(left_out, "owner")))
    result["owners"] = budget.take(owners, 0.25)
    result["workloads"] = budget.take(islice(rows_of(outcome), options.workloads_limit))
    result["workloads_truncated"] = len(result["workloads"]) < len(record.workloads)
    return result


def rows_of(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Give one object a workload, worst first."""
    bad = {problem.workload_id for problem in outcome.problems}
    order = list(VERDICTS)

    def rank(one: RecordedWorkload) -> tuple[bool, int]:
        verdict = outcome.verdicts.get(one.id)
        return one.id not in bad, order.index(verdict) if verdict is not None else len(order)

    for one in sorted(outcome.record.workloads.values(), key=rank):
        now, verdict = outcome.now.get(one.id), outcome.verdicts.get(one.id, "")
        yield {
            "id": one.id,
            "name": one.name,
            "project": one.project,
            "submitted_by": one.owner,
            "gpus": one.gpus,
            "plan": one.plan,
            "phase_before": one.phase,
            "phase": now.phase if now is not None else "",
            "verdict": verdict,
            "outcome": one.outcome or "",
            "code": one.code,
            "message": one.message,
            "held_by": outcome.held[one.id].name if verdict == HELD else "",
        }


def _next_step(outcome: Outcome, options: MaintenanceOptions, context: RunContext) -> tuple[list[str], str]:
    """Return lines about what to do before the next command, and that command."""
    record, verb, commands = outcome.record, context.verb, context.commands
    if verb == TOLD:
        return [], ""
    if context.is_check and verb != STATUS:
        return [], commands.without_check(verb) if verb != ENDED or outcome.changed else ""
    if verb == ENDED:
        return _after_end(outcome, commands)
    if verb == BEGUN:
        return ([], commands.repeat(BEGUN)) if outcome.workload_problems else _after_begin(outcome, commands)
    if PLANNED in (verb, record.state):
        return _after_plan(outcome, options, commands)
    if record.state == BEGUN:
        return _after_begin(outcome, commands)
    if record.state == ACTING:
        give_up = ["To give up: {0}".format(commands.continue_with(ENDED, record))]
        return give_up, commands.continue_with(BEGUN, record)
    return [], commands.continue_with(ENDED, record) if record.state == ENDING else ""


def _after_plan(
    outcome: Outcome, options: MaintenanceOptions, commands: NextCommand
) -> tuple[list[str], str]:
    record, nodes = outcome.record, outcome.record.nodes
    if not record.covered():
        return [], ""
    must_cordon = nodes and not options.node_fenced
    first = ["First: kubectl cordon {0}".format(" ".join(nodes))] if must_cordon else []
    return first, commands.continue_with(BEGUN, record)


def _after_begin(outcome: Outcome, commands: NextCommand) -> tuple[list[str], str]:
    record, nodes = outcome.record, " ".join(outcome.record.nodes)
    if outcome.problems:
        return [], commands.continue_with(STATUS, record)
    if not record.covered():
        return [], ""
    before = ["When the maintenance is over, run the next command."]
    if nodes:
        before = [
            "When the maintenance is over, let pods on the nodes again: kubectl uncordon {0}".format(nodes)
        ]
        # Those that are gone by now were evicted by it.
        if outcome.pods_left or any(one.plan == LEAVE for one in record.workloads.values()):
            before.append("Remove the taint as well: kubectl taint nodes {0} maintenance-".format(nodes))
    return before, commands.continue_with(ENDED, record)


def _after_end(outcome: Outcome, commands: NextCommand) -> tuple[list[str], str]:
    holders = list(outcome.holders)
    if outcome.problems:
        if UNCERTAIN in outcome.verdicts.values():
            return [], commands.repeat(
                ENDED, resume_touched="<true resumes them, false leaves a few stopped>"
            )
        # That of a plan does not show what a begin did.
        handed_over = {"record": "<record that begin returned>"} if outcome.record.state == PLANNED else {}
        return [], commands.repeat(ENDED, **handed_over)
    if not outcome.back and len(holders) == 1:
        return [
            "When the maintenance {0} is over, run the next command.".format(*holders)
        ], commands.end_other(holders[0])
    before = ["To end {0} when it is over: {1}".format(name, commands.end_other(name)) for name in holders]
    return before, ""


def _control_plane_line(control_plane: Mapping[str, Any]) -> str:
    return "{0}{1}, tenant {2}, clusters: {3}".format(
        "REHEARSAL on a simulator: " if control_plane.get("simulator") else "Control plane ",
        control_plane.get("base_url"),
        control_plane.get("tenant_id") or "unknown",
        some_of(sorted(control_plane.get("clusters", {}).values())) or "not known",
    )


def _verdict_lines(outcome: Outcome) -> list[str]:
    counts = Counter(outcome.verdicts.values())
    lines = ["{0} {1}".format(counts[verdict], text) for verdict, text in VERDICTS.items() if counts[verdict]]
    return [*lines, *([_holders(outcome)] if outcome.holders else [])]


def _owner_lines(owners: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "{owner}: {0}, {1} in {projects}".format(
            counted(one["count"], "workload"), counted_gpus(one["gpus"]), **one
        )
        for one in owners[:MOST_ROWS]
    ]
    if len(owners) > MOST_ROWS:
        lines.append("and {0}".format(counted(len(owners) - MOST_ROWS, "more owner")))
    return lines


def _verdict_sentence(outcome: Outcome, context: RunContext) -> str:
    record, verb = outcome.record, context.verb
    covered = record.covered()
    total = counted(len(covered), "workload")
    if PLANNED in (verb, record.state if verb == STATUS else ""):
        verdict = "suspends {0} of {1} in {2} and frees {3}".format(
            total,
            counted(len({one.owner for one in covered}), "owner"),
            counted(len({one.project for one in covered}), "project"),
            counted_gpus(round(sum(one.gpus for one in covered), 2)),
        )
    elif verb == TOLD:
        verdict = "owners of {0} told".format(counted(len(record.notices), "workload"))
    elif context.is_check and verb != STATUS:
        verb_done = "resumed" if verb == ENDED else "suspended"
        verdict = "{0} would be {1}".format(counted(outcome.to_send, "workload"), verb_done)
    elif verb == STATUS and record.is_open:
        stopped = outcome.count(OURS, HELD)
        verdict = "{0} of {1} stopped{2}".format(stopped, len(covered), _describe_pods(outcome))
    elif verb in (ENDED, STATUS):
        doubt = "; {0} not restored or in doubt".format(len(outcome.problems)) if outcome.problems else ""
        verdict = "{0} of {1} back{2}".format(outcome.back, total, doubt)
    else:
        verdict = "{0} of {1} suspended".format(sum(one.was_stopped for one in covered), len(covered))
        if outcome.workload_problems:
            verdict += "; {0} not suspended".format(counted(outcome.workload_problems, "workload"))
        verdict += _describe_pods(outcome)
    return "Maintenance {0} ({1}), {2}: {3}{4}".format(
        record.name,
        clean(record.reason, 120),
        record.state,
        "CHECK MODE, " if context.is_check else "",
        verdict,
    )


def _describe_pods(outcome: Outcome) -> str:
    if outcome.pods_left:
        return "; {0} left on purpose".format(counted(outcome.pods_left, "pod"))
    if outcome.problems and not outcome.workload_problems:
        return "; pods are left on the nodes"
    return ""


def summary_of(outcome: Outcome) -> dict[str, int]:
    """Return the counts of the workloads."""
    entries = list(outcome.record.workloads.values())
    return {
        "planned": sum(one.plan == ACT for one in entries),
        "shared": sum(one.plan == SHARE or one.is_shared for one in entries),
        "left": sum(one.plan == LEAVE for one in entries),
        "stopped": sum(one.was_stopped and not one.is_resumed for one in entries),
        "problems": len(outcome.problems),
        "workload_problems": outcome.workload_problems,
        **dict.fromkeys(VERDICTS, 0),
        **Counter(outcome.verdicts.values()),
    }


def _holders(outcome: Outcome) -> str:
    return "; ".join(
        "{0} held by {1}".format(counted(number, "workload"), name)
        for name, number in outcome.holders.items()
    )
