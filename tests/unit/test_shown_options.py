# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from ansible_collections.gpuops.runai.plugins.module_utils._module import shown_options
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

IDS = workload_ids(10_000)


def test_shown_options_short_values_are_unchanged() -> None:
    options = {"action": "suspend", "ids": IDS[:4], "only_phases": None, "wait": False, "timeout": 30.0}
    assert shown_options(options) == {"module_args": options}


def test_shown_options_long_list_of_ids_is_cut() -> None:
    shown = shown_options({"ids": IDS, "protect": IDS[:5]})["module_args"]
    assert shown == {"ids": [*IDS[:3], "and 9997 more"], "protect": [*IDS[:3], "and 2 more"]}


def test_shown_options_ids_in_one_text_are_cut() -> None:
    for elements in (["\n".join(IDS)], [" ".join(IDS[:500])] * 4, ["\n".join(IDS)] * 20, "\n".join(IDS)):
        assert len(json.dumps(shown_options({"ids": elements}))) < 3000


def test_shown_options_dictionary_for_ids_shows_its_keys() -> None:
    shown = shown_options({"ids": {"changed": False, "ids": IDS, "count": 10_000}})["module_args"]
    assert shown == {"ids": "a dictionary: changed, ids, count"}


def test_shown_options_address_that_may_hold_a_secret_is_masked() -> None:
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


def test_shown_options_long_secret_is_not_cut() -> None:
    for option in ("token", "client_secret", "proxy"):
        assert shown_options({option: "x" * 2000}) == {"module_args": {option: "x" * 2000}}
