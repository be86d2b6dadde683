# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m simulator`."""

from __future__ import annotations

import signal
import sys
from types import FrameType

# The first Python with all that the simulator uses.
_OLDEST = (3, 11)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def run() -> int:
    """Load the command and run it; a signal that comes before it listens ends it just as cleanly."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    if sys.version_info[:2] < _OLDEST:
        return _refuse("Python 3.11 or newer is needed, this is " + sys.version.split()[0])
    try:
        from .command import main  # most of the start is spent in here
    except ModuleNotFoundError as error:
        return _refuse(
            f"the Python module {error.name} is missing: python3 -m pip install -r simulator/requirements.txt"
        )
    return main()


def _refuse(problem: str) -> int:
    print("simulator: " + problem, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run())
