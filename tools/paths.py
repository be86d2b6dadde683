# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: the checkout, and the folders in it that git ignores."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import getproxies_environment

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache"
DEVELOPMENT = CHECKOUT / ".venv"
# A folder named like the collection's namespace, holding a link to the checkout.
LINKED_TREE = DEVELOPMENT / "tree"


def source_files() -> list[Path]:
    """Files of the working tree that git tracks or would track, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [Path(name) for name in sorted(set(listed.split("\0"))) if name and (CHECKOUT / name).is_file()]


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Wait until no other process works in this folder, and keep others out meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def program_folders() -> list[str]:
    """Folders of PATH but pyenv's shims, which answer for interpreters that then do not run."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [folder for folder in path if folder and not folder.rstrip("/").endswith("/shims")]


def command(name: str) -> str:
    """Path of a program of the environment that runs this."""
    return str(Path(sys.executable).parent / name)


def environment(collections: Path, venv: Path | None = None) -> dict[str, str]:
    """Environment for Ansible's programs: collections from one place, all that they write below .cache."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "RUNAI_"))}
    folder = (venv / "bin") if venv else Path(sys.executable).parent
    if proxies := getproxies_environment():
        # A proxy is for what is to be installed, and not on the way to the simulator.
        direct = ",".join([proxies.get("no", ""), "127.0.0.1,localhost,::1"]).lstrip(",")
        kept |= {"no_proxy": direct, "NO_PROXY": direct}
    return kept | {
        "PATH": os.pathsep.join([str(folder), *program_folders()]),
        "ANSIBLE_HOME": str(CACHE / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(CACHE / "ansible" / "remote"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_PYTHON_INTERPRETER": str(folder / "python"),
        "LC_ALL": "C.UTF-8",
    }
