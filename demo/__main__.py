# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play the maintenance of a node with ansible-playbook against the simulator: python -m demo"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.server import Handle, running
from simulator.settings import TOKEN, Settings
from tools.build_tarball import build
from tools.paths import CACHE, command, environment

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", CACHE / "demo"))
ACTIVE, STOPPED_BEFORE = 15, 3
BATCH = {"path": "/api/v1/workloads/batch", "action": "suspend"}
# Seconds for which the state is read after a lost response, after which the workloads must still be stopping.
LOOKUP = 10.0
# Seconds, far above what a step takes.
LONGEST = 300


@dataclass(frozen=True)
class Stage:
    """A folder with the installed collection, and a simulator for one of the two ways.

    Once it `is_over`, what runs is killed and nothing more is started.
    """

    folder: Path
    simulator: Handle
    is_over: threading.Event = field(default_factory=threading.Event)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ansible-playbook in a session of its own, so that an interrupt reaches only the demo."""
        self.check()
        env = environment(self.folder / "collections") | {
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_STDOUT_CALLBACK": "brief",
            "RUNAI_BASE_URL": self.simulator.url,
            "RUNAI_BEARER_TOKEN": TOKEN,
            "RUNAI_RECORD_DIR": str(self.folder / "records"),
        }
        return subprocess.Popen(
            [command("ansible-playbook"), *arguments],
            cwd=HERE,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def check(self) -> None:
        """Raise KeyboardInterrupt once it is over."""
        if self.is_over.is_set():
            raise KeyboardInterrupt

    def play(self, *arguments: str) -> list[str]:
        """Run ansible-playbook to its end, and return verdicts; an interrupt ends it, too."""
        output: list[str] = []
        process = self.start(*arguments)
        reader = threading.Thread(target=lambda: output.extend(process.stdout or ()), daemon=True)
        reader.start()
        try:
            self.wait_until(lambda: process.poll() is not None)
        finally:
            kill(process)
            reader.join()
        return [line.rstrip("\n") for line in output if line.startswith("   ")]

    def play_and_kill(self, is_time: Callable[[], bool], *arguments: str) -> None:
        """Run ansible-playbook, and kill it with all its processes as soon as it is time."""
        process = self.start(*arguments)
        try:
            self.wait_until(lambda: is_time() or process.poll() is not None)
        finally:
            kill(process)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Return once it is so."""
        until = time.monotonic() + LONGEST
        while not is_so():
            self.check()
            if time.monotonic() > until:
                sys.exit(f"The expected state was not reached within {LONGEST} s.")
            time.sleep(0.02)

    def sent(self, action: str) -> list[list[str]]:
        """The batches that the control plane got, as the numbers of their workloads."""
        return [sorted(one["ids"]) for one in self.simulator.requests() if one["action"] == action]

    def phase(self, phase: str) -> set[str]:
        """Workloads in a phase."""
        return {one.id for one in self.simulator.state.live() if one.phase == phase}


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that it started, in sessions of their own too; return once it is gone."""
    ids = [process.pid]
    for one in ids:
        with contextlib.suppress(OSError):
            ids += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    for one in ids if process.poll() is None else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.wait()


def workload_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


REFUSED = workload_id(ACTIVE)
OWNERS = {workload_id(number) for number in range(ACTIVE + 1, ACTIVE + STOPPED_BEFORE + 1)}


def fleet() -> dict[str, Any]:
    """One node with work on it, and workloads that their owners had stopped."""
    rows = [
        {
            "id": workload_id(number),
            "name": f"train-{number:02d}",
            "projectName": "vision",
            "submittedBy": f"{'ada' if number % 2 else 'bob'}@example.com",
            **({"phase": "Running", "nodes": ["gpu-17"]} if number <= ACTIVE else {"phase": "Stopped"}),
            "allocatedResources": {"gpu": 0.5 if number <= ACTIVE else 0},
        }
        for number in range(1, ACTIVE + STOPPED_BEFORE + 1)
    ]
    return {"workloads": rows}


def settings() -> Settings:
    """The first response to a suspend is lost, and one workload is refused each time."""
    refuse = {"kind": "refuse_ids", "ids": [REFUSED], "message": "conflict, try later"}
    rules: list[dict[str, Any]] = [
        {"match": BATCH, "fault": {**refuse, "cut": True}},
        {"match": BATCH, "times": "always", "fault": refuse},
    ]
    return Settings(fleet=fleet(), faults=rules, transition_seconds=LOOKUP + 4.0)


def install_collection(folder: Path) -> str:
    """Build the tarball and install it for the demo alone; return the tarball's name."""
    tarball = build(folder)
    collections = folder / "collections"
    install = ["collection", "install", "--offline", "--collections-path", str(collections), str(tarball)]
    done = subprocess.run(
        [command("ansible-galaxy"), *install],
        env=environment(collections),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout)
    return tarball.name


LOOP_TITLE = (
    "5. The same with a plain loop over ansible.builtin.uri, demo/plain_loop.yml, killed and run again"
)
EXPLANATION = """
The loop sent its whole batch again, since the response was lost. The list of workloads was lost with the
killed process: the next run found only the one that still ran, and resumed no other. It counted the refusal
as a success, since the status of a batch is 200 whether workloads are refused or not."""


def say(*lines: str) -> None:
    print("\n".join(lines), flush=True)


@dataclass(frozen=True)
class Measured:
    """What the control plane's own log and phases show of one way."""

    sent_again: int
    still_stopped: int
    owners_still_stopped: int


def measure(stage: Stage) -> Measured:
    """Count once nothing is on its way any more."""
    stage.wait_until(lambda: not stage.phase("Stopping") and not stage.phase("Resuming"))
    times = Counter(one for ids in stage.sent("suspend") for one in ids if one != REFUSED)
    return Measured(
        sent_again=sum(count - 1 for count in times.values()),
        still_stopped=len(stage.phase("Stopped") - OWNERS),
        owners_still_stopped=len(stage.phase("Stopped") & OWNERS),
    )


def play_maintenance(stage: Stage) -> Measured:
    """Plan, begin, be killed, go on, end."""
    variables = ("-e", f"@{HERE / 'gpu-17.yml'}")
    record = stage.folder / "records" / "gpu-17.record.jsonl"
    say("1. Plan: nothing is sent")
    say(*stage.play("gpuops.runai.maintenance_plan", *variables))
    say("\n2. Begin, and kill -9 while it waits for the workloads to stop")
    stage.play_and_kill(
        lambda: '"answered"' in record.read_text(), "gpuops.runai.maintenance_begin", *variables
    )
    [first, second, *_more] = stage.sent("suspend")
    say(f"   {len(first)} suspends were sent, and the response was lost. The phases showed {len(first) - 1}")
    again = len(second)
    say(f"   as carried out. The other {again} was sent again, and refused. Then the process was killed.")
    stage.simulator.configure(transition_seconds=0.5)
    say("\n3. Begin again: it goes on from its record")
    say(*stage.play("gpuops.runai.maintenance_begin", *variables))
    stopped = stage.phase("Stopped") - OWNERS
    say("\n4. End")
    say(*stage.play("gpuops.runai.maintenance_end", *variables))
    found = measure(stage)
    if found == Measured(0, 0, STOPPED_BEFORE):
        say(f"   Resumed: exactly the {len(stopped)} that it stopped. The lost request may still stop the")
        say("   refused one, so a resume was sent for that, too. What the owners stopped stays stopped.")
    return found


def play_plain_loop(stage: Stage) -> Measured:
    """The same faults, and a kill in the middle, for a loop over ansible.builtin.uri."""
    loop = str(HERE / "plain_loop.yml")
    stage.simulator.configure(transition_seconds=0.5)
    stage.play_and_kill(lambda: len(stage.sent("suspend")) > 1, loop)
    stage.wait_until(lambda: not stage.phase("Stopping"))
    stage.play(loop)
    return measure(stage)


def rehearse(folder: Path) -> int:
    """Play both ways side by side, each on a simulator of its own; return the exit status."""
    say(f"Installed {install_collection(folder)} for this demo only.")
    started = time.monotonic()
    say(f"On a simulated control plane, {ACTIVE} workloads run on node gpu-17. {STOPPED_BEFORE} more were")
    say("stopped by their owners. The control plane loses its first response, and refuses one workload.\n")
    with running(settings()) as simulator, running(settings()) as other, ThreadPoolExecutor(1) as pool:
        stage = Stage(folder, other)
        loop = pool.submit(play_plain_loop, stage)
        try:
            ours = play_maintenance(Stage(folder, simulator))
            say("", LOOP_TITLE)
            plain = loop.result()
        finally:
            stage.is_over.set()
    rows = [
        ("Counted in the log and the phases of the control plane", "gpuops.runai", "plain loop"),
        ("Suspends sent again after they had been carried out", ours.sent_again, plain.sent_again),
        ("Workloads suspended and never resumed", ours.still_stopped, plain.still_stopped),
    ]
    say()
    for text, first, second in rows:
        say(f"{text:56}{first:>14}{second:>12}")
    say(EXPLANATION)
    is_right = ours == Measured(0, 0, STOPPED_BEFORE)
    outcome = "Done" if is_right else "FAILED"
    say(f"\n{outcome} after {time.monotonic() - started:.0f} s; the simulator is stopped.")
    return 0 if is_right else 1


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        # A new folder each time: nothing that was there before is touched.
        with tempfile.TemporaryDirectory(prefix="demo-", dir=FOLDER) as folder:
            return rehearse(Path(folder))
    except KeyboardInterrupt:
        say("\nInterrupted; the simulator is stopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
