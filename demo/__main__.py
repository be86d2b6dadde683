# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play a maintenance with ansible-playbook against the simulator: python -m demo"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from simulator.server import running
from simulator.settings import Settings
from tools.build_tarball import build
from tools.paths import CACHE, CHECKOUT, command, environment

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", CACHE / "demo"))
COLLECTIONS = FOLDER / "collections"
# Lies in each folder that the demo made: no other one is replaced.
MARKER = FOLDER / ".made-by-the-demo"
# In a smaller fleet there may be nothing to suspend, and nothing to see.
SMALLEST = 10


def run_quietly(*arguments: str) -> None:
    """Run a command whose output only matters if it fails; then exit with it."""
    done = subprocess.run(
        arguments,
        cwd=CHECKOUT,
        env=environment(COLLECTIONS),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}:\n{done.stdout}")


def make_folder() -> None:
    """Make the demo's folder anew. Exits with an error if something else than a demo's folder is there."""
    is_empty = FOLDER.is_dir() and not any(FOLDER.iterdir())
    if FOLDER.exists() and not MARKER.exists() and not is_empty:
        sys.exit(f"DEMO_FOLDER: {FOLDER} was not made by the demo. Name an empty folder or a new one.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    MARKER.touch()


def install_collection() -> Path:
    """Build the tarball and install it where only the demo looks; return the tarball."""
    make_folder()
    tarball = build(FOLDER)
    run_quietly(
        *(command("ansible-galaxy"), "collection", "install", "--offline"),
        *("--collections-path", str(COLLECTIONS), str(tarball)),
    )
    return tarball


def play(playbook: Path, env: Mapping[str, str]) -> int:
    """Run a playbook, its output shown as it comes; an interrupt is passed on to it and waited for."""
    # In a session of its own, so that an interrupt reaches ansible-playbook alone, which ends its workers.
    with subprocess.Popen(
        [command("ansible-playbook"), str(playbook)], cwd=FOLDER, env=env, start_new_session=True
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


def rehearse(settings: Settings) -> int:
    """Install, start the simulator, play, stop the simulator; return the playbook's exit status."""
    print(f"Installed {install_collection().name} for this demo only.", flush=True)
    with running(settings) as simulator:
        print(f"A simulated control plane has {settings.workloads} workloads at {simulator.url}", flush=True)
        env = environment(COLLECTIONS) | {
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_STDOUT_CALLBACK": "brief",
            "RUNAI_BASE_URL": simulator.url,
            "RUNAI_CLIENT_ID": settings.client_id,
            "RUNAI_CLIENT_SECRET": settings.client_secret,
        }
        return play(HERE / "maintenance.yml", env)


def fleet_size(text: str) -> int:
    """The number of workloads that was asked for. Raises ArgumentTypeError: too few, or no number."""
    if not text.isdecimal() or int(text) < SMALLEST:
        raise argparse.ArgumentTypeError(f"a fleet has {SMALLEST} workloads or more, not {text}")
    return int(text)


def take_as_interrupt(*numbers: signal.Signals) -> None:
    """Let these signals end the demo as Ctrl-C does, unless whoever started it has them ignored."""
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def main() -> int:
    parser = argparse.ArgumentParser(description="Play a maintenance against the simulator.")
    parser.add_argument(
        "--workloads", type=fleet_size, default=250, help="size of the fleet, from 10 (default: 250)"
    )
    options = parser.parse_args()
    take_as_interrupt(signal.SIGTERM, signal.SIGHUP)
    started = time.monotonic()
    try:
        status = rehearse(Settings(workloads=options.workloads, transition_seconds=1.0))
        outcome = "FAILED" if status else "Done"
    except KeyboardInterrupt:
        status, outcome = 130, "Interrupted"
    print(f"\n{outcome} after {time.monotonic() - started:.0f} s; the simulator is stopped.")
    return status


if __name__ == "__main__":
    sys.exit(main())
