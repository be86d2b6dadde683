# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of runai_workload_batch, checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._dispatch import MaxFailures
from ansible_collections.gpuops.runai.plugins.module_utils._errors import OptionError
from ansible_collections.gpuops.runai.plugins.module_utils._ids import Ids, parse_ids
from ansible_collections.gpuops.runai.plugins.module_utils._phases import DELETE, canonical, is_known
from ansible_collections.gpuops.runai.plugins.module_utils._plan import Rules
from ansible_collections.gpuops.runai.plugins.module_utils._text import clean

# The API's own limit (Run:ai API 2.24, workloads batch).
LARGEST_BATCH = 100
_MOST_CONCURRENT = 16

_DEFAULT_CONCURRENCY = 4
_DEFAULT_MAX_FAILURES = "10%"
# What is deleted does not come back: one call at a time, and none after a refusal.
_DELETE_CONCURRENCY = 1
_DELETE_MAX_FAILURES = "0"

_MAX_FAILURES = re.compile(r"(\d{1,9})\s*(%?)")


class BatchOptions(NamedTuple):
    """What to do, to which ids, within which bounds. Times are seconds."""

    action: str
    ids: Ids
    rules: Rules
    max_affected: Optional[int]
    max_failures: MaxFailures
    batch_size: int
    concurrency: int
    wait: bool
    wait_timeout: float
    wait_interval: float
    content_with_active: bool
    deadline: Optional[float]
    report_path: Optional[str]
    workloads_limit: int
    warnings: tuple[str, ...]


def batch_options(params: Mapping[str, Any]) -> BatchOptions:
    """Check and settle the options; raise OptionError for the first that can't be used."""
    action = params["action"]
    warnings: list[str] = []
    concurrency = params["concurrency"]
    if concurrency is None:
        concurrency = _DELETE_CONCURRENCY if action == DELETE else _DEFAULT_CONCURRENCY
    max_failures = params["max_failures"]
    if max_failures is None:
        max_failures = _DELETE_MAX_FAILURES if action == DELETE else _DEFAULT_MAX_FAILURES
    deadline = params["deadline"]
    if deadline is not None and deadline <= 0:
        raise OptionError("deadline must be a number of seconds greater than 0")
    return BatchOptions(
        action=action,
        ids=parse_ids(params["ids"], "ids"),
        rules=Rules(
            protect=frozenset(parse_ids(params["protect"], "protect").ids),
            only_phases=_phases(params["only_phases"], warnings),
            tolerate=frozenset(params["tolerate"] or ()),
        ),
        max_affected=_whole("max_affected", params["max_affected"], 0),
        max_failures=_max_failures(str(max_failures)),
        batch_size=_within("batch_size", params["batch_size"], LARGEST_BATCH),
        concurrency=_within("concurrency", concurrency, _MOST_CONCURRENT),
        wait=params["wait"],
        wait_timeout=_seconds("wait_timeout", params["wait_timeout"], 0),
        wait_interval=_seconds("wait_interval", params["wait_interval"], 0.01),
        content_with_active=params["wait_for"] == "active",
        deadline=deadline,
        report_path=params["report_path"] or None,
        workloads_limit=_whole("workloads_limit", params["workloads_limit"], 0) or 0,
        warnings=tuple(warnings),
    )


def _phases(value: Optional[list[str]], warnings: list[str]) -> Optional[frozenset[str]]:
    if value is None:
        return None
    phases = [str(phase).strip() for phase in value]
    if not phases or not all(phases):
        # An unanswered question must not widen what is acted on.
        raise OptionError("only_phases is empty or holds an empty element; leave it out to act in any phase")
    warnings.extend(
        "only_phases: '{0}' is not a phase that this collection knows".format(clean(phase, 40))
        for phase in phases
        if not is_known(phase)
    )
    return frozenset(canonical(phase) for phase in phases)


def _max_failures(value: str) -> MaxFailures:
    match = _MAX_FAILURES.fullmatch(value.strip())
    if match is None or (match.group(2) and int(match.group(1)) > 100):
        raise OptionError("max_failures must be a number of ids, or a percentage from 0% to 100%")
    return MaxFailures(int(match.group(1)), bool(match.group(2)))


def _within(option: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise OptionError("{0} must be from 1 to {1}".format(option, most))
    return value


def _whole(option: str, value: Optional[int], least: int) -> Optional[int]:
    if value is not None and value < least:
        raise OptionError("{0} must be at least {1}".format(option, least))
    return value


def _seconds(option: str, value: float, least: float) -> float:
    if not math.isfinite(value) or value < least:
        raise OptionError("{0} must be a number of seconds, at least {1:g}".format(option, least))
    return value
