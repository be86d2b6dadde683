# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of records: one append-only file a record, with its own lock.

Nothing that a file holds is trusted: its size, its lines and its owner are checked.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional, Union

from .._common.text import clean
from .._system.files import Folder, UnsafeFileError, try_lock
from .events import ENDED, ENDING, PLANNED, Event
from .record import Record, RecordError, event_of, is_name, record_of

SUFFIX = ".record.jsonl"
_LARGEST = 256 * 1024 * 1024
_LONGEST_LINE = 4 * 1024 * 1024
_MOST_LINES = 200_000
_TAIL = 4096


class DamagedRecord(NamedTuple):
    """A record that may hold workloads and can't be read. ``head`` is its first line, if that is whole."""

    head: Optional[Event]
    fault: str


class RecordFolder:
    """A folder of records. Raises RecordError where the folder is not safe or can't be used."""

    def __init__(self, path: str, may_create: bool) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        try:
            if may_create:
                os.makedirs(self.path, mode=0o700, exist_ok=True)
            self._folder = Folder(self.path)
        except FileNotFoundError:
            raise self._error("does not exist. Create it first") from None
        except OSError as fault:
            verb = "created or opened" if may_create else "opened"
            raise self._error("cannot be {0}: {1}".format(verb, fault.strerror)) from None
        problem = self._folder.problem_for_records()
        if problem is not None:
            self._folder.close()
            raise self._error(problem)

    def close(self) -> None:
        self._folder.close()

    def path_of(self, name: str) -> str:
        return os.path.join(self.path, name + SUFFIX)

    def names(self) -> list[str]:
        names = [one[: -len(SUFFIX)] for one in self._folder.names() if one.endswith(SUFFIX)]
        return sorted(name for name in names if is_name(name))

    def read(self, name: str) -> list[Event]:
        """Return the complete lines of a record, without a torn last line."""
        with open(self._open(name, os.O_RDONLY), "rb") as file:
            return _events(file.read(_LARGEST + 1), name)

    def others(self, name: str) -> Iterator[Union[Record, DamagedRecord]]:
        """Return each other record that may hold workloads.

        Of one that was not begun or ends, the last line alone is read. One without a line sent nothing.
        """
        for other in self.names():
            try:
                if other != name and self._may_be_open(other):
                    yield record_of(self.read(other), other)
            except RecordError as fault:
                yield DamagedRecord(self._head(other), str(fault))

    def is_there(self, name: str) -> bool:
        return self._folder.stat(name + SUFFIX) is not None

    def is_locked(self, name: str) -> bool:
        """Return whether another process works on the record."""
        descriptor = self._open(name, os.O_RDONLY)
        try:
            return not try_lock(descriptor, is_shared=True)
        except OSError as fault:
            raise self._no_locks(fault) from None
        finally:
            os.close(descriptor)

    def lock(self, name: str) -> RecordFile:
        """Open a record for writing, or make it. Raises RecordError while another run works on it."""
        descriptor = self._open_or_create(name)
        try:
            if not try_lock(descriptor):
                raise RecordError(
                    "another run works on the record {0} ({1}). Wait until it ends".format(
                        name, self._describe_run(name)
                    )
                )
            if not self._folder.is_same(descriptor, name + SUFFIX):
                raise RecordError("the record {0} was replaced in the meantime. Run again".format(name))
            return RecordFile(descriptor, name)
        except OSError as fault:
            os.close(descriptor)
            raise self._no_locks(fault) from None
        except RecordError:
            os.close(descriptor)
            raise

    def remove(self, name: str) -> None:
        self._folder.remove(name + SUFFIX)

    def archive(self, name: str, record_id: str) -> None:
        try:
            self._folder.replace(name + SUFFIX, _archive_name(name, record_id))
        except OSError as fault:
            raise self._error("its records cannot be renamed: {0}".format(fault.strerror)) from None

    def was_archived(self, name: str, record_id: str) -> bool:
        """Return whether the record with this id has ended and is kept under another name."""
        return self._folder.stat(_archive_name(name, record_id)) is not None

    def _may_be_open(self, name: str) -> bool:
        """Return whether a record may hold workloads by its last complete line."""
        with open(self._open(name, os.O_RDONLY), "rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read(_TAIL).split(b"\n")[:-1]
        if not lines:
            return size > _TAIL
        try:
            last = _event(lines[-1], name)
        except RecordError:
            # The line is longer than what was read, or damaged.
            return True
        return last.get("event") != "state" or last.get("state") not in (PLANNED, ENDING, ENDED)

    def _head(self, name: str) -> Optional[Event]:
        """Return the first line of a damaged record, if it is the head of one."""
        try:
            with open(self._open(name, os.O_RDONLY), "rb") as file:
                head = _event(file.readline(_LONGEST_LINE), name)
        except RecordError:
            return None
        return head if head.get("event") == "head" else None

    def _describe_run(self, name: str) -> str:
        try:
            by = [event["by"] for event in self.read(name) if isinstance(event.get("by"), dict)][-1]
        except (RecordError, IndexError):
            return "started by unknown"
        return ", ".join("{0} {1}".format(clean(key, 40), clean(str(one), 80)) for key, one in by.items())

    def _open(self, name: str, flags: int) -> int:
        try:
            return self._folder.open(name + SUFFIX, flags, _LARGEST)
        except UnsafeFileError as fault:
            raise RecordError(str(fault)) from None
        except OSError as fault:
            raise RecordError(
                "{0}: cannot be opened: {1}".format(self.path_of(name), fault.strerror)
            ) from None

    def _open_or_create(self, name: str) -> int:
        flags = os.O_RDWR | os.O_APPEND
        if not self.is_there(name):
            try:
                return self._folder.create(name + SUFFIX, flags)
            except FileExistsError:
                pass
            except OSError as fault:
                raise self._error("no file can be created in it: {0}".format(fault.strerror)) from None
        return self._open(name, flags)

    def _no_locks(self, fault: OSError) -> RecordError:
        return self._error(
            "its storage does not support file locks: {0}. Two runs could work on one record. "
            "Use local storage, or a network file system with locks (NFS version 4)".format(fault.strerror)
        )

    def _error(self, problem: str) -> RecordError:
        return RecordError("record_dir: {0}: {1}".format(self.path, problem))


def check_writable(path: str) -> None:
    """Raise RecordError for a folder that can't be written or created. Check mode makes none to find out."""
    path = os.path.abspath(os.path.expanduser(path))
    above = path
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        problem = "cannot be created: {0} is not a folder".format(above)
    elif os.access(above, os.W_OK | os.X_OK):
        return
    elif above == path:
        problem = "cannot be written"
    else:
        problem = "cannot be created: {0} cannot be written".format(above)
    raise RecordError("record_dir: {0}: {1}".format(path, problem))


class RecordFile:
    """A record that this process has locked. The lock ends with the process."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        self.events: list[Event] = _events(data, name)
        # Of the complete lines. A killed process may have left a part of one.
        self._size = data.rfind(b"\n") + 1

    def append(self, events: Sequence[Event], is_durable: bool = True) -> None:
        """Add lines. Raises RecordError where they can't be written.

        They outlast this process. With ``is_durable`` they also outlast the machine when this returns.
        """
        data = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in events).encode()
        size = self._size + len(data)
        try:
            if os.fstat(self._descriptor).st_size != self._size:
                os.ftruncate(self._descriptor, self._size)
            while data:
                data = data[os.write(self._descriptor, data) :]
            if is_durable:
                os.fsync(self._descriptor)
        except OSError as fault:
            # A part of a line would damage the record as soon as another line follows.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise RecordError(
                "the record cannot be written: {0}. Correct that, and run the task again".format(
                    fault.strerror
                )
            ) from None
        self._size = size
        self.events += events

    def close(self) -> None:
        os.close(self._descriptor)


class RecordInMemory:
    """A record without a file: only results carry it."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Sequence[Event], is_durable: bool = True) -> None:
        self.events += events

    def close(self) -> None:
        pass


def _archive_name(name: str, record_id: str) -> str:
    return "{0}.{1}{2}.ended".format(name, record_id[:8], SUFFIX)


def _events(data: bytes, name: str) -> list[Event]:
    lines = data.split(b"\n", _MOST_LINES + 1)[:-1]
    if len(lines) > _MOST_LINES:
        raise RecordError("the record {0} is damaged: it has more than {1} lines".format(name, _MOST_LINES))
    return [_event(line, name) for line in lines]


def _event(line: bytes, name: str) -> Event:
    event = event_of(line) if len(line) <= _LONGEST_LINE else None
    if event is None:
        raise RecordError("the record {0} is damaged: one of its lines is not a JSON object".format(name))
    return event
