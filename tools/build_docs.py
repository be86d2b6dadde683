# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site in .cache/docs/html: python -m tools.build_docs"""

from __future__ import annotations

import subprocess
import sys

from tools.paths import CACHE, LINKED_TREE, command, environment

SOURCES = CACHE / "docs" / "rst"
SITE = CACHE / "docs" / "html"
SETTINGS = {
    "project": "gpuops.runai",
    "extensions": "sphinx_antsibull_ext",
    "html_theme": "sphinx_ansible_theme",
    "pygments_style": "ansible",
    "highlight_language": "YAML+Jinja",
    "default_role": "any",
    # What these do not resolve are Ansible's own pages; `make test` checks references within the collection.
    "suppress_warnings": "ref.ref,ref.any",
}


def main() -> int:
    SOURCES.mkdir(parents=True, exist_ok=True)
    SOURCES.chmod(0o700)  # antsibull-docs asks for it
    generate = ["collection", "--use-current", "--squash-hierarchy", "--cleanup", "everything"]
    settings = [word for name, value in SETTINGS.items() for word in ("-D", f"{name}={value}")]
    for arguments in (
        [command("antsibull-docs"), *generate, "--dest-dir", str(SOURCES), "gpuops.runai"],
        [command("sphinx-build"), "-q", "-W", "-C", *settings, str(SOURCES), str(SITE)],
    ):
        done = subprocess.run(arguments, env=environment(LINKED_TREE), check=False)
        if done.returncode:
            return done.returncode
    print(f"open {SITE / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
