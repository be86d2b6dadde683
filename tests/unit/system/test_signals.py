# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._system.signals import heeded_interrupts


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Heed what a process usually heeds, whatever the one that runs the tests ignores, and only meanwhile."""
    found = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for one in found:
        signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
    yield
    for one, handler in found.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_heeded_interrupts_first_one_is_heeded_and_second_one_ends(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with heeded_interrupts() as is_interrupted:
        assert not is_interrupted()
        os.kill(os.getpid(), number)
        assert is_interrupted()
        assert signal.getsignal(number) is signal.SIG_DFL
    assert signal.getsignal(number) is before


def test_heeded_interrupts_of_an_ignored_signal_stay_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with heeded_interrupts() as is_interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert not is_interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_heeded_interrupts_in_a_thread_heed_none() -> None:
    def run() -> bool:
        with heeded_interrupts() as is_interrupted:
            return is_interrupted()

    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(run).result()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
