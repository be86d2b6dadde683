# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulator's README shows can be done as shown."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import yaml

from simulator.api.fleet_file import build
from simulator.command import parser
from simulator.control_plane import CHANGEABLE
from simulator.faults.plan import FaultPlan
from simulator.faults.strike import KINDS
from simulator.model.fleet import Behaviour
from simulator.model.gpu_history import SCHEMA
from simulator.settings import CLIENT_ID, CLIENT_SECRET, TOKEN
from simulator.validation import Shape

README = (Path(__file__).parents[2] / "simulator" / "README.md").read_text()


def block(language: str, number: int = 0) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return found[number]


def test_readme_fleet_file_is_valid() -> None:
    workloads, places = build(json.loads(block("json")), now=0.0, tenant_id=1)
    assert [(one.phase, one.gpus, one.nodes) for one in workloads] == [("Running", 4.0, ["gpu-17"])]
    assert [node.name for node in places.nodes] == ["gpu-17"]


def test_readme_gpu_history_is_valid() -> None:
    assert Shape(SCHEMA).problem(yaml.safe_load(block("yaml"))) is None


def test_readme_fault_plan_is_valid() -> None:
    assert len(FaultPlan(yaml.safe_load(block("yaml", 1))).state()) == 3


def test_readme_fault_table_names_every_kind_and_option() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", README, re.MULTILINE))
    rows.update(dict.fromkeys(re.findall(r"^\| `(\w+)` \| \| ", README, re.MULTILINE), ""))
    assert set(KINDS) <= set(rows)
    for name, kind in KINDS.items():
        documented = set(re.findall(r"`(\w+)`", rows[name]))
        assert set(kind.defaults) <= documented, name


def test_readme_options_and_settings_exist() -> None:
    options = {option for action in parser()._actions for option in action.option_strings}
    assert set(re.findall(r"(--[a-z][a-z-]+)", README)) <= options
    changeable = json.loads(re.search(r"`(\{\"latency\".*?\})`", README).group(1))  # type: ignore[union-attr]
    assert set(changeable) == {*CHANGEABLE, *(field.name for field in fields(Behaviour))}


def test_readme_dummy_credentials_are_the_real_ones() -> None:
    for dummy in (CLIENT_ID, CLIENT_SECRET, TOKEN):
        assert dummy in README
