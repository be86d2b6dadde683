# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are written whole, and to whom a file belongs that root writes."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from .._common.errors import RunaiError


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


def write_whole(path: str, text: str) -> None:
    """Write a file (0600) so that a crash leaves the old one or the new one. Raises RunaiError.

    Written by root, it belongs to whom the old one did, or the folder. A link is replaced, not followed.
    """
    folder = os.path.dirname(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                # In a folder that everybody may write to, anybody may have made the old one.
                is_everybodys = bool(os.stat(folder).st_mode & stat.S_IWOTH)
                leave_to_owner(handle, *(() if is_everybodys else (path,)), folder)
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as fault:
        raise RunaiError("{0} can't be written: {1}".format(path, fault.strerror)) from fault
