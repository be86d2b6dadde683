# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders go with a container."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._system.mounts import is_in_container

OVERLAY = "1 0 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b\n"
DISK = "1 0 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
PROC = "2 1 0:51 / /proc rw - proc proc rw\n"
MOUNTED = "3 1 8:1 /data /srv/runai\\040records rw - xfs /dev/sdb rw\n"


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
    tmp_path: Path, mounts: str, path: str, expected: bool
) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(mounts)
    assert is_in_container(path, str(file)) is expected


def test_is_in_container_without_readable_mounts_is_false(tmp_path: Path) -> None:
    assert not is_in_container("/srv", str(tmp_path / "none"))
