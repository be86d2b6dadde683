# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role of the clean-up makes of its variables, templated as Ansible does it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = Path(__file__).parents[3] / "roles" / "workload_cleanup"
# From ansible-core 2.19 on, a loader marks what may be templated. Before, all texts may be.
IS_MARKED = "trusted_as_template" in inspect.signature(DataLoader.load_from_file).parameters
TRUSTED = {"trusted_as_template": True} if IS_MARKED else {}


def _templated(variable: str, **values: Any) -> Any:
    loader = DataLoader()
    variables = {
        "workload_cleanup_name": "night",
        "workload_cleanup_max_affected": "none",
        "workload_cleanup_max_percent": "none",
        **loader.load_from_file(str(ROLE / "vars" / "main.yml"), **TRUSTED),
        **{f"workload_cleanup_{name}": value for name, value in values.items()},
    }
    return Templar(loader=loader, variables=variables).template(variables[f"__workload_cleanup_{variable}"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("vision, speech", ["vision", "speech"]),
        (["vision", 2024], ["vision", "2024"]),
        ("none", []),
        # A template without a value gives such texts: dropped, they would delete what is to be kept.
        ("None", ["None"]),
        (["vision", "null"], ["vision", "null"]),
    ],
)
def test_exemptions_are_lists_that_lose_no_name(given: Any, kept: list[str]) -> None:
    assert _templated("keep_projects", keep_projects=given) == kept
    assert _templated("exclude", keep_names=given) == kept
    assert _templated("exclude", exclude=given) == kept


@pytest.mark.parametrize(
    ("variable", "given"),
    [
        ("phases", "Running"),
        ("phases", "None"),
        ("phases", ["Completed", "null"]),
        ("phases", "Completed,"),
        ("max_percent", "1e2"),
        ("max_percent", -5),
        ("max_affected", 10.0),
        ("max_affected", True),
        ("keep_newest", "any"),
        ("keep_newest", -1),
        ("name", "../night"),
    ],
)
def test_bad_values_names_the_variable(variable: str, given: Any) -> None:
    assert _templated("bad_values", **{variable: given}).startswith(f"workload_cleanup_{variable}: ")


@pytest.mark.parametrize(
    ("variable", "given"),
    [("phases", "completed, failed"), ("max_percent", "10 %"), ("max_affected", 0), ("keep_newest", "3")],
)
def test_bad_values_accepts_what_surveys_give(variable: str, given: Any) -> None:
    assert _templated("bad_values", **{variable: given}) == ""
