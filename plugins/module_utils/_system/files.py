# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""To whom a file belongs that root writes."""

from __future__ import annotations

import contextlib
import os


def leave_to_owner(descriptor: int, *places: str) -> None:
    """Give a file that root has just made to whom the first of ``places`` belongs that is there.

    Files for their owner alone, made by one run with become, would lock the user out whose folder it is.
    The file must be new: what was there already may be a link to anything.
    """
    if os.geteuid() != 0:
        return
    for place in places:
        try:
            owner = os.lstat(place)
        except OSError:
            continue
        # Storage may keep root from that.
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return
