# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.report_file import ReportFile
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError
from ansible_collections.gpuops.runai.plugins.module_utils._system.files import Folder

ROWS: list[dict[str, Any]] = [
    {"id": "a", "name": "ü 🙂", "code": None},
    {"id": "b", "name": "line\nbreak", "code": 409},
]


def report_file(path: Optional[Path]) -> ReportFile:
    return ReportFile(None if path is None else str(path), lambda text: text.replace("s3cret", "***"))


def lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.jsonl"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "report.jsonl.part"


def test_open_with_an_overlong_path_shortens_it_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as refused:
        report_file(tmp_path / ("x" * 100_000)).open()
    assert str(refused.value).startswith("report_path: cannot write {0}/xxx".format(tmp_path))
    assert str(refused.value).endswith(" more characters: File name too long")
    assert len(str(refused.value)) < 1000


def test_write_and_complete_fill_the_part_and_rename_it(path: Path, part: Path) -> None:
    report = report_file(path)
    report.open()
    assert lines(part) == []
    for count, row in enumerate(ROWS, start=1):
        report.write([row])
        # What is written outlasts a kill at once.
        assert lines(part) == ROWS[:count]
    assert not path.exists()
    report.complete()
    assert report.warnings == []
    assert lines(path) == ROWS
    assert not part.exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_open_with_any_umask_makes_a_private_file(path: Path, part: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        report = report_file(path)
        report.open()
        assert part.stat().st_mode & 0o077 == 0
        report.write(ROWS)
        report.complete(ROWS[:1])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o077 == 0


def test_open_with_an_older_report_keeps_it_until_complete(path: Path) -> None:
    path.write_text("old\n")
    report = report_file(path)
    report.open()
    report.write(ROWS)
    assert path.read_text() == "old\n"
    report.complete()
    assert lines(path) == ROWS


def test_open_with_the_part_of_a_killed_task_keeps_it_under_another_name(path: Path, part: Path) -> None:
    part.write_text("left\n")
    report = report_file(path)
    report.open()
    (warning,) = report.warnings
    kept = Path(warning.rpartition(" kept as ")[2])
    assert kept.read_text() == "left\n"
    report.write(ROWS)
    report.complete()
    assert lines(path) == ROWS
    assert kept.read_text() == "left\n"


def test_open_with_an_empty_part_removes_it(path: Path, part: Path) -> None:
    part.touch()
    report = report_file(path)
    report.open()
    assert report.warnings == []
    report.complete()


def test_complete_with_late_rows_replaces_those_of_the_same_ids(path: Path) -> None:
    report = report_file(path)
    report.open()
    report.write(ROWS)
    report.complete([{**ROWS[0], "message": "late, and s3cret"}])
    assert report.warnings == []
    assert lines(path) == [{**ROWS[0], "message": "late, and ***"}, ROWS[1]]
    assert list(path.parent.iterdir()) == [path]


def test_open_with_a_link_as_part_replaces_the_link(path: Path, part: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    part.symlink_to(elsewhere)
    report = report_file(path)
    report.open()
    report.write(ROWS)
    report.complete()
    assert elsewhere.read_text() == ""
    assert lines(path) == ROWS


def test_open_with_a_link_in_a_private_folder_writes_its_target(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(path)
    report = report_file(link)
    report.open()
    report.write(ROWS)
    report.complete()
    assert link.is_symlink()
    assert not path.is_symlink()
    assert lines(path) == ROWS


def test_open_with_a_pipe_is_rejected_and_keeps_it(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(OptionError, match="is not a regular file"):
        report_file(path).open()
    assert path.is_fifo()
    assert list(path.parent.iterdir()) == [path]


def test_open_without_a_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="report_path: cannot write"):
        report_file(tmp_path / "no such folder" / "report").open()
    with pytest.raises(OptionError, match="is a folder"):
        report_file(tmp_path).open()


def test_write_with_a_secret_masks_it(path: Path) -> None:
    report = report_file(path)
    report.open()
    report.write([{"id": "a", "message": "the token s3cret is bad"}])
    report.complete()
    assert lines(path) == [{"id": "a", "message": "the token *** is bad"}]


def test_write_without_a_path_makes_no_file(tmp_path: Path) -> None:
    report = report_file(None)
    report.open()
    report.write(ROWS)
    report.complete()
    assert report.warnings == []
    assert list(tmp_path.iterdir()) == []


def test_complete_on_a_full_disk_warns_and_keeps_the_part(path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    report = report_file(path)
    report.open()
    assert report._file is not None
    report._file.close()
    report._file = full.open("w")
    report.write(ROWS)
    report.write(ROWS)
    report.complete()
    (message,) = report.warnings
    assert "could not be completed" in message
    assert "No space left" in message
    assert not path.exists()


def test_complete_with_late_rows_on_a_full_disk_warns_and_keeps_the_part_and_the_old_report(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Folder, name: str, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path.write_text("old")
    report = report_file(path)
    report.open()
    report.write(ROWS)
    monkeypatch.setattr(Folder, "write_whole", fail)
    report.complete(ROWS[:1])
    (message,) = report.warnings
    assert "No space left" in message
    assert (lines(part), path.read_text()) == (ROWS, "old")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("late", [[], ROWS[:1]])
def test_complete_by_root_leaves_the_report_to_the_owner_of_the_folder(
    path: Path, late: list[dict[str, Any]]
) -> None:
    path.write_text("old")
    os.chown(path, 1234, 1234)
    report = report_file(path)
    report.open()
    report.write(ROWS)
    report.complete(late)
    assert (lines(path), path.stat().st_uid) == (ROWS, 0)


def test_open_while_another_task_writes_is_rejected_and_keeps_its_part(path: Path, part: Path) -> None:
    first = report_file(path)
    first.open()
    for rows in ([], ROWS[:1]):
        first.write(rows)
        with pytest.raises(OptionError, match="another task is writing to"):
            report_file(path).open()
    first.write(ROWS[1:])
    assert lines(part) == ROWS
    first.complete(ROWS[:1])
    assert lines(path) == ROWS
    assert list(path.parent.iterdir()) == [path]
    second = report_file(path)
    second.open()
    second.complete()


def test_open_whose_part_another_task_took_away_before_the_lock_is_rejected(
    path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def take_away(descriptor: int, operation: int) -> None:
        part.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", take_away)
    with pytest.raises(OptionError, match="another task is writing to"):
        report_file(path).open()


def test_open_on_storage_without_locks_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    report = report_file(path)
    report.open()
    report.write(ROWS)
    report.complete()
    assert lines(path) == ROWS


def test_open_with_a_link_in_a_shared_folder_is_rejected_and_keeps_its_target(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_text("kept\n")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "report").symlink_to(private)
    with pytest.raises(OptionError, match="is a link in a folder that other accounts can write to"):
        report_file(shared / "report").open()
    assert private.read_text() == "kept\n"
    assert [one.name for one in shared.iterdir()] == ["report"]


def test_open_with_a_pipe_as_part_replaces_it_without_a_read(path: Path, part: Path) -> None:
    os.mkfifo(part)
    report = report_file(path)
    report.open()
    report.write(ROWS)
    report.complete()
    assert lines(path) == ROWS


def test_complete_after_its_folder_was_replaced_writes_to_the_checked_folder(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    report = report_file(folder / "report")
    report.open()
    folder.rename(tmp_path / "moved")
    folder.symlink_to(elsewhere)
    report.write(ROWS)
    report.complete()
    assert lines(tmp_path / "moved" / "report") == ROWS
    assert list(elsewhere.iterdir()) == []
