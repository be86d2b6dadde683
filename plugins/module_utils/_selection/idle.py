# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads whose GPUs stayed idle for some time, by the measurements of the control plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Union

from .._api.client import Client
from .._api.errors import MalformedResponse, RequestError, StatusError
from .._api.paging import map_parallel
from .._api.responses import Measurements
from .._common.ids import fold_id
from .._common.text import NAME_LENGTH, clean
from .._common.times import format_age
from .._workload.phases import is_active
from .._workload.row import Row, allocated_gpus, moment, text
from .fields import PEAK

SHORTEST_IDLE = timedelta(minutes=1)
# Run:ai API 2.18 to 2.24: numberOfSamples is at most 1000.
_MOST_SAMPLES = 1000
_SHORTEST_DISTANCE = 60.0
# Sums of fractions of a GPU are not exact, and timestamps may be rounded to seconds.
_GPU_TOLERANCE = 1e-6
_TIME_TOLERANCE = timedelta(seconds=1)


class IdleWindow(NamedTuple):
    """The time to be judged, the number of samples in it, and the highest percentage that is idle."""

    start: datetime
    end: datetime
    samples: int
    threshold: float

    @property
    def age(self) -> timedelta:
        """The length of the window."""
        return self.end - self.start

    @property
    def distance(self) -> timedelta:
        """The time between two samples."""
        return self.age / (self.samples - 1)


class Undecided(NamedTuple):
    """A workload whose GPU use is not known, and the reason."""

    id: str
    name: str
    reason: str


class IdleRows(NamedTuple):
    """``rows`` stayed idle, each with its highest sample under the key PEAK. ``undecided`` may be idle."""

    rows: list[Row]
    undecided: list[Undecided]


def idle_window(age: timedelta, threshold: float, now: datetime) -> IdleWindow:
    """Return the window of ``age`` until ``now``: a sample a minute, or as many as the API permits."""
    end = now.replace(microsecond=0)
    seconds = math.ceil(age.total_seconds())
    samples = min(math.ceil(seconds / _SHORTEST_DISTANCE) + 1, _MOST_SAMPLES)
    return IdleWindow(end - timedelta(seconds=seconds), end, samples, threshold)


def judge(measured: Measurements, gpus: float, window: IdleWindow) -> Union[float, str]:
    """Return the highest percentage that any GPU was used in the window, or why that is not known.

    ``gpus`` is the number of GPUs that the workload holds. Each needs samples from the begin of the
    window to its end, with no hole longer than twice the distance between samples.
    """
    if measured.is_partial:
        return "the control plane returned a part of the measurements"
    if not measured.series:
        return "there are no measurements"
    needed = math.ceil(gpus - _GPU_TOLERANCE)
    if len(measured.series) < needed:
        return "there are measurements of {0} of {1} GPUs".format(len(measured.series), needed)
    peak = 0.0
    for series in measured.series:
        samples = [sample for sample in series if window.start <= sample.time <= window.end]
        times = [window.start, *sorted(sample.time for sample in samples), window.end]
        hole = max(after - before for before, after in zip(times, times[1:]))
        if not samples or hole > window.distance * 2 + _TIME_TOLERANCE:
            return "there is no measurement for {0} of the time".format(format_age(hole))
        peak = max(peak, *(sample.value for sample in samples))
    return peak


def idle_rows(client: Client, rows: Sequence[Row], window: IdleWindow, workers: int) -> IdleRows:
    """Return which of ``rows`` stayed idle in the window; up to ``workers`` requests are in flight.

    Only active workloads that hold GPUs can be idle, and only after as long in their phase. No other
    is asked for. Raises RequestError, also for a 403.
    """
    candidates = [
        row
        for row in rows
        if is_active(text(row, "phase") or "")
        and allocated_gpus(row)
        and (moment(row, "phaseUpdatedAt") or window.start) <= window.start
    ]
    judgements = map_parallel(lambda row: _judged(client, row, window), candidates, workers)
    found = IdleRows([], [])
    for row, judgement in zip(candidates, judgements):
        if isinstance(judgement, str):
            name = clean(row.get("name"), NAME_LENGTH)
            found.undecided.append(Undecided(fold_id(row.get("id")) or "", name, judgement))
        elif judgement <= window.threshold:
            found.rows.append({**row, PEAK: judgement})
    return found


def _judged(client: Client, row: Row, window: IdleWindow) -> Union[float, str]:
    if moment(row, "phaseUpdatedAt") is None:
        return "the time of its last phase change is not known"
    try:
        workload_id = fold_id(row.get("id")) or ""
        measured = client.gpu_utilization(workload_id, window.start, window.end, window.samples)
    except RequestError as fault:
        if not _is_of_this_workload(fault):
            raise
        return "the measurements could not be read ({0})".format(fault.ended_on.kind)
    return judge(measured, allocated_gpus(row) or 0.0, window)


def _is_of_this_workload(fault: RequestError) -> bool:
    """Return whether the measurements of other workloads may be readable after this error."""
    found = fault.ended_on
    if isinstance(found, StatusError):
        return found.status == 404 or (found.status >= 500 and not found.refused_for_now)
    return isinstance(found, MalformedResponse)
