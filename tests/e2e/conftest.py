# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball, installed; and ansible-playbook of the oldest and the newest ansible-core to use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.playbook import PlaybookRunner
from tools.build_tarball import build
from tools.cores import OLDEST, environment_with
from tools.paths import LINKED_TREE, command, environment, only_one


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of pytest, the same for all its workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def packed(shared: Path) -> None:
    """Let the plays of this run of pytest share the modules that they pack."""
    folder = shared / "packed"
    folder.mkdir(exist_ok=True)
    os.environ["PACKED"] = str(folder)


@pytest.fixture(scope="session")
def tarball(shared: Path) -> Path:
    """The collection's tarball, built once from the working tree."""
    folder = shared / "tarball"
    with only_one(folder):
        if not folder.exists():
            folder.mkdir()
            build(folder)
    (built,) = folder.glob("*.tar.gz")
    return built


@pytest.fixture(scope="session")
def collections(request: pytest.FixtureRequest, shared: Path) -> Path:
    """A collections path that holds the installed tarball and nothing else.

    Where lines are counted, it leads to those of the checkout.
    """
    if "COVERAGE_PROCESS_START" in os.environ:
        return LINKED_TREE
    folder = shared / "collections"
    tarball = request.getfixturevalue("tarball")
    install = ["install", "--offline", "--collections-path", str(folder), str(tarball)]
    with only_one(folder):
        if not folder.exists():
            subprocess.run(
                [command("ansible-galaxy"), "collection", *install], env=environment(folder), check=True
            )
    return folder


@pytest.fixture(params=["newest", "oldest"])
def each_core(request: pytest.FixtureRequest) -> Path:
    """Virtual environments with the newest and the oldest ansible-core: a test that uses it runs on both."""
    return environment_with(OLDEST) if request.param == "oldest" else Path(sys.prefix)


@pytest.fixture
def run_playbook(collections: Path, tmp_path: Path) -> PlaybookRunner:
    """Run a playbook with the installed tarball and the newest ansible-core."""
    return PlaybookRunner(collections, Path(sys.prefix), tmp_path)


@pytest.fixture
def run_playbook_on_each_core(collections: Path, each_core: Path, tmp_path: Path) -> PlaybookRunner:
    """The same, once with the newest and once with the oldest ansible-core."""
    return PlaybookRunner(collections, each_core, tmp_path)


@pytest.fixture
def run_playbook_on_the_oldest_core(collections: Path, tmp_path: Path) -> PlaybookRunner:
    """The same with the oldest ansible-core."""
    return PlaybookRunner(collections, environment_with(OLDEST), tmp_path)
