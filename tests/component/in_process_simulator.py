# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator without a network: its model, with faults and a clock that tests move by hand.

It records what it carried out, what it let the client see and what it left open, so that a
test can hold the client's report against the truth.
"""

from __future__ import annotations

import json
import random
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import auth as _auth
from ansible_collections.gpuops.runai.plugins.module_utils._api import cancellation as _cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api import client as _client
from ansible_collections.gpuops.runai.plugins.module_utils._api import retry as _retry
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import NotDelivered, ResponseLost
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import Response
from ansible_collections.gpuops.runai.plugins.module_utils._batch import delivery as _delivery
from ansible_collections.gpuops.runai.plugins.module_utils._batch import run as _batch_run
from ansible_collections.gpuops.runai.plugins.module_utils._batch import wait as _wait
from ansible_collections.gpuops.runai.plugins.module_utils._batch.run import run_batch
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult

from simulator.api.fleet_file import build
from simulator.model.fleet import Behaviour, Fleet
from tests.component.harness import DEFAULTS, DONE
from tests.support.clock import FakeClock
from tests.support.workloads import workload_id

BATCH_ID = workload_id(10**6)
STRANGER = workload_id(10**7)
# The control plane surely did nothing when it responds so.
DEFINITE = (400, 401, 403, 404, 405, 413, 429, 501)


@dataclass(frozen=True)
class Fault:
    """What becomes of one request.

    kind: refused, timeout, cut, status, text (a response of another shape); of a batch also omit, refuse,
    both_lists, foreign, orphan (the play dies while the call is under way), which concern its first
    `share` ids. applied: the batch, or that share of it, is carried out all the same.
    """

    kind: str
    applied: bool = False
    status: int = 500
    retry_after: float | None = None
    text: str = ""
    share: int = 1
    # A status with a proxy's page instead of the API's own error; so many reads that fail afterwards.
    is_page: bool = False
    blind: int = 0


@dataclass
class GroundTruth:
    """What is true of one run, whatever the responses said."""

    carried_out: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    left_open: set[str] = field(default_factory=set)
    lied_about: set[str] = field(default_factory=set)
    # Carried out by a call whose response was lost; left open and not read since.
    lost: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    sent_wrongly: dict[str, str] = field(default_factory=dict)
    # Named in both lists, by the first call that can have done anything to them.
    in_both: set[str] = field(default_factory=set)
    # The ids of each batch call, in turn; what was called with nobody left to want it, or too late.
    calls: list[list[str]] = field(default_factory=list)
    called_late: list[str] = field(default_factory=list)

    @property
    def batches(self) -> int:
        """How many batch calls there were."""
        return len(self.calls)


class InProcessSimulator:
    """Stands in for the client's Transport. Faults are taken from the queues, one a request, in turn."""

    def __init__(self, fleet: Mapping[str, Any], **behaviour: Any) -> None:
        self.clock = FakeClock()
        workloads, places = build(dict(fleet), self.clock.now(), 9000)
        self.fleet = Fleet(workloads, places, self.clock, Behaviour(**behaviour))
        # None lets a request pass.
        self.batch_faults: deque[Fault | None] = deque()
        self.read_faults: deque[Fault | None] = deque()
        self.token_faults: deque[Fault | None] = deque()
        self.ground_truth = GroundTruth()
        self.action = ""
        self.is_cancelled = False
        self.deadline = float("inf")
        self._lock = threading.RLock()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put itself in the place of the network, its clock in the place of the machine's."""
        for module in (_delivery, _retry, _cancellation, _auth, _wait, _batch_run):
            monkeypatch.setattr(module, "time", self.clock)
        monkeypatch.setattr(_cancellation, "threading", self.clock)
        monkeypatch.setattr(_retry, "random", random.Random(0))
        monkeypatch.setattr(_client, "Transport", lambda connection, stats, connections: self)
        monkeypatch.setattr(_batch_run, "watch_ancestors", lambda: lambda: self.is_cancelled)
        monkeypatch.setattr(_batch_run, "_LEAST_READERS", 1)

    def renew(self, one: str, phase: str) -> None:
        """Put a workload in this phase, and make it anew if it is gone."""
        if self.fleet.phase(one) is None:
            (workload,), _places = build({"workloads": [{"id": one, "phase": phase}]}, self.clock.now(), 9000)
            self.fleet.add(workload)
        else:
            self.fleet.set_phase(one, phase)

    def run(self, action: str, ids: Sequence[str], **options: Any) -> ModuleResult:
        """Run the module's core against it, with a new ground truth."""
        self.ground_truth = GroundTruth()
        self.action = action
        self.is_cancelled = False
        self.deadline = self.clock.monotonic() + (options.get("deadline") or float("inf"))
        params = {**DEFAULTS, "base_url": "https://runai.test"}
        return run_batch({**params, "action": action, "ids": list(ids), **options}, {}, False, True)

    def close(self) -> None:
        """As Transport has it."""

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        json_body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        bearer: str | None = None,
    ) -> Response:
        """As Transport has it."""
        with self._lock:
            return self._exchange(method, path, json_body)

    def _exchange(self, method: str, path: str, json_body: Mapping[str, Any] | None) -> Response:
        if self.is_cancelled or self.clock.monotonic() >= self.deadline:
            self.ground_truth.called_late.append(path)
        self.clock.advance(0.01)
        if path.endswith("/token"):
            faults, response = self.token_faults, self._token
        elif path.endswith("/batch"):
            assert json_body is not None
            return self._batch(path, list(json_body["ids"]))
        else:
            faults, response = self.read_faults, self._read
        fault = faults.popleft() if faults else None
        return response(path) if fault is None else self._fail(fault, method, path)

    def _batch(self, path: str, ids: list[str]) -> Response:
        assert 1 <= len(ids) <= 100
        assert len(set(ids)) == len(ids)
        truth = self.ground_truth
        truth.calls.append(ids)
        for one in ids:
            for known, phrase in (
                (truth.shown, "seen to be applied"),
                (truth.lost, "applied, and its state not awaited"),
                (truth.unread, "left open, and its state not read"),
            ):
                if one in known:
                    truth.sent_wrongly[one] = phrase
        fault = self.batch_faults.popleft() if self.batch_faults else None
        if fault is None:
            fault = Fault("foreign", applied=True, share=0)
        if fault.kind in ("omit", "refuse", "both_lists", "foreign", "orphan"):
            return self._answer_oddly(fault, path, ids)
        if fault.kind != "refused" and not (fault.kind == "status" and fault.status in DEFINITE):
            truth.left_open.update(ids)
            truth.unread.update(ids)
            if fault.applied:
                done = self._carry_out(ids)["succeeded"]
                if fault.kind == "status" and fault.status == 503 and not fault.is_page:
                    # The API's own 503 says that nothing was done: the state is read once, and that counts.
                    truth.lied_about.update(done)
                else:
                    truth.lost |= truth.carried_out & set(ids)
        self.read_faults.extendleft([Fault("status")] * fault.blind)
        return self._fail(fault, "POST", path)

    def _carry_out(self, ids: Sequence[str]) -> dict[str, Any]:
        before = {one: self.fleet.phase(one) for one in ids}
        result = self.fleet.act(self.action, ids)
        self.ground_truth.carried_out.update(
            one for one in result.succeeded if before[one] not in DONE[self.action]
        )
        failed = [{"id": one.id, "code": one.code, "message": one.message} for one in result.failed]
        return {"id": BATCH_ID, "succeeded": result.succeeded, "failed": failed}

    def _answer_oddly(self, fault: Fault, path: str, ids: list[str]) -> Response:
        truth, chosen = self.ground_truth, set(ids[: fault.share])
        kept = ids if fault.applied else [one for one in ids if one not in chosen]
        body = self._carry_out(kept)
        if fault.kind == "orphan":
            self.is_cancelled = True
        if fault.kind in ("omit", "refuse"):
            body["succeeded"] = [one for one in body["succeeded"] if one not in chosen]
            body["failed"] = [one for one in body["failed"] if one["id"] not in chosen]
        if fault.kind in ("refuse", "both_lists"):
            truth.lied_about |= chosen & set(kept)
            if self.action != "delete":
                # Of what is deleted, or may have been acted on before, the state is read.
                truth.in_both |= chosen & set(body["succeeded"]) - truth.left_open
            body["failed"] += [{"id": one, "code": 409, "message": "conflict, try later"} for one in chosen]
        if fault.kind == "foreign" and chosen:
            body["succeeded"] += [STRANGER, "nonsense", None]
        named = {*body["succeeded"], *(one["id"] for one in body["failed"])}
        silent = set(ids) - named
        truth.left_open |= silent
        truth.unread |= silent
        truth.lost |= truth.carried_out & silent
        truth.shown.update(body["succeeded"])
        return _json(path, 200, body)

    def _token(self, path: str) -> Response:
        return _json(path, 200, {"access_token": "made", "expires_in": 3600})

    def _read(self, path: str) -> Response:
        one = path.rpartition("/")[2]
        if one == "count":
            return _json(path, 200, {"count": len(self.fleet.live())})
        if one == "workloads":
            self.ground_truth.unread.clear()
            return _json(path, 200, {"workloads": [self._row(found.id) for found in self.fleet.live()]})
        self.ground_truth.unread.discard(one)
        if self.fleet.phase(one) in DONE[self.action]:
            self.ground_truth.shown.add(one)
        if self.fleet.phase(one) is None:
            return _json(path, 404, {"code": 404, "message": "workload not found"})
        return _json(path, 200, self._row(one))

    def _row(self, one: str) -> dict[str, Any]:
        return {"id": one.upper(), "name": "{{ 7 * 7 }}", "phase": self.fleet.phase(one)}

    def _fail(self, fault: Fault, method: str, path: str) -> Response:
        if fault.kind == "refused":
            raise NotDelivered(method, path, "connection refused", "connection refused")
        if fault.kind in ("timeout", "cut"):
            self.clock.advance(30.0 if fault.kind == "timeout" else 0.0)
            raise ResponseLost(method, path, "a " + fault.kind, "no response")
        if fault.kind == "text":
            return Response(method, path, 200, {}, fault.text.encode("utf-8", "surrogatepass"))
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if fault.is_page:
            return Response(method, path, fault.status, headers, b"<html><title>Sorry</title></html>")
        return _json(path, fault.status, {"code": fault.status, "message": "injected fault"}, headers)


def _json(path: str, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    method = "POST" if path.endswith(("/batch", "/token")) else "GET"
    return Response(method, path, status, headers or {}, json.dumps(body).encode())
