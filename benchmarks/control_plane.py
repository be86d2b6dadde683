# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane that all are measured against: the simulator, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.settings import TOKEN
from tools.paths import CHECKOUT

LATENCY = 0.05
LATENCY_PER_ID = 0.005
# A control plane that refuses requests above this number in flight.
BUSY_ABOVE = 6
PAGE = 500
_PATIENCE = 60.0
# By no proxy of the environment.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class ControlPlane:
    """A running simulator whose fleet is `size` workloads, all of them Running."""

    url: str
    ids: list[str]

    def prepare(self) -> None:
        """Make everything as it was, and read it all once so that nobody pays for the first time."""
        self._ask("/_simulator/reset", b"{}")
        for offset in range(0, len(self.ids), PAGE):
            self._ask(f"/api/v1/workloads?limit={PAGE}&sortBy=createdAt&offset={offset}")
        self._ask("/_simulator/reset", b"{}")

    def summary(self) -> dict[str, Any]:
        """What it was asked since it was prepared."""
        found: dict[str, Any] = json.loads(self._ask("/_simulator/summary"))
        return found

    def _ask(self, path: str, data: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)
        with _DIRECT.open(request, timeout=_PATIENCE) as answer:
            return bytes(answer.read())


def _row(number: int) -> dict[str, Any]:
    """A row as long as those of a real fleet are."""
    return {
        "id": str(uuid.UUID(int=0x5EED << 64 | number)),
        "name": f"llama-finetune-{number}",
        "type": "runai-distributed",
        "category": "Train",
        "projectName": f"project-{number % 40}",
        "departmentName": f"department-{number % 5}",
        "submittedBy": f"user-{number % 300}@example.com",
        "priorityClassName": "low",
        "phase": "Running",
        "images": [f"registry.example.com/team-{number % 40}/train:{number % 7}"],
        "requestedNodePools": ["a100", "h100"],
        "actionsSupport": {"delete": True, "suspend": True},
    }


@contextmanager
def plane_of(size: int, folder: Path, is_busy: bool = False) -> Iterator[ControlPlane]:
    """Run the simulator for as long as the block takes; if `is_busy`, it refuses requests."""
    rows = [_row(number) for number in range(size)]
    fleet = folder / f"fleet-{size}.json"
    fleet.write_text(json.dumps({"workloads": rows}))
    port_file = folder / "url"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "simulator", "--port=0", f"--port-file={port_file}", f"--fleet={fleet}"]
    # Its own checks of what it answers would cost time that none of the clients takes.
    command += [f"--latency={LATENCY}", f"--latency-per-id={LATENCY_PER_ID}", "--no-validate-responses"]
    if is_busy:
        faults = folder / "busy.json"
        rule = {"times": "always", "fault": {"kind": "busy", "limit": BUSY_ABOVE, "status": 429}}
        faults.write_text(json.dumps([rule]))
        command.append(f"--faults={faults}")
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _PATIENCE
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the simulator does not start")
            time.sleep(0.05)
        yield ControlPlane(port_file.read_text().strip(), [row["id"] for row in rows])
    finally:
        process.terminate()
        process.wait()
