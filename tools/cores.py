# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments with other versions of ansible-core than the one in .venv."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.community import community_collection
from tools.install import install, make_environment
from tools.paths import CACHE, CHECKOUT, only_one, program_folders

# The oldest ansible-core that the collection supports and that runs on this Python.
OLDEST = {(3, 11): "2.16", (3, 12): "2.16", (3, 13): "2.18"}.get(sys.version_info[:2], "2.20")
# The newest ansible-core that there is, and the Pythons that it runs on.
LATEST = "2.21"
_LATEST_PYTHONS = ("python3.13", "python3.12")
# The oldest Python of targets, and the newest one that is looked for here.
_OLDEST_TARGET = "python3.9"
_NEWEST_PYTHON = 15


def environment_with(version: str, python: str = sys.executable) -> Path:
    """Return the virtual environment with this minor version of ansible-core; made when it is not there."""
    requirements = str(CHECKOUT / "meta" / "ee-requirements.txt")
    return _environment(CACHE / f"core-{version}", python, f"ansible-core=={version}.*", "-r", requirements)


def rulebook_environment() -> Path:
    """Return the virtual environment with ansible-rulebook, which the development one does without."""
    packages = ("ansible-rulebook==1.3.*", "ansible-core==2.19.*")
    return _environment(CACHE / "rulebook", sys.executable, *packages)


def kubernetes_environment() -> tuple[Path, Path] | None:
    """Return an environment with the Kubernetes library, and a collections path with kubernetes.core.

    None where the wheel of the community package "ansible", which holds the collection, can't be had.
    """
    tree = community_collection("kubernetes.core")
    if tree is None:
        return None
    packages = (
        "kubernetes==37.*",
        "ansible-core==2.19.*",
        "-r",
        str(CHECKOUT / "meta" / "ee-requirements.txt"),
    )
    return _environment(CACHE / "kubernetes", sys.executable, *packages), tree


def _environment(venv: Path, python: str, *packages: str) -> Path:
    ready = venv / ".ready"
    with only_one(venv):
        if not ready.exists():
            make_environment(venv, python)
            install(venv, *packages)
            ready.touch()
    return venv


@functools.cache
def python_for_latest() -> str | None:
    """Return a Python that the latest ansible-core runs on; ``None`` where there is none."""
    found = (shutil.which(name, path=_search_path()) for name in _LATEST_PYTHONS)
    return next((python for python in found if python and _makes_environments(python)), None)


def _search_path() -> str:
    """Folders that hold interpreters, pyenv's too."""
    return os.pathsep.join([*program_folders(), *map(str, Path.home().glob(".pyenv/versions/*/bin"))])


def _makes_environments(python: str) -> bool:
    """Tell whether this one came with ``venv``, which distributions package apart."""
    tried = subprocess.run([python, "-c", "import venv"], stderr=subprocess.DEVNULL, check=False)
    return tried.returncode == 0


def supported_versions() -> list[str]:
    """Minor versions of ansible-core in the index from the oldest supported one on, pre-releases too."""
    ask = [
        sys.executable,
        "-m",
        "pip",
        "index",
        "versions",
        "--pre",
        "--ignore-requires-python",
        "ansible-core",
    ]
    answer = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    (listed,) = re.findall(r"(?m)^Available versions: (.*)$", answer)
    minors = {tuple(map(int, version.split(".")[:2])) for version in listed.split(", ")}
    runtime = (CHECKOUT / "meta" / "runtime.yml").read_text()
    (oldest,) = re.findall(r'(?m)^requires_ansible: ">=(\d+)\.(\d+)\.\d+"', runtime)
    return [
        f"{major}.{minor}" for major, minor in sorted(minors) if (major, minor) >= tuple(map(int, oldest))
    ]


def environment_of_any_python(version: str) -> Path | None:
    """Return the environment with this ansible-core, on the first Python that runs it; None if none does."""
    for number in range(sys.version_info.minor, _NEWEST_PYTHON + 1):
        python = shutil.which(f"python3.{number}", path=_search_path())
        if python and _makes_environments(python) and _runs_on(version, f"3.{number}"):
            return environment_with(version, python)
    return None


def _runs_on(version: str, python: str) -> bool:
    """Whether the metadata of this ansible-core accepts this Python."""
    resolve = ["uv", "pip", "compile", "--quiet", "--no-deps", f"--python-version={python}", "-"]
    tried = subprocess.run(
        resolve, input=f"ansible-core=={version}.*", capture_output=True, text=True, check=False
    )
    return tried.returncode == 0


def oldest_target() -> Path | None:
    """Return an environment with the oldest supported Python and packages; None without that Python."""
    found = shutil.which(_OLDEST_TARGET, path=_search_path())
    if found is None:
        return None
    venv = CACHE / "oldest-target"
    ready = venv / ".ready"
    with only_one(venv):
        if not ready.exists():
            make_environment(venv, found)
            install(venv, "--resolution=lowest-direct", "-r", str(CHECKOUT / "meta" / "ee-requirements.txt"))
            ready.touch()
    return venv
