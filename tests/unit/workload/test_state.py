# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the state from a real server."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import StatusError
from ansible_collections.gpuops.runai.plugins.module_utils._workload.state import StateReader
from ansible_collections.gpuops.runai.plugins.module_utils._workload.workload import MISSING, SEEN
from ansible_collections.gpuops.runai.tests.support.client_calls import client_of, connection_options
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request

WORKERS = 4


@pytest.mark.parametrize("status", [401, 500])
@pytest.mark.parametrize(
    ("asked_for", "counted"),
    [
        pytest.param(8, None, id="one by one"),
        pytest.param(20, 9000, id="by the list"),
        pytest.param(3000, None, id="by the list, with the count"),
    ],
)
def test_state_reader_failed_read_begins_no_other(
    loopback: Loopback, asked_for: int, counted: Optional[int], status: int
) -> None:
    def respond(request: Request) -> Reply:
        if counted is not None and request.path.endswith("/count"):
            return loopback.reply(200, {"count": counted})
        return loopback.reply(status, {"code": status, "message": "no"})

    loopback.respond = respond
    with (
        closing(client_of(connection_options(loopback.url), WORKERS)) as client,
        pytest.raises(StatusError) as fault,
    ):
        StateReader(client, WORKERS).read(workload_ids(asked_for))
    assert fault.value.status == status
    # The count is one that may fail: who asked for it goes on to a page.
    failed = [request for request in loopback.requests if not request.path.endswith("/count")]
    assert len(failed) <= WORKERS


def test_state_reader_reports_how_much_it_has_read(loopback: Loopback) -> None:
    """Of a hundred ids the list shows sixty, in two pages; the others have to be asked for one by one."""
    ids = workload_ids(100)

    def respond(request: Request) -> Reply:
        if request.path.endswith("/count"):
            return loopback.reply(200, {"count": 600})
        if not request.path.endswith("/workloads"):
            return loopback.reply(404, {"code": 404, "message": "no"})
        if "offset=0" in request.target:
            return loopback.reply(200, {"workloads": [{"id": one, "phase": "Running"} for one in ids[:50]]})
        return loopback.reply(200, {"workloads": [{"id": one, "phase": "Running"} for one in ids[50:60]]})

    loopback.respond = respond
    reads: list[tuple[str, int, Optional[int]]] = []
    with closing(client_of(connection_options(loopback.url), WORKERS)) as client:
        state = StateReader(client, WORKERS).read(ids, on_read=lambda *read: reads.append(read))
    assert [one.presence for one in state.values()] == [SEEN] * 60 + [MISSING] * 40
    by_list = [read for way, read, _total in reads if way == "from the list"]
    assert by_list[-1] == 60
    singly = [(read, total) for way, read, total in reads if way == "one by one"]
    assert sorted(singly) == [(number, 40) for number in range(1, 41)]
