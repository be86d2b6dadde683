# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A workload that is made of a row of the API."""

from __future__ import annotations

from ansible_collections.gpuops.runai.plugins.module_utils._workload.state import row_or_missing
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import (
    MISSING,
    ROW_KEYS,
    SEEN,
    Workload,
    workload_from_row,
)
from ansible_collections.gpuops.runai.tests.support.workloads import workload_id

ID, CLUSTER = workload_id(1), workload_id(2)
ROW = {
    "id": ID.upper(),
    "name": "train-1",
    "projectName": "vision",
    "projectId": "4",
    "clusterId": CLUSTER.upper(),
    "submittedBy": "ada@example.com",
    "phase": "Suspending",
    "phaseUpdatedAt": "2026-02-28T10:30:00Z",
    "deletedAt": "2026-02-28T12:00:00Z",
    "allocatedResources": {"gpu": 1.5},
    "actionsSupport": {"suspend": True, "delete": True},
    "environmentVariables": [],
}


def test_workload_from_row_reduced_to_row_keys_has_all_values() -> None:
    kept = {key: ROW[key] for key in ROW_KEYS}
    assert workload_from_row(ID, kept) == Workload(
        ID,
        SEEN,
        name="train-1",
        project="vision",
        cluster=CLUSTER,
        submitted_by="ada@example.com",
        phase="Stopping",
        phase_since="2026-02-28T10:30:00Z",
        gpus=1.5,
        can_suspend=True,
        can_delete=True,
    )
    assert row_or_missing(kept) == MISSING
