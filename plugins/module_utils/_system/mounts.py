# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a folder is mounted from, as /proc shows it."""

from __future__ import annotations

import os

_MOUNTS = "/proc/self/mounts"
# File systems in which container engines put the layers of an image together.
_LAYERED = ("overlay", "fuse-overlayfs", "fuse.fuse-overlayfs", "aufs")


def is_in_container(path: str) -> bool:
    """Return whether a folder lies in a container's own file system: layers at the root, no mount above it.

    False where that can't be read.
    """
    place = os.path.realpath(path)
    while not os.path.ismount(place):
        place = os.path.dirname(place)
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            kinds = [line.split()[2] for line in file if line.split()[1:2] == ["/"]]
    except OSError:
        return False
    # A later mount covers an earlier one at the same place.
    return place == "/" and bool(kinds) and kinds[-1] in _LAYERED
