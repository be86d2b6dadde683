# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records as files: one folder, one file a record, written whole or not at all.

A file is written beside its place, flushed to the disk, and moved over the old one, so that a crash
at any moment leaves either the old record or the new one. One lock file a folder keeps two jobs from
writing at once; that one run at a time acts on a record is the concern of ``_record_lock``. Nothing here
deletes a record.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from typing import Optional

from .._system.files import leave_to_owner
from .record import (
    Record,
    RecordError,
    Remedy,
    from_json,
    to_json,
)

_LOCK = ".lock"
_SUFFIX = ".record.json"
# A step holds the lock while it reads the control plane, at most this many seconds behind another one.
_LOCK_WAIT = 300.0
_OTHER_FOLDER = Remedy({"record_dir": "<a folder that stays>"})


class RecordFolder:
    """The folder that holds the records of one team."""

    def __init__(self, path: str) -> None:
        self.path = os.path.expanduser(path)

    def file_of(self, name: str) -> str:
        """Return where the record of this name lies."""
        return os.path.join(self.path, name + _SUFFIX)

    def is_there(self) -> bool:
        """Tell whether the folder exists."""
        return os.path.isdir(self.path)

    def lock_of(self, name: str) -> str:
        """Return the path of the file that a run locks while it acts on the record of this name."""
        return os.path.join(self.path, ".{0}{1}".format(name, _LOCK))

    def beside(self, name: str) -> str:
        """Return the path of another file in the folder."""
        return os.path.join(self.path, name)

    def check(self, may_create: bool) -> None:
        """Raise RecordError unless records can be kept here: an absolute path, writable, with working locks.

        The folder is made (0700) if ``may_create``; without that, one that is not there yet is accepted.
        """
        if not os.path.isabs(self.path):
            raise RecordError(
                "the record folder must be an absolute path, not {0!r}; nothing was done".format(self.path),
                _OTHER_FOLDER,
            )
        if not self.is_there():
            if os.path.exists(self.path):
                raise RecordError("{0} is not a folder; nothing was done".format(self.path), _OTHER_FOLDER)
            if not may_create:
                return
            try:
                os.makedirs(self.path, mode=0o700, exist_ok=True)
            except OSError as fault:
                raise refused_write(self.path, fault) from fault
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise RecordError(
                "the record folder {0} is not writable for this user; nothing was done".format(self.path),
                _OTHER_FOLDER,
            )
        self._check_locks()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock. Raises RecordError when another job holds it for too long."""
        handle = open_lock(os.path.join(self.path, _LOCK))
        try:
            end = time.monotonic() + _LOCK_WAIT
            while not try_lock(handle, self.path):
                if time.monotonic() >= end:
                    raise RecordError(
                        "another job has held the lock of {0} for {1:g} s".format(self.path, _LOCK_WAIT)
                    )
                time.sleep(0.1)
            yield
        finally:
            os.close(handle)

    def load(self, name: str) -> Optional[Record]:
        """Return the record of this name, ``None`` where there is none. Raises RecordError.

        A file that holds a record of another name is refused: two that go by one record would each keep
        what it stopped from coming back.
        """
        record = self._read(name)
        if record is not None and record.name != name:
            words = "a copy of the record {0}" if self._is_copy(record) else "the record {0} by another name"
            raise RecordError(
                "{0} is {1}; nothing was done".format(self.file_of(name), words.format(record.name)),
                Remedy({"name": record.name}),
            )
        return record

    def _is_copy(self, record: Record) -> bool:
        """Tell whether the file of the record's own name holds the same record."""
        original = self._read(record.name)
        return original is not None and original.id == record.id

    def _read(self, name: str) -> Optional[Record]:
        path = self.file_of(name)
        try:
            with open(path, encoding="utf-8") as handle:
                value = json.load(handle)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as fault:
            raise RecordError("{0} can't be read: {1}".format(path, fault)) from fault
        return from_json(value, path)

    def save(self, record: Record) -> None:
        """Write the record, whole or not at all, readable for its owner alone."""
        text = json.dumps(to_json(record), indent=1, sort_keys=False)
        write_whole(self.file_of(record.name), text + "\n")

    def names(self) -> list[str]:
        """Return the names of the records in the folder."""
        if not self.is_there():
            return []
        return sorted(file[: -len(_SUFFIX)] for file in os.listdir(self.path) if file.endswith(_SUFFIX))

    def others(self, without: str) -> list[Record]:
        """Return the records in the folder but the one of this name; a copy of one that is there is none."""
        found = [self._load_other(name) for name in self.names() if name != without]
        return [record for record in found if record is not None]

    def _load_other(self, name: str) -> Optional[Record]:
        try:
            record = self._read(name)
            if record is not None and record.name != name and self._is_copy(record):
                # The record itself speaks for what it holds.
                return None
            return self.load(name)
        except RecordError as fault:
            raise RecordError(  # pylint: disable=bad-exception-cause
                "{0}. It may hold the same workloads: mend that file, or move it out of the folder; nothing "
                "was sent".format(fault)
            ) from fault

    def _check_locks(self) -> None:
        """Take the lock of a file twice: storage that grants both, or none, does not know locks.

        The file is this process's own. Process ids repeat from container to container.
        """
        try:
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=_LOCK) as one, open(one.name) as two:
                if not try_lock(one.fileno(), self.path) or try_lock(two.fileno(), self.path):
                    raise _no_locks(self.path)
        except OSError as fault:
            raise refused_write(self.path, fault) from fault


def write_whole(path: str, text: str) -> None:
    """Write a file (0600) so that a crash leaves the old one or the new one. Raises RecordError.

    Written by root, it belongs to whom the old one did, or the folder.
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
        _flush_folder(folder)
    except OSError as fault:
        raise refused_write(path, fault) from fault


def _flush_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_lock(path: str) -> int:
    """Open the file of a lock, and make it (0600) where it is not there. Raises RecordError."""
    how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        try:
            handle = os.open(path, how | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(path, how, 0o600)
    except OSError as fault:
        raise refused_write(path, fault) from fault
    leave_to_owner(handle, os.path.dirname(path))
    return handle


def try_lock(handle: int, where: str) -> bool:
    """Tell whether the lock of an open file could be had at once. Raises RecordError where there are none."""
    return _flock(handle, fcntl.LOCK_EX, where)


def try_shared_lock(handle: int, where: str) -> bool:
    """Tell whether nobody has locked an open file for himself."""
    return _flock(handle, fcntl.LOCK_SH, where)


def _flock(handle: int, how: int, where: str) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise _no_locks(where) from fault
    return True


def _no_locks(where: str) -> RecordError:
    return RecordError(
        "the storage of {0} does not know file locks (flock), so two jobs could overwrite each other's "
        "record; choose another folder; nothing was done".format(where),
        _OTHER_FOLDER,
    )


def refused_write(path: str, fault: OSError) -> RecordError:
    """Return what to raise for a file that can't be written."""
    return RecordError("{0} can't be written: {1}".format(path, fault.strerror or fault))
