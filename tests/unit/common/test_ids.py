# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError
from ansible_collections.gpuops.runai.plugins.module_utils._common.ids import fold_id, parse_ids
from hypothesis import given
from hypothesis import strategies as st

ONE, TWO, THREE = (str(uuid.UUID(int=number * 2**100 + 0xABCDEF)) for number in (1, 2, 3))

uuids = st.uuids().map(str)
spelled = st.tuples(uuids, st.booleans()).map(lambda pair: pair[0].upper() if pair[1] else pair[0])
separators = st.text(" \t\r\n,", min_size=1, max_size=3)


@given(st.lists(spelled, max_size=30), st.data())
def test_parse_ids_any_separators_keep_distinct_ids_in_order(ids: list[str], data: st.DataObject) -> None:
    elements = []
    rest = list(ids)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        elements.append(data.draw(separators).join(rest[:size]))
        rest = rest[size:]
    parsed = parse_ids(elements, "ids")
    expected: list[str] = []
    for one in ids:
        if one.lower() not in expected:
            expected.append(one.lower())
    assert parsed.ids == expected
    assert parsed.duplicates == len(ids) - len(expected)


def test_parse_ids_white_space_alone_is_dropped() -> None:
    assert parse_ids(["  ", "\n", " , ,", ONE], "ids") == ([ONE], 0)


def test_parse_ids_empty_list_is_accepted() -> None:
    assert parse_ids([], "ids") == ([], 0)


@pytest.mark.parametrize("elements", [[""], [ONE, ""], [ONE, None], ["", "not-a-uuid"]])
def test_parse_ids_empty_element_is_rejected(elements: list[object]) -> None:
    with pytest.raises(OptionError, match=r"protect: element \d of \d is empty"):
        parse_ids(elements, "protect")


def test_parse_ids_null_is_rejected() -> None:
    with pytest.raises(OptionError, match="ids: is null"):
        parse_ids(None, "ids")


def test_parse_ids_malformed_ids_are_named() -> None:
    with pytest.raises(OptionError) as fault:
        parse_ids([ONE, "train-7, {0}".format(TWO), THREE[:-1]], "ids")
    assert "'train-7'" in str(fault.value)
    assert "'{0}'".format(THREE[:-1]) in str(fault.value)
    assert ONE not in str(fault.value)
    assert TWO not in str(fault.value)


@pytest.mark.parametrize(
    ("pasted", "wanted"),
    [
        (ONE + "\u200b", ONE + "\\u200b"),
        ("\ufeff" + ONE, "\\ufeff" + ONE),
        (ONE[:-1] + "\0", ONE[:-1] + "\\x00"),
    ],
)
def test_parse_ids_invisible_character_is_spelt_out(pasted: str, wanted: str) -> None:
    with pytest.raises(OptionError) as fault:
        parse_ids([pasted], "ids")
    assert str(fault.value) == "ids: not a uuid: '{0}'".format(wanted)


@given(st.lists(st.text(max_size=2000).map(lambda text: "x" + text), min_size=1, max_size=200))
def test_parse_ids_malformed_ids_make_a_short_safe_message(elements: list[str]) -> None:
    with pytest.raises(OptionError) as fault:
        parse_ids(elements, "ids")
    message = str(fault.value)
    assert len(message) < 1000
    assert len(message.splitlines()) == 1
    assert not any(char in message for char in "\x00\x07\x1b\x7f\x9b\u202e\u200b")


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        True,
        [ONE],
        "",
        ONE.replace("-", ""),
        "{" + ONE + "}",
        "urn:uuid:" + ONE,
        ONE + "\n",
        " " + ONE,
        ONE[:-1] + "g",
        ONE[:-1] + "\u0661",
        ONE + "0",
    ],
)
def test_fold_id_other_form_is_none(value: object) -> None:
    assert fold_id(value) is None


def test_parse_batch_upper_case_ids_are_folded() -> None:
    assert fold_id(ONE.upper()) == ONE
