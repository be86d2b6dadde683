# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments with other versions of ansible-core than the one in .venv."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.install import install
from tools.paths import CACHE, CHECKOUT, only_one, program_folders

# The oldest ansible-core that the collection supports and that runs on this Python.
OLDEST = {(3, 11): "2.16", (3, 12): "2.16", (3, 13): "2.18"}.get(sys.version_info[:2], "2.20")
# The newest ansible-core that there is, and the Pythons that it runs on.
LATEST = "2.21"
_LATEST_PYTHONS = ("python3.13", "python3.12")


def environment_with(version: str, python: str = sys.executable) -> Path:
    """Return the virtual environment with this minor version of ansible-core; made when it is not there."""
    venv = CACHE / f"core-{version}"
    ready = venv / ".ready"
    with only_one(venv):
        if not ready.exists():
            subprocess.run([python, "-m", "venv", "--clear", str(venv)], check=True)
            install(venv, f"ansible-core=={version}.*", "-r", str(CHECKOUT / "meta" / "ee-requirements.txt"))
            ready.touch()
    return venv


@functools.cache
def python_for_latest() -> str | None:
    """Return a Python that the latest ansible-core runs on; ``None`` where there is none."""
    folders = [*program_folders(), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    found = (shutil.which(name, path=os.pathsep.join(folders)) for name in _LATEST_PYTHONS)
    return next((python for python in found if python and _makes_environments(python)), None)


def _makes_environments(python: str) -> bool:
    """Tell whether this one came with all that ``venv`` needs, which distributions package apart."""
    tried = subprocess.run([python, "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL, check=False)
    return tried.returncode == 0
