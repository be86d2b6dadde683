# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a role is going to fail: one sentence, the worst rows, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Optional

from .._batch.outcome import BAD as BAD_OUTCOMES
from .._batch.outcome import (
    CHANGED,
    FAILED,
    NOT_ATTEMPTED,
    UNKNOWN_OUTCOME,
    spelled,
)
from .._common.errors import RunaiError
from .._common.text import counted
from .._workload.phases import STOPPING, SUSPEND
from .context import Context
from .kinds import kind_called
from .next import after_refusal, go_on
from .record import (
    ACTING,
    BEGUN,
    CLEANUP,
    ENDED,
    ENDING,
    PLANNED,
    Asked,
    Entry,
    Record,
    RecordError,
)
from .record_end import (
    BAD,
    NOT_VISIBLE,
    TO_RESUME,
    may_stop_late,
    standing_words,
)
from .record_nodes import OnNodes
from .record_playbooks import (
    END_PLAYBOOK,
    STATUS_PLAYBOOK,
)
from .record_rows import MOST_ROWS
from .record_seen import Seen
from .record_words import Trouble, trouble_rows

# Words for what did not get there; outcomes are their own.
_UNANSWERED = "without an answer"
_STILL = "still"
_NOT_ATTEMPTED = spelled(NOT_ATTEMPTED)


def begin_trouble(
    context: Context, record: Record, now: Mapping[str, Seen], deleted: Collection[str], on_nodes: OnNodes
) -> Optional[Trouble]:
    """Say what did not stop (or go), and which nodes still have pods; ``None`` if all is well.

    ``deleted`` is known to be gone.
    """
    faults: list[tuple[str, Entry]] = []
    for entry in record.concerned():
        kind = None if entry.id in deleted else _begin_fault(record, entry, now.get(entry.id))
        if kind is not None:
            faults.append((kind, entry))
    faults.sort(key=lambda fault: _rank(fault[0]))
    kinds = Counter(kind for kind, _entry in faults)
    bad = [entry for kind, entry in faults if kind != _NOT_ATTEMPTED]
    not_attempted = [entry for kind, entry in faults if kind == _NOT_ATTEMPTED]
    is_left = _is_left(context, on_nodes)
    if not faults and not is_left:
        return None
    asked = sum(entry.act is not None for entry in record.concerned())
    parts = []
    if faults:
        words = ", ".join("{0} {1}".format(number, kind) for kind, number in kinds.items())
        parts.append(
            "{0} of {1} did not get there: {2}".format(len(faults), counted(asked, "workload"), words)
        )
    if is_left:
        parts.append(on_nodes.words())
    # Another begin moves no pod of what it leaves alone, or of what has stopped.
    playbook = kind_called(record.kind).playbook if faults else STATUS_PLAYBOOK
    command = go_on(context.caller, playbook, record)
    return Trouble("; ".join(parts), _rows(bad, not_attempted), command)


def unseen_trouble(context: Context, record: Record, fault: RunaiError) -> Trouble:
    """Say what is known where the control plane can't be read once the batches are through."""
    outcomes = Counter(
        spelled(_outcome_unseen(entry.act) or UNKNOWN_OUTCOME)
        for entry in record.concerned()
        if entry.act is not None
    )
    words = ", ".join("{0} {1}".format(number, outcome) for outcome, number in outcomes.most_common())
    sentence = "what became of it can't be read ({0}); the record has what is known: {1}".format(fault, words)
    return Trouble(sentence, [], go_on(context.caller, kind_called(record.kind).playbook, record))


def check_trouble(context: Context, fault: RecordError) -> Trouble:
    """Say, once check mode has shown what would happen, what the real run would be refused for."""
    command = after_refusal(context.caller, fault.remedy)
    return Trouble("for real this would be refused: {0}".format(fault), fault.rows, command)


def overtaken_trouble(context: Context) -> Trouble:
    """Say that an end came in between."""
    sentence = "the record was ended while this begin was still at work, so that some may be stopped again"
    return Trouble(sentence, [], go_on(context.caller, END_PLAYBOOK))


def end_trouble(context: Context, record: Record) -> Optional[Trouble]:
    """Say what did not come back, or in check mode would not; ``None`` if nothing is left to bring back."""
    kinds = BAD if context.check_mode else (*BAD, *TO_RESUME)
    bad = [entry for entry in record.concerned() if entry.standing in kinds]
    if not bad:
        return None
    bad.sort(key=lambda entry: kinds.index(str(entry.standing)))
    counts = Counter(str(entry.standing) for entry in bad)
    words = ", ".join(standing_words(standing, number) for standing, number in counts.items())
    sentence = "{0} of {1}: {2}; the record stays open".format(
        len(bad), counted(len(record.concerned()), "workload"), words
    )
    return Trouble(sentence, trouble_rows(bad, resume=True), go_on(context.caller, END_PLAYBOOK))


def end_notes(context: Context, record: Record) -> list[str]:
    """Say what was resumed that may be another's stop, and what may stop after this end has looked."""
    notes = []
    assumed = sum(entry.assumed and entry.resume is not None for entry in record.concerned())
    if assumed:
        words = "of what was resumed, {0} {1} stopped by us only as far as can be told"
        notes.append(words.format(assumed, "was" if assumed == 1 else "were").capitalize())
    number = sum(may_stop_late(entry) for entry in record.concerned())
    if not number:
        return notes
    were, late = ("was", "it stops") if number == 1 else ("were", "one of them stops")
    return [
        *notes,
        "{0} may have been asked to stop, and {1} never seen stopped. If {2} later on: {3}".format(
            number, were, late, go_on(context.caller, END_PLAYBOOK)
        ),
    ]


def status_trouble(context: Context, record: Record, on_nodes: OnNodes) -> Optional[Trouble]:
    """Say which nodes still have pods, and what is not to be seen; ``None`` if all is as it should be."""
    lost = [entry for entry in record.concerned() if entry.standing == NOT_VISIBLE and record.state != ENDED]
    is_left = _is_left(context, on_nodes)
    parts = [on_nodes.words()] if is_left else []
    if lost:
        parts.append(standing_words(NOT_VISIBLE, len(lost)))
    if not parts:
        return None
    # What still runs is for another begin, other pods for whoever moves them; an end finds what is lost.
    playbook = STATUS_PLAYBOOK if is_left else END_PLAYBOOK
    # While a run is at work nothing else is let in. A clean-up has no end.
    if context.at_work:
        playbook = STATUS_PLAYBOOK
    elif record.kind == CLEANUP or record.state == ACTING or any(one.is_active for one in on_nodes.holders):
        playbook = kind_called(record.kind).playbook
    command = go_on(context.caller, playbook, record)
    return Trouble("; ".join(parts), trouble_rows(lost, resume=False), command)


def rehearsal_notes(context: Context, on_nodes: OnNodes) -> list[str]:
    """Say what would fail for real and does not stop a rehearsal: there nobody moves pods off a node."""
    if not context.caller.is_rehearsal or on_nodes.is_empty():
        return []
    return ["For real this would fail: {0}".format(on_nodes.words())]


def _is_left(context: Context, on_nodes: OnNodes) -> bool:
    return not context.caller.is_rehearsal and not on_nodes.is_empty()


def status_notes(context: Context, record: Record, trouble: Optional[Trouble]) -> list[str]:
    """Say who is at work on the record, or what to type next where nothing is wrong."""
    if context.at_work:
        return ["At work now: {0}".format(context.at_work)]
    if trouble is not None or context.caller.is_rehearsal:
        return []
    if record.state == ENDED and not any(entry.standing in TO_RESUME for entry in record.concerned()):
        return []
    begin = go_on(context.caller, kind_called(record.kind).playbook, record)
    if record.action != SUSPEND:
        return [] if record.state == ENDED else ["Next: {0}".format(begin)]
    end = go_on(context.caller, END_PLAYBOOK, record)
    return {
        PLANNED: ["Next: {0}".format(begin)],
        ACTING: ["It was cut off. Next: {0}".format(begin), "Or, to give up: {0}".format(end)],
        BEGUN: [
            "Next, when the maintenance is over{0}: {1}".format(
                " and the nodes are open again" if record.selection.get("nodes") else "", end
            )
        ],
        ENDING: ["Next: {0}".format(end)],
        # It stopped late: a begin that was cut off had asked for it.
        ENDED: ["Next: {0}".format(end)],
    }[record.state]


def _rank(kind: str) -> int:
    """Return how bad a fault is; whatever is still in some phase comes before what was not attempted."""
    known = [FAILED, UNKNOWN_OUTCOME, _UNANSWERED, _STILL, _NOT_ATTEMPTED]
    return known.index(kind if kind in known else _STILL)


def _rows(bad: Sequence[Entry], not_attempted: Sequence[Entry]) -> list[str]:
    """Return the worst rows; what was not attempted is one row, however many they are."""
    if not not_attempted:
        return trouble_rows(bad, resume=False)
    act = not_attempted[0].act
    why = act.message if act is not None else None
    row = "{0} | - | - | - | {1}{2}".format(
        counted(len(not_attempted), "workload"), _NOT_ATTEMPTED, ": {0}".format(why) if why else ""
    )
    return [*trouble_rows(bad, resume=False)[: MOST_ROWS - 1], row]


def _outcome_unseen(asked: Asked) -> Optional[str]:
    """Return the outcome where no look tells more.

    That the last pass was not attempted does not make an earlier one certain.
    """
    return UNKNOWN_OUTCOME if asked.outcome == NOT_ATTEMPTED and asked.unsettled else asked.outcome


def _begin_fault(record: Record, entry: Entry, seen: Optional[Seen]) -> Optional[str]:
    if entry.act is None:
        return None
    is_undone = seen is not None and (record.kind == CLEANUP or seen.is_active)
    outcome = entry.act.outcome if is_undone else _outcome_unseen(entry.act)
    if record.kind != CLEANUP and not _is_in_the_way(outcome, seen):
        return None
    if outcome in BAD_OUTCOMES:
        return spelled(outcome)
    if outcome is None:
        return _UNANSWERED
    if outcome != CHANGED or seen is None:
        return None
    is_on_its_way = record.kind == CLEANUP or seen.is_active or seen.phase == STOPPING
    return "{0} {1}".format(_STILL, seen.phase) if is_on_its_way else None


def _is_in_the_way(outcome: Optional[str], seen: Optional[Seen]) -> bool:
    """Tell whether a workload with this outcome may still run; it has finished, gone or stopped otherwise.

    Not to be seen is not gone.
    """
    if seen is None:
        return outcome != CHANGED
    return seen.is_active or seen.phase == STOPPING
