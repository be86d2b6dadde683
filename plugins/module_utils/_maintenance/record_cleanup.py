# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which finished workloads a clean-up deletes: pure functions of the rows, the limit and the exemptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple, Optional

from .._common.times import parse_timestamp
from .record import ACT, LEAVE, Entry
from .record_plan import entry_of
from .record_seen import Seen


class Keep(NamedTuple):
    """What a clean-up keeps: names (shell patterns), projects, and the newest of each project."""

    names: Sequence[str] = ()
    projects: Collection[str] = ()
    newest: int = 0


class Cleanup(NamedTuple):
    """``entries`` are those to delete; ``unmatched`` are exemptions that matched no finished workload."""

    entries: list[Entry]
    unmatched: list[str]


def plan_cleanup(selected: Iterable[Seen], phases: Collection[str], latest: datetime, keep: Keep) -> Cleanup:
    """Return what finished at ``latest`` or before and is not kept.

    A workload without a time at which it finished is never deleted for its age. What is newest counts
    among all finished workloads of the project in its cluster, whatever their age.
    """
    finished = [seen for seen in selected if seen.phase in phases]
    newest = _newest(finished, keep.newest)
    entries = []
    for seen in finished:
        moment = finished_at(seen)
        if moment is None or moment > latest or seen.id in newest or _is_kept(seen, keep):
            continue
        entries.append(entry_of(seen, ACT))
    return Cleanup(entries, _unmatched(finished, keep))


def turn_to_delete(entries: Iterable[Entry], now: Mapping[str, Seen], phases: Collection[str]) -> list[str]:
    """Return the planned ids that are still there and in one of ``phases``."""
    return [
        entry.id
        for entry in entries
        if entry.plan != LEAVE and entry.id in now and now[entry.id].phase in phases
    ]


def finished_at(seen: Seen) -> Optional[datetime]:
    """Return when it finished: its completion, or else when it entered its phase."""
    return parse_timestamp(seen.completed_at or "") or parse_timestamp(seen.phase_since or "")


def _newest(finished: Iterable[Seen], number: int) -> set[str]:
    dated = [(moment, seen) for seen in finished for moment in [finished_at(seen)] if moment is not None]
    kept: set[str] = set()
    # Projects of one name in two clusters are two.
    taken: Counter[tuple[Optional[str], Optional[str]]] = Counter()
    for _moment, seen in sorted(dated, key=lambda pair: (pair[0], pair[1].id), reverse=True):
        project = (seen.cluster_id, seen.project)
        if taken[project] < number:
            taken[project] += 1
            kept.add(seen.id)
    return kept


def _is_kept(seen: Seen, keep: Keep) -> bool:
    return seen.project in keep.projects or any(
        fnmatchcase(seen.name or "", pattern) for pattern in keep.names
    )


def _unmatched(finished: Sequence[Seen], keep: Keep) -> list[str]:
    names = [one for one in keep.names if not any(fnmatchcase(seen.name or "", one) for seen in finished)]
    there = {seen.project for seen in finished}
    return names + [project for project in keep.projects if project not in there]
