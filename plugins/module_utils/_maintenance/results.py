# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run came to, for people and for playbooks: the verdict first, the next command last."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from .._common.errors import no_request
from .._common.result import LARGEST_RESULT, characters, fitting
from .._common.text import clean, counted, some_of
from .._record.ownership import BACK, HELD, STARTING, VERDICTS, Holder, Now
from .._record.record import ACT, BEGUN, ENDED, ENDING, LEAVE, PLANNED, SHARE, Record, RecordedWorkload
from .options import MaintenanceOptions
from .plan_rules import MOST_ROWS, owners_of

_PLAYBOOKS = {PLANNED: "maintenance_plan", BEGUN: "maintenance_begin", ENDED: "maintenance_end"}
_PLAIN = re.compile(r"[A-Za-z0-9_@%+:./-]+")
_LEAST_SHARE = 20_000


class Problem(NamedTuple):
    """One thing for which a run fails: a row for people, and the workload that it is about."""

    row: str
    workload_id: str


class Outcome(NamedTuple):
    """What a run came to.

    ``verdicts`` say where each workload stands, where that was asked. ``to_send`` is how many check mode
    would send. ``problems`` make the run fail. ``to_tell`` has an object an owner.
    """

    record: Record
    now: Mapping[str, Now]
    verdicts: Mapping[str, str] = {}
    held: Mapping[str, Holder] = {}
    changed: bool = False
    to_send: int = 0
    notes: Sequence[str] = ()
    problems: Sequence[Problem] = ()
    to_tell: Sequence[dict[str, Any]] = ()


def as_names(words: str, names: Sequence[str]) -> list[str]:
    """Return a line that names workloads, or none."""
    if not names:
        return []
    return ["{0} {1}: {2}".format(counted(len(names), "workload"), words, some_of(names, 5))]


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
    check_mode: bool,
    control_plane: Mapping[str, Any],
    base_url: Optional[str],
) -> dict[str, Any]:
    """Return the result, within the size that job viewers keep."""
    record = outcome.record
    msg = _sentence(outcome, check_mode)
    is_held = bool(outcome.held) and options.state == ENDED and not _came_back(outcome)
    if is_held:
        msg += ". Nothing came back: {0}".format(_holders(outcome))
    next_command = _next(outcome, options, check_mode, base_url)
    rows = [problem.row for problem in outcome.problems]
    lines = [
        msg,
        "{0}{1}, tenant {2}, clusters: {3}".format(
            "REHEARSAL on a simulator: " if control_plane.get("simulator") else "Control plane ",
            control_plane.get("base_url"),
            control_plane.get("tenant_id") or "unknown",
            some_of(sorted(control_plane.get("clusters", {}).values())) or "not known",
        ),
        *outcome.notes,
        *rows[:MOST_ROWS],
    ]
    if len(rows) > MOST_ROWS:
        lines.append("and {0} more".format(len(rows) - MOST_ROWS))
    counts = Counter(outcome.verdicts.values())
    lines += ["{0} {1}".format(counts[word], words) for word, words in VERDICTS.items() if counts[word]]
    if outcome.held and not is_held:
        lines.append(_holders(outcome))
    owners = owners_of(one for one in record.workloads.values() if _concerns_owner(record, one))
    if not outcome.verdicts:
        lines += [
            "{owner}: {count} workloads, {gpus:g} GPUs in {projects}".format(**one)
            for one in owners[:MOST_ROWS]
        ]
    first = _first(outcome, options)
    if first:
        lines.append(first)
    if next_command:
        lines.append("Next: {0}".format(next_command))
    result = {
        **empty_result(check_mode),
        "changed": outcome.changed,
        "msg": msg,
        "state": record.state or None,
        "control_plane": dict(control_plane),
        "simulator": bool(control_plane.get("simulator")),
        "summary": _summary(outcome),
        "lines": lines,
        "next": next_command,
    }
    failed = bool(outcome.problems) or is_held
    if failed:
        result["error"] = {**no_request(msg), "rows": rows[:MOST_ROWS]}
    result["to_tell"], told = fitting(outcome.to_tell, LARGEST_RESULT // 2)
    if len(result["to_tell"]) < len(outcome.to_tell):
        words = "{0} do not fit into this result. Run the task again once the others are told"
        lines.insert(1, words.format(counted(len(outcome.to_tell) - len(result["to_tell"]), "owner")))
    result["owners"], taken = fitting(owners, LARGEST_RESULT // 4)
    left = max(_LEAST_SHARE, LARGEST_RESULT - characters(result) - taken - told)
    ranked = _ranked(outcome)
    shown = (_row(outcome, one) for one in ranked[: options.workloads_limit])
    result["workloads"], _taken = fitting(shown, left)
    result["workloads_truncated"] = len(result["workloads"]) < len(ranked)
    return result


def command(
    state: str, options: MaintenanceOptions, check_mode: bool, base_url: Optional[str], **more: str
) -> str:
    """Return the command, or in a job of AWX the template, that runs a state; none for a reclaim."""
    if state not in _PLAYBOOKS or (options.is_repeated and state != ENDED):
        # It takes the same variables again.
        return ""
    variables = {"name": options.name}
    if "record_dir" in options.given and options.record_dir:
        variables["record_dir"] = options.record_dir
    if base_url:
        variables["base_url"] = base_url
    variables.update(more)
    said = {"workload_maintenance_" + key: value for key, value in variables.items()}
    playbook = _PLAYBOOKS[state]
    if options.by.get("awx_job_id"):
        return "launch the job template of {0} with {1}".format(
            playbook, ", ".join("{0}={1}".format(*item) for item in said.items())
        )
    words = ["ansible-playbook", "gpuops.runai." + playbook]
    for name, value in said.items():
        plain = "{0}={1}".format(name, value) if _PLAIN.fullmatch(value) else json.dumps({name: value})
        words += ["-e", shlex.quote(plain)]
    return " ".join([*words, *(["--check"] if check_mode else [])])


def _next(outcome: Outcome, options: MaintenanceOptions, check_mode: bool, base_url: Optional[str]) -> str:
    record = outcome.record
    if options.state == PLANNED:
        fence = {}
        if record.select.get("nodes") and not options.node_fenced:
            fence = {"node_fenced": "<true once it is cordoned>"}
        if not any(one.plan != LEAVE for one in record.workloads.values()):
            return ""
        return command(BEGUN, options, False, base_url, **fence)
    if check_mode:
        return command(options.state, options, False, base_url)
    if options.state == BEGUN:
        if not record.concerned():
            return ""
        return command(BEGUN if outcome.problems else ENDED, options, False, base_url)
    return command(ENDED, options, False, base_url) if outcome.problems else ""


def _first(outcome: Outcome, options: MaintenanceOptions) -> str:
    nodes = outcome.record.select.get("nodes")
    if options.state == PLANNED and nodes and not options.node_fenced:
        return "First: kubectl cordon {0}".format(" ".join(nodes))
    return ""


def _sentence(outcome: Outcome, check_mode: bool) -> str:
    record = outcome.record
    start = "Maintenance {0} ({1}), {2}: ".format(record.name, clean(record.reason, 120), record.state)
    ours = record.concerned()
    if (
        check_mode
        and record.state in (PLANNED, BEGUN, "acting", ENDING, ENDED)
        and (outcome.to_send or outcome.verdicts)
    ):
        verb = "resumed" if outcome.verdicts else "suspended"
        return "{0}CHECK MODE, {1} would be {2}".format(start, counted(outcome.to_send, "workload"), verb)
    if record.state == PLANNED:
        gpus = round(sum(one.gpus for one in ours), 2)
        return "{0}suspends {1} of {2} in {3}; {4:g} GPUs fall free".format(
            start,
            counted(len(ours), "workload"),
            counted(len({one.owner for one in ours}), "owner"),
            counted(len({one.project for one in ours}), "project"),
            gpus,
        )
    if outcome.verdicts:
        back = sum(word in (BACK, STARTING) for word in outcome.verdicts.values())
        doubt = "; {0} not restored or in doubt".format(len(outcome.problems)) if outcome.problems else ""
        return "{0}{1} of {2} back{3}".format(start, back, counted(len(ours), "workload"), doubt)
    stopped = sum(one.was_stopped for one in ours)
    bad = len([problem for problem in outcome.problems if problem.workload_id])
    words = "{0} of {1} suspended".format(stopped, len(ours))
    if bad:
        words += "; {0} not suspended".format(counted(bad, "workload"))
    elif outcome.problems:
        words += "; pods are left on the nodes"
    return start + words


def _summary(outcome: Outcome) -> dict[str, int]:
    entries = list(outcome.record.workloads.values())
    return {
        "planned": sum(one.plan == ACT for one in entries),
        "shared": sum(one.plan == SHARE or one.is_shared for one in entries),
        "left": sum(one.plan == LEAVE for one in entries),
        "stopped": sum(one.was_stopped and not one.is_resumed for one in entries),
        "problems": len(outcome.problems),
        **dict.fromkeys(VERDICTS, 0),
        **Counter(outcome.verdicts.values()),
    }


def _ranked(outcome: Outcome) -> list[RecordedWorkload]:
    bad = {problem.workload_id for problem in outcome.problems}
    order = list(VERDICTS)

    def rank(one: RecordedWorkload) -> tuple[bool, int]:
        word = outcome.verdicts.get(one.id)
        return one.id not in bad, order.index(word) if word is not None else len(order)

    return sorted(outcome.record.workloads.values(), key=rank)


def _row(outcome: Outcome, one: RecordedWorkload) -> dict[str, Any]:
    now, holder = outcome.now.get(one.id), outcome.held.get(one.id)
    return {
        "id": one.id,
        "name": one.name,
        "project": one.project,
        "submitted_by": one.owner,
        "plan": one.plan,
        "phase_before": one.phase,
        "phase": now.phase if now is not None else "",
        "verdict": outcome.verdicts.get(one.id, ""),
        "outcome": one.outcome or "",
        "code": one.code,
        "message": one.message,
        "held_by": holder.name if holder is not None else "",
    }


def _concerns_owner(record: Record, one: RecordedWorkload) -> bool:
    return (
        one.plan == ACT
        if record.state == PLANNED
        else one.is_accepted or one.is_in_doubt or one.is_unanswered
    )


def _came_back(outcome: Outcome) -> bool:
    return any(word in (BACK, STARTING) for word in outcome.verdicts.values())


def _holders(outcome: Outcome) -> str:
    holders = Counter(
        holder.name for one, holder in outcome.held.items() if outcome.verdicts.get(one) == HELD
    )
    return "; ".join(
        "{0} held by {1}; to end it: ansible-playbook gpuops.runai.maintenance_end "
        "-e workload_maintenance_name={1}".format(counted(number, "workload"), name)
        for name, number in holders.items()
    )
