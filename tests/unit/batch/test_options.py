# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.options import (
    BRAKES,
    BatchOptions,
    MaxFailures,
    batch_options,
)
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id, workload_ids
from hypothesis import given
from hypothesis import strategies as st

ONE = workload_id(1)
# As Ansible hands them over when only what is required is given.
GIVEN = {
    "action": "suspend",
    "ids": [ONE],
    "protect": [],
    "only_phases": None,
    "tolerate": ["finished", "deleting"],
    "max_affected": None,
    "max_failures": None,
    "batch_size": 100,
    "concurrency": None,
    "wait": False,
    "wait_timeout": 600.0,
    "wait_interval": 5.0,
    "wait_for": "target",
    "deadline": None,
    "report_path": None,
    "workloads_limit": 1000,
}


def settle(**other: Any) -> BatchOptions:
    return batch_options({**GIVEN, **other}, other)


@pytest.mark.parametrize(
    ("action", "concurrency", "max_failures"),
    [
        ("suspend", None, MaxFailures(10, True)),
        ("resume", None, MaxFailures(10, True)),
        ("delete", 1, MaxFailures(0, False)),
    ],
)
def test_batch_options_without_concurrency_and_max_failures_default_by_action(
    action: str, concurrency: Optional[int], max_failures: MaxFailures
) -> None:
    options = settle(action=action)
    assert (options.concurrency, options.max_failures) == (concurrency, max_failures)


def test_batch_options_delete_with_given_values_keeps_them() -> None:
    options = settle(action="delete", concurrency=16, max_failures="7")
    assert (options.concurrency, options.max_failures) == (16, MaxFailures(7, False))


@pytest.mark.parametrize(
    ("value", "number", "is_percent"),
    [("0", 0, False), ("25", 25, False), ("0%", 0, True), ("100%", 100, True), (" 5 % ", 5, True)],
)
def test_batch_options_max_failures_number_or_percentage_is_accepted(
    value: str, number: int, is_percent: bool
) -> None:
    assert settle(max_failures=value).max_failures == MaxFailures(number, is_percent)


@pytest.mark.parametrize("value", ["-1", "ten", "10.5", "101%", "%", "1e3", "5%%", "9" * 30])
def test_batch_options_other_max_failures_is_rejected(value: str) -> None:
    with pytest.raises(OptionError, match="max_failures: must be"):
        settle(max_failures=value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 101),
        ("batch_size", -1),
        ("concurrency", 0),
        ("concurrency", 17),
        ("max_affected", -1),
        ("workloads_limit", -1),
        ("deadline", 0),
        ("deadline", -5),
        ("wait_timeout", -1.0),
        ("wait_timeout", float("nan")),
        ("wait_timeout", float("inf")),
        ("wait_interval", 0.0),
        ("wait_interval", float("nan")),
    ],
)
def test_batch_options_number_out_of_bounds_is_rejected(option: str, value: float) -> None:
    with pytest.raises(OptionError, match="^{0}: must be".format(option)):
        settle(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("batch_size", 1),
        ("batch_size", 100),
        ("concurrency", 1),
        ("concurrency", 16),
        ("max_affected", 0),
        ("workloads_limit", 0),
        ("deadline", 1),
        ("wait_timeout", 0.0),
    ],
)
def test_batch_options_number_at_its_bound_is_accepted(option: str, value: float) -> None:
    assert getattr(settle(**{option: value}), option) == value


@pytest.mark.parametrize("phases", [[], [""], ["  "], ["Running", ""]])
def test_batch_options_blank_only_phases_is_rejected(phases: list[str]) -> None:
    with pytest.raises(OptionError, match="only_phases"):
        settle(only_phases=phases)


def test_batch_options_unknown_phase_warns_and_is_kept() -> None:
    options = settle(only_phases=[" Completed ", "Suspending", "running\nPENDING\n"])
    assert options.rules.only_phases == frozenset(("Completed", "Stopping", "Running", "Pending"))
    assert options.warnings == ()
    options = settle(only_phases=["Completed", "complete"])
    assert options.rules.only_phases == frozenset(("Completed", "complete"))
    (warning,) = options.warnings
    assert warning.startswith("only_phases: 'complete' is not a phase that this collection knows (Creating, ")
    assert batch_options(GIVEN, {}).rules.only_phases is None
    # However many they are, as where ids went into the wrong option.
    unknown = workload_ids(3000)
    (warning,) = settle(only_phases=["Completed", *unknown]).warnings
    assert warning.startswith("only_phases: '{0}', '{1}', ".format(*unknown))
    assert "and 2990 more are no phases that this collection knows" in warning
    assert len(warning) < 1000


@pytest.mark.parametrize("option", ["ids", "protect"])
def test_batch_options_one_malformed_id_rejects_all(option: str) -> None:
    with pytest.raises(OptionError, match="^{0}: not a uuid: 'train-7'".format(option)):
        settle(**{option: [ONE, "train-7"]})


def test_batch_options_protect_upper_case_is_folded() -> None:
    assert settle(protect=[ONE.upper() + "," + ONE]).rules.protect == frozenset((ONE,))


def test_batch_options_impossible_report_path_is_rejected() -> None:
    with pytest.raises(OptionError, match="report_path: holds a null byte"):
        settle(report_path="/srv/runai/\0.jsonl")


def test_batch_options_empty_report_path_is_none() -> None:
    assert settle(report_path="").report_path is None


@given(st.integers(0, 10**6), st.booleans(), st.integers(0, 10**5), st.integers(1, 10**5))
def test_max_failures_exceeded_is_true_above_the_limit(
    number: int, is_percent: bool, failed: int, planned: int
) -> None:
    number = number % 101 if is_percent else number
    exceeded = MaxFailures(number, is_percent).is_exceeded(failed, planned)
    assert exceeded is (failed * 100 > number * planned if is_percent else failed > number)


def test_max_failures_text_names_the_limit() -> None:
    assert [str(MaxFailures(10, True)), str(MaxFailures(3, False))] == ["10%", "3"]


@pytest.mark.parametrize("option", BRAKES)
@pytest.mark.parametrize("value", [None, "", " ", [""], [" \t"]])
def test_batch_options_blank_safeguard_is_rejected(option: str, value: Any) -> None:
    # Ansible hands on what it made of a null: nothing, as if the option had been left out.
    with pytest.raises(OptionError, match=f"^{option}: is empty"):
        batch_options(GIVEN, {option: value})


def test_batch_options_empty_protect_is_accepted() -> None:
    assert settle(protect=[]).rules.protect == frozenset()
