# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a folder is mounted from, as /proc shows it."""

from __future__ import annotations

import os

# What container engines put the layers of an image together with.
_LAYERED = ("overlay", "fuse-overlayfs", "fuse.fuse-overlayfs", "aufs")
_MOUNTS = "/proc/self/mountinfo"


def is_in_container(path: str, mounts: str = _MOUNTS) -> bool:
    """Return whether a folder lies in a container's own file system: layers at the root, no mount above it.

    False where that can't be read.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    path = os.path.realpath(path)
    kinds = {}
    for line in lines:
        fields, _dash, source = line.partition(" - ")
        if len(fields.split()) > 4 and source.split():
            # A later mount covers an earlier one at the same place.
            kinds[_unescaped(fields.split()[4])] = source.split()[0]
    above = [place for place in kinds if path == place or path.startswith(place.rstrip("/") + "/")]
    return max(above, key=len, default="") == "/" and kinds["/"] in _LAYERED


def _unescaped(place: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(code, character)
    return place
