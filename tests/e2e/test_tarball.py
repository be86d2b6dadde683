# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tarball holds, and that what is installed from it can be read."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from ansible_collections.gpuops.runai.plugins.module_utils._api import transport as _transport

from tools.build_tarball import build, repack, source_date
from tools.paths import command, environment

CONTENTS = Path(__file__).with_name("tarball_contents.txt")


def test_tarball_built_twice_has_the_same_bytes(tarball: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == tarball.read_bytes()


def test_repack_of_other_order_and_times_gives_the_same_bytes(tarball: Path, tmp_path: Path) -> None:
    other, repacked = tmp_path / "other.tar.gz", tmp_path / tarball.name
    with tarfile.open(tarball) as archive, tarfile.open(other, "w:gz") as copy:
        for number, member in enumerate(reversed(archive.getmembers())):
            content = archive.extractfile(member) if member.isfile() else None
            member.mtime, member.uid, member.uname = number, 1000, "ada"
            if member.name == "FILES.json":
                assert content is not None
                listed = json.load(content)
                listed["files"].reverse()
                content = io.BytesIO(json.dumps(listed, indent=True).encode())
            copy.addfile(member, content)
    repack(other, repacked, source_date())
    assert repacked.read_bytes() == tarball.read_bytes()


def test_tarball_contents_match_the_committed_patterns(tarball: Path) -> None:
    lines = CONTENTS.read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    with tarfile.open(tarball) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    stray = [name for name in names if not any(fnmatchcase(name, pattern) for pattern in patterns)]
    missing = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    assert not stray
    assert not missing


def test_tarball_has_the_version_that_the_client_reports(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        manifest = archive.extractfile("MANIFEST.json")
        assert manifest is not None
        assert json.load(manifest)["collection_info"]["version"] == _transport.VERSION


def test_action_group_has_every_module(collections: Path) -> None:
    installed = collections / "ansible_collections" / "gpuops" / "runai"
    groups = yaml.safe_load((installed / "meta" / "runtime.yml").read_text())["action_groups"]
    assert sorted(groups["runai"]) == sorted(
        file.stem for file in (installed / "plugins" / "modules").glob("*.py")
    )


def test_documentation_of_the_installed_module_is_read(collections: Path) -> None:
    done = subprocess.run(
        [command("ansible-doc"), "gpuops.runai.runai_workload_batch"],
        check=False,
        env=environment(collections),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert str(collections) in done.stdout
    assert not done.stderr
