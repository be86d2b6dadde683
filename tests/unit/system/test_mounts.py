# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders go with a container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._system import mounts as _mounts

OVERLAY = "overlay / overlay rw,relatime,lowerdir=/a:/b 0 0\n"
DISK = "/dev/vda / ext4 rw,relatime 0 0\n"
PROC = "proc /proc proc rw 0 0\n"
MOUNTED = "/dev/sdb /srv/runai\\040records xfs rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "path", "expected"),
    [
        (OVERLAY + PROC, "/srv/runai records/x", True),
        (OVERLAY + MOUNTED, "/srv/runai records/x", False),
        (OVERLAY + MOUNTED, "/srv/runai records2", True),
        (OVERLAY + DISK, "/srv", False),
        (DISK, "/srv", False),
        ("nonsense\n", "/srv", False),
    ],
)
def test_is_in_container_layers_without_a_mount_above_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, path: str, expected: bool
) -> None:
    places = [line.split()[1].replace("\\040", " ") for line in ("x /", *mounts.splitlines()) if " " in line]
    monkeypatch.setattr(os.path, "ismount", places.__contains__)
    file = tmp_path / "mounts"
    file.write_text(mounts)
    monkeypatch.setattr(_mounts, "_MOUNTS", str(file))
    assert _mounts.is_in_container(path) is expected


def test_is_in_container_without_readable_mounts_is_false(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "ismount", ["/"].__contains__)
    monkeypatch.setattr(_mounts, "_MOUNTS", str(tmp_path / "none"))
    assert not _mounts.is_in_container("/srv")
