# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments with other versions of ansible-core than the one in .venv."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.install import install
from tools.paths import CACHE, CHECKOUT, only_one

# The oldest ansible-core that the collection supports and that runs on this Python.
OLDEST = {(3, 11): "2.16", (3, 12): "2.16", (3, 13): "2.18"}.get(sys.version_info[:2], "2.20")


def environment_with(version: str) -> Path:
    """Return the virtual environment with this minor version of ansible-core; made when it is not there."""
    venv = CACHE / f"core-{version}"
    ready = venv / ".ready"
    with only_one(venv):
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
            install(venv, f"ansible-core=={version}.*", "-r", str(CHECKOUT / "meta" / "ee-requirements.txt"))
            ready.touch()
    return venv
