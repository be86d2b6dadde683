# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections of other people, out of the community package "ansible" on PyPI."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tools.paths import CACHE, only_one

# The wheel holds no compiled code. Its newest version wants a newer Python than the checkout's may be.
_WHEEL = ("ansible==14.*", "--no-deps", "--only-binary=:all:", "--python-version=3.12")


def community_collection(name: str) -> Path | None:
    """Return a collections path with this collection alone, or ``None`` where the package can't be had."""
    tree = CACHE / f"community-{name}"
    with only_one(tree):
        if not (tree / ".ready").exists():
            shutil.rmtree(tree, ignore_errors=True)
            fetch = [sys.executable, "-m", "pip", "download", "-q", "--dest", str(tree / "wheel"), *_WHEEL]
            if subprocess.run(fetch, check=False, stderr=subprocess.DEVNULL).returncode:
                return None
            [path] = (tree / "wheel").iterdir()
            folder = "ansible_collections/{}/".format(name.replace(".", "/"))
            with zipfile.ZipFile(path) as held:
                held.extractall(tree, [one for one in held.namelist() if one.startswith(folder)])
            shutil.rmtree(tree / "wheel")
            (tree / ".ready").touch()
    return tree
