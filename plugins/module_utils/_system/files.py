# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in folders that other accounts may be able to reach: records, reports, summaries, exports.

A folder is opened once, and its files by its descriptor: nobody can replace the folder in between. No link to
a file is followed, and what is opened is checked to be an ordinary file of ours or of the folder's owner.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import uuid
from collections.abc import Iterator
from typing import Optional

from .._common.errors import RunaiError
from .._common.text import shortened

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC
# A parent may be passed through by those who may not list it.
_PARENT = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_DEEPEST = 256


class UnsafeFileError(RunaiError):
    """A file that is not opened or written."""

    def __init__(self, folder: str, name: str, problem: str) -> None:
        super().__init__("{0}: {1}".format(shortened(os.path.join(folder, name)), problem))


class Folder:
    """An open folder. All methods raise OSError for what the system refuses."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._descriptor = os.open(self.path, os.O_RDONLY | _FOLDER)
        self._found = os.fstat(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def names(self) -> list[str]:
        return os.listdir(self._descriptor)

    def stat(self, name: str) -> Optional[os.stat_result]:
        """Return what a name stands for, without following a link; ``None`` where there is nothing."""
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int, largest: Optional[int] = None) -> int:
        """Open a file that is there; return its descriptor. Raises UnsafeFileError.

        Nothing waits: a named pipe is opened without its other end, and rejected.
        """
        try:
            descriptor = os.open(name, flags | _FLAGS, dir_fd=self._descriptor)
        except OSError as fault:
            if fault.errno != errno.ELOOP:
                raise
            raise UnsafeFileError(self.path, name, "is a link. Remove it") from None
        found, problem = os.fstat(descriptor), None
        if not stat.S_ISREG(found.st_mode):
            problem = "is not a regular file. Remove it"
        elif found.st_nlink > 1:
            problem = "has another name elsewhere (hard link). Remove it"
        elif found.st_uid not in (os.geteuid(), self._found.st_uid):
            problem = "belongs to another account (uid {0}). Remove it".format(found.st_uid)
        elif largest is not None and found.st_size > largest:
            problem = "is larger than {0} bytes. Remove it".format(largest)
        if problem is not None:
            os.close(descriptor)
            raise UnsafeFileError(self.path, name, problem)
        return descriptor

    def create(self, name: str, flags: int = os.O_WRONLY) -> int:
        """Make a file for its owner alone; return its descriptor. Root leaves it to the folder's owner."""
        descriptor = os.open(name, flags | _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._descriptor)
        _give(descriptor, self._found)
        return descriptor

    def replace(self, name: str, new_name: str) -> None:
        """Rename a file, in the place of another one."""
        os.replace(name, new_name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a file, or the link that has its name."""
        os.unlink(name, dir_fd=self._descriptor)

    def is_same(self, descriptor: int, name: str) -> bool:
        """Return whether a name still is the opened file."""
        found = self.stat(name)
        return found is not None and os.path.samestat(found, os.fstat(descriptor))

    def write_whole(self, name: str, text: str) -> None:
        """Write a file so that a crash leaves the old one or the new one, and no other file.

        A link with this name is replaced. Written by root, the file belongs to whom the old one did.
        """
        temporary = ".new-{0}".format(uuid.uuid4().hex)
        anonymous = self._create_anonymous()
        descriptor = self.create(temporary) if anonymous is None else anonymous
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                found = self.stat(name)
                # Where everybody can write, anybody can have made the old one.
                is_trusted = found is not None and not self._found.st_mode & stat.S_IWOTH
                _give(descriptor, found if found is not None and is_trusted else self._found)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
                if anonymous is not None:
                    os.link("/proc/self/fd/{0}".format(descriptor), temporary, dst_dir_fd=self._descriptor)
            self.replace(temporary, name)
        except BaseException:
            with contextlib.suppress(OSError):
                self.remove(temporary)
            raise

    def _create_anonymous(self) -> Optional[int]:
        """Make a file without a name, which goes with its process; return ``None`` where that can't be."""
        if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
            return None
        try:
            return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=self._descriptor)
        except OSError as fault:
            if fault.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
            return None

    def problem_for_records(self) -> Optional[str]:
        """Return why the folder is not safe for files that are read again, with what to do.

        Nobody else may be able to write to it, or to put another folder in its place: false records could be
        planted.
        """
        mode, owner, us = stat.S_IMODE(self._found.st_mode), self._found.st_uid, os.geteuid()
        if mode & 0o022:
            return (
                "other accounts can write to it (mode {0:04o}) and could plant a false record. "
                "Run chmod go-w on it, or use a folder of its own".format(mode)
            )
        if us != 0 and owner not in (us, 0) and not os.access(".", os.W_OK, dir_fd=self._descriptor):
            return "it belongs to another account (uid {0}). Use a folder of your own".format(owner)
        if us == 0 and owner != 0 and any(_may_swap(above, here, owner) for above, here in self._parents()):
            return (
                "it belongs to another account (uid {0}), below a folder that other accounts can write to. "
                "Use a folder that belongs to root".format(owner)
            )
        if any(_is_everybodys(above) for above, _here in self._parents()):
            return (
                "it lies in a folder that everybody can write to, so that it can be replaced. "
                "Run chmod o-w on that folder, or use another one"
            )
        return None

    def problem_for_output(self, name: str) -> Optional[str]:
        """Return why the file ``name`` can't be written safely in this folder, with what to do.

        A folder like /tmp is safe: the file is new and private, and nobody else can remove it.
        """
        if _is_everybodys(self._found):
            return (
                "everybody can write to its folder (mode {0:04o}) and could replace it. "
                "Run chmod o-w on that folder, or use another one".format(stat.S_IMODE(self._found.st_mode))
            )
        found, us = self.stat(name), os.geteuid()
        if found is None:
            return None
        if stat.S_ISDIR(found.st_mode):
            return "is a folder"
        # In a sticky folder, this account can't replace the file of another one.
        if self._found.st_mode & stat.S_ISVTX and us not in (0, found.st_uid, self._found.st_uid):
            return "belongs to another account (uid {0}). Use another name".format(found.st_uid)
        return None

    def is_shared(self) -> bool:
        """Return whether an account other than root and the current one can write to the folder."""
        return bool(self._found.st_mode & 0o022) or self._found.st_uid not in (0, os.geteuid())

    def _parents(self) -> Iterator[tuple[os.stat_result, os.stat_result]]:
        """Return the folders above this one, whatever links led to it, each with the one below."""
        below, here = self._found, os.dup(self._descriptor)
        try:
            for _level in range(_DEEPEST):
                try:
                    above = os.open("..", _PARENT, dir_fd=here)
                except OSError:
                    return
                os.close(here)
                here, found = above, os.fstat(above)
                if os.path.samestat(found, below):
                    return
                yield found, below
                below = found
        finally:
            os.close(here)


def open_output(path: str) -> tuple[Folder, str]:
    """Open the folder of a file to write; return it and the file's name. Raises OSError, UnsafeFileError."""
    if "\0" in path:
        # Python raises ValueError for such a name.
        raise OSError(errno.EINVAL, "the path holds a null byte")
    folder = Folder(os.path.dirname(path))
    name = os.path.basename(path)
    try:
        problem = folder.problem_for_output(name)
        if problem is not None:
            raise UnsafeFileError(folder.path, name, problem)
    except BaseException:
        folder.close()
        raise
    return folder, name


def check_output(path: str) -> None:
    """Raise RunaiError where a file can't be written, or not safely."""
    with _opened_output(path) as (folder, _name):
        if not os.access(folder.path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_whole(path: str, text: str) -> None:
    """Write a file (0600) so that a crash leaves the old one or the new one. Raises RunaiError."""
    with _opened_output(path) as (folder, name):
        folder.write_whole(name, text)


@contextlib.contextmanager
def _opened_output(path: str) -> Iterator[tuple[Folder, str]]:
    try:
        folder, name = open_output(path)
        try:
            yield folder, name
        finally:
            folder.close()
    except OSError as fault:
        raise RunaiError("{0}: cannot be written: {1}".format(shortened(path), fault.strerror)) from fault


def try_lock(descriptor: int, is_shared: bool = False) -> bool:
    """Lock a file for this process; return whether it is free. Raises OSError where storage has no locks.

    The lock belongs to the open file: it goes with the process, whatever its number and its parents are.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _is_everybodys(folder: os.stat_result) -> bool:
    """Return whether everybody can replace what is in a folder; in a sticky one only its owner can."""
    return bool(folder.st_mode & stat.S_IWOTH) and not folder.st_mode & stat.S_ISVTX


def _may_swap(above: os.stat_result, here: os.stat_result, owner: int) -> bool:
    """Return whether an account other than root and the owner can put another folder in the place of one."""
    if above.st_uid not in (0, owner):
        return True
    is_kept = above.st_mode & stat.S_ISVTX and here.st_uid == 0
    return bool(above.st_mode & 0o022) and not is_kept


def _give(descriptor: int, owner: os.stat_result) -> None:
    """Give a new file of root's to the owner of another one.

    Files for their owner alone, made by one run with become, would lock the user out whose folder it is.
    """
    if os.geteuid() == 0:
        # Storage may keep root from that.
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
