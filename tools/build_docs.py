# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site in .cache/docs/html: python -m tools.build_docs

antsibull-docs writes the pages of the plugins and roles, and copies the guides. Added here are the rules of
the roles (their README files), the plot of the speed page, and the start page as the index, with the
navigation.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import yaml

from tools.paths import CACHE, CHECKOUT, LINKED_TREE, command, environment

SOURCES = CACHE / "docs" / "rst"
SITE = CACHE / "docs" / "html"
START, START_TITLE = "docsite/start", "Install, first playbook"
PLOT = ".. image:: speed.svg\n   :alt: Seconds by number of workloads\n\n"
SETTINGS = {
    "project": "gpuops.runai",
    "extensions": "sphinx_antsibull_ext,myst_parser",
    "html_theme": "sphinx_ansible_theme",
    "html_theme_options.documentation_home_url": "index.html",
    "html_theme_options.show_extranav": "false",
    "html_static_path": "_site",
    "html_css_files": "site.css",
    "html_title": "gpuops.runai",
    "pygments_style": "ansible",
    "highlight_language": "YAML+Jinja",
    "default_role": "any",
    # What these do not resolve are Ansible's own pages; `make test` checks references within the collection.
    # README files link to files of the repository.
    "suppress_warnings": "ref.ref,ref.any,myst.xref_missing,misc.highlighting_failure",
}


def captions() -> Iterator[tuple[str, list[str]]]:
    """Captions of the navigation, each with its pages."""
    sections = yaml.safe_load((CHECKOUT / "docs" / "docsite" / "extra-docs.yml").read_text())["sections"]
    for section in sections:
        if section["title"] == "Project":
            yield "Reference", reference()
        pages = [f"docsite/{page}" for page in section["toctree"]]
        yield section["title"], [f"{START_TITLE} <self>" if page == START else page for page in pages]


def reference() -> list[str]:
    """Pages of the modules, the inventory, the roles and the roles' rules."""
    kinds = ("module", "inventory", "role", "rules")
    pages = [page.stem.rpartition("_") for kind in kinds for page in sorted(SOURCES.glob(f"*_{kind}.*"))]
    return [f"{name} ({kind}) <{name}_{kind}>" for name, _between, kind in pages]


def add_pages() -> None:
    """Add to the sources what antsibull-docs does not write."""
    for readme in (CHECKOUT / "roles").glob("*/README.md"):
        title, rest = readme.read_text().split("\n# ", 1)[1].split("\n", 1)
        name = title.rpartition(".")[2]
        (SOURCES / f"{name}_rules.md").write_text(f"# {name}: rules\n{rest}")
    speed = SOURCES / "docsite" / "guide_speed.rst"
    shutil.copy(CHECKOUT / "docs" / "speed.svg", speed.parent)
    title, text = speed.read_text().split("=\n\n", 1)
    speed.write_text(f"{title}=\n\n{PLOT}{text}")
    (SOURCES / "_site").mkdir(exist_ok=True)
    shutil.copy(CHECKOUT / "tools" / "site.css", SOURCES / "_site")
    navigation = [
        ".. toctree::\n   :hidden:\n   :caption: {0}\n\n{1}\n".format(
            caption, "".join(f"   {page}\n" for page in pages)
        )
        for caption, pages in captions()
    ]
    start = SOURCES / f"{START}.rst"
    (SOURCES / "index.rst").write_text("\n".join([start.read_text(), *navigation]))
    start.unlink()


def main() -> int:
    SOURCES.mkdir(parents=True, exist_ok=True)
    SOURCES.chmod(0o700)  # antsibull-docs asks for it
    generate = ["collection", "--use-current", "--squash-hierarchy", "--cleanup", "everything"]
    settings = [word for name, value in SETTINGS.items() for word in ("-D", f"{name}={value}")]
    made = subprocess.run(
        [command("antsibull-docs"), *generate, "--dest-dir", str(SOURCES), "gpuops.runai"],
        env=environment(LINKED_TREE),
        check=False,
    )
    if made.returncode:
        return made.returncode
    add_pages()
    build = [
        command("sphinx-build"),
        "-q",
        "-E",
        "-W",
        "--keep-going",
        "-C",
        *settings,
        str(SOURCES),
        str(SITE),
    ]
    done = subprocess.run(build, env=environment(LINKED_TREE), check=False)
    if done.returncode == 0:
        print(f"open {SITE / 'index.html'}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
