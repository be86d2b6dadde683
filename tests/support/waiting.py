# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests wait for what happens, never for a while; how long that takes on a busy machine is no matter."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 600.0
"""Seconds, far above what anything in the tests takes, a whole play included; only a hang runs into it."""


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Return as soon as it is so; fail when it never is."""
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.01)
