# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control planes that cannot send large pages of a list, or send fewer rows than requested."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import PROJECTS
from ansible_collections.gpuops.runai.plugins.module_utils._api.paging import read_pages
from ansible_collections.gpuops.runai.plugins.module_utils._selection.nodes import read_nodes, read_pods

from simulator.server import Handle
from tests.component.conftest import Start
from tests.component.harness import DEFAULTS, LIST, rehearse, select
from tests.support.client_calls import client_of
from tests.support.workloads import workload_id

# More than a page of 500.
COUNT = 620
IDS = [workload_id(number) for number in range(COUNT)]


def large_page(limit: int = 100, **fields: Any) -> dict[str, Any]:
    """A fault: pages of more than ``limit`` rows fail."""
    return {"match": LIST, "times": "always", "fault": {"kind": "large_page", "limit": limit, **fields}}


def limits(simulator: Handle) -> list[int]:
    """The limits of the requested pages, in their order."""
    found = [request["query"] for request in simulator.requests() if request["path"] == LIST["path"]]
    return [int(parse_qs(query)["limit"][0]) for query in found]


@pytest.mark.parametrize("status", [413, 429, 500])
def test_batch_large_pages_refused_reads_smaller_ones(start: Start, status: int) -> None:
    simulator = start(COUNT)
    simulator.faults(large_page(status=status))
    run = rehearse(simulator, "suspend", IDS, retry_timeout=60, concurrency=1)
    assert run.counts == {"changed": COUNT}
    expected = f"can't send pages of 500 workloads (HTTP {status}); the list was read in pages of 62"
    assert [text for text in run.warnings if "can't send pages" in text] == ["the control plane " + expected]
    asked = limits(simulator)
    # Two pages are read at the same time: each finds the size by itself.
    assert sorted(size for size in asked if size > 62) == [125, 125, 250, 250, 500, 500]


def test_info_large_pages_refused_selects_every_workload(start: Start) -> None:
    simulator = start(COUNT)
    simulator.faults(large_page())
    finished = select(simulator, phases=["Running"])
    assert sorted(finished.result["ids"]) == IDS
    assert max(limits(simulator)[-5:]) == 62


def test_info_large_pages_hang_selects_every_workload(start: Start) -> None:
    simulator = start(COUNT)
    simulator.faults(large_page(limit=250, hang=True))
    finished = select(simulator, phases=["Running"], timeout=2, concurrency=1)
    assert sorted(finished.result["ids"]) == IDS
    assert limits(simulator)[:6] == [500, 500, 250, 500, 250, 250]
    assert max(limits(simulator)[4:]) == 250


def test_info_outage_keeps_the_size_of_pages(start: Start) -> None:
    simulator = start(COUNT)
    simulator.faults({"match": LIST, "times": 3, "fault": {"kind": "status", "status": 502}})
    finished = select(simulator, phases=["Running"], concurrency=1)
    assert sorted(finished.result["ids"]) == IDS
    assert limits(simulator) == [500, 500, 250, 125, 250, 250, 500]
    assert not [text for text in finished.warnings if "can't send pages" in text]


def test_info_every_page_too_large_reports_the_status(start: Start) -> None:
    simulator = start(COUNT)
    simulator.faults({"match": LIST, "times": "always", "fault": {"kind": "status", "status": 413}})
    finished = select(simulator, phases=["Running"], concurrency=1)
    assert finished.failed
    assert "HTTP 413" in finished.result["msg"]
    assert limits(simulator) == [500, 250, 125, 62, 31, 15]


PLACES = ["pods", "nodes", "projects"]


def fleet_of_places(count: int) -> dict[str, Any]:
    """A fleet file's content: so many workloads, each with a node and a project of its own."""
    nodes = [f"node-{number:03}" for number in range(count)]
    rows = [
        {"projectName": f"project-{number:03}", "projectId": str(number), "nodes": [nodes[number]]}
        for number in range(count)
    ]
    return {
        "clusters": [{"uuid": workload_id(9999), "name": "west"}],
        "nodes": [{"name": name, "clusterUuid": workload_id(9999)} for name in nodes],
        "workloads": [
            {"id": workload_id(number), "phase": "Running", "clusterId": workload_id(9999), **row}
            for number, row in enumerate(rows)
        ],
    }


def read_place(simulator: Handle, kind: str) -> int:
    """Number of rows that the client reads of a list of this kind."""
    given = {**DEFAULTS, "base_url": simulator.url, "retry_timeout": 60.0}
    client = client_of(given)
    with contextlib.closing(client):
        if kind == "pods":
            return len(read_pods(client))
        if kind == "nodes":
            return len(read_nodes(client, None))
        return len(
            read_pages(
                PROJECTS.path,
                partial(client.page_of, PROJECTS),
                [0],
                1,
                identity=lambda row: str(row.get("name")),
            )
        )


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize(
    "fault",
    [{"kind": "large_page", "limit": 100}, {"kind": "cap_pages", "limit": 100, "next": False}],
    ids=["large page fails", "pages are capped"],
)
def test_read_pages_small_pages_only_reads_every_row(start: Start, kind: str, fault: dict[str, Any]) -> None:
    simulator = start(fleet=fleet_of_places(230))
    simulator.faults({"times": "always", "fault": fault})
    assert read_place(simulator, kind) == 230
