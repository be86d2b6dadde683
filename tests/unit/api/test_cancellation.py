# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from typing import Callable

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api import cancellation as _cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.cancellation import Cancellation
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import Interrupted


def reason(check: Callable[[], None]) -> str:
    with pytest.raises(Interrupted) as stop:
        check()
    return stop.value.reason


def test_cancellation_without_limits_allows_everything() -> None:
    cancellation = Cancellation()
    cancellation.check()
    cancellation.check_write()
    cancellation.sleep(0.0)


def test_cancellation_after_the_deadline_allows_nothing() -> None:
    cancellation = Cancellation(deadline=1e-9)
    assert reason(cancellation.check) == "deadline"
    assert reason(cancellation.check_write) == "deadline"


def test_cancellation_play_gone_once_stays_gone() -> None:
    responses = [True, False, False]
    cancellation = Cancellation(is_cancelled=lambda: responses.pop(0))
    assert reason(cancellation.check) == "orphaned"
    assert reason(cancellation.check) == "orphaned"


def test_cancellation_stopped_writes_allow_reads_and_keep_the_first_reason() -> None:
    cancellation = Cancellation()
    cancellation.stop_writing("too many refused")
    cancellation.stop_writing("something else")
    cancellation.check()
    with pytest.raises(Interrupted, match="too many refused") as stop:
        cancellation.check_write()
    assert stop.value.reason == "stopped"


def test_cancellation_sleep_ends_with_the_deadline() -> None:
    with pytest.raises(Interrupted):
        Cancellation(deadline=0.05).sleep(600.0)


def test_cancellation_sleep_before_a_write_ends_when_writes_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    # It is woken, and does not just check again after a while.
    monkeypatch.setattr(_cancellation, "_SLICE", 3600.0)
    cancellation = Cancellation()
    stopper = threading.Timer(0.05, cancellation.stop_writing, ["enough"])
    stopper.start()
    with pytest.raises(Interrupted, match="enough"):
        cancellation.sleep(600.0, before_write=True)
    stopper.join()


def test_cancellation_sleep_ends_when_the_play_is_gone() -> None:
    responses = iter([False, True])
    with pytest.raises(Interrupted):
        Cancellation(is_cancelled=lambda: next(responses)).sleep(600.0)
