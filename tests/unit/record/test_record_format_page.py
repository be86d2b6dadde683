# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about the format of a record describes what the code reads and writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._record.log import RecordFolder
from ansible_collections.gpuops.runai.plugins.module_utils._record.ownership import OURS, verdicts_of
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import (
    _EVENTS,
    BEGUN,
    VERSION,
    Event,
    Record,
    answered_event,
    asked_event,
    attributed_event,
    head_event,
    plan_events,
    record_of,
    seen_event,
    shared_event,
    state_event,
    told_event,
    untold_event,
)
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import SEEN, Workload

PAGE = Path(__file__).resolve().parents[3] / "docs" / "docsite" / "rst" / "record_format.rst"
RECORD = Record("1", "night", {})
WRITTEN: list[Event] = [
    *plan_events(RECORD, "", {}),
    state_event(BEGUN, "", {}),
    asked_event("suspend", [], ""),
    answered_event("suspend", []),
    seen_event([]),
    shared_event([]),
    attributed_event([]),
    told_event("ada", [], ""),
    untold_event([]),
]


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def _example(page: str) -> list[str]:
    block = page.partition(".. code-block:: json\n\n")[2]
    return [line.strip() for line in block[: block.index("\n\n")].splitlines()]


def test_example_of_the_page_is_a_record_that_holds_its_workload(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    (folder / "gpu-17.record.jsonl").write_text("\n".join([*_example(page), ""]))
    record = record_of(RecordFolder(str(folder), may_create=False).read("gpu-17"))
    (one,) = record.workloads.values()
    now = Workload(one.id, SEEN, phase="Stopped", phase_since=one.stopped_since)
    assert record.state == BEGUN
    assert verdicts_of(record, {one.id: now}) == {one.id: OURS}


def test_example_of_the_page_has_the_keys_that_are_written(page: str) -> None:
    written = {event["event"]: set(event) for event in (head_event("1", "n", {}, "", {}), *WRITTEN)}
    for line in _example(page):
        event = json.loads(line)
        assert set(event) == written.get(event["event"], {"event", "rows"}), line


def test_tables_of_the_page_name_each_event_and_each_key(page: str) -> None:
    head, events = page.split("\nThe events\n")
    for key in head_event("1", "night", {}, "", {}):
        assert key == "event" or f"* - ``{key}``\n" in head
    cells = dict(re.findall(r"(?m)^   \* - ``(\w+)``\n     - (.*)$", events))
    assert set(cells) == set(_EVENTS)
    for event in WRITTEN:
        assert set(event) - {"event"} <= set(re.findall(r"``(\w+)``", cells[event["event"]])), event
    assert f"``version`` is {VERSION}." in page
