# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator for each test, and a client that has a token for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from simulator.model.clock import ManualClock
from simulator.server import Handle, running
from simulator.settings import TOKEN, Settings
from tests.support.waiting import PATIENCE
from tests.support.workloads import workload_row

Start = Callable[..., Handle]


class Client(requests.Session):
    """A session whose paths are those of one simulator, with its always good token."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.url = url
        self.headers["Authorization"] = f"Bearer {TOKEN}"

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        kwargs.setdefault("timeout", PATIENCE)
        return super().request(method, self.url + url, *args, **kwargs)

    def batch(self, action: str, ids: list[str], **kwargs: Any) -> requests.Response:
        return self.post("/api/v1/workloads/batch", json={"action": action, "ids": ids}, **kwargs)

    def rows(self, **query: Any) -> list[dict[str, Any]]:
        """All rows of the list, page after page as `next` says."""
        found: list[dict[str, Any]] = []
        offset: int | None = 0
        while offset is not None:
            response = self.get("/api/v1/workloads", params={"limit": 500, **query, "offset": offset})
            assert response.status_code == 200, response.text
            page = response.json()
            found.extend(page["workloads"])
            offset = page.get("next")
        return found


def fleet_of(*phases: str, **fields: Any) -> dict[str, Any]:
    """A fleet file's content: a workload a phase, numbered from 0, one GPU each."""
    rows = [
        workload_row(
            number, phase, **{"gpus": 1, "actionsSupport": {"delete": True, "suspend": True}, **fields}
        )
        for number, phase in enumerate(phases)
    ]
    return {"workloads": rows}


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts simulators with these settings, on a manual clock unless set otherwise."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> Handle:
            settings.setdefault("clock", ManualClock())
            return stack.enter_context(running(Settings(**settings)))

        yield begin


@pytest.fixture
def connect() -> Iterator[Callable[[Handle], Client]]:
    """Makes clients, and closes them."""
    with ExitStack() as stack:
        yield lambda handle: stack.enter_context(Client(handle.url))
