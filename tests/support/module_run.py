# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole module with its real AnsibleModule, in the process of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils import basic

RunModule = Callable[[ModuleType, Mapping[str, Any]], str]


def module_runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Return a function that runs a module with arguments as ansible-core hands them over.

    The function returns what the module prints: its result as JSON, as Ansible gets it.
    """

    def run(module: ModuleType, arguments: Mapping[str, Any]) -> str:
        given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", given)
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            module.main()
        return capsys.readouterr().out

    return run
