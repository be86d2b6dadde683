# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a record, between processes that stand for plays."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import record_lock as _record_lock
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import RecordError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_file import try_lock
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_lock import (
    Holder,
    Play,
    RunLock,
    busy,
    this_play,
)
from ansible_collections.gpuops.runai.plugins.module_utils._system.processes import start_of

if not sys.platform.startswith("linux"):
    pytest.skip("plays are told by /proc", allow_module_level=True)

BY = {"user": "ada", "host": "ctl-1"}


class StandIn:
    """A process that lives until it is killed, and the play that it stands for."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        started = start_of(self._process.pid)
        assert started is not None
        self.play = Play(*_record_lock._here(), self._process.pid, started)

    def kill(self) -> None:
        """End it as kill -9 does; nobody has asked yet how it ended."""
        self._process.kill()
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def close(self) -> None:
        """End it and forget it."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def plays() -> Iterator[Callable[[], StandIn]]:
    """Starts plays that end with the test."""
    started: list[StandIn] = []

    def start() -> StandIn:
        started.append(StandIn())
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / ".night.lock")


def keeper(path: str) -> int:
    with open(path, "rb") as lock:
        holder = _record_lock._read(lock.fileno())
    assert holder is not None
    return holder.keeper


def test_the_second_run_is_told_who_is_at_work(path: str, plays: Callable[[], StandIn]) -> None:
    first, second = RunLock(path, plays().play), RunLock(path, plays().play)
    first.take("a begin", {**BY, "awx_job_id": "12", "awx_user_name": "bob"})
    with pytest.raises(RecordError, match=r"another run .*: a begin by bob on ctl-1, job 12, since 2\d{3}-"):
        second.take("an end", BY)
    # A refusal changes nothing: the first one still has it, and is still named.
    other = second.other()
    assert other is not None
    assert other.what == "a begin"
    first.leave()
    assert second.other() is None
    second.take("an end", BY)
    with pytest.raises(RecordError, match="an end by"):
        first.take("a begin", BY)
    second.leave()


def test_a_killed_play_lets_others_in(
    path: str, plays: Callable[[], StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_record_lock, "_GRACE", 300.0)
    mine, other = plays(), RunLock(path, plays().play)
    RunLock(path, mine.play).take("a begin", BY)
    mine.kill()
    other.take("an end", BY)
    other.leave()


def test_a_killed_keeper_lets_others_in(path: str, plays: Callable[[], StandIn]) -> None:
    first, second = RunLock(path, plays().play), RunLock(path, plays().play)
    first.take("a begin", BY)
    os.kill(keeper(path), signal.SIGKILL)
    os.waitpid(keeper(path), 0)
    assert second.other() is None
    second.take("an end", BY)
    # What the first one still does by then does not take the lock away.
    first.leave()
    with pytest.raises(RecordError, match="another run"):
        first.take("a begin", BY)
    second.leave()


def test_the_steps_of_one_run_share_it(path: str, plays: Callable[[], StandIn]) -> None:
    play = plays().play
    for _step in range(3):
        RunLock(path, play).take("a begin", BY)
        assert RunLock(path, play).other() is None
    number = keeper(path)
    RunLock(path, play).leave()
    with pytest.raises(ChildProcessError):
        os.waitpid(number, 0)
    assert not os.path.exists(path)
    RunLock(path, play).leave()


def test_a_file_that_was_taken_away_is_not_locked(
    path: str, plays: Callable[[], StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (RunLock(path, plays().play) for _number in range(3))
    first.take("a begin", BY)
    tries: list[int] = []
    lock_of = try_lock

    def leave_in_between(handle: int, where: str) -> bool:
        tries.append(handle)
        if len(tries) == 1:
            # The second one has opened the file; the first one takes it away.
            first.leave()
        return lock_of(handle, where)

    monkeypatch.setattr(_record_lock, "try_lock", leave_in_between)
    second.take("a begin", BY)
    assert len(tries) == 2
    with pytest.raises(RecordError, match="another run"):
        third.take("an end", BY)
    second.leave()


def test_the_keeper_holds_nothing_else_open(path: str, plays: Callable[[], StandIn]) -> None:
    readable, writable = os.pipe()
    lock = RunLock(path, plays().play)
    lock.take("a begin", BY)
    os.close(writable)
    # Ansible waits for the end of a module's output.
    assert select.select([readable], [], [], 60)[0]
    assert os.read(readable, 1) == b""
    os.close(readable)
    assert os.getsid(keeper(path)) == keeper(path)
    lock.leave()


def test_without_a_play_it_is_for_this_process(path: str, plays: Callable[[], StandIn]) -> None:
    lock, other = RunLock(path, None), RunLock(path, plays().play)
    lock.take("a begin", BY)
    assert other.other() is not None
    with pytest.raises(RecordError, match="another run"):
        other.take("an end", BY)
    lock.leave()
    other.take("an end", BY)
    other.leave()


def test_looking_writes_nothing(path: str, plays: Callable[[], StandIn]) -> None:
    assert RunLock(path, plays().play).other() is None
    assert not os.path.exists(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"play": 7}', "\x00\xff"])
def test_what_is_in_the_file_does_no_harm(path: str, plays: Callable[[], StandIn], content: str) -> None:
    Path(path).write_text(content)
    lock = RunLock(path, plays().play)
    lock.leave()
    lock.take("a begin", BY)
    lock.leave()
    assert "not known which" in str(busy(None))


def test_a_play_of_another_machine_may_be_alive(plays: Callable[[], StandIn]) -> None:
    mine = plays()
    holder = Holder("a begin", BY, "t", mine.play, 1)
    assert holder.may_be_alive()
    mine.close()
    assert not holder.may_be_alive()
    away = Holder("a begin", BY, "t", mine.play._replace(host="ctl-2"), 1)
    assert away.may_be_alive()
    assert Holder("a begin", BY, "t", None, 1).may_be_alive()


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["sh", "AnsiballZ_x.py", "ansible-playbook", "ansible-playbook", "sh"], 3),
        (["ansible-playbook", "ansible-playbook", "AnsiballZ_command.py", "ansible-playbook"], 1),
        (["sh", "ansible", "runner"], 1),
        (["sh", "sshd"], None),
        ([], None),
    ],
)
def test_the_play_is_the_nearest_one(monkeypatch: pytest.MonkeyPatch, names: list[str], place: Any) -> None:
    chain = list(range(100, 100 + len(names)))
    monkeypatch.setattr(_record_lock, "ancestors", lambda: chain)
    monkeypatch.setattr(_record_lock, "arguments_of", lambda pid: ["python", "/bin/" + names[pid - 100]])
    monkeypatch.setattr(_record_lock, "start_of", lambda pid: "7")
    found = this_play()
    assert (found.pid if found else None) == (None if place is None else 100 + place)
