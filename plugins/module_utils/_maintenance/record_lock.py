# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run at a time acts on a record, from its first step to its last.

The steps of a run, and the batches between them, are processes of their own, and none of them lives for as
long as the run. So a process that does nothing else keeps the record's lock (flock) in between. It ends
with the last step, or with the play it was started for, however that ends; the kernel then frees the lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from typing import NamedTuple, NoReturn, Optional

from .._system.processes import (
    ancestors,
    arguments_of,
    is_play,
    start_of,
)
from .record import RecordError, Remedy, utc_now
from .record_file import (
    open_lock,
    refused_write,
    try_lock,
    try_shared_lock,
)
from .record_playbooks import STATUS_PLAYBOOK

# A lock that nobody alive seems to hold is about to be freed, or is only being looked at.
_GRACE = 5.0
_BETWEEN_TRIES = 0.02
_BETWEEN_LOOKS = 0.5


class Play(NamedTuple):
    """One run of ansible-playbook, told from whatever gets its process id later."""

    host: str
    namespace: str
    pid: int
    started: str


@dataclasses.dataclass(frozen=True)
class Holder:
    """The run that holds a lock: what it is (``an end``), who asked for it, and the process that keeps it."""

    what: str
    by: Mapping[str, str]
    since: str
    play: Optional[Play]
    keeper: int

    def words(self) -> str:
        """Return e.g. ``a begin by ada on ctl-1, job 12, since 2026-01-01T10:00:00Z``."""
        job = self.by.get("awx_job_id") or self.by.get("awx_workflow_job_id")
        return "{0} by {1} on {2}{3}, since {4}".format(
            self.what,
            self.by.get("awx_user_name") or self.by.get("user", "somebody"),
            self.by.get("host", "another machine"),
            ", job {0}".format(job) if job else "",
            self.since,
        )

    def may_be_alive(self) -> bool:
        """Tell whether its play is there, or may be, for all that can be seen from here."""
        here = _here()
        if self.play is None or (self.play.host, self.play.namespace) != here:
            return True
        return start_of(self.play.pid) == self.play.started


def this_play() -> Optional[Play]:
    """Return the play that this process works for; ``None`` where that can't be told, as on a remote host.

    Between a module and its play there may be a worker of the play, and above it plays that started plays.
    """
    pid = None
    for ancestor in ancestors():
        if is_play(arguments_of(ancestor)):
            pid = ancestor
        elif pid is not None:
            break
    started = start_of(pid) if pid is not None else None
    return None if pid is None or started is None else Play(*_here(), pid, started)


class RunLock:
    """The lock of one record, as the run of one play sees it. ``path`` is the lock's own file."""

    def __init__(self, path: str, play: Optional[Play]) -> None:
        self._path = path
        self._play = play
        self._handle: Optional[int] = None

    def take(self, what: str, by: Mapping[str, str]) -> None:
        """Keep every other run out, from now to ``leave`` or the end of the play. Raises RecordError.

        Without a play it is only for as long as this process lives. It is no error if the run has it.
        """
        end = time.monotonic() + _GRACE
        while True:
            handle = open_lock(self._path)
            has_it = try_lock(handle, self._path)
            if has_it and _is_same_file(handle, self._path):
                break
            holder = None if has_it else _read(handle)
            os.close(handle)
            if holder is not None and self._is_ours(holder):
                return
            if time.monotonic() >= end or (holder is not None and holder.may_be_alive()):
                raise busy(holder)
            time.sleep(_BETWEEN_TRIES)
        self._keep(handle, Holder(what, by, utc_now(), self._play, os.getpid()))

    def leave(self) -> None:
        """Let other runs in, if it is this one that keeps them out."""
        if self._handle is not None:
            self._clear(self._handle)
            os.close(self._handle)
            self._handle = None
            return
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return
        try:
            holder = _read(handle)
            if holder is not None and self._is_ours(holder) and not try_shared_lock(handle, self._path):
                self._clear(handle)
                os.kill(holder.keeper, signal.SIGTERM)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(holder.keeper, 0)
        finally:
            os.close(handle)

    def other(self) -> Optional[Holder]:
        """Return the other run that is at work now, ``None`` if there is none; nothing is written."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise refused_write(self._path, fault) from fault
        try:
            if try_shared_lock(handle, self._path):
                return None
            holder = _read(handle)
        finally:
            os.close(handle)
        if holder is None or self._is_ours(holder) or not holder.may_be_alive():
            return None
        return holder

    def _is_ours(self, holder: Holder) -> bool:
        return holder.play is not None and holder.play == self._play

    def _clear(self, handle: int) -> None:
        """Take the file away that is still locked: whoever has it open sees nobody named, and looks again."""
        os.ftruncate(handle, 0)
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _keep(self, handle: int, holder: Holder) -> None:
        keeper = os.fork() if holder.play is not None else None
        if keeper == 0:
            _keep_for(handle, holder.play)
        try:
            _write(handle, dataclasses.replace(holder, keeper=keeper or holder.keeper))
        except OSError as fault:
            if keeper is not None:
                os.kill(keeper, signal.SIGTERM)
            os.close(handle)
            raise refused_write(self._path, fault) from fault
        if keeper is None:
            self._handle = handle
        else:
            os.close(handle)


def busy(holder: Optional[Holder]) -> RecordError:
    """Return what to raise while another run is at work."""
    who = holder.words() if holder is not None else "not known which"
    sentence = "another run is at work on this record: {0}; nothing was sent".format(who)
    return RecordError(sentence, Remedy(playbook=STATUS_PLAYBOOK))


def _keep_for(handle: int, play: Optional[Play]) -> NoReturn:
    """Be the process that keeps the lock until the play ends; it holds nothing else of its parent's."""
    try:
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in (0, 1, 2, handle):
                with contextlib.suppress(OSError):
                    os.close(int(name))
        if play is not None:
            _await_end(play)
    finally:
        os._exit(0)


def _await_end(play: Play) -> None:
    try:
        watched = os.pidfd_open(play.pid)
    except (AttributeError, OSError):
        # An old kernel, an old Python, or a play that has ended.
        while start_of(play.pid) == play.started:
            time.sleep(_BETWEEN_LOOKS)
        return
    if start_of(play.pid) == play.started:
        select.select([watched], [], [])


def _here() -> tuple[str, str]:
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return socket.gethostname(), namespace


def _is_same_file(handle: int, path: str) -> bool:
    """Tell whether an open file still lies at the path: the run before may have taken it away."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def _write(handle: int, holder: Holder) -> None:
    value = {**dataclasses.asdict(holder), "play": holder.play}
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(value).encode("utf-8") + b"\n", 0)


def _read(handle: int) -> Optional[Holder]:
    try:
        value = json.loads(os.pread(handle, 65536, 0))
        play = value.pop("play")
        return Holder(**value, play=None if play is None else Play(*play))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
