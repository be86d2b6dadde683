# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import uuid
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import MalformedResponse
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import (
    Page,
    Refusal,
    parse_batch,
    parse_count,
    parse_error,
    parse_objects,
    parse_one,
    parse_page,
    parse_retry_after,
)
from ansible_collections.gpuops.runai.tests.support.client_calls import json_response
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id, workload_ids
from hypothesis import given
from hypothesis import strategies as st

IDS = workload_ids(6)
STRANGER = workload_id(7)
BATCH_ID = workload_id(8)
YEAR = 365 * 86_400.0
DATE = "Sun, 01 Mar 2026 12:00:00 GMT"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(IDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ids_or_not = st.sampled_from([*IDS, *(one.upper() for one in IDS), STRANGER, "", "x"]) | json_values


def batch(response: object, asked: Optional[list[str]] = None) -> tuple[Any, list[str]]:
    warnings: list[str] = []
    return parse_batch(json_response(response), IDS if asked is None else asked, warnings.append), warnings


def page(body: object, offset: int = 500) -> Page:
    return parse_page(json_response(body), "workloads", offset)


def test_parse_batch_missing_lists_are_empty() -> None:
    response, warnings = batch({"id": BATCH_ID})
    assert response == (BATCH_ID, [], {})
    assert warnings == []
    assert batch({"id": BATCH_ID, "succeeded": IDS})[0] == (BATCH_ID, IDS, {})
    assert batch({"id": BATCH_ID, "succeeded": None, "failed": None})[0] == (BATCH_ID, [], {})


def test_parse_batch_upper_case_ids_are_folded() -> None:
    failed = [{"id": one.upper(), "code": 400, "message": "no"} for one in IDS[3:]]
    response, warnings = batch(
        {"id": BATCH_ID.upper(), "succeeded": [one.upper() for one in IDS[:3]], "failed": failed}
    )
    assert response == (BATCH_ID, IDS[:3], dict.fromkeys(IDS[3:], Refusal(400, "no")))
    assert warnings == []


def test_parse_batch_id_in_both_lists_is_refused_with_a_warning() -> None:
    response, warnings = batch({"id": BATCH_ID, "succeeded": IDS, "failed": [{"id": IDS[0]}]})
    assert response.succeeded == IDS[1:]
    assert response.refused == {IDS[0]: Refusal(None, "")}
    assert len(warnings) == 1
    assert "both as succeeded and as failed" in warnings[0]


def test_parse_batch_foreign_id_is_ignored_with_a_warning() -> None:
    response, warnings = batch({"succeeded": [*IDS, STRANGER], "failed": [{"id": STRANGER, "code": 1}]})
    assert (response.succeeded, response.refused) == (IDS, {})
    assert len(warnings) == 2
    assert all("was not asked for; it was ignored" in warn_once for warn_once in warnings)


def test_parse_batch_code_out_of_range_is_none() -> None:
    for code, expected in (
        (409, 409),
        (-1, -1),
        (2**31, None),
        ("409", 409),
        ("9" * 5000, None),
        (True, None),
        (1.5, None),
        (None, None),
    ):
        failed = [{"id": IDS[0], "code": code, "message": "m"}]
        assert batch({"failed": failed})[0].refused[IDS[0]].code == expected


def test_parse_batch_message_is_cleaned_and_cut() -> None:
    failed = [{"id": IDS[0], "code": 1, "message": "a\x1b[2J\r\nb" + "x" * 10_000}]
    message = batch({"failed": failed})[0].refused[IDS[0]].message
    assert message.startswith("a [2J  bx")
    assert len(message) == 500


@pytest.mark.parametrize(
    "response", [None, [], "text", 7, True, {"succeeded": "x"}, {"failed": {"a": 1}}, {"failed": 1}]
)
def test_parse_batch_other_shape_is_malformed(response: object) -> None:
    with pytest.raises(MalformedResponse):
        batch(response)


@given(
    st.dictionaries(
        st.sampled_from(["id", "succeeded", "failed", "other"]),
        json_values
        | st.lists(ids_or_not, max_size=8)
        | st.lists(
            st.fixed_dictionaries(
                {}, optional={"id": ids_or_not, "code": json_values, "message": json_values}
            )
            | json_values,
            max_size=8,
        ),
    ),
    st.lists(st.sampled_from(IDS), unique=True),
)
def test_parse_batch_any_body_places_no_id_twice(body: dict[str, Any], asked: list[str]) -> None:
    try:
        response, _remarks = batch(body, asked)
    except MalformedResponse:
        return
    named = [*response.succeeded, *response.refused]
    assert len(named) == len(set(named))
    assert set(named) <= set(asked)
    assert response.succeeded == [one for one in asked if one in response.succeeded]
    assert response.batch_id is None or uuid.UUID(response.batch_id)


@pytest.mark.parametrize("following", [None, "", 0])
def test_parse_page_without_next_is_the_last(following: object) -> None:
    body = {"workloads": [{"id": 1}, "x", None], "next": following}
    assert page(body) == Page([{"id": 1}], None)
    assert page({"workloads": []}) == Page([], None)


@pytest.mark.parametrize("following", [1000, "1000", 501])
def test_parse_page_with_next_leads_on(following: Any) -> None:
    assert page({"workloads": [], "next": following}).next == int(following)


@pytest.mark.parametrize(
    "following", [500, 499, -1, "500", "x", True, 1000.5, [], {"offset": 1000}, "9" * 5000, 10**9, 10**400]
)
def test_parse_page_next_not_beyond_the_offset_fails(following: object) -> None:
    with pytest.raises(MalformedResponse):
        page({"workloads": [{"id": 1}], "next": following})


@pytest.mark.parametrize("following", [500, "500"])
def test_parse_page_empty_naming_itself_is_the_last(following: object) -> None:
    assert page({"workloads": [], "next": following}) == Page([], None)
    with pytest.raises(MalformedResponse):
        page({"workloads": [], "next": 499})


@pytest.mark.parametrize("body", [None, [], {}, {"workloads": {"a": 1}}, {"workloads": "x"}, {"pods": []}])
def test_parse_page_other_shape_is_malformed(body: object) -> None:
    with pytest.raises(MalformedResponse):
        page(body, offset=0)


@pytest.mark.parametrize(
    ("body", "count"), [({"count": 0}, 0), ({"count": 7}, 7), ({"count": -1}, None), ({"count": True}, None)]
)
def test_parse_count_number_is_returned(body: object, count: Optional[int]) -> None:
    if count is None:
        with pytest.raises(MalformedResponse):
            parse_count(json_response(body))
    else:
        assert parse_count(json_response(body)) == count


@pytest.mark.parametrize("body", [None, [], {}, {"count": "7"}, {"count": 7.5}, 7])
def test_parse_count_other_shape_is_malformed(body: object) -> None:
    with pytest.raises(MalformedResponse):
        parse_count(json_response(body))


def test_parse_one_other_id_is_malformed() -> None:
    assert parse_one(json_response({"id": IDS[0].upper(), "phase": "Running"}), IDS[0])["phase"] == "Running"
    others: list[object] = [{"id": IDS[1]}, {"id": None}, {}, [], None]
    for body in others:
        with pytest.raises(MalformedResponse):
            parse_one(json_response(body), IDS[0])


@pytest.mark.parametrize("empty", [None, {}])
def test_parse_lists_given_as_an_empty_object_are_empty(empty: object) -> None:
    assert page({"workloads": empty}, offset=0) == Page([], None)
    assert batch({"succeeded": IDS, "failed": empty})[0].succeeded == IDS


def test_parse_objects_bare_array_returns_its_objects() -> None:
    assert parse_objects(json_response([{"uuid": 1}, 2, None])) == [{"uuid": 1}]
    assert parse_objects(json_response({})) == parse_objects(json_response(None)) == []
    with pytest.raises(MalformedResponse):
        parse_objects(json_response({"uuid": 1}))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": 400, "message": "bad id", "details": "ids[3]"}, (400, "bad id: ids[3]")),
        ({"code": 400, "message": "bad id", "details": "bad id"}, (400, "bad id")),
        (
            {"error": "invalid_client", "error_description": "no such client"},
            (None, "invalid_client: no such client"),
        ),
        ({"code": "400", "message": ["x", "y"], "details": None}, (400, "x: y")),
        ({"error": {"code": 17, "message": "quota used up"}}, (17, "quota used up")),
        ({"title": "Forbidden", "status": 403, "detail": "no such role"}, (None, "Forbidden: no such role")),
        ({"errors": [{"msg": "bad id", "loc": ["ids", 3]}, "too many"]}, (None, "bad id: too many")),
        (["bad id", "too many"], (None, "bad id: too many")),
        ([], (None, "")),
        (None, (None, "")),
        ("text", (None, "text")),
    ],
)
def test_parse_error_known_shape_returns_code_and_text(
    body: object, expected: tuple[Optional[int], str]
) -> None:
    assert parse_error(body) == expected


@pytest.mark.parametrize("key", ["message", "details", "error", "error_description"])
def test_parse_error_secret_at_the_cut_is_hidden(key: str) -> None:
    # Written with escapes as a Go server writes them, the secret is not found before the response is decoded.
    secret = "pa<ss&w>or-0123456789abcdef"
    body = json.loads(json.dumps({key: "x" * 490 + secret}))
    _code, phrase = parse_error(body, [secret])
    assert phrase == "x" * 490 + "********"


@given(json_values, st.dictionaries(st.sampled_from(["code", "message", "details", "error"]), json_values))
def test_parse_error_any_body_returns_a_short_text(value: object, body: dict[str, Any]) -> None:
    for odd in (value, body):
        code, phrase = parse_error(odd)
        assert code is None or abs(code) <= 2**31
        assert len(phrase) <= 500
        json.dumps([code, phrase])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        # Longer than anybody waits is long, not absent.
        ("100000000", YEAR),
        ("9" * 400, YEAR),
        ("Fri, 31 Dec 9999 23:59:59 GMT", YEAR),
        ("soon", None),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120.0),
        # Without a zone, and in the two older forms: an HTTP date is GMT always.
        ("Sun, 01 Mar 2026 12:02:00", 120.0),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120.0),
        ("Sun Mar  1 12:02:00 2026", 120.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 99 Mar 2026 11:00:00 GMT", None),
    ],
)
def test_parse_retry_after_seconds_or_date_is_seconds(value: Optional[str], seconds: Optional[float]) -> None:
    assert parse_retry_after(value, DATE) == seconds


def test_parse_retry_after_date_without_a_date_header_uses_the_local_clock() -> None:
    assert parse_retry_after("Sun, 01 Mar 2020 12:00:00 GMT", None) == 0
    late = parse_retry_after("Thu, 01 Mar 2035 12:00:00 GMT", "no date")
    assert late is not None
    assert 1e6 < late <= YEAR


@given(st.text(max_size=40))
def test_parse_retry_after_any_header_is_seconds_or_none(value: str) -> None:
    seconds = parse_retry_after(value, DATE)
    assert seconds is None or 0 <= seconds <= YEAR
