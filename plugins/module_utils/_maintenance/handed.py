# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record that another job handed over packed: what it can't say, and how that is made good.

A plan that travels says nothing of the jobs that got it before this one. A begin that was killed could not
hand on what it did, so whatever was planned may have been asked for already.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .._common.text import counted
from .._workload.phases import STOPPED, STOPPING, SUSPEND
from .context import Context
from .record import (
    ACT,
    PLANNED,
    Asked,
    Record,
    utc_now,
)
from .record_seen import Seen


def may_have_begun(context: Context, record: Record) -> bool:
    """Tell whether a begin that nobody here can know of may have acted on this plan."""
    return record.state == PLANNED and record.action == SUSPEND and context.is_handed_over()


def assume_asked(record: Record, ids: Collection[str]) -> None:
    """Write down that these of the plan may have been asked to stop, with no known outcome."""
    for entry in record.workloads:
        if entry.plan == ACT and entry.id in ids:
            entry.act = Asked(at=record.times.get(PLANNED, utc_now()), unsettled=True)


def assume_begun(record: Record, now: Mapping[str, Seen]) -> list[str]:
    """Take what is still there and not finished as asked for; say what that means for what is stopped."""
    stopped = {seen.id for seen in now.values() if seen.phase in (STOPPED, STOPPING)}
    assume_asked(record, stopped | {seen.id for seen in now.values() if seen.is_active})
    number = sum(entry.plan == ACT and entry.id in stopped for entry in record.workloads)
    if not number:
        return []
    return [
        "{0} of the plan already stopped, by an earlier begin of it as far as can be told: the end resumes "
        "{1}, too".format(counted(number, "workload"), "it" if number == 1 else "them")
    ]


def fill_in(record: Record, now: Mapping[str, Seen]) -> None:
    """Say of each workload that has no name what is known of it now: it does not travel."""
    for entry in record.workloads:
        seen = now.get(entry.id)
        if seen is None or entry.name is not None:
            continue
        entry.name, entry.project, entry.owner = seen.name, seen.project, seen.owner
        entry.cluster_id, entry.type, entry.interactive = seen.cluster_id, seen.type, seen.interactive
        entry.gpus = entry.gpus or seen.gpus
