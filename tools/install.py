# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install packages into a virtual environment: python -m tools.install VENV ARGUMENT... (as for pip install)

uv is many times faster, but reads none of pip's configuration: where only that names an index, pip does it.
Bytecode is made at once, as pip does it: where the environment forbids Python to write any later, each of the
many processes of a test run would compile everything anew.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def install(venv: Path, *arguments: str) -> None:
    """Raise CalledProcessError if neither uv (of the environment that runs this) nor pip can install them."""
    python = str(venv / "bin" / "python")
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        with_uv = [str(uv), "pip", "install", "--quiet", "--compile-bytecode", f"--python={python}"]
        done = subprocess.run([*with_uv, *arguments], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        print(f"uv could not install, trying pip:\n{done.stderr}", file=sys.stderr)
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *arguments]
    subprocess.run(pip, check=True)


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]), *sys.argv[2:])
    except subprocess.CalledProcessError as fault:
        sys.exit(fault.returncode)
