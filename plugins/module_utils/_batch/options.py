# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of runai_workload_batch, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from .._common.errors import OptionError
from .._common.ids import Ids, parse_ids
from .._common.option_values import (
    MOST_CONCURRENT,
    names,
    reject_blank,
    seconds,
    whole,
    with_whole_texts,
    within,
)
from .._workload.phases import DELETE, RESUME, SUSPEND, phases
from .plan import Rules, rules_after_stop

DEFAULT_WORKLOADS_LIMIT = 1000

# The API's own limit (Run:ai API 2.24, workloads batch).
LARGEST_BATCH = 100

# Without concurrency it follows the responses.
_DEFAULT_CONCURRENCY = {SUSPEND: None, RESUME: None, DELETE: 1}
# What is deleted does not come back.
_DEFAULT_MAX_FAILURES = {SUSPEND: "10%", RESUME: "10%", DELETE: "0"}
# What holds an action back: an unanswered question must not lift it.
BRAKES = ("protect", "only_phases", "max_affected", "max_failures", "deadline")

_MAX_FAILURES = re.compile(r"(\d{1,9})\s*(%?)")


class MaxFailures(NamedTuple):
    """Maximum number of refused workloads: ``number`` ids, or ``number`` percent of the plan."""

    number: int
    is_percent: bool

    def is_exceeded(self, failed: int, planned: int) -> bool:
        """Return whether ``failed`` of ``planned`` ids are more than the maximum."""
        return failed * 100 > self.number * (planned if self.is_percent else 100)

    def __str__(self) -> str:
        return "{0}{1}".format(self.number, "%" if self.is_percent else "")


class BatchOptions(NamedTuple):
    """The checked options. Times are seconds. Without ``concurrency`` it follows the responses.

    ``rules`` are those of the plan.
    """

    action: str
    ids: Ids
    rules: Rules
    max_affected: Optional[int]
    max_failures: MaxFailures
    batch_size: int
    concurrency: Optional[int]
    wait: bool
    wait_timeout: float
    wait_interval: float
    accepts_active: bool
    deadline: Optional[float]
    report_path: Optional[str]
    workloads_limit: int
    warnings: tuple[str, ...]

    @property
    def sending_rules(self) -> Rules:
        """The rules for workloads that a resume may have seen Stopping before."""
        return rules_after_stop(self.rules) if self.action == RESUME else self.rules


def batch_options(params: Mapping[str, Any], given: Mapping[str, Any]) -> BatchOptions:
    """Check and settle the options; raise OptionError for the first that can't be used.

    ``given`` are the task's own arguments before Ansible completed them: only there a null differs
    from what was left out.
    """
    for option in BRAKES:
        if option in given:
            reject_blank(option, _uncut(given[option]), may_be_empty=option == "protect")
    params = _with_texts(params, given)
    action = params["action"]
    warnings: list[str] = []
    concurrency = params["concurrency"]
    if concurrency is None:
        concurrency = _DEFAULT_CONCURRENCY[action]
    max_failures = params["max_failures"]
    if max_failures is None:
        max_failures = _DEFAULT_MAX_FAILURES[action]
    deadline = params["deadline"]
    if deadline is not None and deadline <= 0:
        raise OptionError("deadline", "must be a number of seconds greater than 0")
    # No file has such a name, and asking for it is no ordinary error to Python.
    if "\0" in (params["report_path"] or ""):
        raise OptionError("report_path", "holds a null byte")
    ids = parse_ids(params["ids"], "ids")
    only_phases = params["only_phases"]
    if only_phases is not None:
        only_phases = phases("only_phases", names("only_phases", only_phases), warnings).values()
    rules = Rules(
        protect=frozenset(parse_ids(params["protect"], "protect").ids),
        only_phases=None if only_phases is None else frozenset(only_phases),
        tolerate=frozenset(params["tolerate"] or ()),
    )
    return BatchOptions(
        action=action,
        ids=ids,
        rules=rules,
        max_affected=whole("max_affected", params["max_affected"], 0),
        max_failures=_max_failures(str(max_failures)),
        batch_size=within("batch_size", params["batch_size"], LARGEST_BATCH),
        concurrency=None if concurrency is None else within("concurrency", concurrency, MOST_CONCURRENT),
        wait=params["wait"],
        wait_timeout=seconds("wait_timeout", params["wait_timeout"], 0),
        wait_interval=seconds("wait_interval", params["wait_interval"], 0.01),
        accepts_active=params["wait_for"] == "active",
        deadline=deadline,
        report_path=params["report_path"] or None,
        workloads_limit=whole("workloads_limit", params["workloads_limit"], 0) or 0,
        warnings=tuple(warnings),
    )


def _with_texts(params: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options with each list that was ``given`` as one text, as in surveys, split."""
    # Ids are split later: commas and white space separate them alike.
    params = with_whole_texts(params, given, ("ids", "protect"))
    phases_text = given.get("only_phases")
    if not isinstance(phases_text, str):
        return params
    return {**params, "only_phases": [phase for phase in phases_text.split(",") if phase.strip()]}


def _uncut(value: Any) -> Any:
    """Return texts with blanks for commas, so that a text of commas alone counts as blank."""
    if isinstance(value, list):
        return [_uncut(element) for element in value]
    return value.replace(",", " ") if isinstance(value, str) else value


def _max_failures(value: str) -> MaxFailures:
    match = _MAX_FAILURES.fullmatch(value.strip())
    if match is None or (match.group(2) and int(match.group(1)) > 100):
        raise OptionError("max_failures", "must be a number of ids, or a percentage from 0% to 100%")
    return MaxFailures(int(match.group(1)), bool(match.group(2)))
