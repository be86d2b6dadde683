# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill maintenances at random moments, and hold what comes of them against the simulator's own state.

python -m benchmarks.kill_trials --trials 200 [--seed 1] [--ways module,play,task,both]

A trial plans, begins and ends one maintenance. Its begin is killed with SIGKILL after a random number of
requests, and sometimes so is what follows it: another begin, or the end. The last end is left alone. Then
nothing may be lost (all planned workloads are active), nothing of others touched, and nothing sent twice
after it was seen to be applied.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.server import Handle, running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tools.paths import CACHE, LINKED_TREE, command, environment

MODULE = "ansible_collections.gpuops.runai.plugins.modules.runai_maintenance"
# The module by itself; or of a play: the play, its task's process, or all processes at once.
WAYS = ("module", "play", "task", "both")
PLANNED, OTHERS, STOPPED = 250, 20, 10
LATENCY = 0.03
ACTIVE = ("Running", "Resuming", "Pending", "Initializing")
STATES = {"plan": "planned", "begin": "begun", "end": "ended"}
# Seconds, far above what any run takes on a busy machine.
_PATIENCE = 300.0


def workload_id(number: int) -> str:
    return str(uuid.UUID(int=0x5EED << 64 | number))


def fleet() -> dict[str, Any]:
    """Active workloads of the maintenance, active ones of another project, and stopped ones of an owner."""
    kinds = (
        [("vision", "Running")] * PLANNED
        + [("audio", "Running")] * OTHERS
        + [("vision", "Stopped")] * STOPPED
    )
    return {
        "workloads": [
            {"id": workload_id(number), "name": f"job-{number}", "projectName": project, "phase": phase}
            for number, (project, phase) in enumerate(kinds)
        ]
    }


MINE = [workload_id(number) for number in range(PLANNED)]
NOT_MINE = [workload_id(number) for number in range(PLANNED, PLANNED + OTHERS + STOPPED)]


@dataclass
class Trial:
    """What was done in one trial, and what was wrong after it."""

    way: str
    steps: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Site:
    """One simulator, and one folder of records."""

    def __init__(self, simulator: Handle, folder: Path, chance: random.Random) -> None:
        self.simulator = simulator
        self.folder = folder
        self.chance = chance
        # How many requests each step has made so far when it was left alone.
        self.requests = {"begin": 12, "end": 12}

    def trial(self, way: str) -> Trial:
        """Plan, begin and end one maintenance, with kills."""
        trial, chance = Trial(way), self.chance
        self.simulator.reset()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if chance.random() < 0.7:
            self.run(trial, "plan")
        self.run(trial, "begin", way)
        if chance.random() < 0.5:
            self.run(trial, "begin", way if chance.random() < 0.4 else None)
        if self._has_plan():
            if chance.random() < 0.5:
                self.run(trial, "end", way)
            self.run(trial, "end")
        self.check(trial)
        return trial

    def _has_plan(self) -> bool:
        """Whether a plan is in the record: before that nothing is sent, and there is nothing to end."""
        record = self.folder / "records" / "night.record.jsonl"
        return record.exists() and '"state":"planned"' in record.read_text()

    def run(self, trial: Trial, step: str, way: str | None = None) -> None:
        """Run one step, and kill it where a way is said. What is left alone has to end well."""
        mark = uuid.uuid4().hex
        output = self.folder / "output"
        before = self.simulator.summary()["requests"]
        kill_at = self.chance.randint(0, self.requests.get(step, 0) + 2)
        pause = self.chance.random() * LATENCY * 2
        process = self._start(trial.way, step, mark, output)
        killed = False
        until = time.monotonic() + _PATIENCE
        while process.poll() is None:
            if time.monotonic() > until:
                trial.problems.append(f"{step} does not end")
                break
            if way is not None and not killed and self.simulator.summary()["requests"] - before >= kill_at:
                time.sleep(pause)
                killed = _kill(way, process.pid, mark)
            time.sleep(0.002)
        while left := list(_processes(mark)):
            if time.monotonic() > until:
                trial.problems.append(f"{step} leaves processes: {left}")
                _kill("both", process.pid, mark)
                break
            time.sleep(0.01)
        trial.kills[step] += killed
        trial.steps.append(f"{step}, killed after {kill_at} requests" if killed else step)
        if not killed:
            made = self.simulator.summary()["requests"] - before
            self.requests[step] = max(self.requests.get(step, 0), made) if step != "plan" else 0
            if process.returncode:
                trial.problems.append(f"{step} failed: {output.read_text()[-1500:]}")

    def _start(self, way: str, step: str, mark: str, output: Path) -> subprocess.Popen[bytes]:
        said: dict[str, Any] = {
            "name": "night",
            "record_dir": str(self.folder / "records"),
            "base_url": self.simulator.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "wait_interval": 0.05,
            "settle_time": 0.5,
            "concurrency": self.chance.choice([1, 2, 4]),
        }
        if step != "end":
            said |= {"reason": "kill trials", "max_affected": "none", "max_percent": "none"}
        env = environment(LINKED_TREE) | {"KILL_TRIAL": mark, "PYTHONPATH": str(LINKED_TREE)}
        given = self.folder / "given.json"
        if way == "module":
            select = {} if step == "end" else {"select": {"projects": ["vision"]}}
            given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": said | select | {"state": STATES[step]}}))
            words = [sys.executable, "-m", MODULE, str(given)]
        else:
            if step != "end":
                said["projects"] = ["vision"]
            given.write_text(
                json.dumps({f"workload_maintenance_{key}": value for key, value in said.items()})
            )
            words = [command("ansible-playbook"), "-e", f"@{given}", f"gpuops.runai.maintenance_{step}"]
        with output.open("wb") as file:
            return subprocess.Popen(
                words,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self, trial: Trial) -> None:
        """Hold the state of the simulator, and what it was sent, against the rules."""
        phases = {one: self.simulator.state.phase(one) for one in [*MINE, *NOT_MINE]}
        sent = self.simulator.summary()["ids_sent"]
        problems = trial.problems
        lost = [one for one in MINE if phases[one] not in ACTIVE]
        if lost:
            problems.append(f"{len(lost)} of {PLANNED} are lost, such as {lost[0]}: {phases[lost[0]]}")
        touched = [one for one in NOT_MINE if any(one in ids for ids in sent.values())]
        if touched:
            problems.append(f"{len(touched)} of others were sent, such as {touched[0]}")
        # A resume without a known answer is sent again, in case a suspend arrives late.
        allowed = {"suspend": 1, "resume": 1 + trial.kills["end"]}
        for action, most in allowed.items():
            again = [one for one, times in sent.get(action, {}).items() if times > most]
            if again:
                problems.append(f"{len(again)} were sent again: {action} {again[0]}")
        for record in (self.folder / "records").glob("*"):
            if record.name != "night.record.jsonl":
                problems.append(f"{record.name} is left")
        if self._has_plan():
            record = self.folder / "records" / "night.record.jsonl"
            if '"state":"ended"' not in record.read_text().splitlines()[-1]:
                problems.append("the record has not ended")


def _processes(mark: str) -> Iterator[int]:
    """Every process that one step started, whoever its parent is now."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                is_alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                is_marked = f"KILL_TRIAL={mark}".encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if is_alive and is_marked:
                yield int(folder.name)


def _kill(way: str, pid: int, mark: str) -> bool:
    """Kill what this way is about; return whether there was something to kill."""
    if way in ("module", "play"):
        pids = [pid]
    elif way == "both":
        pids = list(_processes(mark))
    else:
        pids = [one for one in _processes(mark) if _is_task(one)]
    for one in pids:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return bool(pids)


def _is_task(pid: int) -> bool:
    try:
        return b"AnsiballZ_runai_maintenance" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def run_trials(trials: int, seed: int, ways: Sequence[str], folder: Path) -> Iterator[Trial]:
    """Run trials, with the ways in turn."""
    settings = Settings(
        fleet=fleet(), latency=LATENCY, transition_seconds=0.2, validate_responses=False, count_endpoint=True
    )
    with running(settings) as simulator:
        site = Site(simulator, folder, random.Random(seed))
        for number in range(trials):
            yield site.trial(ways[number % len(ways)])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kill_trials", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", default=",".join(WAYS), help=f"some of {', '.join(WAYS)}, with commas")
    options = parser.parse_args()
    failed, kills = 0, Counter[str]()
    for number, trial in enumerate(
        run_trials(
            options.trials, options.seed, options.ways.split(","), CACHE / f"kill_trials-{os.getpid()}"
        ),
        start=1,
    ):
        kills += trial.kills
        failed += bool(trial.problems)
        verdict = "; ".join(trial.problems) or "ok"
        print(f"{number:>4} {trial.way:<6} {' | '.join(trial.steps)}: {verdict}", flush=True)
    print(f"{options.trials} trials, {kills['begin']} begins and {kills['end']} ends killed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
