# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that are closed at the end of a test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connect_options
from ansible_collections.gpuops.runai.plugins.module_utils._api.stats import RequestStats
from ansible_collections.gpuops.runai.tests.support.client_calls import Connect, Made, connection_options

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback


@pytest.fixture
def connect(loopback: Loopback) -> Iterator[Connect]:
    """Make clients of the server, with a given token unless set otherwise."""
    clients: list[Client] = []

    def make(environ: Optional[dict[str, str]] = None, **options: Any) -> Made:
        connection = connect_options(connection_options(loopback.url, **options), environ or {})
        cancellation, stats = Cancellation(), RequestStats(connection.secrets)
        clients.append(Client(connection, 8, cancellation, stats))
        return Made(clients[-1], cancellation, stats)

    yield make
    for client in clients:
        client.close()
