# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.report_file import ReportFile
from ansible_collections.gpuops.runai.plugins.module_utils._system.files import write_whole

ADA, GRACE = (1001, 100), (1002, 100)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, int]]]:
    """Be root in a folder of ada's, with a file of grace's in it; return what is given away, and to whom."""
    found: list[tuple[str, tuple[int, int]]] = []
    owners = {str(tmp_path): ADA, str(tmp_path / "grace.record.json"): GRACE}
    (tmp_path / "grace.record.json").touch()
    lstat = os.lstat

    def look(path: Any, **more: Any) -> Any:
        values = list(lstat(path, **more))
        values[4:6] = owners.get(path, values[4:6])
        return os.stat_result(values)

    def give(descriptor: int, user: int, group: int) -> None:
        name = os.path.basename(os.readlink("/proc/self/fd/{0}".format(descriptor)))
        found.append((name, (user, group)))
        # As storage does where root is nobody.
        raise PermissionError

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "lstat", look)
    monkeypatch.setattr(os, "fchown", give)
    return found


def use(folder: Path) -> None:
    """Write one file of each kind."""
    write_whole(str(folder / "ada.record.json"), "text")
    write_whole(str(folder / "grace.record.json"), "text")
    report = ReportFile(str(folder / "ada.jsonl"), str)
    report.open()
    report.complete()


def test_what_root_writes_is_left_to_whom_the_folder_or_the_file_before_belongs(
    tmp_path: Path, given: list[tuple[str, tuple[int, int]]]
) -> None:
    use(tmp_path)
    assert [owner for _name, owner in given] == [ADA, GRACE, ADA]
    # What was there already, and may be a link to anything, is given to nobody.
    assert [name for name, _owner in given[2:]] == ["ada.jsonl.part"]


def test_where_everybody_may_write_the_file_before_may_be_anybodys(
    tmp_path: Path, given: list[tuple[str, tuple[int, int]]]
) -> None:
    tmp_path.chmod(0o1777)
    write_whole(str(tmp_path / "grace.record.json"), "text")
    assert [owner for _name, owner in given] == [ADA]


def test_what_others_write_is_theirs(
    tmp_path: Path, given: list[tuple[str, tuple[int, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    use(tmp_path)
    assert given == []
