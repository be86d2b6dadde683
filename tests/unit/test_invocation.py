# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import uuid

from ansible_collections.gpuops.runai.plugins.module_utils._module import shown_options

IDS = [str(uuid.UUID(int=number)) for number in range(10_000)]


def test_short_options_stay_as_they_are() -> None:
    options = {"action": "suspend", "ids": IDS[:4], "only_phases": None, "wait": False, "timeout": 30.0}
    assert shown_options(options) == {"module_args": options}


def test_a_long_list_of_ids_is_not_repeated() -> None:
    shown = shown_options({"ids": IDS, "protect": IDS[:5]})["module_args"]
    assert shown == {"ids": [*IDS[:3], "and 9997 more"], "protect": [*IDS[:3], "and 2 more"]}


def test_neither_are_the_ids_of_a_survey() -> None:
    for elements in (["\n".join(IDS)], [" ".join(IDS[:500])] * 4, ["\n".join(IDS)] * 20, "\n".join(IDS)):
        assert len(json.dumps(shown_options({"ids": elements}))) < 3000


def test_nor_a_result_given_in_the_place_of_its_ids() -> None:
    shown = shown_options({"ids": {"changed": False, "ids": IDS, "count": 10_000}})["module_args"]
    assert shown == {"ids": "a dictionary: changed, ids, count"}


def test_an_address_is_shown_only_if_it_can_hold_no_secret() -> None:
    for usable in ("https://acme.run.ai", " http://127.0.0.1:8080/runai/ ", "", None):
        assert shown_options({"base_url": usable}) == {"module_args": {"base_url": usable}}
    for odd in (
        "https://acme.run.ai?token=1",
        "https://acme.run.ai/#1",
        "https://ops:1@acme.run.ai",
        "ops:1@acme.run.ai",
        "https://acme.run.ai:1word",
        ["https://acme.run.ai?1"],
        {"address": 1},
    ):
        assert shown_options({"base_url": odd}) == {"module_args": {"base_url": "********"}}


def test_a_secret_is_never_cut_since_it_would_not_be_recognised() -> None:
    for option in ("token", "client_secret", "proxy"):
        assert shown_options({option: "x" * 2000}) == {"module_args": {option: "x" * 2000}}
