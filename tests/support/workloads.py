# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ids and rows of workloads, for all tests."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def workload_id(number: int) -> str:
    """A valid id, the same for the same number."""
    return "abcdef00-0000-4000-8000-{0:012d}".format(number)


def workload_ids(count: int, first: int = 0) -> list[str]:
    """The ids of ``count`` numbers from ``first`` on."""
    return [workload_id(number) for number in range(first, first + count)]


def number_of(one: str) -> int:
    """The number that ``workload_id`` made an id of."""
    return int(one[-12:])


def workload_row(number: int, phase: str = "Running", **fields: Any) -> Row:
    """A row of the API or of a fleet file."""
    return {"id": workload_id(number), "name": "job-{0}".format(number), "phase": phase, **fields}


def fleet(count: int, phase: str = "Running", **fields: Any) -> dict[str, list[Row]]:
    """The content of a fleet file: ``count`` workloads in one phase."""
    return {"workloads": [workload_row(number, phase, **fields) for number in range(count)]}
