# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in folders of other accounts, as root and as another account."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.report_file import ReportFile
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._system import files as _files
from ansible_collections.gpuops.runai.plugins.module_utils._system.files import (
    Folder,
    UnsafeFileError,
    check_output,
    try_lock,
    write_whole,
)

ADA, EVE = 61001, 61002
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another account")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every account can reach, below a sticky one of everybody's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def made(path: Path, mode: int, owner: Optional[int] = None) -> Path:
    path.mkdir()
    if owner is not None:
        os.chown(path, owner, owner)
    path.chmod(mode)
    return path


def as_account(user: int, use: Callable[[], Any]) -> None:
    """Do something as another account."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            use()
            code = 0
        except BaseException:  # noqa: BLE001 - what pytest raises is none of Exception's
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def problem_for_records(path: Path) -> str:
    folder = Folder(str(path))
    try:
        return folder.problem_for_records() or ""
    finally:
        folder.close()


def use(folder: Path) -> None:
    """Write one file of each kind."""
    write_whole(str(folder / "summary.md"), "text")
    report = ReportFile(str(folder / "report.jsonl"), str)
    report.open()
    report.write([{"id": "a"}])
    report.complete()
    assert report.warnings == []


def owners(folder: Path) -> dict[str, int]:
    return {one.name: one.lstat().st_uid for one in folder.iterdir()}


@as_root
def test_output_files_of_root_belong_to_the_owner_of_the_folder(place: Path) -> None:
    folder = made(place / "ada", 0o755, ADA)
    use(folder)
    assert owners(folder) == {"summary.md": ADA, "report.jsonl": ADA}
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}


@as_root
@pytest.mark.parametrize(("mode", "owner"), [(0o755, EVE), (0o1777, ADA)])
def test_write_whole_over_a_file_keeps_its_owner_unless_everybody_can_write(
    place: Path, mode: int, owner: int
) -> None:
    folder = made(place / "ada", mode, ADA)
    (folder / "summary.md").touch()
    os.chown(folder / "summary.md", EVE, EVE)
    write_whole(str(folder / "summary.md"), "text")
    assert owners(folder) == {"summary.md": owner}


@as_root
def test_output_files_in_a_sticky_folder_belong_to_their_writer(place: Path) -> None:
    folder = made(place / "tmp", 0o1777)
    as_account(ADA, lambda: use(folder))
    assert owners(folder) == {"summary.md": ADA, "report.jsonl": ADA}


@as_root
def test_output_files_of_another_account_in_a_sticky_folder_are_rejected(place: Path) -> None:
    folder = made(place / "tmp", 0o1777)
    as_account(EVE, lambda: use(folder))

    def try_both() -> None:
        with pytest.raises(RunaiError, match=r"summary.md: belongs to another account"):
            write_whole(str(folder / "summary.md"), "text")
        with pytest.raises(RunaiError, match=r"report_path: .*report.jsonl: belongs to another account"):
            ReportFile(str(folder / "report.jsonl"), str).open()

    as_account(ADA, try_both)


def test_output_files_in_a_public_folder_are_rejected_unless_it_is_sticky(tmp_path: Path) -> None:
    folder = made(tmp_path / "open", 0o777)
    with pytest.raises(RunaiError, match=r"summary.md: everybody can write to its folder"):
        write_whole(str(folder / "summary.md"), "text")
    with pytest.raises(RunaiError, match=r"report_path: .*: everybody can write to its folder \(mode 0777\)"):
        ReportFile(str(folder / "report.jsonl"), str).open()
    assert list(folder.iterdir()) == []
    folder.chmod(0o1777)
    use(folder)


def test_check_output_of_a_path_with_a_null_byte_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RunaiError, match="cannot be written: the path holds a null byte"):
        check_output(str(tmp_path / "fleet\0.json"))


@pytest.mark.parametrize("name", ["summary.md", "report.jsonl.part"])
@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
def test_output_files_over_planted_ones_keep_their_targets(tmp_path: Path, name: str, kind: str) -> None:
    target, folder = tmp_path / "precious", made(tmp_path / "folder", 0o755)
    target.write_text("precious")
    target.chmod(0o640)
    if kind == "link":
        (folder / name).symlink_to(target)
    elif kind == "hard link":
        os.link(target, folder / name)
    else:
        os.mkfifo(folder / name)
    before = target.stat()
    write_whole(str(folder / "summary.md"), "text")
    report = ReportFile(str(folder / "report.jsonl"), str)
    if (name, kind) == ("report.jsonl.part", "hard link"):
        with pytest.raises(RunaiError, match=r"report_path: .*\.part: has another name elsewhere"):
            report.open()
    else:
        report.open()
        report.write([{"id": "a"}])
        report.complete([{"id": "a"}])
    after = target.stat()
    assert target.read_text() == "precious"
    assert (before.st_mode, before.st_uid, before.st_mtime) == (after.st_mode, after.st_uid, after.st_mtime)
    assert (folder / "summary.md").read_text() == "text"


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe", "folder", "large"])
def test_open_of_no_ordinary_file_is_rejected(tmp_path: Path, kind: str) -> None:
    target, name = tmp_path / "target", tmp_path / "folder" / "name"
    made(tmp_path / "folder", 0o700)
    target.write_text("1234")
    if kind == "link":
        name.symlink_to(target)
    elif kind == "dangling link":
        name.symlink_to(tmp_path / "nothing")
    elif kind == "hard link":
        os.link(target, name)
    elif kind == "pipe":
        os.mkfifo(name)
    elif kind == "folder":
        name.mkdir()
    else:
        name.write_text("12345")
    folder = Folder(str(tmp_path / "folder"))
    # Anything that waits would wait for ever here.
    with pytest.raises(UnsafeFileError):
        folder.open("name", os.O_RDONLY, 4)
    with pytest.raises(FileExistsError):
        folder.create("name")
    assert target.read_text() == "1234"
    assert not (tmp_path / "nothing").exists()


@as_root
def test_open_of_a_file_of_a_third_account_is_rejected(place: Path) -> None:
    folder = Folder(str(made(place / "ada", 0o755, ADA)))
    for owner in (0, ADA, EVE):
        path = place / "ada" / str(owner)
        path.touch()
        os.chown(path, owner, owner)
    os.close(folder.open("0", os.O_RDONLY))
    os.close(folder.open(str(ADA), os.O_RDONLY))
    with pytest.raises(UnsafeFileError, match=f"belongs to another account \\(uid {EVE}\\)"):
        folder.open(str(EVE), os.O_RDONLY)


def test_folder_replaced_after_its_opening_keeps_its_files(tmp_path: Path) -> None:
    folder = Folder(str(made(tmp_path / "folder", 0o700)))
    (tmp_path / "folder").rename(tmp_path / "moved")
    (tmp_path / "folder").symlink_to(made(tmp_path / "elsewhere", 0o700))
    os.close(folder.create("made"))
    folder.write_whole("whole", "text")
    assert {one.name for one in (tmp_path / "moved").iterdir()} == {"made", "whole"}
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o777, 0o1777, 0o2770])
def test_folder_of_records_others_can_write_to_is_rejected(tmp_path: Path, mode: int) -> None:
    assert "other accounts can write to it (mode {0:04o})".format(mode) in problem_for_records(
        made(tmp_path / "records", mode)
    )


def test_folder_of_records_below_a_public_folder_is_rejected_unless_it_is_sticky(
    tmp_path: Path,
) -> None:
    records = made(made(made(tmp_path / "open", 0o700) / "ada", 0o700) / "records", 0o700)
    assert problem_for_records(records) == ""
    (tmp_path / "open").chmod(0o777)
    assert "lies in a folder that everybody can write to" in problem_for_records(records)
    # Whatever links lead to it.
    (tmp_path / "link").symlink_to(records)
    assert "lies in a folder that everybody can write to" in problem_for_records(tmp_path / "link")
    (tmp_path / "open").chmod(0o1777)
    assert problem_for_records(records) == ""


@as_root
def test_folder_of_records_of_another_account_is_rejected(place: Path) -> None:
    theirs, ours = made(place / "eve", 0o755, EVE), made(place / "ada", 0o700, ADA)
    roots = made(place / "root", 0o755)

    def check() -> None:
        assert f"it belongs to another account (uid {EVE})" in problem_for_records(theirs)
        assert problem_for_records(ours) == problem_for_records(roots) == ""

    as_account(ADA, check)


@as_root
def test_folder_of_records_used_by_root_is_accepted_unless_others_can_replace_it(place: Path) -> None:
    home = made(place / "ada", 0o755, ADA)
    assert problem_for_records(made(home / "records", 0o700, ADA)) == ""
    # Anybody can make such a folder there first.
    shared = made(made(place / "tmp", 0o1777) / "records", 0o755, EVE)
    assert f"it belongs to another account (uid {EVE}), below a folder" in problem_for_records(shared)
    # Eve can put a folder of her own in the place of Ada's.
    below = made(made(place / "eve", 0o755, EVE) / "records", 0o700, ADA)
    assert f"it belongs to another account (uid {ADA}), below a folder" in problem_for_records(below)


KILLED = """\
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.gpuops.runai.plugins.module_utils._system import files
def die(descriptor):
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die
files.write_whole(sys.argv[2], "new")
"""


def test_write_whole_killed_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("old")
    tree = str(Path(_files.__file__).parents[6])
    killed = subprocess.run([sys.executable, "-c", KILLED, tree, str(path)], check=False)
    assert killed.returncode == -9
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("has_anonymous", [True, False])
def test_write_whole_after_an_error_leaves_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_anonymous: bool
) -> None:
    if not has_anonymous:
        # As on network storage.
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "summary.md"
    write_whole(str(path), "old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(RunaiError, match=r"summary\.md: cannot be written: No space left on device"):
        write_whole(str(path), "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


LOCKING = """\
import fcntl, os, sys
assert os.getpid() == 1
fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_try_lock_by_process_1_of_a_container_holds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    command = ["unshare", "--pid", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode != 0:
        pytest.skip("no container can be made here")
    with subprocess.Popen(
        [*command, sys.executable, "-c", LOCKING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        descriptor = os.open(path, os.O_RDWR)
        assert not try_lock(descriptor)
        other.stdin.close()
        other.wait()
    assert try_lock(descriptor)
    os.close(descriptor)
