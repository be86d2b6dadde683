# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report file: a JSON object for each id, one a line, written while the task works.

All files are opened relative to their folder, and no link in it is followed: other accounts may be able to
write there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, TextIO

from .._common.errors import OptionError
from .._common.text import shortened
from .._system.files import leave_to_owner

PART = ".part"
_REWRITTEN = ".new"


class ReportFile:
    """Writes ``<path>.part`` as ids are settled, and renames it to ``path`` when it is complete.

    ``scrub`` takes secrets out of a line. Without a path nothing is written.
    """

    def __init__(self, path: Optional[str], scrub: Callable[[str], str]) -> None:
        self._path = path
        self._scrub = scrub
        self._name = ""
        self._folder = -1
        self._file: Optional[TextIO] = None
        self._fault: Optional[OSError] = None
        self._replaced: dict[str, Mapping[str, Any]] = {}
        self.warnings: list[str] = []

    def open(self) -> None:
        """Make the file, readable by its owner alone. Raises OptionError where this is not possible.

        A ``.part`` of a killed task is kept under another name, with a warning.
        """
        if self._path is None:
            return
        try:
            self._open(self._path)
        except OSError as fault:
            raise OptionError(
                "report_path", "cannot write {0}: {1}".format(shortened(self._path + PART), fault.strerror)
            ) from None

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, so that they outlast this process. ``complete`` reports a full disk."""
        if self._file is None or self._fault is not None:
            return
        try:
            self._file.writelines(self._line(row) for row in rows)
            self._file.flush()
        except OSError as fault:
            self._fault = fault
            # The rest of the buffer must not be written when the process ends.
            with contextlib.suppress(OSError):
                self._file.close()

    def replace_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Have ``complete`` replace the rows that were written for the same ids."""
        self._replaced.update((row["id"], row) for row in rows)

    def complete(self) -> None:
        """Rename the file to its final name. Where this is not possible, there is a warning."""
        if self._file is None or self._path is None:
            return
        try:
            if self._fault is not None:
                raise self._fault
            os.fsync(self._file.fileno())
            if self._replaced:
                self._file = self._rewrite(self._file)
            os.replace(self._name + PART, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            self._file.close()
        except OSError as fault:
            self.warnings.append(
                "report_path: the report could not be completed: {0}. The rows so far are in {1}{2}".format(
                    fault.strerror, self._path, PART
                )
            )
        finally:
            os.close(self._folder)

    def _open(self, path: str) -> None:
        if os.path.islink(path):
            if _is_shared(os.stat(os.path.dirname(os.path.abspath(path)))):
                raise OptionError(
                    "report_path",
                    "{0} is a link in a folder that other accounts can write to. "
                    "Set the path of the file itself.".format(shortened(path)),
                )
            # The target of the link is written, and the link stays.
            path = os.path.realpath(path)
        folder, self._name = os.path.split(os.path.abspath(path))
        # An account that can write to the folder must not be able to replace it between two steps.
        folder = os.path.realpath(folder)
        self._path = os.path.join(folder, self._name)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, self._folder)
            self._check_final_name()
            self._clear_part()
            descriptor = self._own_file(self._name + PART)
            undo.callback(os.close, descriptor)
            self._lock(descriptor)
            if not self._is_same(descriptor, self._name + PART):
                self._raise_in_use()
            undo.pop_all()
        self._file = os.fdopen(descriptor, "w+", encoding="utf-8")

    def _check_final_name(self) -> None:
        found = self._stat(self._name)
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode):
            raise OptionError("report_path", "{0} is a folder".format(self._path))
        if not stat.S_ISREG(found.st_mode):
            # A device, for example, would be replaced by a file.
            raise OptionError("report_path", "{0} is not a regular file".format(self._path))

    def _clear_part(self) -> None:
        """Move the ``.part`` of a killed task away. Raises OptionError where a task still writes to it."""
        part = self._name + PART
        found = self._stat(part)
        if found is None:
            return
        if not stat.S_ISREG(found.st_mode):
            os.unlink(part, dir_fd=self._folder)
            return
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(part, flags, dir_fd=self._folder)
        try:
            self._lock(descriptor)
            if not self._is_same(descriptor, part):
                self._raise_in_use()
            if found.st_size == 0:
                os.unlink(part, dir_fd=self._folder)
                return
            kept = "{0}.{1}".format(part, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
            os.replace(part, kept, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        finally:
            os.close(descriptor)
        self.warnings.append(
            "a killed task left an unfinished report, kept as {0}".format(
                os.path.join(os.path.dirname(self._path or ""), kept)
            )
        )

    def _lock(self, descriptor: int) -> None:
        """Lock a file for as long as this task works. Some storage supports no locks."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._raise_in_use()
        except OSError:
            pass

    def _raise_in_use(self) -> None:
        raise OptionError(
            "report_path",
            "another task is writing to {0}{1}. Set a different path for each task.".format(self._path, PART),
        )

    def _stat(self, name: str) -> Optional[os.stat_result]:
        try:
            return os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _is_same(self, descriptor: int, name: str) -> bool:
        """Return whether ``name`` is still the opened file: another task may have moved it away."""
        found = self._stat(name)
        return found is not None and os.path.samestat(found, os.fstat(descriptor))

    def _own_file(self, name: str) -> int:
        """Make a new file that only its owner can read; return its descriptor."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._folder)
        leave_to_owner(descriptor, os.path.dirname(self._path or ""))
        return descriptor

    def _rewrite(self, old: TextIO) -> TextIO:
        """Write the file again with the replaced rows. If killed, the ``.part`` holds all rows."""
        rewritten = self._name + PART + _REWRITTEN
        with contextlib.suppress(FileNotFoundError):
            os.unlink(rewritten, dir_fd=self._folder)
        new = os.fdopen(self._own_file(rewritten), "w", encoding="utf-8")
        self._lock(new.fileno())
        old.seek(0)
        for line in old:
            row = self._replaced.get(json.loads(line)["id"])
            new.write(line if row is None else self._line(row))
        new.flush()
        os.fsync(new.fileno())
        os.replace(rewritten, self._name + PART, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        old.close()
        return new

    def _line(self, row: Mapping[str, Any]) -> str:
        safe = {key: self._scrub(value) if isinstance(value, str) else value for key, value in row.items()}
        return json.dumps(safe, ensure_ascii=False) + "\n"


def _is_shared(folder: os.stat_result) -> bool:
    """Return whether an account other than root and the current one can write to a folder."""
    return bool(folder.st_mode & 0o022) or folder.st_uid not in (0, os.geteuid())
