# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blank options of a task as ansible-core hands them to the module."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.modules import runai_workload_info
from ansible_collections.gpuops.runai.tests.support.module_run import module_runner

# Nobody listens there: a task that were accepted would fail on its connection.
CONNECTION = {"base_url": "http://127.0.0.1:9", "token": "rehearsal-token", "retry_timeout": 0}


@pytest.mark.parametrize(
    "given",
    [
        {"projects": ""},
        {"projects": None},
        {"projects": []},
        {"projects": [None]},
        {"projects": ["vision", ""]},
        {"projects": "vision,"},
        {"phases": ["Running"], "projects": None},
        {"all": True, "exclude": ""},
        {"ids": ""},
        {"ids": [None]},
        {"limit": 1},
        {},
    ],
    ids=json.dumps,
)
def test_info_module_with_a_blank_option_is_rejected(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = module_runner(monkeypatch, capsys)
    result = json.loads(run(runai_workload_info, {**CONNECTION, **given}))
    assert result["failed"]
    assert result.get("ids", []) == []
    # The last one is what older ansible-core says to a null in a list.
    assert re.search("is empty|is null|criteria: not set|unable to convert to str", result["msg"])
