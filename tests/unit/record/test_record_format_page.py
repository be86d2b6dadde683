# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about the format of a record describes what the code reads and writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import BEGUN, VERSION
from ansible_collections.gpuops.runai.plugins.module_utils._record.log import RecordFolder
from ansible_collections.gpuops.runai.plugins.module_utils._record.ownership import OURS, verdicts_of
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import record_of
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import SEEN, Workload

from tools.record_schema import SCHEMA, schema, text

PAGE = Path(__file__).resolve().parents[3] / "docs" / "docsite" / "rst" / "record_format.rst"
LINES = schema()["$defs"]
KEYS = {
    line["properties"]["event"]["enum"][0]: set(line["required"])
    for line in LINES.values()
    if "properties" in line
}


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def _example(page: str) -> list[str]:
    block = page.partition(".. code-block:: text\n\n")[2]
    return [line.strip() for line in block[: block.index("\n\n")].splitlines()]


def test_example_of_the_page_is_a_record_that_holds_its_workload(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    (folder / "gpu-17.record.jsonl").write_text("\n".join([*_example(page), ""]))
    record = record_of(RecordFolder(str(folder), may_create=False).read("gpu-17"))
    [one] = list(record.workloads.values())
    now = Workload(one.id, SEEN, phase="Stopped", phase_since=one.stopped_since)
    assert record.state == BEGUN
    assert verdicts_of(record, {one.id: now}) == {one.id: OURS}


def test_example_of_the_page_is_of_the_schema(page: str) -> None:
    for line in _example(page):
        jsonschema.validate(json.loads(line), schema())


def test_tables_of_the_page_name_each_event_and_each_key(page: str) -> None:
    head, events = page.split("\nThe events\n")
    cells = dict(re.findall(r"(?m)^   \* - ``(\w+)``\n     - (.*)$", events))
    cells["head"] = "".join(re.findall(r"\* - (``\w+``)\n", head))
    assert set(cells) == set(KEYS)
    for event, keys in KEYS.items():
        assert keys - {"event"} == set(re.findall(r"``(\w+)``", cells[event])), event
    assert f"``version`` is {VERSION}." in page


def test_record_schema_is_of_the_types_of_the_lines() -> None:
    assert SCHEMA.read_text() == text(), "write it anew with: make schema"


@pytest.mark.parametrize("wrong", [{"version": 0}, {"event": "begin"}, {"at": None}])
def test_record_schema_rejects_what_is_no_line(wrong: dict[str, Any]) -> None:
    head = {
        "event": "head",
        "version": VERSION,
        "id": "1",
        "name": "night",
        "at": "2026-01-01T00:00:00Z",
        "by": {},
        "control_plane": {},
    }
    jsonschema.validate(head, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**head, **wrong}, schema())
