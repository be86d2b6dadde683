# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP servers on loopback that end with the test."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Callable, Optional

import pytest
from ansible_collections.gpuops.runai.tests.support.loopback import Loopback


@pytest.fixture
def loopbacks() -> Iterator[Callable[..., Loopback]]:
    """Start servers that end with the test."""
    started: list[Loopback] = []

    def start(tls: Optional[ssl.SSLContext] = None) -> Loopback:
        started.append(Loopback(tls))
        return started[-1]

    yield start
    for loopback in started:
        loopback.close()


@pytest.fixture
def loopback(loopbacks: Callable[..., Loopback]) -> Loopback:
    """A server."""
    return loopbacks()
