# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented variables of roles against the modules that they set the options of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.modules.runai_maintenance import ARGUMENT_SPEC
from ansible_collections.gpuops.runai.plugins.plugin_utils.role_variables import documented_options

ROLES = Path(__file__).parents[3] / "roles"
# The role sets them itself.
SET_BY_THE_ROLE = {"state", "by", "select", "workloads_limit"}
OF_A_RECLAIM = {"keep", "notice", "told"}
# Nothing active meets it.
NOT_ACTIVE = {"completed_before"}


def documented(role: str) -> dict[str, Any]:
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return {name[len(role) + 1 :]: option for name, option in documented_options(specs).items()}


def test_workload_maintenance_has_a_variable_for_each_option_of_the_module() -> None:
    select = ARGUMENT_SPEC["select"]["options"]
    criteria = {"workload_name" if name == "name" else name for name in select} - NOT_ACTIVE
    assert (
        set(documented("workload_maintenance"))
        == (set(ARGUMENT_SPEC) - SET_BY_THE_ROLE - OF_A_RECLAIM) | criteria
    )


def test_workload_maintenance_documents_the_defaults_of_the_module() -> None:
    options = documented("workload_maintenance")
    assert {name: option["default"] for name, option in options.items() if "default" in option} == {
        name: spec["default"]
        for name, spec in {**ARGUMENT_SPEC["select"]["options"], **ARGUMENT_SPEC}.items()
        if spec.get("default") is not None and name in options
    }


def test_workload_reclaim_documents_the_defaults_of_the_module() -> None:
    options = documented("workload_reclaim")
    of_the_module = {**ARGUMENT_SPEC["select"]["options"], **ARGUMENT_SPEC}
    assert {
        name: option["default"]
        for name, option in options.items()
        if "default" in option and name in of_the_module and name != "notice"
    } == {
        name: spec["default"]
        for name, spec in of_the_module.items()
        if spec.get("default") is not None and name in options
    }


def test_workload_reclaim_documents_each_variable_that_it_reads() -> None:
    role = ROLES / "workload_reclaim"
    files = [path for folder in ("tasks", "vars", "defaults") for path in (role / folder).iterdir()]
    read = {
        name
        for path in files
        for name in re.findall(r"(?<!_)\bworkload_reclaim_(\w+)", path.read_text(encoding="utf-8"))
    }
    assert len(read) > 10
    assert read - set(documented("workload_reclaim")) == {"result"}


@pytest.mark.parametrize("role", ["workload_cleanup", "workload_maintenance", "workload_reclaim"])
def test_role_variables_of_the_connection_are_complete(role: str) -> None:
    assert set(connection_argument_spec()) <= set(documented(role))
