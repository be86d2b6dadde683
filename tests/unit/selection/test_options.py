# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.doc_fragments.selection import ModuleDocFragment
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError
from ansible_collections.gpuops.runai.plugins.module_utils._selection.options import (
    CRITERIA,
    InfoOptions,
    info_options,
    select_argument_spec,
    selection_argument_spec,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
ONE = "7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d"
TWO = "0b1d2c3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"
# A good value for each option that is a criterion.
GOOD: dict[str, Any] = {
    "ids": [ONE],
    "projects": ["vision"],
    "departments": ["research"],
    "clusters": ["west"],
    "node_pools": ["a100"],
    "nodes": ["gpu-1"],
    "phases": ["Running"],
    "types": ["Training"],
    "categories": ["Train"],
    "submitted_by": ["ada@example.com"],
    "priority_classes": ["low"],
    "name": "llama-*",
    "search": "llama",
    "filter_by": ["allocatedGPU>=1"],
    "min_allocated_gpus": 1.0,
    "min_idle_gpus": 0.5,
    "preemptible": False,
    "suspendable": False,
    "phase_older_than": "7d",
    "created_before": "2026-01-01",
    "completed_before": "12h",
    "idle_for": "2h",
}
# A good value for each other option whose default is none.
OTHERS: dict[str, Any] = {
    "exclude": ["keep-*"],
    "except_projects": ["audit"],
    "limit": 5,
    "until_gpus": 8.0,
    "workloads_limit": 0,
}


def options(**given: Any) -> InfoOptions:
    defaults = {option: spec.get("default") for option, spec in selection_argument_spec().items()}
    return info_options({**defaults, **given}, given, NOW)


def test_info_options_examples_cover_all_options() -> None:
    assert set(GOOD) == set(CRITERIA)
    without_default = {option for option, spec in selection_argument_spec().items() if "default" not in spec}
    assert without_default == set(GOOD) | set(OTHERS)


@pytest.mark.parametrize(
    ("fragment", "more"), [(ModuleDocFragment.DOCUMENTATION, ("deleted",)), (ModuleDocFragment.SELECT, ())]
)
def test_selection_fragment_documents_the_spec(fragment: str, more: tuple[str, ...]) -> None:
    yaml = pytest.importorskip("yaml")
    documented = yaml.safe_load(fragment)["options"]
    documented = documented.get("select", {}).get("suboptions", documented)
    assert all(option.pop("description") for option in documented.values())
    spec = selection_argument_spec()
    assert documented == {**select_argument_spec(), **{option: spec[option] for option in more}}


@pytest.mark.parametrize("option", GOOD)
def test_info_options_single_criterion_is_accepted(option: str) -> None:
    options(**{option: GOOD[option]})


@pytest.mark.parametrize("given", [{}, OTHERS, {"deleted": True}, {"partial": True}, {"sort_by": "name"}])
def test_info_options_no_criterion_is_rejected_unless_all(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="criteria: not set"):
        options(**given)
    options(**given, all=True)


BLANK = ["", " ", "\n", None, [], [""], [None], ["vision", " "], ["vision", None]]


@pytest.mark.parametrize("blank", BLANK, ids=repr)
@pytest.mark.parametrize("option", selection_argument_spec())
def test_info_options_blank_value_is_rejected(option: str, blank: Any) -> None:
    if option == "ids" and blank == []:
        return
    given = {"all": True, **GOOD, **OTHERS, option: blank}
    with pytest.raises(OptionError, match=option):
        options(**given)


@pytest.mark.parametrize("values", [["a", "", "b"], ["a", " "]])
def test_info_options_blank_element_of_a_split_string_is_rejected(values: list[str]) -> None:
    defaults = {option: spec.get("default") for option, spec in selection_argument_spec().items()}
    with pytest.raises(OptionError, match="projects"):
        info_options({**defaults, "projects": values}, {"projects": "a,,b"}, NOW)


def test_info_options_empty_ids_select_nothing() -> None:
    assert options(ids=[]).selects_nothing
    assert options(ids=[], all=True).selects_nothing
    assert not options(ids=[ONE]).selects_nothing
    assert not options(all=True).selects_nothing


@pytest.mark.parametrize("ids", [[","], [" , "], "  "])
def test_info_options_ids_without_an_id_are_rejected(ids: Any) -> None:
    with pytest.raises(OptionError, match="ids"):
        options(ids=ids)


def test_info_options_ids_in_one_string_are_split_and_folded() -> None:
    found = options(ids=["{0}, {1}\n".format(ONE.upper(), TWO), ONE])
    assert list(found.criteria.any_of["ids"]) == [ONE, TWO]
    with pytest.raises(OptionError, match="not a uuid: 'gpu-1'"):
        options(ids=["gpu-1"])


def test_info_options_names_are_trimmed_and_split_at_line_ends() -> None:
    found = options(projects=[" vision ", "a b\nlanguage\n", "x,y", "vision"])
    assert list(found.criteria.any_of["projects"]) == ["vision", "a b", "language", "x,y"]


def test_info_options_phase_in_any_case_is_known() -> None:
    found = options(phases=["running", "SUSPENDING"])
    assert found.criteria.any_of["phases"] == {
        "running": frozenset(("Running",)),
        "SUSPENDING": frozenset(("Stopping",)),
    }
    assert found.warnings == ()


def test_info_options_unknown_phase_warns_and_is_kept() -> None:
    found = options(phases=["Runing"])
    assert found.criteria.any_of["phases"] == {"Runing": frozenset(("Runing",))}
    assert "'Runing' is not a phase" in found.warnings[0]


def test_info_options_ages_become_moments() -> None:
    found = options(phase_older_than="7d", created_before="2026-01-01")
    assert found.criteria.before == {
        "phase_older_than": NOW - timedelta(days=7),
        "created_before": datetime(2026, 1, 1, tzinfo=timezone.utc),
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"phase_older_than": "7"}, "phase_older_than: '7' is neither"),
        ({"created_before": "2030-01-01"}, "created_before: .* in the future"),
        ({"min_allocated_gpus": 0.0}, "min_allocated_gpus: must be"),
        ({"min_idle_gpus": float("nan")}, "min_idle_gpus: must be"),
        ({"until_gpus": -1.0, "all": True}, "until_gpus: must be"),
        ({"limit": 0, "all": True}, "limit: must be at least 1"),
        ({"workloads_limit": -1, "all": True}, "workloads_limit: must be at least 0"),
        ({"concurrency": 17, "all": True}, "concurrency: must be"),
        ({"concurrency": 0, "all": True}, "concurrency: must be"),
        ({"fields": ["all", "id"], "all": True}, "'all' stands alone"),
        ({"nodes": ["gpu-1"], "deleted": True}, "nodes: can.t be used with deleted"),
        ({"idle_for": "2h", "deleted": True}, "idle_for: can.t be used with deleted"),
        ({"idle_for": "2026-01-01"}, "idle_for: '2026-01-01' is not a duration"),
        ({"idle_for": "2M"}, "idle_for: '2M' is not a duration"),
        ({"idle_for": "59s"}, "idle_for: '59s' is too short"),
        ({"idle_for": "9999999d"}, "idle_for: '9999999d' is too short or too long"),
        ({"idle_for": "2h", "idle_threshold": 101.0}, "idle_threshold: must be"),
        ({"idle_for": "2h", "idle_threshold": float("nan")}, "idle_threshold: must be"),
        ({"all": True, "idle_threshold": 2.0}, "idle_threshold: has no effect without idle_for"),
        ({"all": True, "except_newest": -1}, "except_newest: must be at least 0"),
        ({"filter_by": ["phase=Running"]}, "filter_by: 'phase=Running'"),
        ({"filter_by": ["phase==Running,name==x"]}, "without a comma"),
        ({"filter_by": ["==Running"]}, "filter_by"),
        ({"filter_by": ["name!=x{0}".format(number) for number in range(11)]}, "at most 10"),
    ],
)
def test_info_options_unusable_value_is_rejected(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        options(**given)


def test_info_options_excluded_ids_are_split_and_folded() -> None:
    given = ["{0}, {1}".format(ONE.upper(), TWO), "Keep-*", "a b", ONE, "{0} keep".format(TWO), ","]
    assert options(all=True, exclude=given).criteria.exclude == (ONE, TWO, "Keep-*", "a b", given[4], ",")
