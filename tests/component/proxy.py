# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forward proxy on loopback that requires a user name and a password, in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import PATIENCE, wait_until


@dataclass(frozen=True)
class Proxy:
    """Host and port that it listens on, and its log: a line for each connection that has ended."""

    address: str
    log: Path

    def wait_until_it_led_to(self, address: str) -> None:
        """Return once a connection to this host and port through the proxy has ended."""
        wait_until(lambda: f" {address}" in self.log.read_text(), f"{address} in the proxy's log")


@contextlib.contextmanager
def proxying(user: str, password: str, folder: Path) -> Iterator[Proxy]:
    """A proxy that runs while the block does, with its files in a folder."""
    port, log = folder / "port", folder / "log"
    command = [sys.executable, "-m", "proxy", "--hostname=127.0.0.1", "--port=0", f"--port-file={port}"]
    options = [f"--basic-auth={user}:{password}", "--num-acceptors=1", "--num-workers=1", f"--log-file={log}"]
    with subprocess.Popen([*command, *options], cwd=folder) as process:
        try:
            wait_until(lambda: port.exists() and port.read_text().endswith("\n"), "the proxy's port")
            yield Proxy(f"127.0.0.1:{port.read_text().strip()}", log)
        finally:
            process.terminate()
            process.wait(PATIENCE)
