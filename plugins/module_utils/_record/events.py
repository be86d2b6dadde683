# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The types of a record's lines, from which docs/record.schema.json is made.

Times are in UTC, as ``2026-01-31T12:00:00Z``; a time that is not known is an empty string.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Optional, TypedDict, Union, get_args

# A record with another version is rejected. A line with an unknown event is skipped.
VERSION: Literal[1] = 1

State = Literal["planned", "acting", "begun", "ending", "ended"]
STATES: tuple[State, ...] = get_args(State)
PLANNED, ACTING, BEGUN, ENDING, ENDED = STATES

# What a plan does with a workload: suspend it, share the stop of another open record, leave it running.
Treatment = Literal["act", "share", "leave"]
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
ACT, SHARE, LEAVE = TREATMENTS

# Who made a stop, by the history of the workload or by decision of the operator.
Maker = Literal["us", "others"]
MAKERS: tuple[Maker, ...] = get_args(Maker)
US, OTHERS = MAKERS

# A line as it was read, not checked yet.
Event = Mapping[str, Any]


class HeadEvent(TypedDict):
    """The first line: which maintenance of which control plane this is, and who planned it."""

    event: Literal["head"]
    version: Literal[1]
    id: str
    name: str
    at: str
    by: dict[str, str]
    control_plane: dict[str, Any]


class PlanEvent(TypedDict):
    """A new plan. Workloads of an earlier plan stay if the record stopped them and they are not ``settled``.

    ``passed_over``: ids that were active and selected, and that the plan does not take.
    """

    event: Literal["plan"]
    reason: str
    select: dict[str, Any]
    limits: dict[str, Any]
    passed_over: list[str]
    settled: list[str]


class WorkloadRow(NamedTuple):
    """A workload as it was when planned."""

    id: str
    plan: Treatment
    name: str
    project: str
    owner: str
    cluster_id: str
    gpus: float
    phase: str
    since: str


class WorkloadsEvent(TypedDict):
    """Some of the workloads of the plan."""

    event: Literal["workloads"]
    rows: list[WorkloadRow]


class StateEvent(TypedDict):
    """The maintenance moves on to a state."""

    event: Literal["state"]
    state: State
    at: str
    by: dict[str, str]


class AskedEvent(TypedDict):
    """A batch is about to be sent. ``sent_at`` is by the clock of the control plane, if known."""

    event: Literal["asked"]
    action: str
    ids: list[str]
    at: str
    sent_at: str


class ResultRow(NamedTuple):
    """The result of one id: ``outcome`` is ``unknown`` if the request may still be carried out."""

    id: str
    outcome: str
    code: Optional[int]
    message: str


class AnsweredEvent(TypedDict):
    """The results of ids that were sent."""

    event: Literal["answered"]
    action: str
    rows: list[ResultRow]


class PhaseRow(NamedTuple):
    """The phase of a workload, and the time stamp of that phase."""

    id: str
    phase: str
    since: str


class SeenEvent(TypedDict):
    """Phases at one read of the control plane."""

    event: Literal["seen"]
    rows: list[PhaseRow]


class SharedRow(NamedTuple):
    """A stop of another record: when it was seen, and when its suspend was sent."""

    id: str
    stopped_since: str
    sent_at: str


class SharedEvent(TypedDict):
    """Another open record stopped these. This one holds them as well."""

    event: Literal["shared"]
    rows: list[SharedRow]


class AttributionRow(NamedTuple):
    """Who made the stop with this time stamp."""

    id: str
    since: str
    maker: Maker


class AttributedEvent(TypedDict):
    """It is known who made these stops."""

    event: Literal["attributed"]
    rows: list[AttributionRow]


class ToldEvent(TypedDict):
    """An owner was told that workloads will be suspended."""

    event: Literal["told"]
    owner: str
    ids: list[str]
    at: str


class UntoldEvent(TypedDict):
    """The notices for these workloads have expired."""

    event: Literal["untold"]
    ids: list[str]


Line = Union[
    HeadEvent,
    PlanEvent,
    WorkloadsEvent,
    StateEvent,
    AskedEvent,
    AnsweredEvent,
    SeenEvent,
    SharedEvent,
    AttributedEvent,
    ToldEvent,
    UntoldEvent,
]
