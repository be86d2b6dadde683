# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of a result: what job viewers keep, however it is printed."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import AT_LENGTH
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next_command import NextCommand
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.options import maintenance_options
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.results import (
    Outcome,
    Problem,
    RunContext,
    make_result,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import ACT, BEGUN
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import Record, RecordedWorkload
from ansible_collections.gpuops.runai.plugins.modules.runai_maintenance import ARGUMENT_SPEC

WORKLOADS = 10_000
# What ansible-runner keeps of a result, and of an event with its text.
LARGEST_RESULT, LARGEST_EVENT = 700_000, 1_000_000
GIVEN: dict[str, Any] = {"name": "night", "state": "begun", "record_dir": "/srv/records"}
# Each character is escaped in JSON.
ESCAPED = "\u00fc\u4e16\U0001f5a7" * 20


def _outcome(name: str, has_failed: bool) -> Outcome:
    ids = [str(uuid.UUID(int=number + 1)) for number in range(WORKLOADS)]
    workloads = {
        one: RecordedWorkload(
            one,
            ACT,
            name=f"{name}{number}",
            project=name,
            owner=f"{name}{number % 3000}@example.com",
            is_accepted=True,
            was_stopped=not has_failed,
            message=name * 3 if has_failed else "",
        )
        for number, one in enumerate(ids)
    }
    record = Record("1", "night", {}, state=BEGUN, reason="fan", workloads=workloads)
    problems = [Problem(f"{one.name} | {one.project}", one.id) for one in workloads.values() if has_failed]
    return Outcome(record, {}, changed=True, problems=problems)


def _result(name: str, has_failed: bool, verbosity: int, **kept: Any) -> dict[str, Any]:
    params = {option: spec.get("default") for option, spec in ARGUMENT_SPEC.items()}
    limit = {"workloads_limit": WORKLOADS}
    options = maintenance_options({**params, **GIVEN, **limit}, GIVEN, {})
    context = RunContext(BEGUN, False, verbosity, NextCommand(GIVEN, {}, False))
    return make_result(
        _outcome(name, has_failed), options, context, {"base_url": "https://acme.run.ai"}, kept
    )


@pytest.mark.heavy
@pytest.mark.parametrize("has_failed", [True, False])
@pytest.mark.parametrize("name", ["x" * 63, ESCAPED], ids=["plain", "escaped"])
@pytest.mark.parametrize("verbosity", [0, AT_LENGTH])
def test_result_of_10_000_workloads_is_kept_by_viewers(name: str, has_failed: bool, verbosity: int) -> None:
    result = _result(name, has_failed, verbosity)
    assert result["workloads_truncated"]
    assert len(result["workloads"]) >= 2
    assert len(result["owners"]) >= 2
    assert len(json.dumps(result)) < LARGEST_RESULT
    printed = json.dumps(result, indent=4 if verbosity else None, ensure_ascii=False)
    # The text is one string in the event, its line ends have colours, and the result stands beside it.
    in_colour = json.dumps(printed.replace("\n", "\x1b[0m\r\n\x1b[0;31m"))
    if verbosity:
        assert len(json.dumps(result)) + len(in_colour) < LARGEST_EVENT


def test_result_with_a_packed_record_is_kept_by_viewers() -> None:
    result = _result("train-", True, 0, record="r" * 256_000)
    assert result["record"]
    assert result["workloads"]
    assert len(json.dumps(result)) < LARGEST_RESULT


def test_make_result_rows_are_worst_first() -> None:
    outcome = _outcome("train-", False)
    worst = list(outcome.record.workloads)[-1]
    params = {option: spec.get("default") for option, spec in ARGUMENT_SPEC.items()}
    options = maintenance_options({**params, **GIVEN}, GIVEN, {})
    context = RunContext(BEGUN, False, 0, NextCommand(GIVEN, {}, False))
    result = make_result(outcome._replace(problems=[Problem("row", worst)]), options, context, {}, {})
    assert result["workloads"][0]["id"] == worst
    assert len(result["workloads"]) == 1000
