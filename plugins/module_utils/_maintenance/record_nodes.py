# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left on the nodes of a maintenance, in words."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .._common.text import clean, counted, some_of
from .summary import Table


class PodsOnNode(NamedTuple):
    """How many pods of how many projects this account sees on a node."""

    node: str
    pods: int
    projects: int
    # Ids of the workloads that they are of, as far as that is known.
    workloads: tuple[str, ...] = ()

    def words(self) -> str:
        """Return e.g. ``gpu-17: 3 pods visible to this account in 2 projects``."""
        return "{0}: {1} visible to this account in {2}".format(
            self.node, counted(self.pods, "pod"), counted(self.projects, "project")
        )


class Holder(NamedTuple):
    """A workload that has pods on a node, and why.

    ``is_left``: it was left on purpose. ``is_asked``: it is among those to be stopped. ``is_active``:
    another begin would stop it.
    """

    name: str
    project: Optional[str]
    owner: Optional[str]
    node: str
    why: str
    is_left: bool
    is_asked: bool
    is_active: bool

    def words(self) -> str:
        """Return e.g. ``train-1 of ada@example.com in vision (left on purpose, since ...)``."""
        owner, project = (clean(one, 80) or "-" for one in (self.owner, self.project))
        return "{0} of {1} in {2} ({3})".format(clean(self.name, 80), owner, project, self.why)


class OnNodes(NamedTuple):
    """What is left on the nodes that a maintenance is about; ``unread`` says why that is not known."""

    pods: tuple[PodsOnNode, ...] = ()
    holders: tuple[Holder, ...] = ()
    unread: str = ""

    def is_empty(self) -> bool:
        """Tell whether this account sees no pod there."""
        return not self.unread and not any(one.pods for one in self.pods)

    def words(self) -> str:
        """Say in one sentence what is left, of whom, and what to do about it."""
        if self.unread:
            return self.unread
        pods = "; ".join(one.words() for one in self.pods if one.pods)
        of = ", of {0}".format(some_of([one.words() for one in self.holders], 3)) if self.holders else ""
        return "{0}{1}: {2}".format(pods, of, self._remedy())

    def _remedy(self) -> str:
        """A taint with NoExecute evicts whatever is there: it is for when nothing else is left."""
        if any(one.is_asked for one in self.holders):
            return "wait and look again, or run the begin again"
        if self.holders and all(one.is_left for one in self.holders):
            return "a taint with NoExecute or their owners must move them, then look again"
        return "their owners must move them, then look again"

    def tables(self) -> list[Table]:
        """Name all of them."""
        rows = [
            tuple(clean(cell, 80) or "-" for cell in (one.name, one.project, one.owner, one.node, one.why))
            for one in self.holders
        ]
        return [Table("Pods left", ("workload", "project", "owner", "node", "why"), rows)] if rows else []


NOTHING_LEFT = OnNodes()
