# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.report_file import ReportFile
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError

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


def test_a_path_that_can_not_be_is_not_repeated_at_length(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as refused:
        report_file(tmp_path / ("x" * 100_000)).open()
    assert str(refused.value).startswith("report_path can't be written: {0}/xxx".format(tmp_path))
    assert str(refused.value).endswith(" more characters: File name too long")
    assert len(str(refused.value)) < 1000


def test_it_grows_as_part_and_takes_its_name_when_complete(path: Path, part: Path) -> None:
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
def test_it_is_its_owners_alone(path: Path, part: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        report = report_file(path)
        report.open()
        assert part.stat().st_mode & 0o077 == 0
        report.write(ROWS)
        report.replace_rows(ROWS[:1])
        report.complete()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o077 == 0


def test_an_older_report_stays_until_the_new_one_is_complete(path: Path) -> None:
    path.write_text("old\n")
    report = report_file(path)
    report.open()
    report.write(ROWS)
    assert path.read_text() == "old\n"
    report.complete()
    assert lines(path) == ROWS


def test_what_a_killed_task_left_is_kept(path: Path, part: Path) -> None:
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


def test_an_empty_part_is_not_worth_keeping(path: Path, part: Path) -> None:
    part.touch()
    report = report_file(path)
    report.open()
    assert report.warnings == []
    report.complete()


def test_amended_rows_take_the_place_of_those_written_when_it_is_complete(path: Path, part: Path) -> None:
    report = report_file(path)
    report.open()
    report.write(ROWS)
    report.replace_rows([{**ROWS[0], "message": "late, and s3cret"}])
    # Until then a kill leaves what was written first.
    assert lines(part) == ROWS
    Path(f"{part}.new").write_text("left by one that was killed meanwhile")
    report.complete()
    assert report.warnings == []
    assert lines(path) == [{**ROWS[0], "message": "late, and ***"}, ROWS[1]]
    assert list(path.parent.iterdir()) == [path]


def test_a_link_in_the_way_is_not_followed(path: Path, part: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    part.symlink_to(elsewhere)
    report = report_file(path)
    report.open()
    report.write(ROWS)
    report.complete()
    assert elsewhere.read_text() == ""
    assert lines(path) == ROWS


def test_what_a_link_leads_to_is_written(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(path)
    report = report_file(link)
    report.open()
    report.write(ROWS)
    report.complete()
    assert link.is_symlink()
    assert not path.is_symlink()
    assert lines(path) == ROWS


def test_what_is_no_file_is_left_alone(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(OptionError, match="is no ordinary file"):
        report_file(path).open()
    assert path.is_fifo()
    assert list(path.parent.iterdir()) == [path]


def test_that_it_can_be_written_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="report_path can't be written"):
        report_file(tmp_path / "no such folder" / "report").open()
    with pytest.raises(OptionError, match="is a folder"):
        report_file(tmp_path).open()


def test_secrets_are_taken_out(path: Path) -> None:
    report = report_file(path)
    report.open()
    report.write([{"id": "a", "message": "the token s3cret is bad"}])
    report.complete()
    assert lines(path) == [{"id": "a", "message": "the token *** is bad"}]


def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    report = report_file(None)
    report.open()
    report.write(ROWS)
    report.complete()
    assert report.warnings == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_at_the_end_and_keeps_what_there_is(path: Path) -> None:
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
    (words,) = report.warnings
    assert "could not be completed" in words
    assert "No space left" in words
    assert not path.exists()
