# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the action plugin takes results for printed at length."""

from __future__ import annotations

import pytest
from ansible.plugins.loader import callback_loader
from ansible_collections.gpuops.runai.plugins.action.runai_workload_batch import _is_printed_at_length


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"ANSIBLE_CALLBACK_FORMAT_PRETTY": "true"}, True),
        ({"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}, True),
    ],
    ids=str,
)
def test_is_printed_at_length_of_the_default_callback_follows_its_options(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As Ansible does at the begin of a play: only then are the options known.
    assert callback_loader.get("default")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _is_printed_at_length() is expected
