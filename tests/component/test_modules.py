# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module from its arguments to its printed result, in this process."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from simulator.settings import CLIENT_ID, CLIENT_SECRET
from tests.component.conftest import Start
from tests.support.workloads import workload_id

MODULES = "ansible_collections.gpuops.runai.plugins.modules"
RECORD = {"name": "night", "state": "planned", "reason": "new fan", "select": {"all": True}}
CEILINGS = {"max_affected": "none", "max_percent": "none"}


@pytest.mark.parametrize(
    ("name", "arguments", "key", "value"),
    [
        ("runai_workload_info", {"all": True}, "count", 3),
        ("runai_workload_batch", {"action": "suspend", "ids": [workload_id(1)]}, "changed", True),
        ("runai_maintenance", {**RECORD, **CEILINGS, "record_dir": "FOLDER/records"}, "state", "planned"),
        ("runai_maintenance_info", {"record_dir": "FOLDER/records"}, "records", []),
        (
            "runai_idle_report",
            {"select": {"all": True, "idle_for": "2h"}, "paths": ["FOLDER/report.csv"]},
            "workloads",
            [],
        ),
        ("runai_fleet_export", {"path": "FOLDER/fleet.json"}, "changed", True),
    ],
)
def test_module_good_arguments_prints_its_result(
    start: Start,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    arguments: dict[str, Any],
    key: str,
    value: Any,
) -> None:
    (tmp_path / "records").mkdir(mode=0o700)
    given = json.loads(json.dumps(arguments).replace("FOLDER", str(tmp_path)))
    connection = {"base_url": start().url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    with patch_module_args({**connection, **given}), pytest.raises(SystemExit) as ended:
        importlib.import_module(f"{MODULES}.{name}").main()
    printed = capsys.readouterr().out
    result = json.loads(printed)
    assert ended.value.code == 0, result
    assert result[key] == value
    assert CLIENT_SECRET not in printed
