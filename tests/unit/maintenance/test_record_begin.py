# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import OUTCOMES, Outcome
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ACT,
    Asked,
    Entry,
    RecordError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_begin import (
    ask_to_act,
    fold,
    ids_to_retry,
    observe_stops,
    settle_by_look,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_claims import is_claimed
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_seen import workload_from_row
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.reports import (
    outcomes_of,
    read_report,
)

ID = str(uuid.UUID(int=1))


def told(outcome: str, reason: str = "") -> dict[str, Outcome]:
    return {ID: Outcome(ID, outcome, reason)}


@pytest.mark.parametrize(
    ("said", "claimed"),
    [
        (["changed"], True),
        (["unknown"], True),
        ([None], True),
        (["unchanged"], False),
        (["failed"], False),
        (["skipped"], False),
        (["not_attempted"], False),
        # An ask without a known outcome may have worked, whatever a later one says but that it changed.
        ([None, "unchanged"], True),
        ([None, "failed"], True),
        ([None, "not_attempted"], True),
        (["unknown", "unchanged"], True),
        (["unknown", "failed", "unchanged"], True),
        (["failed", "unchanged"], False),
        (["failed", "changed"], True),
    ],
)
def test_what_may_be_ours(said: list[Optional[str]], claimed: bool) -> None:
    entry = Entry(id=ID, plan=ACT, phase_before="Running")
    for outcome in said:
        ask_to_act([entry], [ID], "t")
        if outcome is not None:
            fold([entry], "suspend", told(outcome))
    assert is_claimed(entry) is claimed
    observe_stops([entry], {ID: workload_from_row(ID, {"phase": "Stopped", "phaseUpdatedAt": "x"})})
    assert (entry.stopped_at is not None) is claimed
    assert entry.assumed is (claimed and said[-1] != "changed")


@pytest.mark.parametrize(
    ("said", "phase", "kind", "outcome"),
    [
        ([None], "Stopped", "maintenance", "changed"),
        (["unknown"], "Stopping", "maintenance", "changed"),
        (["unknown", "not_attempted"], "Stopped", "maintenance", "changed"),
        (["unknown", "not_attempted"], "Running", "maintenance", "not_attempted"),
        ([None], "Running", "maintenance", None),
        ([None], None, "maintenance", None),
        (["failed"], "Stopped", "maintenance", "failed"),
        (["not_attempted"], "Stopped", "maintenance", "not_attempted"),
        ([None], None, "cleanup", "changed"),
        (["unknown"], "Completed", "cleanup", "unknown"),
    ],
)
def test_what_was_not_answered_is_settled_by_a_look(
    said: list[Optional[str]], phase: Optional[str], kind: str, outcome: Optional[str]
) -> None:
    entry = Entry(id=ID, plan=ACT, phase_before="Running")
    for one in said:
        ask_to_act([entry], [ID], "t")
        if one is not None:
            fold([entry], "suspend", told(one))
    now = {} if phase is None else {ID: workload_from_row(ID, {"phase": phase})}
    settle_by_look([entry], now, is_deletion=kind == "cleanup")
    assert entry.act is not None
    assert entry.act.outcome == outcome
    assert entry.assumed is (outcome == "changed" and kind == "maintenance")
    once = replace(entry.act)
    settle_by_look([entry], now, is_deletion=kind == "cleanup")
    assert entry.act == once


def test_folding_twice_changes_nothing() -> None:
    for first in OUTCOMES:
        entry = Entry(id=ID, plan=ACT, act=Asked("t"))
        fold([entry], "suspend", told(first))
        once = is_claimed(entry)
        fold([entry], "suspend", told(first))
        assert is_claimed(entry) is once


@pytest.mark.parametrize(
    ("outcome", "reason", "again"),
    [
        ("failed", "refused", [ID]),
        ("failed", "unreachable", [ID]),
        ("unknown", "unsettled", [ID]),
        ("failed", "missing", []),
        ("failed", "forbidden", []),
        ("failed", "unsupported", []),
        ("changed", "", []),
        ("skipped", "finished", []),
    ],
)
def test_a_second_pass_is_for_what_it_may_mend(outcome: str, reason: str, again: list[str]) -> None:
    entry = Entry(id=ID, plan=ACT, act=Asked("t"))
    fold([entry], "suspend", told(outcome, reason))
    assert ids_to_retry([entry], "suspend") == again


def test_there_is_no_second_pass_after_a_stop() -> None:
    failed = Entry(id=ID, plan=ACT, act=Asked("t", "failed", "refused"))
    left = Entry(id=str(uuid.UUID(int=2)), plan=ACT, act=Asked("t", "not_attempted"))
    assert ids_to_retry([failed, left], "suspend") == []


def test_nor_where_an_earlier_ask_has_no_known_outcome() -> None:
    entries = [Entry(id=str(uuid.UUID(int=number)), plan=ACT, act=Asked("t")) for number in (1, 2)]
    ids = [entry.id for entry in entries]
    ask_to_act(entries, ids, "t")
    said = [Outcome(ids[0], "failed", "refused"), Outcome(ids[1], "not_attempted", "stopped")]
    fold(entries, "suspend", {outcome.id: outcome for outcome in said})
    assert ids_to_retry(entries, "suspend") == []
    assert [is_claimed(entry) for entry in entries] == [True, True]


def test_the_report_of_a_killed_task_is_read(tmp_path: Path) -> None:
    path = tmp_path / "night.suspend-1.jsonl"
    assert read_report(str(path)) == {}
    row = {
        "id": ID.upper(),
        "outcome": "failed",
        "reason": "refused",
        "code": 409,
        "message": "no\x1b[2J",
        "batch_id": "",
    }
    lines = [json.dumps(row), "[]", '{"id": "x"}', json.dumps({**row, "outcome": "fine"}), '{"id": "0000']
    (tmp_path / "night.suspend-1.jsonl.part").write_text("\n".join(lines))
    assert read_report(str(path)) == {ID: Outcome(ID, "failed", "refused", "no [2J", 409, None)}
    path.write_text(json.dumps({**row, "outcome": "changed", "code": True}) + "\n")
    assert read_report(str(path))[ID].outcome == "changed"
    assert read_report(str(path))[ID].code is None


def test_a_report_that_can_not_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "night.suspend-1.jsonl").mkdir()
    with pytest.raises(RecordError, match=r"night.suspend-1.jsonl can't be read: Is a directory"):
        read_report(str(tmp_path / "night.suspend-1.jsonl"))


def test_outcomes_of_a_batch_are_read_with_care() -> None:
    assert outcomes_of({"changed": [ID, "x", None], "failed": None, "other": [ID]}) == told("changed")
