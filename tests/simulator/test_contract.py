# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's description of the API names what its code supports, and the other way round."""

from __future__ import annotations

from typing import Any

import yaml

from simulator.api.contract import DESCRIPTION
from simulator.api.versions import SUPPORTED, ApiVersion
from simulator.model.workload import NEXT, PHASES

COMPONENTS: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())["components"]


def test_contract_phases_match_the_model() -> None:
    assert COMPONENTS["schemas"]["Phase"]["enum"] == list(PHASES)
    assert set(NEXT) < set(PHASES)


def test_contract_fields_match_the_newest_version() -> None:
    newest = ApiVersion(SUPPORTED[-1])
    parameters = COMPONENTS["parameters"]
    assert set(parameters["workloadSortBy"]["schema"]["enum"]) == newest.workload_fields()
    assert set(parameters["podSortBy"]["schema"]["enum"]) == newest.pod_fields()
