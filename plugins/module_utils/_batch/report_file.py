# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report file: one JSON object a line, one line an id, growing while the task works."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, TextIO

from .._common.errors import OptionError
from .._common.text import shortened
from .._system.files import leave_to_owner

PART = ".part"
_ANEW = ".new"


class ReportFile:
    """Writes ``<path>.part`` as ids are settled and gives it its name when complete.

    ``scrub`` takes secrets out of a line. Without a path nothing is written.
    """

    def __init__(self, path: Optional[str], scrub: Callable[[str], str]) -> None:
        # What a link leads to is written, and the link stays.
        self._path = None if path is None else os.path.realpath(path)
        self._scrub = scrub
        self._file: Optional[TextIO] = None
        self._fault: Optional[OSError] = None
        self._replaced: dict[str, Mapping[str, Any]] = {}
        self.warnings: list[str] = []

    def open(self) -> None:
        """Make the file, readable by its owner alone; raise OptionError when that can't be done.

        A ``.part`` that a killed task left is kept under another name, which ``warnings`` tell.
        """
        if self._path is None:
            return
        part = self._path + PART
        try:
            if os.path.isdir(self._path):
                raise OptionError("report_path: {0} is a folder".format(self._path))
            if os.path.lexists(self._path) and not os.path.isfile(self._path):
                # A device, say: it would be replaced by a file.
                raise OptionError("report_path: {0} is no ordinary file".format(self._path))
            if os.path.exists(part) and os.path.getsize(part) > 0:
                kept = "{0}.{1}".format(part, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
                os.replace(part, kept)
                self.warnings.append("a killed task left an unfinished report, kept as {0}".format(kept))
            elif os.path.lexists(part):
                os.unlink(part)
            descriptor = _own_file(part)
        except OSError as fault:
            raise OptionError(
                "report_path can't be written: {0}: {1}".format(shortened(part), fault.strerror)
            ) from None
        with contextlib.suppress(OSError):
            # For whoever comes after a killed play to see that this task is still at work; not all storage
            # knows locks.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, so that they outlast this process. A full disk is told by ``complete``."""
        if self._file is None or self._fault is not None:
            return
        try:
            self._file.writelines(self._line(row) for row in rows)
            self._file.flush()
        except OSError as fault:
            self._fault = fault
            # What is still buffered must not be tried again when the process ends.
            with contextlib.suppress(OSError):
                self._file.close()

    def replace_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Have rows take the place of those that were written of their ids, once the file is completed."""
        self._replaced.update((row["id"], row) for row in rows)

    def complete(self) -> None:
        """Give the file its name; ``warnings`` tell where that can't be done."""
        if self._file is None or self._path is None:
            return
        try:
            if self._fault is not None:
                raise self._fault
            os.fsync(self._file.fileno())
            self._file.close()
            if self._replaced:
                self._write_anew(self._path + PART)
            os.replace(self._path + PART, self._path)
        except OSError as fault:
            self.warnings.append(
                "the report could not be completed, what there is of it is in {0}{1}: {2}".format(
                    self._path, PART, fault.strerror
                )
            )

    def _write_anew(self, part: str) -> None:
        """Replace the amended rows; whenever it is killed, all rows are in ``part``, in either form."""
        anew = part + _ANEW
        with contextlib.suppress(FileNotFoundError):
            os.unlink(anew)
        with os.fdopen(_own_file(anew), "w", encoding="utf-8") as new, open(part, encoding="utf-8") as old:
            for line in old:
                row = self._replaced.get(json.loads(line)["id"])
                new.write(line if row is None else self._line(row))
            new.flush()
            os.fsync(new.fileno())
        os.replace(anew, part)

    def _line(self, row: Mapping[str, Any]) -> str:
        safe = {key: self._scrub(value) if isinstance(value, str) else value for key, value in row.items()}
        return json.dumps(safe, ensure_ascii=False) + "\n"


def _own_file(path: str) -> int:
    """Make a file that was not there, readable by its owner alone; return its descriptor."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    leave_to_owner(descriptor, os.path.dirname(path))
    return descriptor
