# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of a plan is taken where only so many workloads, or GPUs, are wanted: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from .._common.text import counted
from .record import (
    ACT,
    JOIN,
    LEAVE,
    Entry,
    RecordError,
    Remedy,
)


def cut(
    entries: Iterable[Entry], limit: Optional[int], until_gpus: Optional[float], counts_left: bool
) -> list[Entry]:
    """Return the first ``limit`` entries, and of these only as many as hold ``until_gpus`` GPUs.

    What is left running frees nothing: it is kept where it comes before the last one that is taken, for
    people to see that it was passed by, and counts only with ``counts_left``. With ``until_gpus``, what
    holds no GPU is left out, and what another record has stopped already: both bring it no nearer.
    """
    taken: list[Entry] = []
    number, gpus = 0, 0.0
    for entry in entries:
        if number == limit or (until_gpus is not None and _is_enough(gpus, until_gpus)):
            break
        if until_gpus is not None and (entry.plan == JOIN or not entry.gpus):
            continue
        taken.append(entry)
        if entry.plan != LEAVE or counts_left:
            number += 1
            gpus += entry.gpus
    return taken


def check_enough(entries: Sequence[Entry], until_gpus: Optional[float], prefix: str) -> None:
    """Raise RecordError unless what is acted on holds ``until_gpus`` GPUs; variables have the ``prefix``."""
    ours = [entry for entry in entries if entry.plan == ACT]
    gpus = sum(entry.gpus for entry in ours)
    if until_gpus is None or _is_enough(gpus, until_gpus):
        return
    left = sum(entry.plan == LEAVE for entry in entries)
    beside = ", beside {0} that can't be suspended".format(left) if left else ""
    if not ours:
        raise RecordError(
            "{0}until_gpus: no selected workload holds a GPU{1}; {2:g} asked for; nothing was sent".format(
                prefix, beside, until_gpus
            ),
            Remedy({"partial": True}),
        )
    raise RecordError(
        "{0}until_gpus: {1} with only {2:g} of the {3:g} GPUs asked for{4}; nothing was sent. "
        "{0}partial: true takes {5}".format(
            prefix,
            counted(len(ours), "workload"),
            round(gpus, 2),
            until_gpus,
            beside,
            "it" if len(ours) == 1 else "them",
        ),
        Remedy({"partial": True}),
    )


def _is_enough(gpus: float, wanted: float) -> bool:
    # Sums of fractions of a GPU are not exact.
    return round(wanted - gpus, 6) <= 0
