# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module returns of arguments that ansible-core rejects before the module runs."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.modules import (
    runai_maintenance,
    runai_workload_batch,
    runai_workload_info,
)
from ansible_collections.gpuops.runai.tests.support.module_run import module_runner
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

IDS = workload_ids(2000)
PLAN = {"name": "night", "state": "planned", "select": {"ids": IDS}, "maximum": 3}


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        pytest.param(runai_workload_batch, {"action": "suspend", "ids": IDS, "maximum": 3}, id="misspelt"),
        pytest.param(runai_workload_batch, {"action": "stop", "ids": " ".join(IDS)}, id="not a choice"),
        pytest.param(
            runai_workload_batch, {"action": "suspend", "ids": IDS, "batch_size": "few"}, id="not a number"
        ),
        pytest.param(
            runai_workload_batch, {"action": "suspend", "ids": {"changed": False, "ids": IDS}}, id="a result"
        ),
        pytest.param(runai_workload_info, {"ids": IDS, "maximum": 3}, id="selection"),
        pytest.param(runai_maintenance, PLAN, id="maintenance"),
    ],
)
def test_module_with_arguments_that_ansible_rejects_repeats_neither_ids_nor_a_secret(
    module: ModuleType,
    arguments: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"base_url": "https://somebody:not-to-be-seen@runai.example.com", **arguments}
    printed = module_runner(monkeypatch, capsys)(module, given)
    assert json.loads(printed)["failed"]
    assert len(printed) < 10_000
    assert IDS[50] not in printed
    assert "not-to-be-seen" not in printed
