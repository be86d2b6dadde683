# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection's tarball, the same bytes every time: python -m tools.build_tarball [FOLDER]

Only files that git tracks, or would track, go in. ansible-galaxy builds the tarball, in the order of the
file system and with the times of the clock. Both are replaced here: files are sorted, and all times are
SOURCE_DATE_EPOCH, or the time of the last commit where that is not set.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.paths import CACHE, CHECKOUT, command, environment, source_files

MANIFEST = "MANIFEST.json"
FILES = "FILES.json"


def source_date() -> int:
    """Seconds since the epoch that all files of the tarball carry as their time."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    log = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(log, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout)


def build_with_galaxy(folder: Path) -> Path:
    """Return the tarball that ansible-galaxy builds in this folder from a copy of the source files."""
    sources = folder / "sources"
    for name in source_files():
        target = sources / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, target)
    subprocess.run(
        [command("ansible-galaxy"), "collection", "build", "--output-path", str(folder)],
        cwd=sources,
        env=environment(folder),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (built,) = folder.glob("*.tar.gz")
    return built


def with_sorted_lists(contents: dict[str, bytes]) -> dict[str, bytes]:
    """Sort the list of files, and write its new checksum into the manifest."""
    files = json.loads(contents[FILES])
    files["files"].sort(key=lambda file: file["name"])
    listed = json.dumps(files, indent=True).encode()
    manifest = json.loads(contents[MANIFEST])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(listed).hexdigest()
    return contents | {FILES: listed, MANIFEST: json.dumps(manifest, indent=True).encode()}


def repack(built: Path, target: Path, seconds: int) -> None:
    """Write the tarball anew: sorted, with one time for all files, and nothing else of the machine in it."""
    with tarfile.open(built) as archive:
        members = archive.getmembers()
        contents = {one.name: _content(archive, one) for one in members if one.isfile()}
    contents = with_sorted_lists(contents)
    members.sort(key=lambda one: (one.name != MANIFEST, one.name != FILES, one.name))
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=seconds) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for member in members:
            # A new one: what was read keeps extended headers, with fractions of the old times.
            info = tarfile.TarInfo(member.name)
            info.type, info.mode, info.mtime = member.type, member.mode, seconds
            content = contents.get(member.name, b"")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def build(folder: Path) -> Path:
    """Build the tarball in this folder, and return its path. Raises CalledProcessError: it can't be built."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        built = build_with_galaxy(Path(scratch))
        target = folder / built.name
        repack(built, target, source_date())
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else CACHE / "build"))
