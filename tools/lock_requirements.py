# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve the development requirements, with hashes: python -m tools.lock_requirements"""

from __future__ import annotations

import subprocess
import sys

from tools.paths import CHECKOUT, command

# By lock file, the requirements that it resolves.
LOCKS = {
    "requirements/lock.txt": ("requirements/dev.txt", "simulator/requirements.txt"),
    "requirements/importer-lock.txt": ("requirements/importer.txt",),
}
HEADER = """\
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The versions in use, for Python 3.11 and newer. Made by `make lock`.
"""


def main() -> int:
    resolve = ["pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--upgrade"]
    plain = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    for lock, sources in LOCKS.items():
        arguments = [command("uv"), *resolve, "--generate-hashes", *plain, *sources]
        done = subprocess.run(arguments, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True)
        (CHECKOUT / lock).write_text(HEADER + done.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
