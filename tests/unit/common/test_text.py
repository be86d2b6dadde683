# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.text import (
    SHORTEST_SECRET,
    clean,
    counted,
    counted_gpus,
    first_line,
    hide,
    some_of,
)
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(max_size=1500), st.integers(1, 600))
def test_clean_any_text_is_one_short_printable_line(text: str, length: int) -> None:
    shown = clean(text, length)
    assert len(shown) <= length
    assert len(shown.splitlines()) <= 1
    assert not any(char in shown for char in "\x00\x07\x1b\x7f\x9b\u2028\u202e\u200b\ud800")
    # What is shown can also be written to a file.
    shown.encode("utf-8")


@given(st.text("abc {}%äöü中🙂", max_size=100))
def test_clean_ordinary_text_is_unchanged(text: str) -> None:
    assert clean(text) == text.strip()


@pytest.mark.parametrize("value", [None, 7, 1.5, True, b"bytes", ["list"], {"a": "dict"}])
def test_clean_other_type_is_empty(value: object) -> None:
    assert clean(value) == ""


def test_shortened_long_text_shows_the_cut() -> None:
    assert clean("x" * 501) == "x" * 499 + "…"
    assert clean("x" * 500) == "x" * 500


def test_first_line_of_a_page_is_its_title() -> None:
    assert first_line(b"\r\n Sign in, please\r\nmore") == "Sign in, please"
    assert first_line(b"\r\n  <html>\x1b[31m</html>  \r\nmore") == "[31m"
    assert first_line(b"") == ""
    assert first_line(b"<html>\r\n<body></body>\r\n</html>") == ""
    nginx = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>x</h1></center>"
    assert first_line(nginx) == "502 Bad Gateway"
    assert first_line(b"<!DOCTYPE html>\n<head>\n<TITLE lang=en>Not\n  &lt;here&gt;</TITLE >") == "Not <here>"
    assert first_line(b"<html>\n<h1></h1>\n<h1 class='x'>Sign in</h1>") == "Sign in"
    assert first_line(b"<html>\n<title>never ends\n") == "never ends"
    assert first_line(b"\xff\xfe") != ""


def test_some_of_many_names_the_rest_by_number() -> None:
    assert some_of(["a", "b"]) == "a, b"
    assert some_of(["a", "b", "c"], most=2) == "a, b and 1 more"


def test_counted_number_and_noun_agree() -> None:
    assert [counted(number, "workload") for number in (0, 1, 2)] == [
        "0 workloads",
        "1 workload",
        "2 workloads",
    ]


def test_counted_gpus_one_is_singular() -> None:
    assert [counted_gpus(number) for number in (0.5, 1.0, 7.5)] == ["0.5 GPUs", "1 GPU", "7.5 GPUs"]


def test_hide_short_secret_is_left() -> None:
    text = "suspend: 1 changed of 1, 00000000-0000-4000-8000-000000000001"
    assert hide(text, ["", "1", "000"]) == text
    assert hide("a word1 b", ["word"]) == "a ********1 b"


@given(st.lists(st.text(min_size=SHORTEST_SECRET), max_size=5), st.text())
def test_hide_secret_within_another_is_hidden(secrets: list[str], text: str) -> None:
    parts = [secret[: max(SHORTEST_SECRET, len(secret) // 2 + 1)] for secret in secrets]
    shown = hide(text.join(["", *secrets, *parts, ""]), [*secrets, *parts])
    assert not any(secret in shown.replace("********", "") for secret in secrets if secret not in text)


def test_hide_secret_in_any_notation_is_hidden() -> None:
    secret = 'p+w/1=Zq&"x ü'
    for written in (
        secret,
        json.dumps(secret),
        urlencode({"client_secret": secret}),
        quote(secret),
    ):
        assert "Zq" not in hide(f"client_secret={written}", [secret]), written
    secret = secret.lower()
    assert hide(f"client_secret={quote_plus(secret).lower()}", [secret]) == "client_secret=********"
    assert hide("a pass\udcff b", ["pass\udcff"]) == "a ******** b"
