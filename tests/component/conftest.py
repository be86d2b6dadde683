# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator for each test, and the core's long pauses made short where a test is not about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import cancellation as _cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api import retry as _retry
from ansible_collections.gpuops.runai.plugins.module_utils._batch import delivery as _delivery

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.support.workloads import fleet

Start = Callable[..., Handle]


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fractions of a second instead of seconds."""
    monkeypatch.setattr(_delivery, "_LAG_SECONDS", 0.2)
    monkeypatch.setattr(_delivery, "_FIRST_READ_PAUSE", 0.02)
    monkeypatch.setattr(_delivery, "_LONGEST_READ_PAUSE", 0.05)
    monkeypatch.setattr(_retry, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(_retry, "_LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(_cancellation, "_SLICE", 0.05)


@pytest.fixture
def start(short_pauses: None) -> Iterator[Start]:
    """Start a simulator with these settings; its fleet is so many workloads in one phase."""
    with ExitStack() as stack:

        def begin(count: int = 3, phase: str = "Running", **settings: Any) -> Handle:
            settings.setdefault("fleet", fleet(count, phase))
            settings.setdefault("transition_seconds", 60.0)
            return stack.enter_context(running(Settings(**settings)))

        yield begin


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """The folder of records."""
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    return folder
