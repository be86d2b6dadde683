# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the state from a real server."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._connection import connect_options
from ansible_collections.gpuops.runai.plugins.module_utils._errors import StatusError
from ansible_collections.gpuops.runai.plugins.module_utils._guard import Guard
from ansible_collections.gpuops.runai.plugins.module_utils._state import StateReader
from ansible_collections.gpuops.runai.plugins.module_utils._tally import Tally

if TYPE_CHECKING:
    from tests.unit.plugins.module_utils.conftest import Asked, Loopback, Reply

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
def test_after_a_read_that_failed_no_other_begins(
    loopback: Loopback, asked_for: int, counted: Optional[int], status: int
) -> None:
    def answer(asked: Asked) -> Reply:
        if counted is not None and asked.path.endswith("/count"):
            return loopback.reply(200, {"count": counted})
        return loopback.reply(status, {"code": status, "message": "no"})

    loopback.answer = answer
    params = {
        "base_url": loopback.url,
        "client_id": None,
        "client_secret": None,
        "token": "a-bearer-that-is-given",
        "validate_certs": True,
        "ca_path": None,
        "proxy": None,
        "timeout": 20.0,
        "retry_timeout": 0.0,
    }
    client = Client(connect_options(params, {}), Guard(), Tally(), connections=WORKERS)
    try:
        with pytest.raises(StatusError) as fault:
            StateReader(client, WORKERS).read([str(uuid.UUID(int=number)) for number in range(asked_for)])
    finally:
        client.close()
    assert fault.value.status == status
    failed = [asked for asked in loopback.asked if counted is None or not asked.path.endswith("/count")]
    assert 1 <= len(failed) <= WORKERS
