# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The phases of a workload and what each means for an action.

The phases are those of the Run:ai API 2.18 to 2.24. ``Suspending`` is what the 2.25 documentation
calls ``Stopping``. No document says in which phase an action is permitted: the table is the
collection's own reading, and the control plane has the last word on what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._common.text import clean, some_of

SUSPEND = "suspend"
RESUME = "resume"
DELETE = "delete"
ACTIONS = (SUSPEND, RESUME, DELETE)

# What an action means for a workload in some phase. The last two are also reasons.
SEND = "send"
ALREADY_DONE = "unchanged"
WAIT = "wait"
FINISHED = "finished"
DELETING = "deleting"

STOPPED = "Stopped"
STOPPING = "Stopping"
RUNNING = "Running"
UNKNOWN = "Unknown"

ACTIVE_PHASES = ("Creating", "Pending", "Initializing", RUNNING, "Degraded", "Updating", "Resuming")
FINISHED_PHASES = ("Completed", "Failed")

_TABLE = {
    **{phase: {SUSPEND: SEND, RESUME: ALREADY_DONE, DELETE: SEND} for phase in ACTIVE_PHASES},
    STOPPING: {SUSPEND: ALREADY_DONE, RESUME: WAIT, DELETE: SEND},
    STOPPED: {SUSPEND: ALREADY_DONE, RESUME: SEND, DELETE: SEND},
    **{phase: {SUSPEND: FINISHED, RESUME: FINISHED, DELETE: SEND} for phase in FINISHED_PHASES},
    "Deleting": {SUSPEND: DELETING, RESUME: DELETING, DELETE: ALREADY_DONE},
    "Terminating": {SUSPEND: SEND, RESUME: SEND, DELETE: SEND},
    UNKNOWN: {SUSPEND: SEND, RESUME: SEND, DELETE: SEND},
}

PHASES = tuple(_TABLE)

_NAMES = {**{phase.lower(): phase for phase in PHASES}, "suspending": STOPPING}


def canonical(phase: str) -> str:
    """Return the API's own name of ``phase`` in any case; an unknown one stays as it is."""
    return _NAMES.get(phase.lower(), phase)


def is_known(phase: str) -> bool:
    """Return whether ``phase`` is one of the API's phases or another name of one."""
    return canonical(phase) in _TABLE


def is_active(phase: str) -> bool:
    """Return whether a workload in ``phase`` holds or waits for GPUs."""
    return canonical(phase) in ACTIVE_PHASES


def names_of(phase: str) -> tuple[str, ...]:
    """Return what ``phase`` may be called: the API's own name of it and, where it has none, Unknown."""
    return (canonical(phase),) if is_known(phase) else (phase, UNKNOWN)


def meaning(action: str, phase: str) -> str:
    """Return what ``action`` means in ``phase``: one of SEND, ALREADY_DONE, WAIT, FINISHED, DELETING.

    A phase that is not known counts as Unknown.
    """
    return _TABLE.get(canonical(phase), _TABLE[UNKNOWN])[action]


def is_suspendable(phase: str) -> bool:
    """Return whether a suspend would be sent in a phase: it runs, waits to run, or the phase says neither."""
    return meaning(SUSPEND, phase) == SEND


def is_unclear(phase: str) -> bool:
    """Return whether a phase says neither that a workload runs, or is to, nor that it does not."""
    return meaning(SUSPEND, phase) == meaning(RESUME, phase) == SEND


def target_phases(action: str, accepts_active: bool) -> tuple[str, ...]:
    """Return the phases that ``action`` takes a workload to; none for a deletion, after which it is gone.

    A resumed workload that has completed has been Running.
    """
    if action == RESUME:
        return (RUNNING, "Completed", *(ACTIVE_PHASES if accepts_active else ()))
    return (STOPPED,) if action == SUSPEND else ()


def can_still_arrive(action: str, phase: str) -> bool:
    """Return whether waiting makes sense for a workload in ``phase``."""
    return action == DELETE or canonical(phase) not in (*FINISHED_PHASES, "Deleting")


def phases(option: str, values: Sequence[str], warnings: list[str]) -> dict[str, str]:
    """Return the API's own name for each of ``values`` in any case; warn of unknown phases."""
    found = {value: canonical(value) for value in values}
    unknown = [value for value, phase in found.items() if not is_known(phase)]
    if unknown:
        shown = some_of(["'{0}'".format(clean(value, 40)) for value in unknown])
        is_none = "is not a phase" if len(unknown) == 1 else "are no phases"
        warnings.append(
            "{0}: {1} {2} that this collection knows ({3})".format(option, shown, is_none, ", ".join(PHASES))
        )
    return {**found, **{value: value for value in unknown}}
