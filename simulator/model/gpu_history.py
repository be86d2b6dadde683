# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How busy the GPUs of a workload were: as was set, or made up from its idle GPUs."""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .workload import Workload

_PER_GPU = {"type": ["number", "null", "array"], "items": {"type": ["number", "null"]}}
SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        "percent": _PER_GPU,
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["secondsAgo", "percent"],
                "additionalProperties": False,
                "properties": {"secondsAgo": {"type": "number", "minimum": 0}, "percent": _PER_GPU},
            },
        },
        "memoryBytes": _PER_GPU,
        "response": {"enum": ["whole", "partial", "empty", "refused", "missing"]},
    },
}
"""`gpuHistory` of a row. README.md describes it."""

_GIGABYTE = 10**9
_MINUTE = 60.0

PerGpu = float | list[float | None] | None


@dataclass(frozen=True)
class GpuHistory:
    """A history that was set: use in percent from each of `times` on; None where nothing was measured."""

    times: tuple[float, ...]
    percents: tuple[PerGpu, ...]
    memory_bytes: PerGpu
    response: str

    def percent(self, gpu: int, at: float) -> float | None:
        """The use of one GPU at a time."""
        number = bisect_right(self.times, at) - 1
        return None if number < 0 else _of_gpu(self.percents[number], gpu)


def history_from(described: dict[str, Any] | None, now: float) -> GpuHistory | None:
    """The history that a valid description means; its `secondsAgo` count from now."""
    if described is None:
        return None
    steps = sorted((now - one["secondsAgo"], one["percent"]) for one in described.get("steps", []))
    if "percent" in described:
        steps.insert(0, (-math.inf, described["percent"]))
    return GpuHistory(
        times=tuple(at for at, _percent in steps),
        percents=tuple(percent for _at, percent in steps),
        memory_bytes=described.get("memoryBytes"),
        response=described.get("response", "whole"),
    )


def gpu_count(workload: Workload) -> int:
    """How many GPUs it has a part of."""
    return math.ceil(workload.gpus)


def utilization(workload: Workload, gpu: int, at: float) -> float | None:
    """Use of one of its GPUs in percent at a time; None where nothing was measured.

    Without a history that was set, its idle GPUs are at less than 1 percent and the others at 40 or more, for
    as long as it has been in its phase.
    """
    history = workload.gpu_history
    if not _was_measured(workload, at):
        return None
    if history is not None and history.times:
        return history.percent(gpu, at)
    dice = _dice(workload, gpu, at)
    return dice * 0.6 if _is_idle(workload, gpu) else 40 + dice * 60


def memory_bytes(workload: Workload, gpu: int, at: float) -> float | None:
    """Memory in use of one of its GPUs at a time; None where nothing was measured."""
    history = workload.gpu_history
    if not _was_measured(workload, at):
        return None
    if history is not None and history.memory_bytes is not None:
        return _of_gpu(history.memory_bytes, gpu)
    # Every second of the idle GPUs still holds memory.
    holds = not _is_idle(workload, gpu) or gpu % 2 == 0
    return float((40 if holds else 0) * _GIGABYTE)


def _was_measured(workload: Workload, at: float) -> bool:
    if workload.gpu_history is not None and workload.gpu_history.times:
        return workload.created_at <= at and (bool(workload.nodes) or at < workload.phase_updated_at)
    return bool(workload.nodes) and at >= workload.phase_updated_at


def _is_idle(workload: Workload, gpu: int) -> bool:
    return gpu < (workload.idle_gpus or 0)


def _of_gpu(value: PerGpu, gpu: int) -> float | None:
    """One value is that of all GPUs, and the last of a list that of all further ones."""
    if isinstance(value, list):
        return value[min(gpu, len(value) - 1)] if value else None
    return value


def _dice(workload: Workload, gpu: int, at: float) -> float:
    """From 0 to 1, the same for the same GPU and minute."""
    return zlib.crc32(f"{workload.id}/{gpu}/{int(at // _MINUTE)}".encode()) % 1000 / 1000
