# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tarball holds, and that what is installed from it can be read and run."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import yaml
from ansible_collections.gpuops.runai.plugins.module_utils import _version

from tests.e2e.playbook import PlaybookRunner
from tools.paths import command, environment

FOR_DEVELOPERS = {
    "tests",
    "benchmarks",
    "tools",
    "demo",
    "requirements",
    "extensions",
    "Makefile",
    "pyproject.toml",
}


def test_it_holds_what_users_need_and_no_more(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    tops = {name.split("/")[0] for name in names}
    assert {"plugins", "meta", "simulator", "docs", "LICENSES", "README.md", "CHANGELOG.rst"} <= tops
    assert not tops & FOR_DEVELOPERS
    assert not [name for name in names if any(part.startswith(".") for part in name.split("/"))]
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".tar.gz"))]


def test_its_version_is_the_one_the_client_tells(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        manifest = archive.extractfile("MANIFEST.json")
        assert manifest is not None
        assert json.load(manifest)["collection_info"]["version"] == _version.VERSION


def test_every_module_is_in_the_action_group(collections: Path) -> None:
    installed = collections / "ansible_collections" / "gpuops" / "runai"
    groups = yaml.safe_load((installed / "meta" / "runtime.yml").read_text())["action_groups"]
    assert sorted(groups["runai"]) == sorted(
        file.stem for file in (installed / "plugins" / "modules").glob("*.py")
    )


def test_the_documentation_of_the_installed_module_is_read(collections: Path) -> None:
    done = subprocess.run(
        [command("ansible-doc"), "gpuops.runai.runai_workload_batch"],
        env=environment(collections),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert str(collections) in done.stdout
    assert not done.stderr


def test_a_playbook_runs_the_installed_module(run_playbook_on_each_core: PlaybookRunner) -> None:
    playbook = """
- hosts: localhost
  gather_facts: false
  tasks:
    - gpuops.runai.runai_workload_batch:
        base_url: http://127.0.0.1:9
        token: none
        action: suspend
        ids: []
"""
    run = run_playbook_on_each_core(playbook)
    assert run.rc == 0, run.output
    assert run.one("runai_workload_batch")["changed"] is False
    assert not run.warnings
