# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results have the keys that the documentation of the modules names."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.results import (
    Outcome,
    empty_result,
    rows_of,
    summary_of,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import ACT
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import Record, RecordedWorkload
from ansible_collections.gpuops.runai.plugins.modules import runai_maintenance, runai_maintenance_info

RECORD = Record("1", "night", {}, workloads={"a": RecordedWorkload("a", ACT)})
# What Ansible itself reads in any result.
READ_BY_ANSIBLE = {"failed", "changed", "skipped", "unreachable"}


def _documented(module: ModuleType) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(module.RETURN)
    return found


@pytest.mark.parametrize(
    ("module", "left_out"), [(runai_maintenance, set()), (runai_maintenance_info, {"record", "to_tell"})]
)
def test_results_have_the_documented_keys(module: ModuleType, left_out: set[str]) -> None:
    # Ansible documents "changed" for all modules. Only a list has "records".
    assert {*_documented(module), "changed"} - {"records"} == set(empty_result(False)) - left_out


def test_summary_and_rows_have_the_documented_keys() -> None:
    documented = _documented(runai_maintenance)
    outcome = Outcome(RECORD, {})
    assert set(documented["summary"]["contains"]) == set(summary_of(outcome))
    (row,) = rows_of(outcome)
    assert set(documented["workloads"]["contains"]) == set(row)
    assert not READ_BY_ANSIBLE & set(row)
