# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.plan import (
    TOLERABLE,
    TOLERATED,
    PlannedItem,
    Rules,
    describe_ceiling,
    ids_to,
    plan_one,
)
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import ACTIONS, PHASES
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import Workload
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id
from hypothesis import given
from hypothesis import strategies as st

ID = workload_id(7)
NOTHING = Rules(protect=(), only_phases=None, tolerate=())
EVERYTHING = Rules(protect=(), only_phases=None, tolerate=("missing", "finished", "unsupported", "deleting"))

flags = st.none() | st.booleans()
workloads = st.builds(
    lambda presence, phase, can_suspend, can_delete: (
        Workload(ID, presence, phase=phase, can_suspend=can_suspend, can_delete=can_delete)
        if presence == "seen"
        else Workload(ID, presence)
    ),
    st.sampled_from(["seen", "seen", "missing", "forbidden"]),
    st.sampled_from([*PHASES, "Suspending", "Novel"]),
    flags,
    flags,
)
rules = st.builds(
    Rules,
    protect=st.sampled_from([frozenset(), frozenset((ID,)), frozenset((workload_id(8),))]),
    only_phases=st.none() | st.frozensets(st.sampled_from(PHASES), min_size=1),
    tolerate=st.frozensets(st.sampled_from(["missing", "finished", "unsupported", "deleting"])),
)


def expected(action: str, workload: Workload, given_rules: Rules) -> tuple[str, str]:
    """The decision and the reason, worked out as the promise puts it, reason by reason."""
    is_there = workload.presence == "seen"
    phase = {"Suspending": "Stopping"}.get(workload.phase, workload.phase)
    reasons = {
        "protected": workload.id in given_rules.protect,
        "phase": is_there and given_rules.only_phases is not None and phase not in given_rules.only_phases,
        "there": is_there
        and phase
        in {
            "suspend": ("Stopping", "Stopped"),
            "resume": (
                "Creating",
                "Pending",
                "Initializing",
                "Running",
                "Degraded",
                "Updating",
                "Resuming",
            ),
            "delete": ("Deleting",),
        }[action],
        "not_found": workload.presence == "missing" and action == "delete",
        "missing": workload.presence == "missing",
        "forbidden": workload.presence == "forbidden",
        "deleting": phase == "Deleting",
        "finished": phase in ("Completed", "Failed") and action != "delete",
        "unsupported": (workload.can_delete if action == "delete" else workload.can_suspend) is False,
    }
    first = next((reason for reason, holds in reasons.items() if holds), None)
    if first is None:
        return ("wait" if action == "resume" and phase == "Stopping" else "send"), ""
    if first == "there":
        return "unchanged", ""
    if first == "not_found":
        return "unchanged", first
    if first in ("protected", "phase") or first in given_rules.tolerate:
        return "skipped", first
    return "failed", first


@given(st.sampled_from(ACTIONS), workloads, rules)
def test_plan_one_several_reasons_gives_the_first(
    action: str, workload: Workload, given_rules: Rules
) -> None:
    item = plan_one(action, workload, given_rules)
    assert (item.decision, item.reason) == expected(action, workload, given_rules)
    assert bool(item.message) == bool(item.reason)


def _seen(phase: str, can_suspend: Optional[bool] = None) -> Workload:
    return Workload(ID, "seen", phase=phase, can_suspend=can_suspend, can_delete=can_suspend)


@pytest.mark.parametrize("action", ACTIONS)
def test_plan_one_already_done_is_unchanged(action: str) -> None:
    there = {"suspend": "Stopped", "resume": "Running", "delete": "Deleting"}[action]
    assert plan_one(action, _seen(there, can_suspend=False), NOTHING) == PlannedItem(
        _seen(there, False), "unchanged"
    )


@pytest.mark.parametrize(
    ("workload", "reason"),
    [
        (Workload(ID, "missing"), "missing"),
        (_seen("Failed"), "finished"),
        (_seen("Deleting"), "deleting"),
        (_seen("Running", can_suspend=False), "unsupported"),
    ],
)
def test_plan_one_tolerated_reason_skips_instead_of_failing(workload: Workload, reason: str) -> None:
    assert plan_one("suspend", workload, NOTHING)[1:3] == ("failed", reason)
    assert plan_one("suspend", workload, NOTHING._replace(tolerate=(reason,)))[1:3] == ("skipped", reason)
    others = tuple(other for other in EVERYTHING.tolerate if other != reason)
    assert plan_one("suspend", workload, NOTHING._replace(tolerate=others))[1:3] == ("failed", reason)


def test_plan_one_forbidden_is_failed() -> None:
    for action in ACTIONS:
        assert plan_one(action, Workload(ID, "forbidden"), EVERYTHING)[1:3] == ("failed", "forbidden")


def test_tolerable_reasons_and_their_default_are_as_documented() -> None:
    assert sorted(TOLERABLE) == ["deleting", "finished", "missing", "unsupported"]
    assert sorted(TOLERATED) == ["deleting", "finished"]


@pytest.mark.parametrize(
    ("phase", "only", "decision"),
    [
        ("Unknown", "Unknown", "send"),
        # What is not listed counts as Unknown, and may be meant by its own name as well.
        ("Novel", "Unknown", "send"),
        ("Novel", "Novel", "send"),
        ("Novel", "Running", "skipped"),
        ("Unknown", "Novel", "skipped"),
        ("Running", "Unknown", "skipped"),
        ("Suspending", "Unknown", "skipped"),
        ("Suspending", "Stopping", "send"),
    ],
)
def test_plan_one_only_phases_with_an_unlisted_phase_acts_on_it(phase: str, only: str, decision: str) -> None:
    limited = NOTHING._replace(only_phases=frozenset((only,)))
    assert plan_one("delete", _seen(phase), limited).decision == decision


@given(st.integers(0, 40), st.none() | st.integers(0, 45))
def test_describe_ceiling_above_it_says_by_how_many(affected: int, ceiling: Optional[int]) -> None:
    phrase = describe_ceiling(affected, ceiling)
    if ceiling is None or affected <= ceiling:
        assert phrase is None
    else:
        assert phrase is not None
        assert "max_affected is {0}, but {1} ".format(ceiling, affected) in phrase
        assert "{0} more".format(affected - ceiling) in phrase


@given(st.lists(st.sampled_from(["send", "wait", "unchanged", "skipped", "failed"]), max_size=20))
def test_ids_to_any_plan_has_each_id_once_by_decision(decisions: list[str]) -> None:
    plan = [
        PlannedItem(_seen("Stopped")._replace(id=str(number)), decision)
        for number, decision in enumerate(decisions)
    ]
    found = {one: decision for decision in set(decisions) for one in ids_to(decision, plan)}
    assert found == {item.workload.id: item.decision for item in plan}
