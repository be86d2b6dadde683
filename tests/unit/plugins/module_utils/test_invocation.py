# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import uuid

from ansible_collections.gpuops.runai.plugins.module_utils._invocation import shown_options

IDS = [str(uuid.UUID(int=number)) for number in range(10_000)]


def test_short_options_stay_as_they_are() -> None:
    options = {"action": "suspend", "ids": IDS[:4], "only_phases": None, "wait": False, "timeout": 30.0}
    assert shown_options(options) == {"module_args": options}


def test_a_long_list_of_ids_is_not_repeated() -> None:
    shown = shown_options({"ids": IDS, "protect": IDS[:5]})["module_args"]
    assert shown == {"ids": [*IDS[:3], "and 9997 more"], "protect": [*IDS[:3], "and 2 more"]}


def test_neither_are_the_ids_of_a_survey() -> None:
    for elements in (["\n".join(IDS)], [" ".join(IDS[:500])] * 4, ["\n".join(IDS)] * 20):
        assert len(json.dumps(shown_options({"ids": elements}))) < 3000


def test_a_secret_is_never_cut_since_it_would_not_be_recognised() -> None:
    token = "x" * 2000
    assert shown_options({"token": token}) == {"module_args": {"token": token}}
