# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every step of a maintenance works with: the settings, the folder, the control plane, and who asks."""

from __future__ import annotations

import contextlib
import difflib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, Protocol

from .._common.text import some_of
from .._workload.phases import SUSPEND
from .kinds import (
    kind_called,
    kind_of_role,
)
from .next import Caller
from .record import (
    PLANNED,
    ControlPlane,
    Record,
    RecordError,
    Remedy,
    Report,
    utc_now,
)
from .record_begin import fold, share_stops
from .record_claims import claims, left_to
from .record_file import RecordFolder
from .record_nodes import PodsOnNode
from .record_packed import unpack
from .record_seen import Seen
from .record_words import Trouble
from .reports import read_report
from .settings import (
    Settings,
    check_kept,
    to_fill_in,
)
from .summary import Page


class Identity(NamedTuple):
    """Which control plane answers, and the version of each of its clusters by uuid."""

    control_plane: ControlPlane
    versions: Mapping[str, str]


# Values of a selection that no workload met, by option.
Unmatched = Mapping[str, Sequence[str]]

# Options of a selection whose values a control plane lists, so that it can tell which are misspelt, and what
# one such value is.
LISTED = {"clusters": "cluster", "projects": "project", "nodes": "node"}


class Selected(NamedTuple):
    """The workloads that meet a selection, in order, and the values of it that none of them met."""

    workloads: list[Seen]
    unmatched: Unmatched


class Reader(Protocol):
    """The reads that the steps need. All raise RunaiError when the control plane does not answer."""

    def identity(self) -> Identity:
        """Tell which control plane this is."""

    def select(self, selection: Mapping[str, Any]) -> Selected:
        """Return the workloads that meet options of the info module."""

    def look(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Return those of ``ids`` that are there and visible."""

    def deleted(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that the list of deleted workloads shows."""

    def unlisted(self, option: str, names: Sequence[str], clusters: Optional[Sequence[str]]) -> list[str]:
        """Return those of ``names`` that the control plane does not list; none where it can't tell.

        ``option`` is one of LISTED; nodes are looked for in ``clusters``, if any are given.
        """

    def pods(self, nodes: Sequence[str], clusters: Optional[Sequence[str]]) -> list[PodsOnNode]:
        """Count the pods that are not completed on each of ``nodes``, as far as this account sees them."""


class Context(NamedTuple):
    """One step's surroundings.

    ``folder`` is ``None`` where nothing is kept beyond the step; ``durable`` says whether it outlives
    the job. ``by`` names who asks. ``at_work`` says which other run acts on the record at this moment.
    """

    caller: Caller
    folder: Optional[RecordFolder]
    durable: bool
    packed: Optional[str]
    reader: Reader
    by: Mapping[str, str]
    check_mode: bool
    at_work: str = ""

    @property
    def settings(self) -> Settings:
        """The role's variables."""
        return self.caller.settings

    @property
    def kind(self) -> str:
        """The kind of record that the role writes."""
        return kind_of_role(self.settings.role).name

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep other jobs out of the folder; check mode writes nothing and needs no lock."""
        if self.folder is None or self.check_mode:
            return contextlib.nullcontext()
        return self.folder.locked()

    def kept(self) -> Optional[Record]:
        """Return the record that is kept in the folder, if there is one."""
        record = self.folder.load(self.settings.name) if self.folder is not None else None
        if record is not None and self.folder is not None:
            check_kept(kind_called(record.kind).role, record, self.folder.file_of(record.name))
        return record

    def is_handed_over(self) -> bool:
        """Tell whether the record is only what another job handed over, and none that is kept here."""
        return self.packed is not None and self.kept() is None

    def load(self) -> Optional[Record]:
        """Return the record: the file's if there is one, or else the one that was handed over packed.

        A workflow hands what one job hands on to all that come later. So where records are kept, one of
        another name is not meant.
        """
        name, kept = self.settings.name, self.kept()
        if self.packed is None:
            return kept
        handed = unpack(self.packed)
        if handed.name != name:
            if self.durable:
                return kept
            raise RecordError(
                "the packed record is of {0}, not of {1}; nothing was done".format(handed.name, name),
                Remedy({"record_dir": "<a folder that stays>"}, leave_out=("record",)),
            )
        if kept is not None and kept.id != handed.id:
            raise RecordError(
                "the packed record and the one in {0} are of two different plans; nothing was done".format(
                    self.folder.file_of(name) if self.folder is not None else "the folder"
                ),
                Remedy(leave_out=("record",)),
            )
        return kept or handed

    def need(self) -> Record:
        """Return the record; raise RecordError where there is none."""
        record = self.load()
        if record is not None:
            return record
        role, name = self.settings.role, self.settings.name
        if self.folder is None:
            raise RecordError(
                "neither {0} nor {1} says where the record {2} is; nothing was done".format(
                    self.settings.variable("record_dir"), self.settings.variable("record"), name
                ),
                Remedy(to_fill_in(role, ["record_dir"])),
            )
        close = self.close_names()
        if not self.folder.is_there():
            remedy = Remedy(to_fill_in(role, ["record_dir"]))
        else:
            remedy = Remedy({"name": close[0]} if close else to_fill_in(role, ["name"]))
        raise RecordError("{0}; nothing was done".format(self.missing_words()), remedy)

    def close_names(self) -> list[str]:
        """Return the name in the folder that may have been meant, if there is one."""
        names = self.folder.names() if self.folder is not None else []
        return difflib.get_close_matches(self.settings.name, names, n=1)

    def missing_words(self) -> str:
        """Say that there is no such record, where that was looked for, and what is there."""
        missing = "there is no record {0}".format(self.settings.name)
        if self.folder is None:
            return "{0}: {1} was not given".format(missing, self.settings.variable("record_dir"))
        if not self.folder.is_there():
            return "{0}: the folder {1} is not there".format(missing, self.folder.path)
        names, close = self.folder.names(), self.close_names()
        found = "records there: {0}".format(some_of(names)) if names else "no records are there"
        hint = " (did you mean {0}?)".format(close[0]) if close else ""
        return "{0} in {1}{2}; {3}".format(missing, self.folder.path, hint, found)

    def free_name(self) -> str:
        """Return a name for a new record that makes one think of this one."""
        names = self.folder.names() if self.folder is not None else []
        tried = ("{0}-{1}".format(self.settings.name[:90], number) for number in itertools.count(2))
        return next(name for name in tried if name not in names)

    def save(self, record: Record) -> None:
        """Write the record, but in check mode or where there is no place for it."""
        if self.folder is not None and not self.check_mode:
            self.folder.save(record)

    def others(self, record: Optional[Record] = None) -> list[Record]:
        """Return the other records in the folder; a copy of ``record`` by another name is none of them."""
        found = self.folder.others(self.settings.name) if self.folder is not None else []
        return [other for other in found if record is None or other.id != record.id]

    def enter(self, record: Record, state: str) -> None:
        """Move the record on, now and by whom this step runs for."""
        record.enter(state, utc_now(), self.by)


class Step(NamedTuple):
    """What a step comes to.

    ``ids`` are to be sent next, then ``ids_after``, each with its report file; ``page`` is for people;
    ``trouble`` is why the role is going to fail.
    """

    record: Optional[Record]
    page: Optional[Page] = None
    changed: bool = False
    ids: Sequence[str] = ()
    ids_after: Sequence[str] = ()
    report: Optional[Report] = None
    report_after: Optional[Report] = None
    trouble: Optional[Trouble] = None


def check_same_plane(record: Record, now: ControlPlane) -> None:
    """Raise RecordError when this is another tenant or other clusters than the record's."""
    then = record.control_plane
    where = "the record {0} is of tenant {1} at {2}".format(
        record.name, then.tenant_id or "unknown", then.base_url
    )
    there = Remedy({"base_url": then.base_url})
    if then.tenant_id and now.tenant_id and then.tenant_id != now.tenant_id:
        raise RecordError(
            "{0}, but {1} is tenant {2}; nothing was sent".format(where, now.base_url, now.tenant_id), there
        )
    needed = {entry.cluster_id for entry in record.concerned() if entry.cluster_id} or set(then.clusters)
    is_shared = bool(needed & set(now.clusters))
    if needed and now.all_clusters and not is_shared:
        raise RecordError(
            "{0}, and {1} has none of the clusters that its workloads are on; nothing was sent".format(
                where, now.base_url
            ),
            there,
        )
    if not is_shared and not (then.tenant_id and now.tenant_id):
        raise RecordError(
            "{0} can't be told to be the control plane of the record {1}: they show no tenant, and no "
            "cluster that both have; nothing was sent".format(now.base_url, record.name),
            there,
        )


def new_report(record: Record, action: str) -> Report:
    """Add a report file to the record, by a name that no other has, nor an earlier record of its name."""
    parts = (record.name, record.id[:8], action, len(record.reports) + 1)
    report = Report("{0}.{1}.{2}-{3}.jsonl".format(*parts), action)
    record.reports.append(report)
    return report


def fold_reports(context: Context, record: Record) -> None:
    """Take over what report files say that no step has taken over yet, e.g. after a crash."""
    for report in record.reports:
        if not report.folded and context.folder is not None:
            fold(record.workloads, report.action, read_report(context.folder.beside(report.name)))
            report.folded = True


def take_part(context: Context, record: Record, now: Mapping[str, Seen]) -> list[Record]:
    """Have the record share what other records stopped where its own ask came to nothing; return those.

    They may have ended since, and left it to this one, whose ask was on its way by then. What was deleted
    is shared with none.
    """
    if record.action != SUSPEND:
        return []
    others = context.others(record)
    if record.state != PLANNED:
        share_stops(record.workloads, now, {**left_to(others, record), **claims(others, now)})
    return others
