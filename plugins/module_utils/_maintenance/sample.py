# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reads of a reclaim before it plans: which workloads idle at each of them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Callable, NamedTuple, Optional

from .context import Context
from .plan import (
    check_plan_settings,
    draft_record,
    select_checked,
)
from .record import PLANNED, Record, RecordError
from .sampling import Sampling, Spread, spread_of


class Sampled(NamedTuple):
    """What one read comes to; ``sampling`` and ``spread`` are ``None`` where none is needed any more."""

    record: Optional[Record]
    words: str
    sampling: Optional[Sampling] = None
    spread: Optional[Spread] = None


def _utc() -> datetime:
    return datetime.now(timezone.utc)


def sample_step(
    context: Context,
    earlier: Optional[Sampling],
    warn: Callable[[str], None],
    sleep: Callable[[float], None],
    clock: Callable[[], datetime] = _utc,
) -> Sampled:
    """Read which workloads meet the selection now, and at every read before.

    A later read waits until it is due, by the time of the first one: nothing can cut that short. What
    the plan would refuse is told at the first.
    """
    check_plan_settings(context.settings)
    spread = spread_of(context.settings)
    record = context.load()
    if record is not None and record.state != PLANNED:
        return Sampled(record, "the record {0} is {1}: nothing is sampled".format(record.name, record.state))
    if earlier is not None:
        due = earlier.since + earlier.reads * spread.between
        # A clock that was set back must not make it wait for ever.
        sleep(max(0.0, min(due - clock(), spread.between).total_seconds()))
    selected = select_checked(context)
    ids = [seen.id for seen in selected.workloads]
    if earlier is not None:
        sampling = earlier.narrowed(set(ids))
    else:
        sampling = Sampling(ids, clock(), 1)
        if spread.reads > 1:
            try:
                draft_record(context, context.reader.identity(), selected)
            except RecordError as fault:
                warn(
                    "as of the first read it would be refused: {0}. The reads go on, since fewer may idle at "
                    "each of them".format(str(fault).partition("; nothing")[0])
                )
    return Sampled(record, _words(sampling, spread), sampling, spread)


def _words(sampling: Sampling, spread: Spread) -> str:
    words = "{0} idle at {1} of {2} reads".format(len(sampling.ids), sampling.reads, spread.reads)
    if sampling.reads >= spread.reads:
        return words
    due = sampling.since + sampling.reads * spread.between + timedelta(seconds=0.5)
    return "{0}; the next one is at {1:%Y-%m-%d %H:%M:%S} UTC".format(words, due)
