# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of records: torn, locked, planted and hostile ones."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._record import log
from ansible_collections.gpuops.runai.plugins.module_utils._record.events import (
    ENDED,
    VERSION,
    Event,
    HeadEvent,
    StateEvent,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.handover import pack, unpack
from ansible_collections.gpuops.runai.plugins.module_utils._record.log import (
    DamagedRecord,
    RecordFile,
    RecordFolder,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import (
    RecordError,
    record_of,
)

BY = {"user": "ada"}
HEAD = HeadEvent(
    event="head",
    version=VERSION,
    id="1",
    name="night",
    at="2026-01-01T00:00:00Z",
    by=BY,
    control_plane={"tenant_id": "1"},
)
ENDED_EVENT = StateEvent(event="state", state=ENDED, at="2026-01-02T00:00:00Z", by=BY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    return folder


def _written(path: Path, name: str, *events: Event) -> Path:
    folder = RecordFolder(str(path), may_create=False)
    file = folder.lock(name)
    file.append(events)
    file.close()
    return path / f"{name}.record.jsonl"


def test_file_is_of_its_owner_alone_and_reads_back(path: Path) -> None:
    written = _written(path, "night", HEAD, ENDED_EVENT)
    assert written.stat().st_mode & 0o777 == 0o600
    assert record_of(RecordFolder(str(path), False).read("night")).state == ENDED


def test_torn_last_line_is_dropped_and_the_next_one_is_whole(path: Path) -> None:
    written = _written(path, "night", HEAD)
    with written.open("a") as file:
        file.write('{"event": "state", "sta')
    folder = RecordFolder(str(path), False)
    assert folder.read("night") == [HEAD]
    file_ = folder.lock("night")
    file_.append([ENDED_EVENT])
    assert [json.loads(line) for line in written.read_text().splitlines()] == [HEAD, ENDED_EVENT]


@pytest.mark.parametrize("cannot_cut", [False, True])
def test_line_that_does_not_fit_on_the_disk_leaves_the_record_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, cannot_cut: bool
) -> None:
    written = _written(path, "night", HEAD)
    file = RecordFolder(str(path), False).lock("night")
    write = os.write

    def fill(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return write(descriptor, data[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fill)
        if cannot_cut:
            patched.setattr(os, "ftruncate", fail)
        with pytest.raises(RecordError, match="cannot be written: No space left on device"):
            file.append([ENDED_EVENT])
    file.append([ENDED_EVENT])
    assert [json.loads(line) for line in written.read_text().splitlines()] == [HEAD, ENDED_EVENT]
    assert file.events == [HEAD, ENDED_EVENT]


def test_lock_is_refused_while_another_process_holds_it_and_names_who(path: Path) -> None:
    written = _written(path, "night", HEAD)
    code = (
        "import fcntl, os, sys; d = os.open(sys.argv[1], os.O_RDWR); fcntl.flock(d, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(written)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        folder = RecordFolder(str(path), False)
        assert folder.is_locked("night")
        with pytest.raises(RecordError, match=r"another run works on the record night \(user ada\)"):
            folder.lock("night")
        other.kill()
    assert isinstance(folder.lock("night"), RecordFile)


def test_record_that_is_replaced_before_it_is_locked_is_rejected(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = _written(path, "night", HEAD)
    flock = fcntl.flock

    def replace(descriptor: int, operation: int) -> None:
        written.rename(path / "moved")
        written.touch()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replace)
    with pytest.raises(RecordError, match="the record night was replaced in the meantime"):
        RecordFolder(str(path), False).lock("night")


def test_folder_that_others_can_write_to_is_rejected(path: Path) -> None:
    path.chmod(0o1777)
    with pytest.raises(RecordError, match=r"^record_dir: .*: other accounts can write to it \(mode 1777\)"):
        RecordFolder(str(path), True)


def test_folder_that_does_not_exist_is_made_for_its_owner_alone_or_rejected(tmp_path: Path) -> None:
    path = tmp_path / "above" / "records"
    with pytest.raises(RecordError, match=r"records: does not exist. Create it first"):
        RecordFolder(str(path), False)
    RecordFolder(str(path), True)
    assert path.stat().st_mode & 0o777 == 0o700


def test_storage_without_locks_is_rejected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    _written(path, "night", HEAD)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    for use in (RecordFolder(str(path), False).lock, RecordFolder(str(path), False).is_locked):
        with pytest.raises(RecordError, match=r"does not support file locks: No locks available"):
            use("night")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_file_of_roots_that_is_planted_is_not_given_away(tmp_path: Path, path: Path) -> None:
    os.chown(path, 61001, 61001)
    roots = tmp_path / "roots"
    roots.touch()
    os.link(roots, path / "night.record.jsonl")
    with pytest.raises(RecordError, match="has another name elsewhere"):
        RecordFolder(str(path), False).lock("night")
    assert roots.stat().st_uid == 0
    RecordFolder(str(path), False).lock("day")
    assert (path / "day.record.jsonl").stat().st_uid == 61001


def test_others_reads_no_more_than_the_end_of_ended_records(path: Path) -> None:
    seen = {"event": "seen", "rows": [["id", "Stopped", "x" * 100]] * 500}
    ended = "".join(json.dumps(event) + "\n" for event in (HEAD, seen, ENDED_EVENT))
    for number in range(200):
        (path / f"old-{number}.record.jsonl").write_text(ended)
    _written(path, "open", HEAD, seen)
    folder = RecordFolder(str(path), False)
    before = _bytes_read()
    (other,) = folder.others("x")
    assert isinstance(other, DamagedRecord)
    assert "the record open" in other.fault
    assert _bytes_read() - before < 200 * len(ended) / 5


def _bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("left", ["", '{"event": "he'])
def test_others_skips_a_record_whose_run_was_killed_before_its_first_line(path: Path, left: str) -> None:
    (path / "killed.record.jsonl").write_text(left)
    folder = RecordFolder(str(path), False)
    assert list(folder.others("x")) == []
    assert folder.lock("killed").events == []


def test_lines_that_are_nested_deeply_or_too_many_are_damage(path: Path) -> None:
    written = _written(path, "night", HEAD)
    folder = RecordFolder(str(path), False)
    for line, many in (('{"event":' + "[" * 100 + "]" * 100 + "}\n", 1), ("{}\n", 200_001)):
        written.write_text(line * many)
        with pytest.raises(RecordError, match="the record night is damaged"):
            folder.read("night")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "hard link"])
def test_planted_file_is_rejected_and_its_target_is_left_alone(path: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    planted = path / "night.record.jsonl"
    if kind == "link":
        planted.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(planted)
    elif kind == "hard link":
        os.link(target, planted)
    else:
        planted.mkdir()
    folder = RecordFolder(str(path), False)
    # A read of a pipe would wait for ever.
    for use in (folder.lock, folder.read, folder.is_locked):
        with pytest.raises(RecordError):
            use("night")
    assert target.read_text() == "precious"
    assert [type(one) for one in folder.others("x")] == [DamagedRecord]


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "1", "{", '{"event": "head"}', "\0" * 100, '"' + "x" * 5_000_000]
)
def test_hostile_lines_are_damage_and_no_traceback(path: Path, line: str) -> None:
    (path / "night.record.jsonl").write_text(line + "\n")
    folder = RecordFolder(str(path), False)
    with pytest.raises(RecordError):
        record_of(folder.read("night"))
    assert [type(one) for one in folder.others("x")] == [DamagedRecord]


def test_others_skips_an_ended_record_however_damaged_it_is(path: Path) -> None:
    _written(path, "old", HEAD, ENDED_EVENT)
    written = path / "old.record.jsonl"
    lines = written.read_text().splitlines()
    written.write_text("\n".join([lines[0], "damage" * 10_000, lines[1]]) + "\n")
    assert list(RecordFolder(str(path), False).others("x")) == []


def test_record_that_is_handed_over_comes_back_and_a_cut_one_is_rejected() -> None:
    packed = pack([HEAD, ENDED_EVENT])
    assert unpack(packed) == [HEAD, ENDED_EVENT]
    deep = pack([{"event": [[[[[[[[[]]]]]]]]]}])
    for wrong in (packed[:-8], "x" + packed, "", deep):
        with pytest.raises(RecordError):
            unpack(wrong)


@pytest.mark.parametrize(
    "event", [{}, {"event": "asked", "ids": ["x"]}, {"event": "state", "state": "x", "at": "", "by": {}}]
)
def test_events_that_make_no_sense_are_damage(event: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="damaged"):
        record_of([HEAD, event])


@pytest.mark.parametrize("record_id", ["", "../../x", "a/b", "x" * 101])
def test_head_with_an_id_that_is_no_part_of_a_file_name_is_damage(record_id: str) -> None:
    with pytest.raises(RecordError, match="damaged"):
        record_of([{**HEAD, "id": record_id}])


def test_read_line_that_is_too_long_is_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(path, "night", HEAD)
    monkeypatch.setattr(log, "_LONGEST_LINE", len(json.dumps(HEAD, separators=(",", ":"))))
    folder = RecordFolder(str(path), False)
    assert folder.read("night") == [HEAD]
    monkeypatch.setattr(log, "_LONGEST_LINE", 40)
    with pytest.raises(RecordError, match="the record night is damaged"):
        folder.read("night")
