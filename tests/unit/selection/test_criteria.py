# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Callable

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.times import parse_timestamp
from ansible_collections.gpuops.runai.plugins.module_utils._selection.criteria import (
    KEYS,
    Criteria,
    match,
    predicate,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.order import (
    SORT_KEYS,
    Order,
    is_enough,
    sum_of_gpus,
    take,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.server_filter import (
    contradicts,
    is_plain,
    server_part,
)
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import PHASES
from ansible_collections.gpuops.runai.plugins.module_utils._workload.row import allocated_gpus
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids
from hypothesis import given
from hypothesis import strategies as st

Row = dict[str, Any]

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
IDS = workload_ids(29, first=1)
CLUSTERS = workload_ids(2, first=901)
# Names that a filter may hold, and such as it may not.
NAMES = ["vision", "Vision", "nlp-2", "a,b", "team x", "=odd", "umläut"]

names = st.sampled_from(NAMES)
moments = st.datetimes(datetime(2026, 2, 27), datetime(2026, 3, 1), timezones=st.just(timezone.utc))
stamps = (
    st.none()
    | st.just("0001-01-01T00:00:00Z")
    | moments.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
)
gpus = st.sampled_from([None, 0, 0.5, 1, 2, "2", "1.5", 8])

rows = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(IDS)},
        optional={
            "name": names,
            "projectName": names,
            "departmentName": names,
            "clusterId": st.sampled_from([*CLUSTERS, CLUSTERS[0].upper()]),
            "submittedBy": names,
            "type": names,
            "category": names,
            "priorityClassName": names,
            "priority": st.none() | st.integers(-5, 100),
            "phase": st.sampled_from([*PHASES, "Suspending", "Novel"]),
            "currentNodePools": st.lists(names, max_size=2),
            "allocatedResources": st.none() | st.fixed_dictionaries({}, optional={"gpu": gpus}),
            "idleAllocatedGpus": gpus,
            "idleGpus": gpus,
            "createdAt": stamps,
            "completedAt": stamps,
            "phaseUpdatedAt": stamps,
            "deletedAt": st.none() | stamps,
            "preemptible": st.none() | st.booleans(),
            "actionsSupport": st.none() | st.fixed_dictionaries({}, optional={"suspend": st.booleans()}),
        },
    ),
    max_size=20,
    unique_by=lambda row: str(row["id"]),
)


# Nothing that was deleted among them.
live_rows = rows.map(lambda fleet: [{**row, "deletedAt": None} for row in fleet])


def _exact(values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, frozenset[str]]]:
    chosen = st.lists(values, max_size=3, unique=True)
    return chosen.map(lambda given_values: {value: frozenset((value,)) for value in given_values})


any_of = st.fixed_dictionaries(
    {},
    optional={
        "ids": _exact(st.sampled_from(IDS)),
        "nodes": st.dictionaries(names, st.frozensets(st.sampled_from(IDS)), max_size=2),
        "clusters": _exact(st.sampled_from(CLUSTERS)),
        "phases": _exact(st.sampled_from([*PHASES, "Novel"])),
        **{
            option: _exact(names)
            for option in (
                "projects",
                "departments",
                "node_pools",
                "types",
                "categories",
                "submitted_by",
                "priority_classes",
            )
        },
    },
)
criteria = st.builds(
    Criteria,
    any_of=any_of,
    name=st.none() | st.sampled_from(["vision", "*i*", "[Vv]ision", "nlp-?"]),
    at_least=st.dictionaries(
        st.sampled_from(["min_allocated_gpus", "min_idle_gpus"]), st.sampled_from([0.5, 1.0, 2.0])
    ),
    before=st.dictionaries(
        st.sampled_from(["phase_older_than", "created_before", "completed_before"]), moments
    ),
    preemptible=st.none() | st.booleans(),
    suspendable=st.none() | st.booleans(),
    is_deleted=st.booleans(),
)


def _holds(item: str, row: Row, fold: Callable[[str], str]) -> bool:
    for operator in ("==", "<="):
        field, found, value = item.partition(operator)
        if found:
            break
    held = row.get(field)
    if not isinstance(held, str):
        return False
    if operator == "==":
        return fold(held) == fold(value)
    left, right = parse_timestamp(held), parse_timestamp(value)
    return left is not None and right is not None and left <= right


SERVERS: dict[str, Callable[[Row, tuple[str, ...]], bool]] = {
    "all filters, exact": lambda row, filters: all(_holds(item, _sent(row), str) for item in filters),
    "all filters, any case": lambda row, filters: all(
        _holds(item, _sent(row), str.lower) for item in filters
    ),
    "any filter": lambda row, filters: not filters or any(_holds(item, _sent(row), str) for item in filters),
    "filters ignored": lambda row, filters: True,
}


def _sent(row: Row) -> Row:
    # A control plane compares uuids as such, and has one phase where versions have two names for it.
    return {**row, "clusterId": str(row.get("clusterId", "")).lower()}


@pytest.mark.parametrize("server", SERVERS)
@given(fleet=rows, wanted=criteria)
def test_match_after_any_server_filter_gives_the_same_rows(
    server: str, fleet: list[Row], wanted: Criteria
) -> None:
    filters = server_part(wanted, {}).filters
    sent = [row for row in fleet if SERVERS[server](row, filters)]
    assert match(sent, wanted) == match(fleet, wanted)


@given(fleet=live_rows, wanted=criteria.map(lambda wanted: wanted._replace(before={}, is_deleted=False)))
def test_server_part_whole_leaves_nothing_to_filter_locally(fleet: list[Row], wanted: Criteria) -> None:
    part = server_part(wanted, {})
    sent = [row for row in fleet if SERVERS["all filters, exact"](row, part.filters)]
    assert not part.is_whole or match(sent, wanted).rows == sent


@given(wanted=criteria)
def test_server_part_any_criteria_gives_at_most_ten_plain_filters(wanted: Criteria) -> None:
    filters = server_part(wanted, {}).filters
    assert len(filters) <= 10
    assert all("," not in item and " " not in item for item in filters)
    fields = [item.replace("<=", "==").partition("==")[0] for item in filters]
    assert len(set(fields)) == len(fields)


@given(fleet=rows, wanted=criteria)
def test_match_further_criterion_only_narrows(fleet: list[Row], wanted: Criteria) -> None:
    meant = match(fleet, wanted).rows
    for option in wanted.any_of:
        less = {key: value for key, value in wanted.any_of.items() if key != option}
        wider = match(fleet, wanted._replace(any_of=less)).rows
        assert [row for row in meant if row not in wider] == []


@given(fleet=rows, wanted=criteria)
def test_match_option_without_values_matches_nothing(fleet: list[Row], wanted: Criteria) -> None:
    for option in KEYS:
        assert match(fleet, wanted._replace(any_of={**wanted.any_of, option: {}})).rows == []


@given(fleet=rows, wanted=criteria)
def test_match_value_without_effect_is_unmatched(fleet: list[Row], wanted: Criteria) -> None:
    found = match(fleet, wanted)
    for option, values in wanted.any_of.items():
        for value in values:
            without = {key: keys for key, keys in values.items() if key == value}
            alone = match(fleet, wanted._replace(any_of={**wanted.any_of, option: without})).rows
            assert (alone == []) == (value in found.unmatched.get(option, []))


@given(
    fleet=live_rows, excluded=st.lists(st.sampled_from([*IDS[:10], "vision", "n*", "nobody"]), unique=True)
)
def test_match_exclude_leaves_out_exactly_the_matching_rows(fleet: list[Row], excluded: list[str]) -> None:
    found = match(fleet, Criteria(exclude=tuple(excluded)))
    kept = [row["id"] for row in found.rows]
    for row in fleet:
        is_named = any(predicate(Criteria(name=element))(row) for element in excluded)
        assert (row["id"] in kept) == (row["id"] not in excluded and not is_named)
    assert set(found.unmatched) <= {"exclude"}
    assert "nobody" not in excluded or "nobody" in found.unmatched["exclude"]


@given(fleet=live_rows, projects=st.lists(st.sampled_from(["vision", "nlp", "nowhere"]), unique=True))
def test_match_except_projects_leaves_out_exactly_their_rows(fleet: list[Row], projects: list[str]) -> None:
    found = match(fleet, Criteria(except_projects=tuple(projects)))
    assert found.rows == [row for row in fleet if row.get("projectName") not in projects]
    there = {row.get("projectName") for row in fleet}
    assert found.unmatched.get("except_projects", []) == [one for one in projects if one not in there]


def test_match_row_without_the_field_is_not_selected() -> None:
    for wanted in (
        Criteria(before={"phase_older_than": NOW}),
        Criteria(before={"created_before": NOW}),
        Criteria(before={"completed_before": NOW}),
        Criteria(at_least={"min_allocated_gpus": 0.1}),
        Criteria(at_least={"min_idle_gpus": 0.1}),
        Criteria(preemptible=True),
        Criteria(preemptible=False),
        Criteria(name="*"),
    ):
        assert match([{"id": IDS[0]}], wanted).rows == []


def test_match_age_at_its_limit_is_selected() -> None:
    row = {"id": IDS[0], "createdAt": "2026-02-28T12:00:00.5Z"}
    limit = NOW - timedelta(days=1)
    assert match([row], Criteria(before={"created_before": limit + timedelta(seconds=0.5)})).rows == [row]
    assert match([row], Criteria(before={"created_before": limit})).rows == []


@pytest.mark.parametrize(
    ("row", "suspendable", "is_meant"),
    [
        ({"actionsSupport": {"suspend": True}}, True, True),
        ({"actionsSupport": {"suspend": False}}, True, False),
        ({"actionsSupport": {"suspend": False}}, False, True),
        ({"actionsSupport": {}}, True, True),
        ({}, True, True),
        ({}, False, False),
    ],
)
def test_match_unreported_suspend_support_counts_as_suspendable(
    row: Row, suspendable: bool, is_meant: bool
) -> None:
    assert bool(match([{"id": IDS[0], **row}], Criteria(suspendable=suspendable)).rows) == is_meant


@pytest.mark.parametrize(
    ("pattern", "is_meant"),
    [
        ("llama-*", True),
        ("llama-?", True),
        ("llama-[1-3]", True),
        ("Llama-*", False),
        ("llama", False),
        ("*", True),
    ],
)
def test_match_name_pattern_is_case_sensitive(pattern: str, is_meant: bool) -> None:
    assert bool(match([{"id": IDS[0], "name": "llama-3"}], Criteria(name=pattern)).rows) == is_meant


def test_match_suspending_phase_counts_as_stopping() -> None:
    row = {"id": IDS[0], "phase": "Suspending"}
    wanted = Criteria(any_of={"phases": {"Stopping": frozenset(("Stopping",))}})
    assert match([row], wanted).rows == [row]
    assert server_part(wanted, {}).filters == ()


def test_server_part_unknown_phase_is_not_sent() -> None:
    # A control plane may refuse it as a bad request.
    assert server_part(Criteria(any_of={"phases": {"Novel": frozenset(("Novel",))}}), {}).filters == ()


def test_server_part_plain_values_become_filters() -> None:
    wanted = Criteria(
        any_of={
            "projects": {"vision": frozenset(("vision",))},
            "departments": {"a,b": frozenset(("a,b",))},
            "clusters": {"main": frozenset((CLUSTERS[0],))},
            "phases": {"Failed": frozenset(("Failed",)), "Completed": frozenset(("Completed",))},
        },
        before={
            "created_before": datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=timezone.utc),
            "phase_older_than": NOW,
        },
    )
    assert server_part(wanted, {}) == (
        ("projectName==vision", "clusterId==" + CLUSTERS[0], "createdAt<=2026-01-02T03:04:06Z"),
        False,
    )
    assert server_part(Criteria(), {}).is_whole


@pytest.mark.parametrize("value", ["", "a,b", " a", "a b", "=a", "-a", "a\n", "a&b", "a%2Cb", "a==b"])
def test_is_plain_ambiguous_value_is_rejected(value: str) -> None:
    assert not is_plain(value)


orders = st.builds(
    Order,
    sort_by=st.sampled_from(sorted(SORT_KEYS)),
    is_descending=st.booleans(),
    limit=st.none() | st.integers(1, 10),
    until_gpus=st.none() | st.sampled_from([0.5, 1.0, 3.0, 20.0]),
)


@given(fleet=rows, order=orders)
def test_take_any_order_sorts_and_cuts(fleet: list[Row], order: Order) -> None:
    taken = take(fleet, order)
    everything = take(fleet, order._replace(limit=None, until_gpus=None))
    assert sorted(row["id"] for row in everything) == sorted(row["id"] for row in fleet)
    values = [SORT_KEYS[order.sort_by](row) for row in everything]
    present = [value for value in values if value is not None]
    assert values[len(present) :] == [None] * (len(values) - len(present))
    assert present == sorted(present, reverse=order.is_descending)
    candidates = everything[: order.limit]
    if order.until_gpus is None:
        assert taken == candidates
    else:
        holders = [row for row in candidates if SORT_KEYS["allocated_gpus"](row)]
        gpus = sum_of_gpus(taken)
        assert taken == holders[: len(taken)]
        assert is_enough(gpus, order) == (gpus >= order.until_gpus)
        assert is_enough(gpus, order) or taken == holders
        if taken:
            assert gpus - (allocated_gpus(taken[-1]) or 0) < order.until_gpus


@given(fleet=st.permutations([{"id": item, "createdAt": "2026-02-01"} for item in IDS[:6]]), order=orders)
def test_take_permuted_rows_gives_the_same_order(fleet: list[Row], order: Order) -> None:
    assert take(fleet, order) == take(sorted(fleet, key=lambda row: row["id"]), order)


def test_take_fractions_of_gpus_add_up() -> None:
    fleet = [{"id": item, "allocatedResources": {"gpu": 0.1}} for item in IDS[:10]]
    assert take(fleet, Order(until_gpus=1.0)) == fleet
    assert is_enough(sum_of_gpus(fleet), Order(until_gpus=1.0))


@pytest.mark.parametrize(
    ("expression", "is_contradicted"),
    [
        ("projectName==vision", False),
        ("projectName==VISION", False),
        ("projectName== nlp ", True),
        ("projectName!=vision", True),
        ("projectName!=Vision", False),
        ("projectName!=nlp", False),
        ("projectName=@SIO", False),
        ("projectName=@nlp", True),
        ("projectName!@sio", True),
        ("projectName!@SIO", False),
        ("projectName=^vis", False),
        ("projectName=^ion", True),
        ("projectName=$ion", False),
        ("projectName=$vis", True),
        ("projectName<=nlp", False),
        ("phase==Stopping", False),
        ("phase!=Stopping", False),
        ("phase==Running", True),
        ("createdAt<=2026-01-09", False),
        ("createdAt<=2026-01-07T00:00:00Z", True),
        ("createdAt>=2026-01-12", False),
        ("createdAt>=2026-01-13", True),
        ("createdAt==2026-01-10", False),
        ("createdAt<=soon", False),
        ("departmentName==research", False),
        ("allocatedGPU==4", False),
        ("what is this", False),
        ("", False),
    ],
)
def test_contradicts_only_clear_mismatch_is_true(expression: str, is_contradicted: bool) -> None:
    row = {
        "projectName": "vision",
        "allocatedGPU": 2,
        "phase": "Suspending",
        "createdAt": "2026-01-10T00:00:00.5Z",
    }
    assert contradicts(row, expression) is is_contradicted
