# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a role is going to fail: one sentence, the worst rows, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_context import Context
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance_settings import (
    CLEANUP_ROLE,
    MAINTENANCE_ROLE,
    RECLAIM_ROLE,
)
from ansible_collections.gpuops.runai.plugins.module_utils._outcome import BAD as BAD_OUTCOMES
from ansible_collections.gpuops.runai.plugins.module_utils._outcome import CHANGED
from ansible_collections.gpuops.runai.plugins.module_utils._phases import STOPPING
from ansible_collections.gpuops.runai.plugins.module_utils._record import CLEANUP, ENDED, Entry, Record
from ansible_collections.gpuops.runai.plugins.module_utils._record_end import (
    BAD,
    NOT_VISIBLE,
    TO_RESUME,
    WORDS,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record_seen import Seen
from ansible_collections.gpuops.runai.plugins.module_utils._record_words import (
    PodsOnNode,
    Trouble,
    command,
    trouble_rows,
)
from ansible_collections.gpuops.runai.plugins.module_utils._text import counted

_BEGIN = "maintenance_begin"
_PLAYBOOKS = {CLEANUP_ROLE: "cleanup", RECLAIM_ROLE: "reclaim"}
# What a playbook asks for again although the record has it; a reclaim's selection, too.
_ASKED_AGAIN = {
    _BEGIN: ("reason",),
    "cleanup": ("older_than",),
    "reclaim": ("reason", "idle_for", "max_affected", "max_percent"),
}


def begin_trouble(
    context: Context, record: Record, now: Mapping[str, Seen], pods: Sequence[PodsOnNode]
) -> Optional[Trouble]:
    """Say what did not stop (or go), and which nodes still have pods; ``None`` if all is well."""
    bad: list[Entry] = []
    kinds: Counter[str] = Counter()
    for entry in record.concerned():
        kind = _begin_fault(record, entry, now.get(entry.id))
        if kind is not None:
            bad.append(entry)
            kinds[kind] += 1
    left = [one for one in pods if one.pods]
    if not bad and not left:
        return None
    asked = sum(entry.act is not None for entry in record.concerned())
    parts = []
    if bad:
        words = ", ".join("{0} {1}".format(number, kind) for kind, number in kinds.most_common())
        parts.append("{0} of {1} did not get there: {2}".format(len(bad), counted(asked, "workload"), words))
    parts += [one.words() for one in left]
    playbook = _PLAYBOOKS.get(context.settings.role, _BEGIN)
    return Trouble("; ".join(parts), trouble_rows(bad, resume=False), again(context, playbook))


def overtaken_trouble(context: Context) -> Trouble:
    """Say that an end came in between."""
    sentence = "the record was ended while this begin was still at work, so that some may be stopped again"
    return Trouble(sentence, [], again(context, "maintenance_end"))


def end_trouble(context: Context, record: Record) -> Optional[Trouble]:
    """Say what did not come back; ``None`` if nothing is left to bring back."""
    bad = [entry for entry in record.concerned() if entry.standing in (*BAD, *TO_RESUME)]
    if not bad:
        return None
    bad.sort(key=lambda entry: (*BAD, *TO_RESUME).index(str(entry.standing)))
    counts = Counter(str(entry.standing) for entry in bad)
    words = ", ".join("{0} {1}".format(number, WORDS[standing]) for standing, number in counts.items())
    sentence = "{0} of {1}: {2}; the record stays open".format(
        len(bad), counted(len(record.concerned()), "workload"), words
    )
    return Trouble(sentence, trouble_rows(bad, resume=True), again(context, "maintenance_end"))


def status_trouble(context: Context, record: Record, pods: Sequence[PodsOnNode]) -> Optional[Trouble]:
    """Say which nodes still have pods, and what is not to be seen; ``None`` if all is as it should be."""
    lost = [entry for entry in record.concerned() if entry.standing == NOT_VISIBLE and record.state != ENDED]
    parts = [one.words() for one in pods if one.pods]
    if lost:
        parts.append("{0} {1}".format(len(lost), WORDS[NOT_VISIBLE]))
    if not parts:
        return None
    return Trouble("; ".join(parts), trouble_rows(lost, resume=False), again(context, "maintenance_status"))


def again(context: Context, playbook: str) -> str:
    """Return the command that goes on with this record."""
    settings = context.settings
    role = settings.role if playbook in _PLAYBOOKS.values() else MAINTENANCE_ROLE
    variables: list[tuple[str, Any]] = [(role + "_name", settings.name)]
    if context.durable and context.folder is not None:
        variables.append((role + "_record_dir", context.folder.path))
    else:
        variables.append((role + "_record", "<the packed record>"))
    names = list(_ASKED_AGAIN.get(playbook, ()))
    if playbook == _BEGIN and settings.get("node_fenced"):
        names.append("node_fenced")
    if playbook == _PLAYBOOKS[RECLAIM_ROLE]:
        names += settings.selection_names()
    variables += [(settings.variable(name), settings.as_said(name)) for name in names if settings.said(name)]
    return command(playbook, variables)


def _begin_fault(record: Record, entry: Entry, seen: Optional[Seen]) -> Optional[str]:
    if entry.act is None:
        return None
    if entry.act.outcome in BAD_OUTCOMES:
        return str(entry.act.outcome).replace("_", " ")
    if entry.act.outcome is None:
        return "without an answer"
    if entry.act.outcome != CHANGED or seen is None:
        return None
    is_on_its_way = record.kind == CLEANUP or seen.is_active or seen.phase == STOPPING
    return "still {0}".format(seen.phase) if is_on_its_way else None
