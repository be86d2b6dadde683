# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet as the control plane keeps it: phases that move with time, and what a batch does to them.

No HTTP and no sleeping here: time comes from a clock, and every public method first applies what is due.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..validation import check_choice, check_ids, check_number
from .clock import Clock, whole
from .places import Places
from .workload import ACTIVE, ENTERED_BY, FINISHED, GONE, NEXT, ON_NODES, PHASES, Workload

_MILLISECOND = 0.001
_REQUEST = -1
"""Stands in the place of a workload's turn where something was asked for."""


@dataclass(frozen=True)
class Refusal:
    """Why one id of a batch was refused."""

    id: str
    code: int
    message: str


@dataclass
class BatchResult:
    """Each distinct id of a batch, in one of the two lists, in the order asked."""

    succeeded: list[str] = field(default_factory=list)
    failed: list[Refusal] = field(default_factory=list)


@dataclass
class Behaviour:
    """What may be set about the way phases move. Raises ValueError for what makes no sense.

    transition_seconds: from Stopping to Stopped, from Resuming to Running, from Deleting to gone.
    lag_seconds: from a batch's response to the first phase that shows it.
    redundant: `succeed` or `fail`, the response to suspending what is Stopped, resuming what runs, and the
        like; Run:ai does not document which of the two a control plane gives.
    gpu_capacity: GPUs that the whole fleet may hold; what does not fit stays Pending. None: no limit.
    forbidden_ids: workloads that the caller may neither see nor act on.
    """

    transition_seconds: float = 2.0
    lag_seconds: float = 0.0
    redundant: str = "succeed"
    gpu_capacity: float | None = None
    forbidden_ids: Collection[str] = frozenset()

    def __post_init__(self) -> None:
        check_number("transition_seconds", self.transition_seconds)
        check_number("lag_seconds", self.lag_seconds)
        check_choice("redundant", self.redundant, ("succeed", "fail"))
        if self.gpu_capacity is not None:
            check_number("gpu_capacity", self.gpu_capacity)
        check_ids("forbidden_ids", self.forbidden_ids)
        self.forbidden_ids = frozenset(one.lower() for one in self.forbidden_ids)


class Fleet:
    """The workloads of one tenant, live and deleted. Safe to use from several threads."""

    def __init__(
        self,
        workloads: Iterable[Workload],
        places: Places,
        clock: Clock,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.clock = clock
        self.places = places
        self.behaviour = behaviour or Behaviour()
        self.lock = threading.RLock()
        self.version = 0
        self._live: dict[str, Workload] = {}
        self._deleted: dict[str, Workload] = {}
        self._due: list[tuple[float, int, str, int, str]] = []
        self._sequence = 0
        self._gpus_held = 0.0
        self._queue: dict[str, None] = {}
        # The last request of each workload that waits for its lag.
        self._lagging: dict[str, int] = {}
        self._cut_off: set[str] = set()
        self._held: list[tuple[str, int, str]] = []
        now = clock.now()
        for workload in workloads:
            self._admit(workload, now)

    def settle(self) -> None:
        """Apply every change of phase that is due by now."""
        with self.lock:
            now = self.clock.now()
            while self._due and self._due[0][0] <= now:
                due, order, workload_id, turn, step = heapq.heappop(self._due)
                workload = self._live.get(workload_id)
                if workload is None or (turn < 0 and not self._is_last(workload_id, order)):
                    continue
                if workload.fixed["clusterId"] in self._cut_off:
                    self._held.append((workload_id, turn, step))
                elif turn < 0:
                    self._begin(workload, step, due)
                elif turn == workload.turn:
                    self._follow(workload, due)

    def act(self, action: str, ids: Sequence[str], by: str = "") -> BatchResult:
        """Ask for `suspend`, `resume` or `delete` of each distinct id; accepted ones change in time."""
        with self.lock:
            self.settle()
            now = self.clock.now()
            result = BatchResult()
            for workload_id in dict.fromkeys(ids):
                refusal, is_needed = self._judge(action, workload_id)
                if refusal is not None:
                    result.failed.append(refusal)
                    continue
                result.succeeded.append(workload_id)
                workload = self._live[workload_id]
                workload.note(now, f"{action} requested by {by}" if by else f"{action} requested")
                if workload.fixed["clusterId"] in self._cut_off:
                    self._held.append((workload_id, _REQUEST, action))
                elif not is_needed and workload_id not in self._lagging:
                    continue
                elif self.behaviour.lag_seconds > 0:
                    # The last request counts, as for a cluster that is cut off.
                    self._schedule(now + self.behaviour.lag_seconds, workload_id, _REQUEST, action)
                    self._lagging[workload_id] = self._sequence
                else:
                    self._begin(workload, action, now)
            self.settle()
            return result

    def cut_off(self, cluster_id: str) -> None:
        """From now on, what is asked of a cluster is accepted and its workloads stay as they are."""
        with self.lock:
            self.settle()
            self._cut_off.add(cluster_id)

    def reconnect(self, cluster_id: str, requests: str = "last") -> None:
        """A cluster hears what was asked of it meanwhile: the last request of each workload, or `all`.

        Of all, one follows the other when that has had its time.
        """
        with self.lock:
            self.settle()
            self._cut_off.discard(cluster_id)
            held = [one for one in self._held if self._is_of(one[0], cluster_id)]
            self._held = [one for one in self._held if not self._is_of(one[0], cluster_id)]
            now, asked = self.clock.now(), dict[str, list[str]]()
            for workload_id, turn, action in held:
                if turn == _REQUEST:
                    asked.setdefault(workload_id, []).append(action)
                else:
                    self._schedule(now, workload_id, turn, action)
            for workload_id, actions in asked.items():
                for number, action in enumerate(actions if requests == "all" else actions[-1:]):
                    due = now + number * (self.behaviour.transition_seconds + _MILLISECOND)
                    self._schedule(due, workload_id, _REQUEST, action)
            self.settle()

    def held_requests(self) -> int:
        """How many accepted requests wait for a cluster that is cut off."""
        with self.lock:
            return sum(1 for _workload, turn, _action in self._held if turn == _REQUEST)

    def touch(self, ids: Iterable[str] | None = None) -> None:
        """Say that these workloads, or all, changed their phase now, without a change: as an upgrade does.

        Raises KeyError when one is not there.
        """
        with self.lock:
            self.settle()
            now = self.clock.now()
            for workload in [self._live[one] for one in (list(self._live) if ids is None else ids)]:
                workload.phase_updated_at = workload.updated_at = now
                self._changed(workload)

    def get(self, workload_id: str) -> Workload | None:
        """The live workload of this id that the caller may see, if there is one."""
        with self.lock:
            self.settle()
            workload = self._live.get(workload_id)
            return None if workload is None or workload.hidden else workload

    def live(self) -> list[Workload]:
        """Every live workload that the caller may see, oldest entry first."""
        return self._seen(self._live)

    def deleted(self) -> list[Workload]:
        """Every deleted workload that the caller may see, in the order of their deletion."""
        return self._seen(self._deleted)

    def phase(self, workload_id: str) -> str | None:
        """The phase of a live workload, hidden or not; None when it is not there."""
        with self.lock:
            self.settle()
            workload = self._live.get(workload_id)
            return None if workload is None else workload.phase

    def counts(self) -> dict[str, int]:
        """How many live workloads are in each phase that occurs."""
        with self.lock:
            self.settle()
            found = Counter(one.phase for one in self._live.values())
            return {
                phase: found[phase] for phase in (*PHASES, *sorted(set(found) - set(PHASES))) if found[phase]
            }

    def gpus_held(self) -> float:
        """GPUs of the workloads whose pods lie on nodes."""
        with self.lock:
            self.settle()
            return self._gpus_held

    def add(self, workload: Workload) -> None:
        """Take in a workload; one with the same id is replaced."""
        with self.lock:
            self.remove(workload.id)
            self._admit(workload, self.clock.now())

    def remove(self, workload_id: str) -> None:
        """Forget a workload, if it is there, as if it had never been: not in the deleted list either."""
        with self.lock:
            self.settle()
            workload = self._live.pop(workload_id, None)
            if workload is not None:
                self._leave_nodes(workload, self.clock.now())
            self._deleted.pop(workload_id, None)
            self.version += 1

    def set_phase(self, workload_id: str, phase: str, frozen: bool = False, by: str = "") -> None:
        """Change a phase as if somebody else had; it then moves on by itself unless `frozen`.

        Raises KeyError when the workload is not there.
        """
        with self.lock:
            self.settle()
            workload = self._live[workload_id]
            workload.frozen = frozen
            if by:
                workload.note(self.clock.now(), f"{phase} requested by {by}")
            self._enter(workload, phase, self.clock.now())
            self.settle()

    def update(self, workload_id: str, **changes: Any) -> None:
        """Set attributes of a workload (not its phase). Raises KeyError when it is not there."""
        with self.lock:
            self.settle()
            workload = self._live[workload_id]
            for name, value in changes.items():
                setattr(workload, name, value)
            self._changed(workload)

    def behave(self, behaviour: Behaviour) -> None:
        """Go on in another way; waiting workloads get another chance, should the capacity be larger now."""
        with self.lock:
            self.settle()
            self.behaviour = behaviour
            self.version += 1
            self._serve_queue(self.clock.now())

    def _is_last(self, workload_id: str, order: int) -> bool:
        """Tell whether no later request replaces this one."""
        is_last = self._lagging.get(workload_id, order) == order
        if is_last:
            self._lagging.pop(workload_id, None)
        return is_last

    def _is_of(self, workload_id: str, cluster_id: str) -> bool:
        workload = self._live.get(workload_id)
        return workload is not None and workload.fixed["clusterId"] == cluster_id

    def _seen(self, workloads: dict[str, Workload]) -> list[Workload]:
        with self.lock:
            self.settle()
            forbidden = self.behaviour.forbidden_ids
            return [one for one in workloads.values() if not one.hidden and one.id not in forbidden]

    def _admit(self, workload: Workload, now: float) -> None:
        if workload.deleted_at is not None:
            self._deleted[workload.id] = workload
        else:
            self._live[workload.id] = workload
            if workload.phase in ON_NODES and not workload.nodes:
                workload.nodes = self.places.choose(workload)
            if workload.nodes:
                self._gpus_held += workload.gpus
            self._plan_next(workload, now)
        self._changed(workload)

    def _judge(self, action: str, workload_id: str) -> tuple[Refusal | None, bool]:
        workload = self._live.get(workload_id)
        if workload_id in self.behaviour.forbidden_ids:
            return Refusal(workload_id, 403, "not permitted for this account"), False
        if workload is None or workload.hidden:
            return Refusal(workload_id, 404, "workload not found"), False
        if not workload.supports(action):
            return Refusal(
                workload_id, 400, f"workloads of type {workload.fixed['type']} do not support it"
            ), False
        phase = workload.phase
        if action == "delete":
            redundant = phase == "Deleting"
        elif phase == "Deleting" or phase in FINISHED:
            return Refusal(workload_id, 409, f"not possible in phase {phase}"), False
        elif action == "suspend":
            redundant = phase in ("Stopping", "Stopped")
        elif phase == "Stopping":
            return Refusal(workload_id, 409, "still stopping, try later"), False
        else:
            redundant = phase in ACTIVE
        if redundant and self.behaviour.redundant == "fail":
            return Refusal(workload_id, 409, f"already in phase {phase}"), False
        return None, not redundant

    def _begin(self, workload: Workload, action: str, at: float) -> None:
        refusal, is_needed = self._judge(action, workload.id)
        if refusal is None and is_needed:
            workload.frozen = False
            self._enter(workload, ENTERED_BY[action], at)

    def _follow(self, workload: Workload, at: float) -> None:
        move = NEXT[workload.phase]
        if move.phase == "Initializing" and not self._fits(workload):
            self._queue[workload.id] = None
            workload.phase_message = "waiting for GPUs"
            self._changed(workload)
            return
        self._enter(workload, move.phase, at)

    def _enter(self, workload: Workload, phase: str, at: float) -> None:
        self._queue.pop(workload.id, None)
        workload.phase_message = ""
        workload.updated_at = at
        if phase == GONE:
            del self._live[workload.id]
            workload.deleted_at = at
            self._deleted[workload.id] = workload
            self._leave_nodes(workload, at)
            self._changed(workload)
            return
        if phase != workload.phase:
            workload.note(at, "", phase)
            workload.phase = phase
            workload.phase_updated_at = at
        workload.turn += 1
        if phase in FINISHED:
            workload.completed_at = at
        elif phase not in ("Deleting", "Unknown"):
            workload.completed_at = None
        if phase in ON_NODES:
            if not workload.nodes:
                workload.incarnation += 1
                workload.nodes = self.places.choose(workload)
                self._gpus_held += workload.gpus
        elif phase not in ("Stopping", "Deleting", "Unknown"):
            self._leave_nodes(workload, at)
        self._changed(workload)
        self._plan_next(workload, at)

    def _leave_nodes(self, workload: Workload, at: float) -> None:
        if workload.nodes:
            workload.past_nodes = workload.nodes if workload.phase in FINISHED else []
            workload.nodes = []
            self._gpus_held -= workload.gpus
            self._serve_queue(at)

    def _serve_queue(self, at: float) -> None:
        for workload_id in list(self._queue):
            workload = self._live[workload_id]
            if self._fits(workload):
                self._enter(workload, "Initializing", at)

    def _fits(self, workload: Workload) -> bool:
        capacity = self.behaviour.gpu_capacity
        return capacity is None or workload.gpus == 0 or self._gpus_held + workload.gpus <= capacity

    def _plan_next(self, workload: Workload, at: float) -> None:
        move = NEXT.get(workload.phase)
        if move is not None and not workload.frozen:
            due = at + move.share * self.behaviour.transition_seconds
            self._schedule(due, workload.id, workload.turn, "")

    def _schedule(self, due: float, workload_id: str, turn: int, step: str) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (whole(due), self._sequence, workload_id, turn, step))

    def _changed(self, workload: Workload) -> None:
        workload.encoded = None
        self.version += 1
