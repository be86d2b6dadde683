# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make virtual environments, and install packages into them: python -m tools.install VENV ARGUMENT...

The arguments are those of pip install.

uv is many times faster, but reads none of pip's configuration: where only that names an index, pip does it.
Both are those of the development environment. To install pip into the others as well would take seconds each.
Bytecode is made at once, as pip does it: where the environment forbids Python to write any later, each of the
many processes of a test run would compile everything anew.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.paths import DEVELOPMENT


def make_environment(venv: Path, python: str) -> None:
    """Make an empty virtual environment of this Python, in place of the one that is there."""
    subprocess.run([python, "-m", "venv", "--clear", "--without-pip", str(venv)], check=True)


def install(venv: Path, *arguments: str) -> None:
    """Raise CalledProcessError if neither uv nor pip can install them."""
    python = str(venv / "bin" / "python")
    uv = DEVELOPMENT / "bin" / "uv"
    if uv.exists():
        with_uv = [str(uv), "pip", "install", "--quiet", "--compile-bytecode", f"--python={python}"]
        done = subprocess.run([*with_uv, *arguments], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        print(f"uv could not install, trying pip:\n{done.stderr}", file=sys.stderr)
    pip = [str(DEVELOPMENT / "bin" / "python"), "-m", "pip", f"--python={python}", "install", "-qq"]
    subprocess.run([*pip, "--disable-pip-version-check", *arguments], check=True)


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]), *sys.argv[2:])
    except subprocess.CalledProcessError as fault:
        sys.exit(fault.returncode)
