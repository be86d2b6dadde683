# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m simulator`."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def run() -> int:
    """Load the command and run it; a signal that comes before it listens ends it just as cleanly."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from .command import main  # most of the start is spent in here

    return main()


if __name__ == "__main__":
    sys.exit(run())
