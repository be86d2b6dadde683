# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole module without AnsibleModule, on a control plane that is a dictionary."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import transport as _transport
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import (
    AccessDenied,
    NotDelivered,
    NotFound,
    RequestError,
    StatusError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import BatchAnswer, Page, Refusal
from ansible_collections.gpuops.runai.plugins.module_utils._api.retry import RetryBudget
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.plugins.module_utils._batch import delivery as _deliver
from ansible_collections.gpuops.runai.plugins.module_utils._batch import progress as _progress
from ansible_collections.gpuops.runai.plugins.module_utils._batch import run as _batch_run
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch import ARGUMENT_SPEC
from hypothesis import given
from hypothesis import strategies as st

PHASES = [
    "Creating",
    "Pending",
    "Initializing",
    "Running",
    "Degraded",
    "Updating",
    "Resuming",
    "Stopping",
    "Suspending",
    "Stopped",
    "Completed",
    "Failed",
    "Deleting",
    "Terminating",
    "Unknown",
    "Novel",
]
OUTCOMES = ["changed", "unchanged", "skipped", "failed", "unknown", "not_attempted"]
KEYS = {
    "changed",
    "msg",
    "action",
    "summary",
    "outcomes",
    "not_reached",
    "workloads",
    "workloads_truncated",
    "batches",
}
SECRET = "a-bearer-that-is-never-shown"
# As Ansible completes a task that says no more than this.
OPTIONS: dict[str, Any] = {
    **{option: spec.get("default") for option, spec in ARGUMENT_SPEC.items()},
    "action": "suspend",
    "ids": [],
    "max_failures": "100%",
    "wait_timeout": 0.05,
    "wait_interval": 0.01,
    "base_url": "http://127.0.0.1:9",
    "token": SECRET,
    "retry_timeout": 0.0,
}


def numbered(count: int) -> list[str]:
    return [str(uuid.UUID(int=2**127 + number)) for number in range(count)]


class Fleet:
    """Workloads and how the control plane treats them; a workload without a phase is not there."""

    def __init__(
        self,
        phases: Mapping[str, Optional[str]],
        unsupported: Sequence[str] = (),
        forbidden: Sequence[str] = (),
        refused: Sequence[str] = (),
        omitted: Sequence[str] = (),
        frozen: Sequence[str] = (),
    ) -> None:
        self.phases = dict(phases)
        self.unsupported = set(unsupported)
        self.forbidden = set(forbidden)
        self.refused = set(refused)
        # Acted on or refused as any other, but named in neither list of the answer.
        self.omitted = set(omitted)
        self.frozen = set(frozen)
        self.applied: list[str] = []
        self.batches: list[list[str]] = []
        self.fault: Optional[RequestError] = None
        self.reads: Counter[str] = Counter()
        self.lock = threading.Lock()

    def row(self, one: str) -> dict[str, Any]:
        self.reads[one] += 1
        phase = self.phases[one]
        if phase in ("Stopping", "Suspending") and self.reads[one] > 1 and one not in self.frozen:
            self.phases[one] = "Stopped"
        supports = one not in self.unsupported
        return {"id": one, "phase": phase, "actionsSupport": {"suspend": supports, "delete": supports}}

    def apply(self, action: str, one: str) -> None:
        self.applied.append(one)
        self.phases[one] = {"suspend": "Stopped", "resume": "Running", "delete": None}[action]


class FleetClient:
    """Stands in for the client: the same methods, on a Fleet."""

    fleet: Fleet

    def __init__(
        self,
        connection: object,
        cancellation: Cancellation,
        stats: RequestStats,
        connections: int,
        on_trouble: Callable[[str, float], None],
    ) -> None:
        self._cancellation = cancellation
        self._stats = stats
        self.on_trouble = on_trouble

    def close(self) -> None:
        pass

    def retry_budget(self) -> RetryBudget:
        return RetryBudget(0.0, self._cancellation, self._stats)

    def count(self) -> int:
        with self.fleet.lock:
            return sum(phase is not None for phase in self.fleet.phases.values())

    def list_page(self, offset: int, limit: int = 500, retry_budget: Optional[RetryBudget] = None) -> Page:
        fleet = self.fleet
        with fleet.lock:
            shown = [one for one, phase in fleet.phases.items() if phase and one not in fleet.forbidden]
            return Page([fleet.row(one) for one in shown], None)

    def workload(self, one: str, retry_budget: Optional[RetryBudget] = None) -> dict[str, Any]:
        fleet = self.fleet
        with fleet.lock:
            if one in fleet.forbidden:
                raise AccessDenied("GET", "/" + one, 403, "not yours")
            if fleet.phases[one] is None:
                raise NotFound("GET", "/" + one, 404, "no such workload")
            return fleet.row(one)

    def batch(self, action: str, ids: Sequence[str]) -> BatchAnswer:
        self._cancellation.check_write()
        self._stats.count_request()
        fleet = self.fleet
        with fleet.lock:
            fleet.batches.append(list(ids))
            if fleet.fault is not None:
                raise fleet.fault
            refused = {one: Refusal(409, "busy") for one in ids if one in fleet.refused}
            succeeded = [one for one in ids if one not in refused]
            for one in succeeded:
                fleet.apply(action, one)
            return BatchAnswer(
                str(uuid.UUID(int=len(fleet.batches))),
                [one for one in succeeded if one not in fleet.omitted],
                {one: refusal for one, refusal in refused.items() if one not in fleet.omitted},
                [one for one in ids if one in fleet.omitted],
            )


@pytest.fixture(autouse=True, scope="module")
def no_network() -> Iterator[None]:
    """Put the dictionary in the client's place, and do not wait for a phase that lags."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch_run, "Client", FleetClient)
        patch.setattr(_deliver, "_LAG_SECONDS", 0.0)
        yield


def run(fleet: Fleet, check_mode: bool = False, with_diff: bool = False, **options: Any) -> ModuleResult:
    FleetClient.fleet = fleet
    fleet.applied, fleet.batches = [], []
    return _batch_run.run_batch({**OPTIONS, **options}, {}, check_mode, with_diff)


ALL = numbered(40)
some = st.lists(st.sampled_from(ALL), max_size=8, unique=True)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    phases = draw(st.lists(st.none() | st.sampled_from(PHASES), min_size=len(ALL), max_size=len(ALL)))
    return Fleet(dict(zip(ALL, phases)), draw(some), draw(some), draw(some), draw(some), draw(some))


asked = st.permutations(ALL).flatmap(lambda ids: st.integers(0, len(ids)).map(lambda size: ids[:size]))
tasks = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["suspend", "resume", "delete"]),
        "ids": asked,
        "protect": some,
        "only_phases": st.none() | st.lists(st.sampled_from(PHASES[:-1]), min_size=1, max_size=12),
        "tolerate": st.lists(st.sampled_from(["missing", "finished", "unsupported", "deleting"])),
        "batch_size": st.integers(1, 12),
        "concurrency": st.integers(1, 4),
        "wait_timeout": st.just(0.02),
    }
)
breakers = st.sampled_from(["0", "1", "3", "0%", "10%", "50%", "100%"])


def told(finished: ModuleResult) -> dict[str, str]:
    return {one: name for name in OUTCOMES for one in finished.result["outcomes"][name]}


@given(fleets(), tasks, breakers, st.booleans(), st.none() | st.integers(0, 10))
def test_every_id_is_in_exactly_one_outcome_and_changed_is_honest(
    fleet: Fleet, task: dict[str, Any], max_failures: str, wait: bool, max_affected: Optional[int]
) -> None:
    finished = run(fleet, **task, max_failures=max_failures, wait=wait, max_affected=max_affected)
    result = finished.result
    assert set(result) == KEYS
    assert sum(map(len, result["outcomes"].values())) == len(task["ids"])
    assert set(told(finished)) == set(task["ids"])
    # In the order asked.
    for ids in (*result["outcomes"].values(), result["not_reached"]):
        assert ids == [one for one in task["ids"] if one in ids]
    # What the control plane did is what the result says was changed, and it did nothing twice.
    assert sorted(fleet.applied) == sorted(result["outcomes"]["changed"])
    assert result["changed"] is bool(fleet.applied)
    assert all(0 < len(batch) <= task["batch_size"] for batch in fleet.batches)
    assert not {one for batch in fleet.batches for one in batch} & set(task["protect"])
    assert result["summary"]["batches"] <= len(fleet.batches) == result["summary"]["requests"]
    bad = any(result["outcomes"][name] for name in ("failed", "unknown", "not_attempted"))
    assert finished.failed is (bad or bool(result["not_reached"]))
    if max_affected is not None and len({one for batch in fleet.batches for one in batch}) > max_affected:
        raise AssertionError("more was sent than max_affected allows")


@given(fleets(), tasks, st.booleans())
def test_check_mode_and_the_real_run_plan_alike(fleet: Fleet, task: dict[str, Any], obliging: bool) -> None:
    if obliging:
        fleet.refused, fleet.omitted, fleet.frozen = set(), set(), set()
        task["wait_timeout"] = 5.0
    before = dict(fleet.phases)
    checked = run(fleet, check_mode=True, **task)
    assert fleet.batches == []
    assert set(checked.result) == KEYS
    fleet.phases = before
    fleet.reads.clear()
    really = run(fleet, **task)
    was, would = told(really), told(checked)
    if obliging:
        assert was == would
        assert checked.failed is really.failed
        assert checked.result["changed"] is really.result["changed"]
    # What the plan settles it settles alike, and nothing changes that check mode did not tell of.
    assert {one for one, name in was.items() if name == "changed"} <= {
        one for one, name in would.items() if name == "changed"
    }
    assert {one: was[one] for one, name in would.items() if name != "changed"} == {
        one: name for one, name in would.items() if name != "changed"
    }


@given(fleets(), tasks)
def test_a_second_run_on_the_resulting_state_sends_nothing(fleet: Fleet, task: dict[str, Any]) -> None:
    fleet.refused, fleet.frozen = set(), set()
    task["wait_timeout"] = 5.0
    first = run(fleet, **task)
    again = run(fleet, **task)
    assert fleet.batches == []
    assert again.result["changed"] is False
    assert set(first.result["outcomes"]["changed"]) <= {
        one for one, name in told(again).items() if name in ("unchanged", "skipped")
    }


def same(count: int, phase: Optional[str], **other: Any) -> Fleet:
    return Fleet(dict.fromkeys(numbered(count), phase), **other)


def test_a_thousand_ids_are_ten_batches_of_a_hundred() -> None:
    fleet = same(1000, "Running")
    finished = run(fleet, ids=numbered(1000))
    assert sorted(map(len, fleet.batches)) == [100] * 10
    assert finished.result["summary"]["batches"] == 10
    assert len(finished.result["batches"]) == 10
    assert not finished.failed


def test_no_ids_make_no_call() -> None:
    fleet = same(1, "Running")
    finished = run(fleet, ids=[])
    assert (finished.failed, finished.result["changed"]) == (False, False)
    assert (fleet.batches, fleet.reads) == ([], Counter())
    assert finished.result["msg"] == "suspend: 0 changed of 0"


@pytest.mark.parametrize(
    ("text", "asked"),
    [("{0},{1},", 2), ("{0},,{1}", 2), (",\n{0}\n", 1), (" , ", 0), ("", None), ("{0}, x", None)],
)
def test_a_text_is_one_element_though_ansible_cuts_it_at_its_commas(text: str, asked: Optional[int]) -> None:
    ids = numbered(2)
    given = text.format(*ids)
    fleet = FleetClient.fleet = same(2, "Running")
    # As Ansible makes a list of it.
    params = {**OPTIONS, "ids": given.split(",")}
    finished = _batch_run.run_batch(params, {}, False, False, given={"ids": given})
    if asked is None:
        assert finished.failed
        assert fleet.batches == []
    else:
        assert not finished.failed
        assert finished.result["outcomes"]["changed"] == ids[:asked]
    # Of a list, an element that is empty is a null.
    assert _batch_run.run_batch(
        {**OPTIONS, "ids": [ids[0], ""]}, {}, False, False, given={"ids": [ids[0], None]}
    ).failed


@pytest.mark.parametrize(
    ("option", "text", "changed"),
    [
        ("protect", "{0},", 2),
        ("protect", "{0}, {1},\n", 1),
        ("only_phases", "Running,", 2),
        ("only_phases", "stopped,\nRUNNING,", 3),
        ("protect", ",", None),
        ("protect", "{0},x", None),
        ("only_phases", " , ", None),
        ("only_phases", "", None),
    ],
)
def test_so_it_is_for_the_lists_that_hold_an_action_back(
    option: str, text: str, changed: Optional[int]
) -> None:
    ids = numbered(3)
    text = text.format(*ids)
    fleet = FleetClient.fleet = same(3, "Running")
    if option == "only_phases":
        fleet.phases[ids[2]] = "Stopped"
    params = {**OPTIONS, "action": "delete", "ids": ids, option: text.split(",")}
    finished = _batch_run.run_batch(params, {}, False, False, given={option: text})
    assert len(fleet.applied) == (changed or 0)
    assert finished.failed is (changed is None)
    assert finished.warnings == []


def test_no_ids_need_no_library_and_others_say_that_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "REQUESTS_IMPORT_ERROR", "ImportError: not here")
    assert not run(same(1, "Running"), ids=[" "]).failed
    with pytest.raises(_transport.RequestsMissing, match="ImportError: not here"):
        run(same(1, "Running"), ids=numbered(1))


def test_no_ids_need_no_control_plane(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    nowhere: dict[str, Any] = {"base_url": None, "token": None, "report_path": str(report)}
    for check_mode in (True, False):
        finished = run(same(1, "Running"), check_mode, ids=[" \n"], **nowhere)
        assert (finished.failed, finished.result["changed"], finished.warnings) == (False, False, [])
        assert finished.result["summary"]["requested"] == 0
    assert report.read_text() == ""
    # That it was meant to be none is still made sure of.
    assert run(same(1, "Running"), ids=[""], **nowhere).failed
    assert run(same(1, "Running"), ids=numbered(1), **nowhere).failed


def test_more_than_max_affected_sends_nothing_in_both_modes() -> None:
    for check_mode in (True, False):
        fleet = same(12, "Running")
        finished = run(fleet, check_mode, ids=numbered(12), max_affected=11)
        assert finished.failed
        assert not fleet.batches
        assert finished.result["summary"]["not_attempted"] == 12
        assert "max_affected is 11, but 12 would be acted on, 1 more" in finished.result["msg"]
    assert not run(same(12, "Running"), ids=numbered(12), max_affected=12).failed


def test_max_affected_counts_what_is_still_to_stop() -> None:
    fleet = same(3, "Stopping")
    assert run(fleet, action="resume", ids=numbered(3), max_affected=2).failed
    assert not fleet.batches


def test_once_more_than_max_failures_are_refused_no_further_batch_is_sent() -> None:
    ids = numbered(50)
    fleet = same(50, "Running", refused=ids[:8])
    finished = run(fleet, ids=ids, batch_size=5, concurrency=1, max_failures="5")
    # Five in the first batch are not more than five; the second brings three more.
    assert fleet.batches == [ids[:5], ids[5:10]]
    assert finished.result["outcomes"]["failed"] == ids[:8]
    assert finished.result["outcomes"]["changed"] == ids[8:10]
    assert finished.result["outcomes"]["not_attempted"] == ids[10:]
    assert "max_failures (5) is exceeded: 8 of 50 refused" in finished.result["msg"]
    assert finished.failed
    assert finished.result["changed"]


def test_a_percentage_is_one_of_what_is_acted_on() -> None:
    ids = numbered(40)
    fleet = Fleet(
        {one: "Running" if number < 20 else "Stopped" for number, one in enumerate(ids)}, refused=ids[:3]
    )
    finished = run(fleet, ids=ids, batch_size=1, concurrency=1, max_failures="10%")
    assert len(fleet.batches) == 3
    assert finished.result["summary"]["not_attempted"] == 17


def test_what_the_plan_settles_as_failed_does_not_count_to_max_failures() -> None:
    ids = numbered(20)
    fleet = Fleet(dict(zip(ids, [None] * 10 + ["Running"] * 10)))
    finished = run(fleet, ids=ids, batch_size=1, max_failures="0")
    assert finished.result["summary"]["changed"] == 10
    assert finished.result["summary"]["failed"] == 10


def test_a_delete_stops_at_the_first_refusal_unless_told_otherwise() -> None:
    ids = numbered(9)
    fleet = same(9, "Running", refused=ids[:1])
    finished = run(fleet, action="delete", ids=ids, batch_size=3, concurrency=None, max_failures=None)
    assert fleet.batches == [ids[:3]]
    assert finished.result["outcomes"]["changed"] == ids[1:3]


def test_what_changed_is_waited_for_also_after_a_breaker() -> None:
    ids = numbered(3)
    finished = run(
        same(3, "Running", refused=ids[:1]), ids=ids, batch_size=1, concurrency=1, max_failures="1", wait=True
    )
    assert finished.result["outcomes"]["changed"] == ids[1:]
    assert finished.result["not_reached"] == []


def test_a_resume_of_what_is_stopping_is_sent_once_it_has_stopped() -> None:
    ids = numbered(6)
    fleet = Fleet(dict(zip(ids, ["Stopping", "Stopped"] * 3)))
    finished = run(fleet, action="resume", ids=ids, wait_timeout=5.0, wait=False)
    assert fleet.batches == [ids[1::2], ids[0::2]]
    assert finished.result["outcomes"]["changed"] == ids
    assert not finished.failed


def test_what_never_stops_is_not_resumed_and_fails() -> None:
    ids = numbered(2)
    fleet = same(2, "Stopping", frozen=ids[:1])
    finished = run(fleet, action="resume", ids=ids, wait_timeout=0.05)
    assert fleet.batches == [ids[1:]]
    assert finished.result["outcomes"]["failed"] == ids[:1]
    assert finished.result["workloads"][0]["reason"] == "still_stopping"


def test_what_finishes_while_it_is_waited_for_is_settled_like_any_finished_one() -> None:
    ids = numbered(1)
    fleet = same(1, "Stopping", frozen=ids)
    row = fleet.row

    def finishing(one: str) -> dict[str, Any]:
        found = row(one)
        fleet.phases[one] = "Completed"
        return found

    fleet.row = finishing  # type: ignore[method-assign]
    finished = run(fleet, action="resume", ids=ids, wait_timeout=5.0)
    assert fleet.batches == []
    assert finished.result["outcomes"]["skipped"] == ids


@pytest.mark.parametrize(
    ("action", "phase", "wait_for", "reached"),
    [
        ("suspend", "Stopping", "target", True),
        ("delete", "Deleting", "target", False),
        ("resume", "Pending", "target", False),
        ("resume", "Pending", "active", True),
    ],
)
def test_what_was_on_its_way_already_is_waited_for(
    action: str, phase: str, wait_for: str, reached: bool
) -> None:
    ids = numbered(1)
    finished = run(same(1, phase), action=action, ids=ids, wait=True, wait_for=wait_for)
    assert finished.result["outcomes"]["unchanged"] == ids
    assert finished.result["not_reached"] == ([] if reached else ids)
    assert finished.failed is not reached
    assert finished.result["changed"] is False


def test_without_wait_nobody_waits() -> None:
    finished = run(same(1, "Deleting"), action="delete", ids=numbered(1), wait=False)
    assert (finished.failed, finished.result["not_reached"]) == (False, [])


def test_waiting_ends_where_nothing_can_come_of_it() -> None:
    ids = numbered(1)
    fleet = same(1, "Running")
    fleet.apply = lambda action, one: fleet.phases.update({one: "Failed"})  # type: ignore[method-assign]
    began = time.monotonic()
    finished = run(fleet, ids=ids, wait=True, wait_timeout=600.0)
    assert finished.result["not_reached"] == ids
    assert time.monotonic() - began < 60


def test_after_a_breaker_nobody_waits_for_what_is_still_stopping() -> None:
    ids = numbered(4)
    fleet = Fleet(dict(zip(ids, ["Stopped", "Stopped", "Stopping", "Stopping"])), refused=ids[:2])
    finished = run(fleet, action="resume", ids=ids, max_failures="0", wait_timeout=600.0)
    assert fleet.batches == [ids[:2]]
    assert [fleet.reads[one] for one in ids] == [1, 1, 1, 1]
    assert told(finished) == {**dict.fromkeys(ids[:2], "failed"), **dict.fromkeys(ids[2:], "not_attempted")}
    assert "max_failures (0) is exceeded: 2 of 4 refused" in finished.result["msg"]


def test_a_state_that_can_not_be_read_any_more_ends_all_waiting() -> None:
    ids = numbered(4)
    fleet = Fleet(dict(zip(ids, ["Stopped", "Stopped", "Stopping", "Stopping"])), frozen=ids)
    row, asked = fleet.row, list[str]()

    def failing(one: str) -> dict[str, Any]:
        asked.append(one)
        if len(asked) > 4:
            raise StatusError("GET", "/" + one, 500, "broken")
        return row(one)

    fleet.row = failing  # type: ignore[method-assign]
    finished = run(
        fleet, action="resume", ids=ids, wait=True, wait_timeout=600.0, batch_size=1, max_failures="0"
    )
    assert told(finished) == {**dict.fromkeys(ids[:2], "changed"), **dict.fromkeys(ids[2:], "not_attempted")}
    assert "HTTP 500, broken" in finished.result["msg"]
    assert finished.result["not_reached"] == ids[:2]
    # The two that were still stopping; not the others as well, for which the wait would come next.
    assert set(asked[4:]) <= set(ids[2:])


def test_where_the_wait_left_each_id_is_told(tmp_path: Path) -> None:
    ids = numbered(7)
    after = dict(zip(ids, ["Running", "Pending", "Pending", "Failed", None, "Completed"]))
    fleet = Fleet({**dict.fromkeys(ids, "Stopped"), ids[6]: "Pending"})
    fleet.apply = lambda action, one: fleet.phases.update({one: after[one]})  # type: ignore[method-assign]
    report = tmp_path / "report.jsonl"
    finished = run(fleet, action="resume", ids=ids, wait=True, report_path=str(report))
    result = finished.result
    assert result["not_reached"] == [*ids[1:5], ids[6]]
    assert result["msg"] == (
        "resume: 6 changed, 1 unchanged of 7; 5 not Running when the wait ended: 3 Pending, 1 Failed, 1 gone"
    )
    rows = {row["id"]: (row["outcome"], row["reason"], row["message"]) for row in result["workloads"]}
    short = "not Running when the wait ended: {0}"
    assert rows == {
        ids[0]: ("changed", "", ""),
        ids[1]: ("changed", "not_reached", short.format("Pending")),
        ids[2]: ("changed", "not_reached", short.format("Pending")),
        ids[3]: ("changed", "not_reached", short.format("Failed")),
        ids[4]: ("changed", "not_reached", short.format("gone")),
        ids[5]: ("changed", "", ""),
        ids[6]: ("unchanged", "not_reached", short.format("Pending")),
    }
    # The report says the same, a line an id.
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(map(str, lines)) == sorted(map(str, result["workloads"]))


def test_what_is_not_awaited_is_told_as_not_seen_again() -> None:
    ids = numbered(20)
    fleet = same(20, "Running")
    send = FleetClient.batch

    def batch(client: FleetClient, action: str, sent: Sequence[str]) -> BatchAnswer:
        if ids[0] not in sent:
            raise AccessDenied("POST", "/batch", 403, "no more")
        return send(client, action, sent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FleetClient, "batch", batch)
        finished = run(fleet, ids=ids, batch_size=10, concurrency=1, wait=True)
    assert finished.result["outcomes"]["changed"] == finished.result["not_reached"] == ids[:10]
    assert "; 10 not Stopped when the wait ended: 10 not read again" in finished.result["msg"]


@pytest.mark.parametrize(
    ("fault", "outcome", "said"),
    [
        (AccessDenied("POST", "/batch", 403, "no right to suspend"), "failed", "no right to suspend"),
        (AccessDenied("POST", "/batch", 401, "bad token"), "failed", "bad token"),
        (
            NotDelivered("POST", "/batch", "connection refused", "connection refused"),
            "not_attempted",
            "refused",
        ),
        (NotFound("POST", "/batch", 404, "no such page"), "failed", "batches need Run:ai 2.19"),
    ],
)
def test_what_will_not_get_better_stops_everything(fault: RequestError, outcome: str, said: str) -> None:
    ids = numbered(30)
    fleet = same(30, "Running")
    fleet.fault = fault
    finished = run(fleet, ids=ids, batch_size=10, concurrency=1)
    assert fleet.batches == [ids[:10]]
    assert told(finished) == {
        **dict.fromkeys(ids[:10], outcome),
        **dict.fromkeys(ids[10:], "not_attempted"),
    }
    assert said in finished.result["msg"]
    assert finished.failed


@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_that_is_refused_as_a_whole_fails_its_ids_and_the_others_go_on(status: int) -> None:
    ids = numbered(30)
    fleet = same(30, "Running")
    apply = fleet.apply
    fleet.fault = StatusError("POST", "/batch", status, "too much", code=status)

    def batch(client: FleetClient, action: str, sent: Sequence[str]) -> BatchAnswer:
        if ids[0] in sent:
            fleet.batches.append(list(sent))
            raise StatusError("POST", "/batch", status, "too much", code=status)
        fleet.batches.append(list(sent))
        for one in sent:
            apply(action, one)
        return BatchAnswer(None, list(sent), {}, [])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FleetClient, "batch", batch)
        finished = run(fleet, ids=ids, batch_size=10, concurrency=1, max_failures="10")
        assert len(fleet.batches) == 3
        assert finished.result["outcomes"]["failed"] == ids[:10]
        assert finished.result["outcomes"]["changed"] == ids[10:]
        assert "{0} too much: 10".format(status) in finished.result["msg"]
        assert finished.result["workloads"][0]["code"] == status
        stopped = run(same(30, "Running"), ids=ids, batch_size=10, concurrency=1, max_failures="9")
        assert stopped.result["summary"]["not_attempted"] == 20


def test_a_mistake_of_ours_loses_no_other_batch() -> None:
    ids = numbered(30)
    fleet = same(30, "Running")
    apply = fleet.apply

    def failing(action: str, one: str) -> None:
        if one == ids[15]:
            raise KeyError(one)
        apply(action, one)

    fleet.apply = failing  # type: ignore[method-assign]
    finished = run(fleet, ids=ids, batch_size=10, concurrency=1)
    assert finished.result["outcomes"]["changed"] == ids[:10]
    assert finished.result["outcomes"]["unknown"] == ids[10:20]
    assert finished.result["outcomes"]["not_attempted"] == ids[20:]
    assert "internal error in this collection (KeyError)" in finished.result["msg"]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"ids": ["train-7"]},
        {"ids": [""]},
        {"protect": ["train-7"]},
        {"only_phases": []},
        {"max_failures": "many"},
        {"batch_size": 101},
        {"concurrency": 0},
        {"deadline": 0},
        {"token": None},
        {"token": "with space"},
        {"token": None, "client_id": "half"},
        {"base_url": None},
        {"base_url": "ftp://127.0.0.1"},
        {"base_url": "http://user:word@127.0.0.1"},
        {"proxy": "nonsense"},
        {"ca_path": "/no/such/file.pem"},
        {"timeout": 0.0},
        {"retry_timeout": -1.0},
        {"report_path": "/no/such/folder/report"},
    ],
)
def test_the_shape_is_the_same_when_the_options_are_wrong(options: dict[str, Any], check_mode: bool) -> None:
    fleet = same(3, "Running")
    finished = run(fleet, check_mode, **{"ids": numbered(3), **options})
    if check_mode and "report_path" in options:
        assert not finished.failed
        return
    assert finished.failed
    assert set(finished.result) == KEYS
    assert finished.result["changed"] is False
    assert fleet.batches == []
    assert not fleet.reads
    assert finished.result["msg"]
    assert "word" not in finished.result["msg"].replace("password", "")
    if "ids" not in options:
        assert finished.result["outcomes"]["not_attempted"] == numbered(3)
        assert [row["id"] for row in finished.result["workloads"]] == numbered(3)
    for row in finished.result["workloads"]:
        assert row["reason"] == "stopped"
        assert row["message"] in finished.result["msg"]
    assert finished.result["workloads_truncated"] is False


@pytest.mark.parametrize(("limit", "rows"), [(0, 0), (2, 2), (-1, 3), (None, 3)])
def test_what_is_refused_has_rows_and_a_diff_as_asked(limit: Optional[int], rows: int) -> None:
    options: dict[str, Any] = {"ids": numbered(3), "batch_size": 0, "workloads_limit": limit}
    result = run(same(3, "Running"), with_diff=True, **options).result
    assert len(result["workloads"]) == rows
    assert result["workloads_truncated"] is (rows < 3)
    assert result["diff"] == {"before": "", "after": ""}


def test_what_is_refused_is_kept_by_job_viewers_however_it_is_printed() -> None:
    ids = numbered(10_000)
    options = {**OPTIONS, "ids": ids, "batch_size": 0, "workloads_limit": 10_000}
    rows = [
        len(_batch_run.run_batch(options, {}, False, False, verbosity=verbosity).result["workloads"])
        for verbosity in (0, 3)
    ]
    assert 0 < rows[1] < rows[0] < 10_000


def test_where_some_ids_are_malformed_the_others_are_told_as_not_attempted() -> None:
    ids = numbered(2)
    result = run(same(2, "Running"), ids=[ids[0].upper(), f"train-7, {ids[1]} {ids[0]}", ""]).result
    assert result["outcomes"]["not_attempted"] == ids
    assert result["summary"]["requested"] == result["summary"]["not_attempted"] == 2
    assert result["summary"]["duplicates"] == 1
    assert "element 3 of 3 is empty" in result["msg"]
    assert run(same(2, "Running"), ids=None).result["summary"]["requested"] == 0


def test_no_state_no_write() -> None:
    ids = numbered(3)
    fleet = same(3, "Running")

    def broken(one: str) -> dict[str, Any]:
        raise StatusError("GET", "/api/v1/workloads", 500, "out of order")

    fleet.row = broken  # type: ignore[method-assign]
    finished = run(fleet, ids=ids)
    assert fleet.batches == []
    assert finished.failed
    assert finished.result["outcomes"]["not_attempted"] == ids
    assert "HTTP 500, out of order" in finished.result["msg"]


def test_a_forbidden_id_fails_alone() -> None:
    ids = numbered(5)
    finished = run(same(5, "Running", forbidden=ids[:1]), ids=ids)
    assert finished.result["outcomes"]["failed"] == ids[:1]
    assert finished.result["outcomes"]["changed"] == ids[1:]
    assert finished.result["workloads"][0]["reason"] == "forbidden"


def test_the_deadline_keeps_what_was_done() -> None:
    ids = numbered(30)
    fleet = same(30, "Running")
    apply = fleet.apply

    def slow(action: str, one: str) -> None:
        apply(action, one)
        if one == ids[9]:
            cancellation._deadline = 1e-9

    cancellation: Cancellation

    def remember(*arguments: Any) -> Cancellation:
        nonlocal cancellation
        cancellation = Cancellation(*arguments)
        return cancellation

    fleet.apply = slow  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch_run, "Cancellation", remember)
        finished = run(fleet, ids=ids, batch_size=10, concurrency=1, deadline=3600)
    assert finished.result["outcomes"]["changed"] == ids[:10]
    assert finished.result["outcomes"]["not_attempted"] == ids[10:]
    assert {row["reason"] for row in finished.result["workloads"][:20]} == {"deadline"}
    assert "deadline" in finished.result["msg"]
    assert finished.failed


def test_the_report_holds_a_line_an_id_and_no_secret(tmp_path: Path) -> None:
    ids = numbered(5)
    fleet = Fleet(dict(zip(ids, ["Running", "Stopped", None, "Completed", "Running"])), refused=ids[4:])
    path = tmp_path / "report.jsonl"
    finished = run(fleet, ids=ids, report_path=str(path))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {line["id"]: line["outcome"] for line in lines} == told(finished)
    assert len(lines) == 5
    assert [set(line) for line in lines] == [set(finished.result["workloads"][0])] * 5
    assert path.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "report.jsonl.part").exists()


def test_check_mode_writes_no_report(tmp_path: Path) -> None:
    run(same(1, "Running"), check_mode=True, ids=numbered(1), report_path=str(tmp_path / "report"))
    assert list(tmp_path.iterdir()) == []


def run_aloud(fleet: Fleet, **options: Any) -> tuple[ModuleResult, list[str]]:
    """The result, and what it said on the way."""
    FleetClient.fleet = fleet
    said: list[str] = []
    return _batch_run.run_batch({**OPTIONS, **options}, {}, False, False, said.append), said


def test_what_it_says_while_it_works() -> None:
    fleet = same(1000, "Running", refused=numbered(2))
    finished, said = run_aloud(fleet, ids=numbered(1000), batch_size=4, concurrency=1)
    batches = [line for line in said if ", batch " in line]
    assert 40 <= len(batches) <= 50
    assert batches[-1] == "runai suspend: 1000/1000 ids, 998 changed, 2 failed, batch 250 of 250"
    assert said[0] == "runai suspend: reading the state of 1000 workloads"
    assert said[-1] == "runai {0}".format(finished.result["msg"])


def test_it_says_when_it_begins_to_act_also_where_all_is_waited_for_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_progress, "_READING_SILENCE", 3600.0)
    _finished, said = run_aloud(same(3, "Stopping"), action="resume", ids=numbered(3), wait_timeout=5.0)
    assert said == [
        "runai resume: reading the state of 3 workloads",
        "runai resume: waiting for 3 workloads to stop before they are resumed",
        "runai resume: acting on 3 workloads",
        "runai resume: 3/3 ids, 3 changed, batch 1 of 1",
        "runai resume: 3 changed of 3",
    ]


def test_it_says_how_far_a_long_read_is_and_what_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_READING_SILENCE", 0.0)
    monkeypatch.setattr(_progress, "_READING_SHARE", 0.0)
    count = FleetClient.count

    def count_late(client: FleetClient) -> int:
        client.on_trouble("HTTP 503", 90.0)
        return count(client)

    monkeypatch.setattr(FleetClient, "count", count_late)
    ids = numbered(20)
    fleet = Fleet({**dict.fromkeys(ids), **dict.fromkeys(numbered(30)[20:], "Running")})
    _finished, said = run_aloud(fleet, action="delete", ids=ids)
    assert said[1].endswith("does not answer as it should (HTTP 503), trying for up to 90 s more")
    assert "runai delete: reading the state from the list: 10 of 10" in said
    assert any(line.startswith("runai delete: reading the state one by one: ") for line in said)
    assert len(said) <= 24


def test_the_looks_of_a_wait_are_no_reading_of_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_READING_SILENCE", 0.0)
    monkeypatch.setattr(_progress, "_READING_SHARE", 0.0)
    _finished, said = run_aloud(same(3, "Running"), ids=numbered(3), wait=True)
    acting = said.index("runai suspend: acting on 3 workloads")
    assert "runai suspend: reading the state one by one: 3 of 3" in said[:acting]
    assert not [line for line in said[acting:] if "reading the state" in line]
