# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of roles: what is rejected, and which options of a module they become."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.modules import (
    runai_maintenance,
    runai_maintenance_info,
    runai_workload_info,
)
from ansible_collections.gpuops.runai.plugins.plugin_utils.role_variables import (
    VariableError,
    check_blanks,
    check_names,
    check_types,
    documented_options,
    module_options,
    plain,
)

DOCUMENTED: dict[str, Any] = {
    "role_projects": {"type": "list"},
    "role_reason": {"type": "str"},
    "role_limit": {"type": "raw"},
}


@pytest.mark.parametrize(
    ("names", "raw", "sentence"),
    [
        (["role_projcts"], None, "role_projcts: not a variable of this role. Did you mean role_projects?"),
        (["role_x"], None, "role_x: not a variable of this role. Correct the name."),
        (
            ["role_projects"],
            "language",
            "extra variables: Ansible cut a value at the space before 'language'.",
        ),
    ],
)
def test_check_names_unknown_or_cut_is_rejected(names: list[str], raw: str | None, sentence: str) -> None:
    with pytest.raises(VariableError) as refusal:
        check_names("role_", names, DOCUMENTED, raw)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    "values",
    [
        {"role_reason": None},
        {"role_reason": ""},
        {"role_reason": " \n"},
        {"role_limit": {}},
        {"role_projects": []},
        {"role_projects": ["vision", ""]},
        {"role_projects": ["vision", None]},
        {"role_projects": "vision,"},
        {"role_projects": "vision,,language"},
        {"role_projects": ","},
    ],
)
def test_check_blanks_blank_is_rejected_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(VariableError) as refusal:
        check_blanks(values, DOCUMENTED)
    assert str(refusal.value).startswith(f"{next(iter(values))}: is empty, or has an empty element.")


def test_check_blanks_blank_that_one_entry_point_requires_is_to_be_set() -> None:
    specs = {"plan": {"options": {"role_reason": {"type": "str", "required": True}}}, "end": {"options": {}}}
    with pytest.raises(VariableError, match="role_reason: is empty, and it is required"):
        check_blanks({"role_reason": " "}, documented_options({"argument_specs": specs}))


def test_check_blanks_values_that_only_seem_blank_are_accepted() -> None:
    values = {"role_projects": "vision,language\nspeech", "role_reason": "fan, broken,", "role_limit": 0}
    check_blanks(values, DOCUMENTED)
    check_blanks({"role_limit": False, "role_projects": ["any"]}, DOCUMENTED)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "role_name: not set. Set it."),
        ({"role_name": "n", "role_wait": "soon"}, "variables: argument 'role_wait' is of type "),
        ({"role_name": "n", "role_what": "x"}, "variables: value of role_what must be one of: leave"),
    ],
)
def test_check_types_missing_or_of_another_type_is_rejected(values: dict[str, Any], sentence: str) -> None:
    documented = documented_options(
        {
            "argument_specs": {
                "plan": {
                    "options": {
                        "role_name": {"type": "str", "required": True},
                        "role_reason": {"type": "str", "required": True},
                        "role_wait": {"type": "float"},
                        "role_what": {"type": "str", "choices": ["leave"]},
                    }
                },
                "end": {"options": {"role_name": {"type": "str", "required": True}}},
            }
        }
    )
    check_types({"role_name": "n", "role_wait": "3", "role_what": "leave"}, documented)
    with pytest.raises(VariableError) as refusal:
        check_types(values, documented)
    assert str(refusal.value).startswith(sentence)


def test_plain_dates_and_other_texts_become_texts() -> None:
    class Vaulted:
        def __str__(self) -> str:
            return "secret"

    assert plain({"a": [date(2026, 11, 30), Vaulted()], "b": (1, True, None, 0.5)}) == {
        "a": ["2026-11-30", "secret"],
        "b": [1, True, None, 0.5],
    }
    assert plain(datetime(2026, 11, 30, 12, tzinfo=timezone.utc)) == "2026-11-30T12:00:00+00:00"


def test_module_options_maintenance_criteria_go_to_select() -> None:
    values = {
        "name": "night",
        "workload_name": "llama-*",
        "projects": ["any"],
        "limit": "none",
        "max_drift": "none",
        "token": "t",
        "settle_time": 1,
        "keep_names": "x",
    }
    assert module_options(runai_maintenance.ARGUMENT_SPEC, values) == {
        "name": "night",
        "select": {"name": "llama-*"},
        "max_drift": "none",
        "token": "t",
        "settle_time": 1,
    }


def test_module_options_without_criteria_has_no_select() -> None:
    values = {"name": "night", "projects": "any", "record": None, "max_affected": 3}
    assert module_options(runai_maintenance.ARGUMENT_SPEC, values) == {"name": "night", "max_affected": 3}


def test_module_options_status_leaves_the_selection_out() -> None:
    values = {"name": "night", "workload_name": "llama-*", "projects": "vision"}
    assert module_options(runai_maintenance_info.ARGUMENT_SPEC, values) == {"name": "night"}


def test_module_options_info_takes_criteria_and_not_the_name_of_the_record() -> None:
    spec = runai_workload_info.ARGUMENT_SPEC
    assert module_options(spec, {"name": "night", "projects": "vision"}) == {"projects": "vision"}
    assert module_options(spec, {"name": "night", "workload_name": "a*"}) == {"name": "a*"}
