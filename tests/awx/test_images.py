# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of images, and what ansible-builder makes of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.awx.conftest import KIT
from tests.support.waiting import PATIENCE
from tools.paths import command


def builder(folder: Path, *arguments: str) -> str:
    """Output of ansible-builder."""
    done = subprocess.run(
        [command("ansible-builder"), *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["execution", "decision"])
def test_builder_puts_the_tarball_where_the_requirements_name_it(
    kind: str, tarball: Path, tmp_path: Path
) -> None:
    shutil.copy(tarball, tmp_path / "gpuops-runai.tar.gz")
    builder(tmp_path, "create", "-f", str(_copy(kind, tmp_path)), "-c", "context")
    # The container file copies the folder _build to /build.
    (required, *_others) = yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text())[
        "collections"
    ]
    assert required["type"] == "file"
    inside = Path("context/_build") / Path(required["name"]).relative_to("/build")
    assert (tmp_path / inside).read_bytes() == tarball.read_bytes()


def test_introspection_of_the_installed_collection_finds_requests(collections: Path, tmp_path: Path) -> None:
    found = yaml.safe_load(builder(tmp_path, "introspect", str(collections)).partition("---")[2])
    assert any(one.startswith("requests>=") for one in found["python"])


def _copy(kind: str, folder: Path) -> Path:
    return Path(shutil.copy(KIT / f"{kind}-environment.yml", folder))
