# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of records: one append-only file a record, with its own lock.

Files are opened relative to the descriptor of their folder, and no link is followed. Nothing that a file
holds is trusted: its size, its lines and its owner are checked, and it is never a target of a signal.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

from .._common.text import clean
from .record import ENDED, Event, Record, RecordError, is_name, record_of

SUFFIX = ".record.jsonl"
_LARGEST = 256 * 1024 * 1024
_LONGEST_LINE = 4 * 1024 * 1024
_TAIL = 4096
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Heading(NamedTuple):
    """What the first and the last line of a record show."""

    name: str
    head: Event
    last: Event

    @property
    def has_ended(self) -> bool:
        """Whether it holds nothing any more."""
        return self.last.get("event") == "state" and self.last.get("state") == ENDED


class RecordFolder:
    """A folder of records. Raises RecordError, with what to do, where it can't be trusted or used."""

    def __init__(self, path: str, may_create: bool) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        if may_create:
            try:
                os.makedirs(self.path, mode=0o700, exist_ok=True)
            except OSError as fault:
                raise self._error("can't be made: {0}".format(fault.strerror)) from None
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self._error("is not there") from None
        except OSError as fault:
            raise self._error("can't be read: {0}".format(fault.strerror)) from None
        self._owner = os.fstat(self._descriptor)
        if self._owner.st_mode & 0o022:
            raise self._error(
                "others can write to it (mode {0:o}), and could plant a false record. "
                "Run chmod go-w on it".format(stat.S_IMODE(self._owner.st_mode))
            )

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._descriptor)

    def path_of(self, name: str) -> str:
        """Return the path of a record, for people."""
        return os.path.join(self.path, name + SUFFIX)

    def names(self) -> list[str]:
        """Return the names of the records."""
        names = [one[: -len(SUFFIX)] for one in os.listdir(self._descriptor) if one.endswith(SUFFIX)]
        return sorted(name for name in names if is_name(name))

    def heading(self, name: str) -> Heading:
        """Read the first and the last line of a record, whatever its length."""
        descriptor = self._open(name, os.O_RDONLY)
        with open(descriptor, "rb") as file:
            head = _event(file.readline(_LONGEST_LINE), name)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read(_TAIL).split(b"\n")[:-1]
        try:
            last = _event(lines[-1], name) if lines else head
        except RecordError:
            # A line longer than what was read is none that ends a record.
            last = {}
        return Heading(name, head, last)

    def read(self, name: str) -> list[Event]:
        """Return the whole lines of a record; a torn last one is none."""
        descriptor = self._open(name, os.O_RDONLY)
        with open(descriptor, "rb") as file:
            return _events(file.read(_LARGEST + 1), name)

    def others(self, name: str) -> Iterator[tuple[str, Optional[Record], str]]:
        """Give the name of each other record that has not ended, the record, or why it can't be read."""
        for other in self.names():
            if other == name:
                continue
            try:
                if not self.heading(other).has_ended:
                    yield other, record_of(self.read(other)), ""
            except RecordError as fault:
                yield other, None, str(fault)

    def is_there(self, name: str) -> bool:
        """Tell whether there is such a record."""
        try:
            os.stat(name + SUFFIX, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def is_locked(self, name: str) -> bool:
        """Tell whether another process works on the record."""
        descriptor = self._open(name, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def lock(self, name: str) -> RecordFile:
        """Open a record for writing, or make it. Raises RecordError while another run has it."""
        descriptor = self._open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_same = os.path.samestat(
                os.fstat(descriptor),
                os.stat(name + SUFFIX, dir_fd=self._descriptor, follow_symlinks=False),
            )
        except OSError as fault:
            os.close(descriptor)
            if fault.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise self._error("its storage has no file locks: {0}".format(fault.strerror)) from None
            raise RecordError(
                "another run works on the record {0} ({1}). Wait until it ends".format(name, self._who(name)),
            ) from None
        if not is_same:
            os.close(descriptor)
            raise RecordError("the record {0} was replaced meanwhile. Run again".format(name))
        return RecordFile(descriptor, name)

    def remove(self, name: str) -> None:
        """Remove a record in which nothing was written."""
        os.unlink(name + SUFFIX, dir_fd=self._descriptor)

    def put_away(self, name: str, record_id: str) -> None:
        """Keep an ended record under another name."""
        kept = "{0}.{1}{2}.ended".format(name, record_id[:8], SUFFIX)
        os.rename(name + SUFFIX, kept, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def _who(self, name: str) -> str:
        try:
            by = [event["by"] for event in self.read(name) if isinstance(event.get("by"), dict)][-1]
        except (RecordError, IndexError):
            return "which is not known"
        return ", ".join("{0} {1}".format(clean(key, 40), clean(str(one), 80)) for key, one in by.items())

    def _open(self, name: str, flags: int) -> int:
        try:
            descriptor = os.open(name + SUFFIX, flags | _OPEN, 0o600, dir_fd=self._descriptor)
        except OSError as fault:
            why = "is a link" if fault.errno == errno.ELOOP else fault.strerror
            raise RecordError("the record {0} can't be opened: {1}".format(self.path_of(name), why)) from None
        found = os.fstat(descriptor)
        is_new = found.st_size == 0 and found.st_uid == os.geteuid()
        if is_new and os.geteuid() == 0 and flags & os.O_CREAT:
            # Storage may keep root from that.
            with contextlib.suppress(OSError):
                os.fchown(descriptor, self._owner.st_uid, self._owner.st_gid)
        why = None
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            why = "it is no ordinary file"
        elif found.st_uid not in (os.geteuid(), self._owner.st_uid):
            why = "it belongs to somebody else"
        elif found.st_size > _LARGEST:
            why = "it is too large"
        if why is not None:
            os.close(descriptor)
            raise RecordError("the record {0} can't be used: {1}".format(self.path_of(name), why))
        return descriptor

    def _error(self, words: str) -> RecordError:
        return RecordError("record_dir: {0}: {1}".format(self.path, words))


class RecordFile:
    """A record that this process has locked; the lock goes with the process."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        size = os.fstat(descriptor).st_size
        data = os.pread(descriptor, size, 0)
        self.events: list[Event] = _events(data, name)
        whole = data.rfind(b"\n") + 1
        if whole < size:
            # A line that a killed process left half-written.
            os.ftruncate(descriptor, whole)

    def append(self, events: Sequence[Event]) -> None:
        """Add lines; they are on disk when this returns. Raises RecordError when they can't be."""
        data = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in events).encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError as fault:
            raise RecordError("the record can't be written: {0}".format(fault.strerror)) from None
        self.events += events

    def close(self) -> None:
        """Let go of the record and its lock."""
        os.close(self._descriptor)


class RecordInMemory:
    """A record without a file: it travels in results alone."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = list(events)

    def append(self, events: Sequence[Event]) -> None:
        """Add lines."""
        self.events += events

    def close(self) -> None:
        """Do nothing."""


def _events(data: bytes, name: str) -> list[Event]:
    return [_event(line, name) for line in data.split(b"\n")[:-1]]


def _event(line: bytes, name: str) -> Event:
    try:
        event = json.loads(line) if len(line) <= _LONGEST_LINE else None
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise RecordError("the record {0} is damaged: a line of it is no JSON object".format(name))
    return event
