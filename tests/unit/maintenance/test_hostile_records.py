# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records with values that no run wrote: each is reported in words, whatever is asked for."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.tests.support.memory_control_plane import (
    MemoryControlPlane,
    good,
    run_against,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id

SELECT = {"ids": [workload_id(number) for number in range(3)], "nodes": ["gpu-17"]}


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Each key and index in a value, outer ones first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from _places(inner, (*above, key))


@pytest.mark.heavy
@pytest.mark.parametrize("wrong", [None, 5, 10**400, "x", [[]], {"a": 1}], ids=lambda one: str(one)[:9])
def test_record_with_a_value_of_another_type_is_no_traceback(
    control_plane: MemoryControlPlane, folder: Path, wrong: Any
) -> None:
    good(run_against(control_plane, folder, "begun", select=SELECT, node_fenced=True))
    path = folder / "night.record.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for place in _places(lines):
        changed = copy.deepcopy(lines)
        found = changed
        for key in place[:-1]:
            found = found[key]
        found[place[-1]] = wrong
        path.write_text("".join(json.dumps(line) + "\n" for line in changed))
        for state in ("begun", "ended"):
            run_against(control_plane, folder, state, check=True, select=None, node_fenced=True)
        run_against(control_plane, folder, "planned", "other", check=True, select=SELECT)


def test_damaged_record_of_others_is_named(control_plane: MemoryControlPlane, folder: Path) -> None:
    good(run_against(control_plane, folder, "begun", "first"))
    path = folder / "first.record.jsonl"
    path.write_text(path.read_text().replace('"rows":[[', '"rows":[[[],', 1))
    refused = run_against(control_plane, folder, "begun")
    assert refused.failed
    assert "record_dir: the record first is damaged" in refused.result["msg"]


@pytest.mark.parametrize("nodes", ["5", '"gpu-17"', "[5]"])
def test_record_whose_selection_has_a_value_of_another_type_is_damaged(
    control_plane: MemoryControlPlane, folder: Path, nodes: str
) -> None:
    good(run_against(control_plane, folder, "planned", select=SELECT))
    path = folder / "night.record.jsonl"
    path.write_text(path.read_text().replace('"nodes":["gpu-17"]', '"nodes":{0}'.format(nodes), 1))
    refused = run_against(control_plane, folder, "begun", select=None, node_fenced=True)
    assert refused.failed
    assert "the record night is damaged: its selection has nodes" in refused.result["msg"]
