# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report file: a JSON object for each id, one a line, written while the task works."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, TextIO

from .._common.errors import OptionError
from .._common.text import shortened
from .._system.files import Folder, UnsafeFileError, open_output, try_lock

PART = ".part"


class ReportFile:
    """Writes ``<path>.part`` as ids are settled, and renames it to ``path`` when it is complete.

    ``scrub`` takes secrets out of a line. Without a path nothing is written.
    """

    def __init__(self, path: Optional[str], scrub: Callable[[str], str]) -> None:
        self._path = path
        self._scrub = scrub
        self._name = ""
        self._folder: Optional[Folder] = None
        self._file: Optional[TextIO] = None
        self._fault: Optional[OSError] = None
        self.warnings: list[str] = []

    def open(self) -> None:
        """Make the file, readable by its owner alone. Raises OptionError where this is not possible.

        A ``.part`` of a killed task is kept under another name, with a warning.
        """
        if self._path is None:
            return
        try:
            self._open(self._path)
        except UnsafeFileError as fault:
            raise OptionError("report_path", str(fault)) from None
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

    def complete(self, late_rows: Iterable[Mapping[str, Any]] = ()) -> None:
        """Rename the file to its final name. Where this is not possible, there is a warning.

        ``late_rows`` replace the rows that the file holds for the same ids.
        """
        if self._file is None or self._folder is None:
            return
        try:
            if self._fault is not None:
                raise self._fault
            late = {row["id"]: self._line(row) for row in late_rows}
            if late:
                self._file.seek(0)
                lines = (late.get(json.loads(line)["id"], line) for line in self._file)
                self._folder.write_whole(self._name + PART, "".join(lines))
            else:
                os.fsync(self._file.fileno())
            self._folder.replace(self._name + PART, self._name)
        except OSError as fault:
            self.warnings.append(
                "report_path: the report could not be completed: {0}. The rows so far are in {1}{2}".format(
                    fault.strerror, self._path, PART
                )
            )
        finally:
            # All that was written is flushed already.
            with contextlib.suppress(OSError):
                self._file.close()
            self._folder.close()

    def _open(self, path: str) -> None:
        # An account that can write to the folder must not be able to replace it between two steps.
        folder, self._name = _open_folder(os.path.abspath(path))
        self._path = os.path.join(os.path.realpath(folder.path), self._name)
        with contextlib.ExitStack() as undo:
            undo.callback(folder.close)
            found = folder.stat(self._name)
            if found is not None and not stat.S_ISREG(found.st_mode):
                # A device, for example, would be replaced by a file.
                raise UnsafeFileError(folder.path, self._name, "is not a regular file. Set another path")
            self._clear_part(folder)
            descriptor = folder.create(self._name + PART, os.O_RDWR)
            undo.callback(os.close, descriptor)
            self._lock(folder, descriptor)
            undo.pop_all()
        self._folder = folder
        self._file = os.fdopen(descriptor, "w+", encoding="utf-8")

    def _clear_part(self, folder: Folder) -> None:
        """Move the ``.part`` of a killed task away. Raises OptionError where a task still writes to it."""
        part = self._name + PART
        found = folder.stat(part)
        if found is None:
            return
        if not stat.S_ISREG(found.st_mode):
            folder.remove(part)
            return
        descriptor = folder.open(part, os.O_RDONLY)
        try:
            self._lock(folder, descriptor)
            if found.st_size == 0:
                folder.remove(part)
                return
            kept = "{0}.{1}".format(part, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
            folder.replace(part, kept)
        finally:
            os.close(descriptor)
        self.warnings.append(
            "a killed task left an unfinished report, kept as {0}".format(
                os.path.join(os.path.dirname(self._path or ""), kept)
            )
        )

    def _lock(self, folder: Folder, descriptor: int) -> None:
        """Lock the ``.part`` for as long as this task works. Raises OptionError where another task has it."""
        is_free = True
        # Some storage supports no locks.
        with contextlib.suppress(OSError):
            is_free = try_lock(descriptor)
        if not is_free or not folder.is_same(descriptor, self._name + PART):
            raise OptionError(
                "report_path",
                "another task is writing to {0}{1}. Set a different path for each task.".format(
                    self._path, PART
                ),
            )

    def _line(self, row: Mapping[str, Any]) -> str:
        safe = {key: self._scrub(value) if isinstance(value, str) else value for key, value in row.items()}
        return json.dumps(safe, ensure_ascii=False) + "\n"


def _open_folder(path: str) -> tuple[Folder, str]:
    """Open the folder of a report; in a private one, a link stays and its target is written."""
    folder, name = open_output(path)
    found = folder.stat(name)
    if found is None or not stat.S_ISLNK(found.st_mode):
        return folder, name
    folder.close()
    if folder.is_shared():
        raise UnsafeFileError(
            folder.path,
            name,
            "is a link in a folder that other accounts can write to. Set the path of the file itself.",
        )
    return open_output(os.path.realpath(path))
