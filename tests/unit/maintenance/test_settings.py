# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import RecordError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.settings import (
    CONNECTION_VARIABLES,
    REQUIRED,
    ROLES,
    VARIABLES,
    read_settings,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.options import (
    info_options,
    selection_argument_spec,
)
from hypothesis import given
from hypothesis import strategies as st

ROLES_FOLDER = Path(__file__).resolve().parents[3] / "roles"
EVERY = [(role, name) for role in ROLES for name in VARIABLES[role] if name != "awx"]

blanks = st.sampled_from([None, "", " ", "\t\n", [], [""], ["a", None], ["a", " "], ",", "\n"])


@given(st.sampled_from(EVERY), blanks)
def test_a_blank_is_refused_whatever_it_was_meant_for(variable: tuple[str, str], value: Any) -> None:
    role, name = variable
    with pytest.raises(RecordError, match="{0}_{1}".format(role, name)):
        read_settings(role, {"{0}_{1}".format(role, name): value})


@pytest.mark.parametrize("role", ROLES)
def test_a_word_says_on_purpose_that_there_is_none(role: str) -> None:
    for name, variable in VARIABLES[role].items():
        if variable.word is None:
            continue
        for said in (variable.word, variable.word.upper(), [variable.word]):
            settings = read_settings(role, {"{0}_{1}".format(role, name): said})
            assert settings.said(name)
            assert settings.get(name) is None
            assert not settings.selection
            assert not settings.has_criterion


def test_any_beside_other_values_is_refused() -> None:
    with pytest.raises(RecordError, match="says any beside"):
        read_settings(ROLES[0], {"workload_maintenance_projects": ["vision", "any"]})


def test_the_word_of_the_other_kind_is_a_name() -> None:
    settings = read_settings(ROLES[0], {"workload_maintenance_projects": "none"})
    assert settings.selection == {"projects": ["none"]}


def test_what_surveys_give_is_read() -> None:
    said = {
        "projects": "vision, nlp\nads",
        "nodes": "gpu-17",
        "max_affected": "12",
        "max_percent": "20 %",
        "min_idle_gpus": "0.5",
        "preemptible": "yes",
        "exclude": "none",
        "workload_name": "train-*",
    }
    settings = read_settings(
        ROLES[0], {"workload_maintenance_" + name: value for name, value in said.items()}
    )
    assert settings.selection == {
        "projects": ["vision", "nlp", "ads"],
        "nodes": ["gpu-17"],
        "min_idle_gpus": 0.5,
        "preemptible": True,
        "name": "train-*",
    }
    assert settings.get("max_affected") == 12
    assert settings.get("max_percent") == 20
    assert settings.has_criterion


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_affected", "many"),
        ("max_affected", -1),
        ("max_affected", 1.5),
        ("max_affected", True),
        ("max_percent", 101),
        ("min_idle_gpus", "nan"),
        ("min_idle_gpus", "inf"),
        ("all", "perhaps"),
        ("unsuspendable", "ignore"),
        ("sort_by", "prio"),
        ("sort_order", "up"),
        ("crosses_version", "latest"),
        ("crosses_version", "2.3O"),
        ("crosses_version", "\u00b2"),
        ("max_failures", "some"),
        ("max_failures", "101%"),
        ("max_failures", "2.5%"),
        ("wait_interval", 0),
        ("wait_for_api", 10**9),
        ("wait_timeout", 10**9),
        ("wait_timeout", 1.5),
        ("attempts", 0),
        ("attempts", 21),
        ("projects", {"a": 1}),
        ("projects", [["a"]]),
        ("name", ["a"]),
    ],
)
def test_what_can_not_be_read_is_refused(name: str, value: Any) -> None:
    with pytest.raises(RecordError, match="workload_maintenance_{0}.*; nothing was done".format(name)):
        read_settings(ROLES[0], {"workload_maintenance_" + name: value})


def test_a_refusal_says_what_can_be_said() -> None:
    with pytest.raises(RecordError, match=r"'latest' is not a version; say e\.g\. 2\.25"):
        read_settings(ROLES[0], {"workload_maintenance_crosses_version": "latest"})
    with pytest.raises(RecordError, match=r"sort_by must be one of .*\bpriority\b"):
        read_settings(ROLES[0], {"workload_maintenance_sort_by": "prio"})
    for version in ("2.25", "v3.0", "3", 3.1, "2.24.7-rc.1"):
        given = {"workload_maintenance_crosses_version": version}
        assert read_settings(ROLES[0], given).get("crosses_version") == str(version)


def test_a_misspelt_variable_is_refused_without_its_value() -> None:
    with pytest.raises(RecordError, match="did you mean workload_maintenance_projects") as told:
        read_settings(ROLES[0], {"workload_maintenance_projcts": "geheim"})
    assert "geheim" not in str(told.value)


@pytest.mark.parametrize("role", ["workload_cleanup", "workload_reclaim"])
def test_what_only_an_end_waits_for_is_no_variable_of_the_others(role: str) -> None:
    with pytest.raises(RecordError, match=role + "_settle_time is not a variable of the role"):
        read_settings(role, {role + "_settle_time": 15})


def test_what_can_be_suspended_is_no_choice_by_itself() -> None:
    settings = read_settings(ROLES[0], {"workload_maintenance_suspendable": "yes"})
    assert settings.selection == {"suspendable": True}
    assert not settings.has_criterion


def test_what_a_sentence_of_the_info_module_asks_for_is_named_last_in_it() -> None:
    settings = read_settings(ROLES[0], {})
    words = "nodes: there is a node 'gpu-17' in 2 clusters (a, b); say which is meant with clusters"
    assert settings.asked_for(settings.in_own_words(words)) == ["clusters"]
    assert settings.asked_for(settings.in_own_words("phases: 'x' is no phase")) == ["phases"]
    assert settings.asked_for("GET /api/v1/clusters: connection refused") == []


def test_zero_is_a_ceiling() -> None:
    assert read_settings(ROLES[0], {"workload_maintenance_max_affected": 0}).get("max_affected") == 0


def test_what_is_missing_is_named() -> None:
    settings = read_settings(ROLES[0], {"workload_maintenance_name": "x"})
    with pytest.raises(RecordError, match=r"workload_maintenance_max_affected must be given \(none says"):
        settings.require("name", "max_affected")


@pytest.mark.parametrize("role", ROLES)
def test_every_part_of_a_selection_is_an_option_of_the_info_module(role: str) -> None:
    options = selection_argument_spec()
    assert {one.option for one in VARIABLES[role].values() if one.option} <= set(options)


def test_a_selection_is_read_by_the_info_module() -> None:
    from datetime import datetime, timezone

    said = {
        "nodes": "gpu-17",
        "min_idle_gpus": "1",
        "preemptible": "true",
        "limit": "5",
        "sort_by": "priority",
    }
    selection = read_settings(ROLES[0], {"workload_maintenance_" + key: said[key] for key in said}).selection
    defaults = {option: spec.get("default") for option, spec in selection_argument_spec().items()}
    options = info_options({**defaults, **selection}, selection, datetime.now(timezone.utc))
    assert options.nodes == ("gpu-17",)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "until_gpus: 2 workloads hold only 3; partial: true takes them",
            "R_until_gpus: 2 workloads hold only 3; R_partial: true takes them",
        ),
        (
            "nodes: there is a node 'limit: 3' in 2 clusters (a); say which is meant with clusters",
            "R_nodes: there is a node 'limit: 3' in 2 clusters (a); say which is meant with R_clusters",
        ),
        (
            "projects: the control plane lists no project 'x'",
            "R_projects: the control plane lists no project 'x'",
        ),
        (
            "no workloads hold the GPUs, and more that limit left out",
            "no workloads hold the GPUs, and more that R_limit left out",
        ),
        ("min_idle_gpus must be a number", "R_min_idle_gpus must be a number"),
        (
            "base_url is missing: give it, or set RUNAI_BASE_URL",
            "R_base_url is missing: give it, or set RUNAI_BASE_URL",
        ),
        ("client_id and client_secret go together", "R_client_id and R_client_secret go together"),
        ("GET /api/v1/clusters: connection refused", "GET /api/v1/clusters: connection refused"),
        ("R_projects: the name of the limit", "R_projects: the name of the limit"),
    ],
)
def test_options_are_called_by_the_names_of_the_variables(sentence: str, expected: str) -> None:
    settings = read_settings(ROLES[0], {})
    expected = expected.replace("R_", ROLES[0] + "_")
    assert settings.in_own_words(sentence.replace("R_", ROLES[0] + "_")) == expected
    assert settings.in_own_words(expected) == expected


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_describe_exactly_the_variables_that_are_read(role: str) -> None:
    folder = ROLES_FOLDER / role
    entries = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text())
    described = {name: option for entry in entries.values() for name, option in entry["options"].items()}
    known = {*VARIABLES[role], *CONNECTION_VARIABLES} - {"awx"}
    assert set(described) == {"{0}_{1}".format(role, name) for name in known}
    assert defaults == {name: option["default"] for name, option in described.items() if "default" in option}


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_leave_it_to_the_module_to_refuse(role: str) -> None:
    """Ansible itself would show the whole specification with a refusal."""
    path = ROLES_FOLDER / role / "meta" / "argument_specs.yml"
    for name, entry in yaml.safe_load(path.read_text())["argument_specs"].items():
        for option, spec in entry["options"].items():
            assert spec["type"] in ("raw", "str", "path"), option
            assert not {"required", "choices", "elements"} & set(spec)
            short = option[len(role) + 1 :]
            # A clean-up makes up a name of its own.
            is_name = short == "name" and role != "workload_cleanup"
            is_required = is_name or (short in REQUIRED[role] and name not in ("end", "status"))
            assert (spec["description"][0] == "Required.") == is_required, option
