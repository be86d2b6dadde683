# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three running workloads, and a folder for records."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpuops.runai.tests.support.memory_control_plane import MemoryControlPlane, Simulated
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id


@pytest.fixture
def control_plane() -> MemoryControlPlane:
    return MemoryControlPlane({workload_id(number): Simulated("Running") for number in range(3)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    records = tmp_path / "records"
    records.mkdir(mode=0o700)
    return records
