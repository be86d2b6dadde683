# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of a server on loopback, and what that one replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import (
    connect_options,
    connection_argument_spec,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import RequestError
from ansible_collections.gpuops.runai.plugins.module_utils._api.responses import Response
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.tests.support.workloads import workload_ids

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request

ID, OTHER = workload_ids(2, first=1)
BATCH = "/api/v1/workloads/batch"
LIST = "/api/v1/workloads"
COUNT = "/api/v1/workloads/count"
TOKEN_V1 = "/api/v1/token"
TOKEN_V2 = "/api/v2/token"
TOKEN = "a-given-token"
SECRET = "a-client-secret"
DONE = {"id": OTHER, "succeeded": [ID]}

Connect = Callable[..., "Made"]


class Made:
    """A client, and what it was made with."""

    def __init__(self, client: Client, cancellation: Cancellation, stats: RequestStats) -> None:
        self.client = client
        self.cancellation = cancellation
        self.stats = stats


def connection_options(base_url: str, /, **options: Any) -> dict[str, Any]:
    """Return the connection options as Ansible completes them, with a given token unless a client is set."""
    return {
        **{option: spec.get("default") for option, spec in connection_argument_spec().items()},
        "base_url": base_url,
        "token": None if "client_id" in options else TOKEN,
        "timeout": 20.0,
        "retry_timeout": 0.0,
        **options,
    }


def client_of(params: Mapping[str, Any], connections: int = 2) -> Client:
    """Make a client of these options; the caller closes it."""
    connection = connect_options(params, {})
    return Client(connection, connections, Cancellation())


def account(connect: Connect, **options: Any) -> Made:
    return connect(client_id="an-id", client_secret=SECRET, **options)


def script(loopback: Loopback, **replies: list[Reply]) -> None:
    """Respond with ``v1``, ``v2``, ``list``, ``batch``, ``count`` and ``one`` in turn; the last stays."""
    names = {TOKEN_V1: "v1", TOKEN_V2: "v2", LIST: "list", BATCH: "batch", COUNT: "count"}

    def respond(request: Request) -> Reply:
        turn = replies.get(
            names.get(request.path, "one"), [loopback.reply(404, {"code": 404, "message": "not there"})]
        )
        return turn.pop(0) if len(turn) > 1 else turn[0]

    loopback.respond = respond


def page(loopback: Loopback) -> Reply:
    return loopback.reply(200, {"workloads": [{"id": ID}]})


def minted(loopback: Loopback, *tokens: str, lifetime: Optional[int] = None) -> list[Reply]:
    return [loopback.reply(200, {"access_token": token, "expires_in": lifetime}) for token in tokens]


def json_response(body: object) -> Response:
    return Response("GET", "/x", 200, {}, json.dumps(body).encode())


def fault_of(call: Callable[[], object]) -> RequestError:
    with pytest.raises(RequestError) as fault:
        call()
    return fault.value
