# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Those that are compared, and how each is run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.control_plane import ControlPlane
from benchmarks.cost import Cost, RunFailed, measure
from simulator.settings import CLIENT_ID, CLIENT_SECRET
from tools.install import install, make_environment
from tools.paths import CACHE, LINKED_TREE, command, environment

HERE = Path(__file__).parent
WORK = CACHE / "bench"
BATCH = 100
MODULE = "ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch"


@dataclass(frozen=True)
class Contender:
    """`file` is a script or a playbook in contenders/. `concurrency` 0 leaves the option out.

    With more than `most` ids it takes too long to be run each time, and with more than `most_long` for hours.
    """

    key: str
    title: str
    file: str
    concurrency: int = 8
    batch_size: int = BATCH
    acts: bool = True
    most: int = 1_000_000
    most_long: int = 1_000_000


CONTENDERS = (
    Contender("empty", "an empty play", "empty.yml", acts=False),
    Contender("ping", "a play with one ping", "ping.yml", acts=False),
    Contender("floor", "asyncio client, 8 calls in flight", "floor.py"),
    Contender("runapy", "runapy, one call after another", "runapy.py", most=1_000),
    Contender(
        "uri each", "ansible.builtin.uri, a call for each", "uri.yml", batch_size=1, most=0, most_long=100
    ),
    Contender("uri", "ansible.builtin.uri, batches of 100", "uri.yml", most=1_000),
    Contender("module", "runai_workload_batch, no concurrency given", "module.yml", concurrency=0),
    Contender("module 4", "runai_workload_batch, concurrency 4", "module.yml", concurrency=4, most=1_000),
    Contender("module 8", "runai_workload_batch, concurrency 8", "module.yml", concurrency=8),
    Contender("module 16", "runai_workload_batch, concurrency 16", "module.yml", concurrency=16, most=1_000),
)
# Against a control plane that refuses requests above a number in flight: fixed values around it, and none.
BUSY_CONTENDERS = (
    Contender("module", "no concurrency given", "module.yml", concurrency=0),
    *(
        Contender(f"module {number}", f"concurrency {number}", "module.yml", concurrency=number)
        for number in (4, 5, 6, 8)
    ),
)
# Ids for that.
BUSY_SIZE = 5_000


@dataclass(frozen=True)
class Run:
    """One run of one contender: what it cost, and how many requests it made."""

    cost: Cost
    requests: int


def python_of_clients() -> Path:
    """The interpreter with the other clients; made when it is not there or its requirements are newer."""
    folder, ready = WORK / "venv", WORK / "venv" / ".ready"
    requirements = HERE / "requirements.txt"
    if not ready.exists() or ready.stat().st_mtime < requirements.stat().st_mtime:
        make_environment(folder, sys.executable)
        install(folder, "-r", str(requirements))
        ready.touch()
    return folder / "bin" / "python"


def run_contender(contender: Contender, control_plane: ControlPlane) -> Run:
    """Suspend the whole fleet, and make sure that it was. Raises RunFailed."""
    given = _given(control_plane, contender)
    file = HERE / "contenders" / contender.file
    if file.suffix == ".py":
        words = [str(python_of_clients()), str(file), str(given)]
    else:
        words = [command("ansible-playbook"), "--extra-vars", f"@{given}", str(file)]
    return _run(
        words, control_plane, -(-len(control_plane.ids) // contender.batch_size) if contender.acts else 0
    )


def run_module(control_plane: ControlPlane, concurrency: int) -> Run:
    """Run the module by itself, without ansible-playbook around it. Raises RunFailed."""
    arguments = {
        "action": "suspend",
        "ids": control_plane.ids,
        "base_url": control_plane.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "concurrency": concurrency,
    }
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    words = [sys.executable, "-m", MODULE]
    return _run(
        words, control_plane, -(-len(control_plane.ids) // BATCH), given, {"PYTHONPATH": str(LINKED_TREE)}
    )


def _given(control_plane: ControlPlane, contender: Contender) -> Path:
    ids_file = WORK / "ids.txt"
    ids_file.write_text("\n".join(control_plane.ids))
    given = {
        "url": control_plane.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "ids_file": str(ids_file),
        "fleet": len(control_plane.ids),
        "concurrency": contender.concurrency,
        "batch_size": contender.batch_size,
    }
    path = WORK / "given.json"
    path.write_text(json.dumps(given))
    return path


def _run(
    words: list[str],
    control_plane: ControlPlane,
    batches: int,
    given: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> Run:
    control_plane.prepare()
    cost = measure(words, environment(LINKED_TREE) | dict(env or {}), WORK / "output.txt", given)
    summary = control_plane.summary()
    sent = summary["ids_sent"].get("suspend", {})
    # A refused batch is sent again.
    refused = summary["by_status"].get("429", 0)
    if not batches <= summary["batches"].get("suspend", 0) <= batches + refused or len(sent) != (
        len(control_plane.ids) if batches else 0
    ):
        raise RunFailed(f"{words[0]} did not do what it is measured for: {summary['batches']}")
    return Run(cost, summary["requests"])


def version_of(program: str) -> str:
    """The first line that a program of the environment says of its version."""
    said = subprocess.run([command(program), "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]
