# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For how long something has been seen at every read: what is known of the reads, and what they tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Optional

from .._common.ids import parse_ids
from .._common.text import counted
from .._common.times import format_age, parse_age, parse_timestamp
from .record import RecordError, Remedy
from .settings import Settings

_DEFAULT_SAMPLES = 5


class Sampling(NamedTuple):
    """Reads made so far: the ids that met the selection at each, when the first was through, how many."""

    ids: list[str]
    since: datetime
    reads: int

    def as_option(self) -> dict[str, Any]:
        """Return it as the option of the next step."""
        return {"ids": self.ids, "since": self.since.isoformat(), "reads": self.reads}

    def narrowed(self, ids: Collection[str]) -> Sampling:
        """Return it after another read, which showed ``ids``."""
        return self._replace(ids=[one for one in self.ids if one in ids], reads=self.reads + 1)


class Spread(NamedTuple):
    """How many reads are to be made, and over how much time; one read tells no time."""

    reads: int
    over: timedelta

    @property
    def between(self) -> timedelta:
        """Time between two reads."""
        return self.over / max(1, self.reads - 1)

    def is_met(self, sampling: Sampling, now: datetime) -> bool:
        """Tell whether the reads were enough, and far enough apart."""
        return sampling.reads >= self.reads and now - sampling.since >= self.over


def sampling_of(option: Optional[Mapping[str, Any]]) -> Optional[Sampling]:
    """Return what the option of a step says; ``None`` where no read was made."""
    since = parse_timestamp((option or {}).get("since") or "")
    if option is None or since is None:
        return None
    return Sampling(parse_ids(option.get("ids") or [], "sampled").ids, since, int(option.get("reads") or 0))


def spread_of(settings: Settings) -> Spread:
    """Return how the reads of a reclaim are to be spread. Raises RecordError for what can't be."""
    age = settings.get("idle_for")
    over = parse_age(age) if age else None
    reads = settings.get("samples", _DEFAULT_SAMPLES)
    if over is None:
        return Spread(1, timedelta())
    if reads < 2:
        raise RecordError(
            "{0} must be at least 2: one read does not tell for how long something idles; say {1}: now for "
            "what is idle now; nothing was done".format(
                settings.variable("samples"), settings.variable("idle_for")
            ),
            Remedy({"samples": _DEFAULT_SAMPLES}),
        )
    return Spread(reads, over)


def check_sampled(settings: Settings, sampling: Optional[Sampling], now: datetime) -> None:
    """Raise RecordError unless the reads tell that what they showed idles for as long as is said."""
    spread = spread_of(settings)
    if spread.reads == 1 or (sampling is not None and spread.is_met(sampling, now)):
        return
    reads = sampling.reads if sampling is not None else 0
    over = format_age(now - sampling.since) if sampling is not None else "0s"
    raise RecordError(
        "{0} is {1}, to be seen at {2} reads spread over it; there {3} over {4}; nothing was done".format(
            settings.variable("idle_for"),
            settings.get("idle_for"),
            spread.reads,
            "was 1" if reads == 1 else "were {0}".format(counted(reads, "read")),
            over,
        )
    )
