# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import (
    ACTIONS,
    PHASES,
    can_still_arrive,
    canonical,
    is_known,
    meaning,
    target_phases,
)

# What is sent, by phase, as the collection promises it: suspend, resume, delete.
PROMISED = {
    "Creating": ("send", "unchanged", "send"),
    "Pending": ("send", "unchanged", "send"),
    "Initializing": ("send", "unchanged", "send"),
    "Running": ("send", "unchanged", "send"),
    "Degraded": ("send", "unchanged", "send"),
    "Updating": ("send", "unchanged", "send"),
    "Resuming": ("send", "unchanged", "send"),
    "Stopping": ("unchanged", "wait", "send"),
    "Suspending": ("unchanged", "wait", "send"),
    "Stopped": ("unchanged", "send", "send"),
    "Completed": ("finished", "finished", "send"),
    "Failed": ("finished", "finished", "send"),
    "Deleting": ("deleting", "deleting", "unchanged"),
    "Terminating": ("send", "send", "send"),
    "Unknown": ("send", "send", "send"),
    "a phase of a later version": ("send", "send", "send"),
}
# After suspend, after resume, and after resume where any active phase will do.
ARRIVED = {
    "Creating": (False, False, True),
    "Pending": (False, False, True),
    "Initializing": (False, False, True),
    "Running": (False, True, True),
    "Degraded": (False, False, True),
    "Updating": (False, False, True),
    "Resuming": (False, False, True),
    "Stopping": (False, False, False),
    "Suspending": (False, False, False),
    "Stopped": (True, False, False),
    "Completed": (False, True, True),
    "Failed": (False, False, False),
    "Deleting": (False, False, False),
    "Terminating": (False, False, False),
    "Unknown": (False, False, False),
}


@pytest.mark.parametrize("phase", PROMISED)
def test_meaning_of_each_action_and_phase_is_as_documented(phase: str) -> None:
    assert tuple(meaning(action, phase) for action in ("suspend", "resume", "delete")) == PROMISED[phase]


def test_phases_of_the_api_are_known_and_no_others() -> None:
    assert sorted((*PHASES, "Suspending", "a phase of a later version")) == sorted(PROMISED)
    assert [phase for phase in PROMISED if not is_known(phase)] == ["a phase of a later version"]


def test_actions_of_the_endpoint_are_covered() -> None:
    assert ACTIONS == ("suspend", "resume", "delete")


def test_canonical_other_name_is_the_phase() -> None:
    assert canonical("Suspending") == "Stopping"
    assert canonical("SUSPENDING") == "Stopping"
    assert canonical("stopping") == "Stopping"
    assert canonical("somewhere") == "somewhere"


@pytest.mark.parametrize("phase", ARRIVED)
def test_target_phases_of_each_action_are_as_documented(phase: str) -> None:
    wanted = (("suspend", False), ("resume", False), ("resume", True))
    assert tuple(canonical(phase) in target_phases(*one) for one in wanted) == ARRIVED[phase]


@pytest.mark.parametrize("accepts_active", [False, True])
def test_target_phases_active_ones_are_for_a_resume_alone(accepts_active: bool) -> None:
    assert target_phases("suspend", accepts_active) == ("Stopped",)
    # What is deleted arrives by being gone.
    assert target_phases("delete", accepts_active) == ()


@pytest.mark.parametrize("phase", PROMISED)
def test_can_still_arrive_final_phase_is_false(phase: str) -> None:
    is_over = phase in ("Completed", "Failed", "Deleting")
    assert can_still_arrive("suspend", phase) is not is_over
    assert can_still_arrive("resume", phase) is not is_over
    assert can_still_arrive("delete", phase)
