# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipe between a module and its action plugin: whole lines, in order, and never in anyone's way."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch import progress_pipe as _progress_pipe
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress_pipe import (
    progress_lines,
    progress_sink,
)

VARIABLE = _progress_pipe._VARIABLE
# A module in a process of its own, which goes on at a line of input.
MODULE = """
import os, sys
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress_pipe import progress_sink
say = progress_sink(os.environ)
say("first")
sys.stdin.readline()
say("second")
print("done", len(os.environ.get("{0}", "")))
""".format(VARIABLE)


def test_progress_pipe_line_of_another_process_arrives_at_once(tmp_path: Path) -> None:
    shown: list[str] = []
    arrived = threading.Event()

    def show(line: str) -> None:
        shown.append(line)
        arrived.set()

    environ = dict(os.environ)
    with progress_lines(str(tmp_path), environ, show):
        module = subprocess.Popen(
            [sys.executable, "-c", MODULE],
            env={**environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert arrived.wait(300), "the line came only when the module had ended"
        assert shown == ["first"]
        output, _errors = module.communicate("go on\n")
    # The variable is not handed down to what a module starts.
    assert output.split() == ["done", "0"]
    assert shown == ["first", "second"]


def test_progress_pipe_line_with_line_ends_stays_one_line(tmp_path: Path) -> None:
    shown: list[str] = []
    environ: dict[str, str] = {}
    with progress_lines(str(tmp_path), environ, shown.append):
        say = progress_sink(environ)
        say("one\ntwo\r\n\0")
        say("\0")
        say("")
        say("\x1b[2Jred\u202e \x9b31mlast")
    assert shown[0].split() == ["one", "two"]
    assert shown[1:3] == ["", ""]
    assert shown[3].isprintable()


@pytest.mark.parametrize("letter", ["x", "ü", "世", "\U0001f5a7"])
def test_progress_pipe_line_beyond_the_buffer_is_cut_visibly(tmp_path: Path, letter: str) -> None:
    shown: list[str] = []
    environ: dict[str, str] = {}
    with progress_lines(str(tmp_path), environ, shown.append):
        progress_sink(environ)(letter * 10_000)
    (line,) = shown
    assert set(line[:-1]) == {letter}
    assert line[-1] == "…"
    # With the line's end, and but for a part of a character.
    assert select.PIPE_BUF - 4 < len(line.encode()) + 1 <= select.PIPE_BUF


def test_progress_pipe_after_a_failed_block_removes_the_variable(tmp_path: Path) -> None:
    environ: dict[str, str] = {}

    def fail() -> None:
        with progress_lines(str(tmp_path), environ, print):
            assert VARIABLE in environ
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert environ == {}
    # Nor does its name stay where no module has found it.
    assert list(tmp_path.iterdir()) == []
    assert [thread.name for thread in threading.enumerate() if thread.name == "progress"] == []


def test_progress_pipe_writer_outliving_the_block_is_not_awaited(tmp_path: Path) -> None:
    shown: list[str] = []
    environ: dict[str, str] = {}
    with progress_lines(str(tmp_path), environ, shown.append):
        say = progress_sink(environ)
        say("heard")
    for _line in range(10000):
        say("x" * 400)
    assert shown == ["heard"]


def test_progress_sink_full_pipe_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    say = progress_sink({VARIABLE: str(path)})
    for _line in range(10000):
        say("x" * 400)
    os.close(reader)


def test_progress_sink_other_file_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(file)
    for name in ("file", "link", "pipe", "nothing", "no/folder"):
        progress_sink({VARIABLE: str(tmp_path / name)})("line")
    progress_sink({})("line")
    assert file.read_text() == "kept"


def test_progress_pipe_without_fifos_runs_the_block(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    ran = False
    with progress_lines(str(tmp_path / "missing"), environ, print):
        ran = True
        assert environ == {}
    assert ran


def test_progress_pipe_without_descriptors_runs_the_block_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_none(path: str, flags: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "open", open_none)
    environ: dict[str, str] = {}
    with progress_lines(str(tmp_path), environ, print):
        assert environ == {}
    assert list(tmp_path.iterdir()) == []


def test_progress_pipe_failing_display_ends_only_the_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracebacks: list[object] = []
    monkeypatch.setattr(threading, "excepthook", tracebacks.append)
    tried: list[str] = []

    def show(line: str) -> None:
        tried.append(line)
        raise BrokenPipeError

    environ: dict[str, str] = {}
    with progress_lines(str(tmp_path), environ, show):
        say = progress_sink(environ)
        for number in range(10_000):
            say("line {0}".format(number))
    assert tried[0] == "line 0"
    assert tracebacks == []


@pytest.fixture
def ends() -> Iterator[threading.Event]:
    """Set when this process gets a SIGTERM, whose handler would end it in Ansible."""
    got = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: got.set())
    yield got
    signal.signal(signal.SIGTERM, before)


def test_progress_pipe_thread_takes_no_signals(tmp_path: Path) -> None:
    """Of two in a row it would get one or both, and the main thread would go on waiting for the module."""
    blocked: list[set[int]] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    environ: dict[str, str] = {}

    def show(line: str) -> None:
        blocked.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, [])))

    with progress_lines(str(tmp_path), environ, show):
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
        progress_sink(environ)("line")
    assert blocked[0] >= {signal.SIGINT, signal.SIGTERM, signal.SIGALRM}


def test_progress_pipe_signal_during_a_line_ends_after_it(
    tmp_path: Path, ends: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress_pipe, "_LONGEST_DELAY", 300.0)
    ended_meanwhile: list[bool] = []
    environ: dict[str, str] = {}

    def show(line: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        ended_meanwhile.append(ends.wait(0.2))

    before = signal.getsignal(signal.SIGTERM)
    with progress_lines(str(tmp_path), environ, show):
        progress_sink(environ)("line")
        assert ends.wait(300)
    assert ended_meanwhile == [False]
    assert signal.getsignal(signal.SIGTERM) is before


def test_progress_pipe_stuck_line_does_not_keep_the_process(
    tmp_path: Path, ends: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress_pipe, "_LONGEST_DELAY", 0.01)
    stuck, go_on = threading.Event(), threading.Event()
    went_on: list[bool] = []
    environ: dict[str, str] = {}

    def show(line: str) -> None:
        stuck.set()
        went_on.append(go_on.wait(300))

    with progress_lines(str(tmp_path), environ, show):
        progress_sink(environ)("line")
        assert stuck.wait(300)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ends.wait(300)
        go_on.set()
    assert went_on == [True]


def test_progress_pipe_handler_set_meanwhile_stays(tmp_path: Path, ends: threading.Event) -> None:
    def other(number: int, frame: object) -> None:
        pass

    with progress_lines(str(tmp_path), {}, print):
        signal.signal(signal.SIGTERM, other)
    assert signal.getsignal(signal.SIGTERM) is other


def test_progress_pipe_outside_the_main_thread_shows_lines(tmp_path: Path) -> None:
    shown: list[str] = []

    def work() -> None:
        environ: dict[str, str] = {}
        with progress_lines(str(tmp_path), environ, shown.append):
            progress_sink(environ)("line")

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert shown == ["line"]
