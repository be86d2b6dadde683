# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's own Python client talks to the simulator as to a control plane."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from simulator.model.clock import RealClock
from simulator.settings import CLIENT_ID, CLIENT_SECRET
from tests.support.workloads import workload_id

from .conftest import Start, fleet_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its sources have invalid escape sequences
    # Its own type hints do not say what its functions return.
    runai: Any = importlib.import_module("runai")


def test_official_client_with_a_token_reads_and_sends(start: Start) -> None:
    simulator = start(
        fleet=fleet_of("Running", "Running", "Completed"), clock=RealClock(), transition_seconds=3600
    )
    configuration = runai.Configuration(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        runai_base_url=simulator.url,
        retry_enabled=False,
    )
    with runai.ApiClient(configuration) as api:
        workloads = runai.WorkloadsApi(api)
        listed = workloads.get_workloads(filter_by=["phase==Running"], sort_by="createdAt", limit=500).data
        assert [row["id"] for row in listed["workloads"]] == [workload_id(0), workload_id(1)]
        assert workloads.count_workloads().data == {"count": 3}
        assert workloads.get_workload(workload_id(0)).data["phase"] == "Running"
        batch = runai.models.WorkloadBatch(
            ids=[workload_id(number) for number in range(3)], action=runai.models.Action1("suspend")
        )
        response = runai.WorkloadsBatchApi(api).batch_workloads(workload_batch=batch).data
    assert response["succeeded"] == [workload_id(0), workload_id(1)]
    assert [row["id"] for row in response["failed"]] == [workload_id(2)]
    assert simulator.state.counts() == {"Stopping": 2, "Completed": 1}
    assert [(one["method"], one["path"].rpartition("/")[2]) for one in simulator.requests()] == [
        ("POST", "token"),
        ("GET", "workloads"),
        ("GET", "count"),
        ("GET", workload_id(0)),
        ("POST", "batch"),
    ]
