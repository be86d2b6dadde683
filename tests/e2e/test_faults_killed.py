# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play that is killed stops before its next batch, leaves what it knew, and can be run again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import ansible_runner
import pytest

from benchmarks.kill_trials import run_trials
from simulator.server import Handle, running
from simulator.settings import CLIENT_SECRET, Settings
from tests.component.harness import BATCH, rehearse
from tests.e2e.playbook import JOB_TIMES, PlaybookRunner
from tests.support.waiting import wait_until
from tests.support.workloads import fleet, workload_ids
from tools.cores import OLDEST, environment_with

IDS = workload_ids(8)

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - gpuops.runai.runai_workload_batch:
        base_url: "{{ url }}"
        client_id: rehearsal
        action: suspend
        ids: "{{ ids }}"
        batch_size: 1
        concurrency: 1
        timeout: 3600
        report_path: "{{ report }}"
"""


class Play:
    """What is needed to start a play and to know when all of its processes are gone."""

    def __init__(self, runner: PlaybookRunner, simulator: Handle) -> None:
        self.runner = runner
        self.simulator = simulator
        self.report = runner.folder / "report.jsonl"
        self.mark = uuid.uuid4().hex
        self.record = runner.folder / f"record-{self.mark}.jsonl"
        self.vars = {"url": simulator.url, "ids": IDS, "report": str(self.report)}
        self.environment = runner.environment(self.record) | {"RUNAI_CLIENT_SECRET": CLIENT_SECRET}

    def start(self, playbook: str = PLAYBOOK) -> subprocess.Popen[bytes]:
        path = self.runner.folder / f"killed-{self.mark}.yml"
        path.write_text(playbook)
        with (self.runner.folder / "output").open("wb") as output:
            return subprocess.Popen(
                [self.runner.core / "bin" / "ansible-playbook", path, "-e", json.dumps(self.vars)],
                cwd=self.runner.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return (self.runner.folder / "output").read_text()

    def batches(self) -> int:
        found: int = self.simulator.summary()["batches"].get("suspend", 0)
        return found

    def processes(self) -> list[int]:
        """Every process that was started by this play, whoever its parent is now."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                    marked = self.mark.encode() in (folder / "environ").read_bytes()
                except OSError:
                    continue
                if alive and marked:
                    found.append(int(folder.name))
        return found

    def hold(self, batch: int, kind: str = "slow") -> None:
        """Keep this batch's answer back, until `let_go`."""
        fault = {"kind": kind, "seconds": 3600}
        if kind == "hang":
            fault["apply"] = True
        self.simulator.faults({"match": BATCH, "nth": batch, "fault": fault})

    def let_go(self) -> None:
        """Answer what is held back; a hang ends without an answer."""
        self.simulator.faults()

    def wait_for_batch(self, number: int) -> None:
        wait_until(lambda: self.batches() >= number, f"batch {number}")

    def wait_for_the_end(self) -> None:
        wait_until(lambda: not self.processes(), "the end of all processes")

    def rows(self, path: Path) -> dict[str, str]:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return {row["id"]: row["outcome"] for row in rows}

    def stopped(self) -> set[str]:
        return {one for one in IDS if self.simulator.state.phase(one) in ("Stopping", "Stopped")}

    def check_that_it_stopped_after(self, batches: int) -> None:
        """No batch began once the play was gone, and the part of the report holds what was done."""
        self.wait_for_the_end()
        assert self.batches() == batches
        assert len(self.stopped()) == batches
        assert not self.report.exists()
        part = Path(f"{self.report}.part")
        assert part.stat().st_mode & 0o777 == 0o600
        rows = self.rows(part)
        assert {one for one, outcome in rows.items() if outcome == "changed"} == self.stopped()

    def check_that_a_rerun_settles_the_rest(self) -> None:
        done = self.stopped()
        rerun = rehearse(self.simulator, "suspend", IDS, batch_size=1, report_path=str(self.report))
        assert set(rerun.result["outcomes"]["unchanged"]) == done
        assert set(rerun.result["outcomes"]["changed"]) == set(IDS) - done
        assert set(rerun.sent.values()) == {1}
        assert len(self.rows(self.report)) == len(IDS)
        assert ["unfinished report" in warning for warning in rerun.warnings] == [True]


@pytest.fixture
def simulator() -> Iterator[Handle]:
    with running(Settings(fleet=fleet(len(IDS)), transition_seconds=3600)) as handle:
        yield handle


def test_batch_of_a_killed_play_awaits_its_answer_and_stops(
    run_playbook_on_the_oldest_core: PlaybookRunner, simulator: Handle
) -> None:
    play = Play(run_playbook_on_the_oldest_core, simulator)
    play.hold(3)
    process = play.start()
    play.wait_for_batch(3)
    process.kill()
    process.wait()
    # The module outlives its play.
    play.let_go()
    play.check_that_it_stopped_after(3)
    play.check_that_a_rerun_settles_the_rest()


@pytest.mark.parametrize(("core", "number"), [("newest", signal.SIGINT), ("oldest", signal.SIGTERM)])
def test_batch_of_an_interrupted_play_awaits_its_answer_and_stops(
    collections: Path, tmp_path: Path, simulator: Handle, core: str, number: signal.Signals
) -> None:
    """A terminal sends its Ctrl-C to all processes of the play; what is under way is settled all the same."""
    environment = Path(sys.prefix) if core == "newest" else environment_with(OLDEST)
    play = Play(PlaybookRunner(collections, environment, tmp_path), simulator)
    play.hold(3)
    process = play.start()
    play.wait_for_batch(3)
    os.killpg(process.pid, number)
    process.wait()
    play.let_go()
    play.check_that_it_stopped_after(3)
    play.check_that_a_rerun_settles_the_rest()


def test_batch_of_a_killed_play_with_a_lost_answer_reports_it_as_unknown(
    run_playbook: PlaybookRunner, simulator: Handle
) -> None:
    play = Play(run_playbook, simulator)
    play.hold(3, "hang")
    process = play.start()
    play.wait_for_batch(3)
    process.kill()
    process.wait()
    play.let_go()
    play.wait_for_the_end()
    assert play.batches() == 3
    rows = play.rows(Path(f"{play.report}.part"))
    # Nobody may ask any more what became of it.
    assert rows[IDS[2]] == "unknown"
    assert [one for one, outcome in rows.items() if outcome == "changed"] == IDS[:2]
    play.check_that_a_rerun_settles_the_rest()


def test_batch_of_a_cancelled_job_awaits_its_answer_and_stops(
    run_playbook: PlaybookRunner, simulator: Handle, tmp_path: Path
) -> None:
    play = Play(run_playbook, simulator)
    play.hold(3)
    folder = tmp_path / "runner"
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "play.yml").write_text(PLAYBOOK)
    environment = {
        name: value for name, value in play.environment.items() if not name.startswith("ANSIBLE_CALL")
    }
    done = ansible_runner.run(
        private_data_dir=str(folder),
        playbook="play.yml",
        extravars=play.vars,
        envvars=environment,
        cancel_callback=lambda: play.batches() >= 3,
        settings={"pexpect_timeout": 1},
        quiet=True,
    )
    assert done.status == "canceled"
    play.let_go()
    play.check_that_it_stopped_after(3)
    play.check_that_a_rerun_settles_the_rest()


def test_batch_of_a_task_that_timed_out_awaits_its_answer_and_stops(
    run_playbook_on_the_oldest_core: PlaybookRunner, simulator: Handle
) -> None:
    play = Play(run_playbook_on_the_oldest_core, simulator)
    # A slow machine needs a longer one to come as far as its first batch.
    for timeout in (8, 40, 200):
        play.hold(1)
        process = play.start(PLAYBOOK + f"      timeout: {timeout}\n")
        assert process.wait() == 2, play.output
        # One version says that it timed out, another that it failed in the expected time frame.
        assert re.search("[Tt]imed? ?out|expected time frame", play.output), play.output
        is_under_way = play.batches() > 0
        play.let_go()
        play.wait_for_the_end()
        if is_under_way:
            break
        # What began after its play was gone could not notice that.
        simulator.reset()
        play.report.unlink(missing_ok=True)
    play.check_that_it_stopped_after(1)
    play.check_that_a_rerun_settles_the_rest()


def test_batch_of_an_asynchronous_task_goes_on_without_its_play(
    run_playbook_on_the_oldest_core: PlaybookRunner, simulator: Handle
) -> None:
    play = Play(run_playbook_on_the_oldest_core, simulator)
    play.hold(1)
    for seconds in JOB_TIMES:
        process = play.start(PLAYBOOK + f"      async: {seconds}\n      poll: 0\n")
        assert process.wait() == 0, play.output
        wait_until(lambda: play.batches() > 0 or not play.processes(), "batch 1, or the end of a lost job")
        if play.batches():
            break
    play.let_go()
    play.wait_for_the_end()
    assert play.batches() == len(IDS)
    assert play.rows(play.report) == dict.fromkeys(IDS, "changed")


def test_maintenance_that_is_killed_loses_nothing_and_touches_nothing_of_others(tmp_path: Path) -> None:
    """A few of the trials; for many of them: python -m benchmarks.kill_trials."""
    trials = list(run_trials(3, 5, ("module", "task", "play"), tmp_path))
    assert [trial.problems for trial in trials] == [[], [], []], trials
