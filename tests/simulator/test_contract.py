# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's description of the API names what its code knows, and the other way round."""

from __future__ import annotations

from typing import Any

import yaml

from simulator.contract import DESCRIPTION
from simulator.phases import NEXT, PHASES
from simulator.versions import SUPPORTED, ApiVersion

COMPONENTS: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())["components"]


def test_both_know_the_same_phases() -> None:
    assert COMPONENTS["schemas"]["Phase"]["enum"] == list(PHASES)
    assert set(NEXT) < set(PHASES)


def test_both_know_the_same_fields() -> None:
    newest = ApiVersion(SUPPORTED[-1])
    parameters = COMPONENTS["parameters"]
    assert set(parameters["workloadSortBy"]["schema"]["enum"]) == newest.workload_fields()
    assert set(parameters["podSortBy"]["schema"]["enum"]) == newest.pod_fields()
