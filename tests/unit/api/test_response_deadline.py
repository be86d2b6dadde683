# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A response's own time; what comes of it over real connections is in test_client_time."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import response_deadline as _response_deadline
from ansible_collections.gpuops.runai.plugins.module_utils._api.response_deadline import TimedResponse
from ansible_collections.gpuops.runai.tests.support.clock import FakeClock

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def test_timed_response_head_and_body_share_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(_response_deadline, "time", clock)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30.0)
        response = TimedResponse(ours)
        theirs.sendall(HEAD)
        clock.advance(29.0)
        response.begin()
        theirs.sendall(b"{}")
        clock.advance(2.0)
        with pytest.raises(socket.timeout):
            response.read()
        response.close()


def test_timed_response_next_one_has_its_own_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(_response_deadline, "time", clock)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30.0)
        for _respond in range(3):
            response = TimedResponse(ours)
            theirs.sendall(HEAD + b"{}")
            clock.advance(29.0)
            response.begin()
            assert response.read() == b"{}"
            assert ours.gettimeout() == 30.0


def test_timed_response_without_a_timeout_has_none() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        response = TimedResponse(ours)
        theirs.sendall(HEAD + b"{}")
        response.begin()
        assert response.read() == b"{}"
