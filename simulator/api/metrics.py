# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurements of a workload as the API shows them: a series a GPU, or one for the whole workload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..model.clock import from_text, to_text, whole
from ..model.gpu_history import gpu_count, memory_bytes, utilization
from ..model.workload import Workload
from .contract import ApiError

Measure = Callable[[Workload, int, float], float | None]

_OF_EACH_GPU: dict[str, Measure] = {"GPU_UTILIZATION": utilization, "GPU_MEMORY_USAGE_BYTES": memory_bytes}


def _while_measured(value_of: Callable[[Workload], float]) -> Measure:
    return lambda workload, gpu, at: None if utilization(workload, gpu, at) is None else value_of(workload)


_OF_THE_WORKLOAD: dict[str, Measure] = {
    "GPU_ALLOCATION": _while_measured(lambda workload: workload.gpus),
    "POD_COUNT": _while_measured(lambda workload: workload.pod_count),
    "RUNNING_POD_COUNT": _while_measured(lambda workload: workload.pod_count),
}


def measure(workload: Workload, query: Mapping[str, Any], now: float) -> tuple[int, dict[str, Any]]:
    """Status and body of the response. Types that are not simulated have no values. Raises ApiError."""
    response = "whole" if workload.gpu_history is None else workload.gpu_history.response
    if response == "refused":
        raise ApiError(403, "not permitted to read metrics of this workload")
    if response == "missing":
        raise ApiError(404, "no metrics of this workload")
    moments = [at for at in _moments(query) if at <= now]
    found = [one for name in query["metricType"] for one in _series(name, workload, moments)]
    if response == "empty":
        return 200, {"measurements": []}
    if response == "partial":
        return 207, {"measurements": found[:-1]}
    return 200, {"measurements": found}


def _moments(query: Mapping[str, Any]) -> list[float]:
    """The times of the samples: so many at equal distances, start and end included."""
    start, end, count = from_text(query["start"]), from_text(query["end"]), query["numberOfSamples"]
    if start >= end:
        raise ApiError(400, "bad start", "start is not before end")
    if count < 2:
        return [end] * count
    return [whole(start + number * (end - start) / (count - 1)) for number in range(count)]


def _series(name: str, workload: Workload, moments: list[float]) -> list[dict[str, Any]]:
    if name in _OF_EACH_GPU:
        return [
            {
                "type": name,
                "labels": {"gpu": str(gpu)},
                "values": _values(_OF_EACH_GPU[name], workload, gpu, moments),
            }
            for gpu in range(gpu_count(workload))
        ]
    measured = _OF_THE_WORKLOAD.get(name)
    return [{"type": name, "values": [] if measured is None else _values(measured, workload, 0, moments)}]


def _values(measured: Measure, workload: Workload, gpu: int, moments: list[float]) -> list[dict[str, str]]:
    pairs = [(at, measured(workload, gpu, at)) for at in moments]
    return [{"value": f"{value:g}", "timestamp": to_text(at)} for at, value in pairs if value is not None]
