# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of progress lines from a module to the action plugin around it: a named pipe on the same host.

The pipe's path travels in the environment of the action plugin's own process, which a module that is
run by a local connection inherits. It stands in no argument, no command line and no result. Where the
environment does not get through (another host, another user), there are no lines and nothing else
changes. Nor does a pipe that is full, or that nobody reads any more, ever hold the module up.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Callable, Optional

from .._common.text import clean

_VARIABLE = "_GPUOPS_RUNAI_PROGRESS"
# What arrives whole, whoever else writes, less the line's end. POSIX wants at least 512, Linux has 4096.
_LONGEST = select.PIPE_BUF - 1
_CUT = "…".encode()
# No line of text is this one.
_END = b"\0"
# Seconds that a line may keep a process from ending.
_LONGEST_DELAY = 1.0


def progress_sink(environ: MutableMapping[str, str]) -> Callable[[str], None]:
    """Return what takes the module's lines; it drops them where no action plugin listens.

    The variable is taken out of ``environ``, so that nothing that the module starts finds it.
    """
    path = environ.pop(_VARIABLE, None)
    pipe = None if path is None else _open_for_writing(path)

    def say(line: str) -> None:
        if pipe is not None:
            with suppress(OSError):
                os.write(pipe, _encoded(line))

    return say


@contextmanager
def progress_lines(
    folder: str, environ: MutableMapping[str, str], show: Callable[[str], None]
) -> Iterator[None]:
    """Pass each line of modules that are run within the block to ``show``, at once, in another thread.

    All lines said have been shown when the block ends. ``folder`` is the user's alone; the pipe's name
    in it goes as soon as the module has found it, so that a killed run leaves nothing. Without the
    means for a pipe, the block runs without lines.
    """
    path = os.path.join(folder, "runai-" + os.urandom(8).hex())
    try:
        os.mkfifo(path, 0o600)
        # Open for both, nothing waits for a writer, and reads do not end with one (Linux, fifo(7)).
        pipe = os.open(path, os.O_RDWR)
    except OSError:
        with suppress(OSError):
            os.unlink(path)
        yield
        return
    showing = threading.RLock()
    reader = threading.Thread(target=_read, args=(pipe, path, show, showing), name="progress", daemon=True)
    # Handlers run in the main thread, which waits for the module. A signal that another thread gets does not
    # wake it: an interrupted play would go on until the module ends.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        reader.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    environ[_VARIABLE] = path
    try:
        with _ends_delayed(showing):
            yield
    finally:
        environ.pop(_VARIABLE, None)
        os.write(pipe, _END + b"\n")
        reader.join()
        os.close(pipe)


@contextmanager
def _ends_delayed(showing: threading.RLock) -> Iterator[None]:
    """Let handlers of signals that end this process wait until no line is ``showing``.

    A process that ends while it passes a line to the play's own process keeps the lock on the way
    there, and that one would hang instead of ending.
    """
    handlers: dict[int, Callable[[int, Optional[FrameType]], Any]] = {}

    def handle(number: int, frame: Optional[FrameType]) -> None:
        # Not for ever: the thread that runs this may itself hold what the line waits for.
        is_mine = showing.acquire(timeout=_LONGEST_DELAY)
        try:
            handlers[number](number, frame)
        finally:
            if is_mine:
                showing.release()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                signal.signal(number, handle)
    try:
        yield
    finally:
        for changed, before in handlers.items():
            # Whoever handled one may have set another one.
            if signal.getsignal(changed) is handle:
                signal.signal(changed, before)


def _open_for_writing(path: str) -> Optional[int]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _encoded(line: str) -> bytes:
    text = clean(line, _LONGEST).encode("utf-8", "replace")
    if len(text) > _LONGEST:
        text = text[: _LONGEST - len(_CUT)].decode("utf-8", "ignore").encode() + _CUT
    return text + b"\n"


def _read(descriptor: int, path: str, show: Callable[[str], None], showing: threading.RLock) -> None:
    with open(descriptor, "rb", closefd=False) as pipe:
        for line in pipe:
            # Whoever wrote this has opened it.
            with suppress(OSError):
                os.unlink(path)
            if line == _END + b"\n":
                return
            # One that can't be shown, as when the play is gone, must not leave the pipe full.
            with showing, suppress(Exception):
                show(line[:-1].decode("utf-8", "ignore"))
