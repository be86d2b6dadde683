# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the tarball and check it with galaxy-importer, as Galaxy does: python -m tools.check_tarball

galaxy-importer exits with an error for wrong metadata only. Here, any warning or error of its output is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.build_tarball import build
from tools.install import install, make_environment
from tools.paths import CACHE, CHECKOUT, environment, only_one

LOCK = CHECKOUT / "requirements" / "importer-lock.txt"
SETTINGS = {"CHECK_REQUIRED_TAGS": "true", "CHECK_CHANGELOG": "true", "RUN_FLAKE8": "false"}


def importer_environment() -> Path:
    """Return the virtual environment with galaxy-importer; made when needed, and anew for a new lock."""
    venv = CACHE / "importer"
    ready = venv / ".ready"
    with only_one(venv):
        if not ready.exists() or ready.read_text() != LOCK.read_text():
            make_environment(venv, sys.executable)
            install(venv, "--require-hashes", "-r", str(LOCK))
            ready.write_text(LOCK.read_text())
    return venv


def main() -> int:
    venv = importer_environment()
    with tempfile.TemporaryDirectory() as folder:
        tarball = build(Path(folder))
        settings = {f"GALAXY_IMPORTER_{name}": value for name, value in SETTINGS.items()}
        done = subprocess.run(
            [str(venv / "bin" / "python"), "-m", "galaxy_importer.main", str(tarball)],
            cwd=folder,
            env=environment(Path(folder), venv) | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    findings = re.findall(r"(?m)^(?:WARNING|ERROR|CRITICAL).*$", done.stdout)
    if done.returncode or findings or "Importer processing completed successfully" not in done.stdout:
        print(done.stdout)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
