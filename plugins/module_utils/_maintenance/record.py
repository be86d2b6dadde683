# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a maintenance: what was planned, what was asked, and what was seen since.

A record is one JSON document (``roles/workload_maintenance/files/record.schema.json`` describes it).
Here are its types, and how they are read from and written to plain JSON values. Times are strings:
ours in UTC to the second, the control plane's as it gave them.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from .._batch.outcome import OUTCOMES
from .._common.errors import RunaiError
from .._common.ids import fold_id
from .._workload.phases import DELETE, SUSPEND
from .record_shape import check_shape

SCHEMA = 1
# What a workload of this schema once held too; nothing reads it.
_NO_LONGER_KEPT = ("phase_before_since", "joined_from")

MAINTENANCE = "maintenance"
RECLAIM = "reclaim"
CLEANUP = "cleanup"
KINDS = (MAINTENANCE, RECLAIM, CLEANUP)

PLANNED = "planned"
ACTING = "acting"
BEGUN = "begun"
ENDING = "ending"
ENDED = "ended"
STATES = (PLANNED, ACTING, BEGUN, ENDING, ENDED)
# States in which workloads may be stopped because of the record.
OPEN_STATES = (ACTING, BEGUN, ENDING)

# What the plan says of a workload: act on it; share a stop that another open record made; leave it.
ACT = "act"
JOIN = "join"
LEAVE = "leave"
PLANS = (ACT, JOIN, LEAVE)

NAME_RULE = (
    "must be 1 to 100 letters, digits, dots, hyphens or underscores, beginning with a letter or a digit"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Remedy(NamedTuple):
    """How the next command differs from the one that was refused.

    ``say``: variables, without the role's prefix, and what to say; ``leave_out``: those not to say
    again. ``playbook``: another one to run, with what that needs.
    """

    say: Mapping[str, Any] = {}
    leave_out: Collection[str] = ()
    playbook: Optional[str] = None


class RecordError(RunaiError):
    """A record that can't be used, or a step that its state does not allow; one sentence.

    ``rows`` say which workloads it is about, where they are more than the sentence names.
    """

    def __init__(self, sentence: str, remedy: Optional[Remedy] = None, rows: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.remedy = remedy or Remedy()
        self.rows = list(rows)


@dataclasses.dataclass
class Asked:
    """One thing asked of the control plane for one workload, and what came of it.

    Written with ``outcome`` null before anything is sent, so that a null tells of a crash on the way.
    ``unsettled``: an earlier ask of the same kind has no known outcome either.
    """

    at: str
    outcome: Optional[str] = None
    reason: Optional[str] = None
    code: Optional[int] = None
    message: Optional[str] = None
    batch_id: Optional[str] = None
    unsettled: bool = False


@dataclasses.dataclass
class Entry:
    """One workload of a record.

    ``phase_before`` is from the plan; ``gpus`` are those it held then.
    ``stopped_at`` is the control plane's time of the stop as seen after it, ``assumed`` says that the
    stop could not be tied to what we asked. ``standing`` and ``phase_now`` are from the last look.
    """

    id: str
    plan: str
    name: Optional[str] = None
    project: Optional[str] = None
    owner: Optional[str] = None
    cluster_id: Optional[str] = None
    type: Optional[str] = None
    interactive: bool = False
    gpus: float = 0.0
    phase_before: str = ""
    reason: Optional[str] = None
    act: Optional[Asked] = None
    stopped_at: Optional[str] = None
    assumed: bool = False
    resume: Optional[Asked] = None
    standing: Optional[str] = None
    held_by: Optional[str] = None
    phase_now: Optional[str] = None


@dataclasses.dataclass
class ControlPlane:
    """Which control plane a record is about; ``base_url`` only informs, the other two identify.

    ``all_clusters`` says whether ``clusters`` are all of them: not every account may list them.
    """

    base_url: str
    tenant_id: Optional[str]
    clusters: dict[str, str]
    simulator: bool = False
    all_clusters: bool = True


@dataclasses.dataclass
class Report:
    """A report file of the batch module beside the record, by its name in the folder."""

    name: str
    action: str
    folded: bool = False


@dataclasses.dataclass
class Record:
    """A whole record; ``times`` holds when each state was entered, ``by`` who did."""

    id: str
    name: str
    kind: str
    action: str
    state: str
    reason: str
    control_plane: ControlPlane
    selection: dict[str, Any]
    settings: dict[str, Any]
    times: dict[str, str]
    by: dict[str, dict[str, str]]
    workloads: list[Entry]
    reports: list[Report] = dataclasses.field(default_factory=list)
    # Workloads that met the selection when `begin` looked again; never acted on.
    drift: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    # Ids of what was active in scope at the plan, but was not taken by `limit` or `until_gpus`.
    # None: not known, or all was taken.
    passed_over: Optional[list[str]] = None

    def entry_ids(self) -> list[str]:
        """Ids of the workloads that the record is about, without those it leaves alone."""
        return [entry.id for entry in self.workloads if entry.plan != LEAVE]

    def concerned(self) -> list[Entry]:
        """Entries that the record is about, without those it leaves alone."""
        return [entry for entry in self.workloads if entry.plan != LEAVE]

    def enter(self, state: str, at: str, by: Mapping[str, str]) -> None:
        """Move on to ``state``; the first time and person of each state stay."""
        self.state = state
        self.times.setdefault(state, at)
        self.by.setdefault(state, dict(by))


def utc_now() -> str:
    """Return the time as the record writes it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_name(name: object) -> bool:
    """Tell whether a name is safe as a file's."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_name(name: str, what: str) -> None:
    """Raise RecordError for a name that is not safe as a file's; ``what`` begins the sentence."""
    if not is_name(name):
        raise RecordError("{0} {1}".format(what, NAME_RULE))


def to_json(record: Record) -> dict[str, Any]:
    """Return the record as plain JSON values; fields of a workload that say nothing are left out."""
    value = dataclasses.asdict(record)
    value["workloads"] = [_sparse(entry) for entry in value["workloads"]]
    return {"schema": SCHEMA, **value}


def from_json(value: object, where: str) -> Record:
    """Return the record that ``to_json`` wrote. Raises RecordError, naming ``where``, for anything else."""
    try:
        if not isinstance(value, dict):
            raise ValueError("it is not a JSON object")
        if value.get("schema") != SCHEMA:
            raise ValueError(
                "its schema is {0!r}, this version reads {1}".format(value.get("schema"), SCHEMA)
            )
        fields = {key: value[key] for key in value if key != "schema"}
        check_shape(fields, Record, ignored=_NO_LONGER_KEPT)
        record = Record(
            **{
                **fields,
                "control_plane": ControlPlane(**fields["control_plane"]),
                "workloads": [_entry(one) for one in fields["workloads"]],
                "reports": [Report(**one) for one in fields.get("reports", [])],
            }
        )
        _check(record)
    except ValueError as fault:
        raise RecordError("{0} is not a record that can be read: {1}".format(where, fault)) from fault
    return record


def _sparse(entry: dict[str, Any]) -> dict[str, Any]:
    for key in ("act", "resume"):
        if entry[key] is not None:
            entry[key] = {name: value for name, value in entry[key].items() if value not in (None, False)}
            entry[key].setdefault("outcome", None)
    required = ("id", "plan", "name", "project", "owner", "phase_before", "gpus")
    return {key: value for key, value in entry.items() if key in required or value not in (None, False)}


def _entry(value: Mapping[str, Any]) -> Entry:
    asked = {key: Asked(**value[key]) for key in ("act", "resume") if value.get(key)}
    kept = {key: value[key] for key in value if key not in _NO_LONGER_KEPT}
    return Entry(**{**kept, **asked})


def _check(record: Record) -> None:
    _among("state", record.state, STATES)
    _among("kind", record.kind, KINDS)
    _among("action", record.action, (SUSPEND, DELETE))
    if not is_name(record.name):
        raise ValueError("its name {0}".format(NAME_RULE))
    for entry in record.workloads:
        if fold_id(entry.id) != entry.id:
            raise ValueError("a workload has no proper id")
        _among("plan", entry.plan, PLANS)
        for asked in (entry.act, entry.resume):
            if asked is not None and asked.outcome is not None:
                _among("outcome", asked.outcome, OUTCOMES)
    if len({entry.id for entry in record.workloads}) != len(record.workloads):
        raise ValueError("a workload is there twice")


def _among(what: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError("{0} is {1!r}".format(what, value))
