# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task costs the control plane and the machine; how long it takes is for the benchmarks to say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from simulator.server import Handle, running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.support.workloads import fleet
from tools.paths import LINKED_TREE

MODULE = "ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch"
# The kernel's own account of the largest size, which unlike getrusage leaves out the parent's.
RUN_AND_TELL_MEMORY = f"""
import atexit, runpy, sys
atexit.register(lambda: sys.stderr.write(open("/proc/self/status").read()))
runpy.run_module({MODULE!r}, run_name="__main__")
"""
MOST_MEGABYTES = 400
# Token, count, and three more.
OTHER_REQUESTS = 5


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[Handle]:
    with running(Settings(fleet=fleet(request.param), validate_answers=False)) as handle:
        yield handle


def arguments(simulator: Handle) -> dict[str, Any]:
    return {
        "action": "suspend",
        "ids": [workload.id for workload in simulator.state.live()],
        "base_url": simulator.url,
        "client_id": "rehearsal",
        "client_secret": "rehearsal-secret",
        "concurrency": 8,
    }


def assert_few_requests(summary: Mapping[str, Any], size: int) -> None:
    pages, batches = -(-size // 500), -(-size // 100)
    assert summary["batches"] == {"suspend": batches}
    assert summary["by_path"]["GET /api/v1/workloads"] == pages
    assert summary["requests"] <= pages + batches + OTHER_REQUESTS
    assert summary["max_batches_in_flight"] <= 8


@pytest.mark.parametrize("simulator", [51, 500, 501, 2345], indirect=True)
def test_no_request_is_made_that_is_not_needed(run_playbook: PlaybookRunner, simulator: Handle) -> None:
    run = run_playbook(
        """
- hosts: localhost
  gather_facts: false
  tasks:
    - gpuops.runai.runai_workload_batch: "{{ arguments }}"
""",
        extra_vars={"arguments": arguments(simulator)},
    )
    assert run.rc == 0, run.output
    size = len(simulator.state.live())
    assert_few_requests(simulator.summary(), size)
    assert run.one("runai_workload_batch")["summary"]["requests"] == simulator.summary()["requests"]


@pytest.mark.parametrize("simulator", [50_000], indirect=True)
def test_fifty_thousand_ids_fit_in_memory(simulator: Handle) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN_AND_TELL_MEMORY],
        check=False,
        env={**os.environ, "PYTHONPATH": str(LINKED_TREE)},
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments(simulator)}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["changed"] == 50_000
    assert_few_requests(simulator.summary(), 50_000)
    (kilobytes,) = re.findall(r"(?m)^VmHWM:\s+(\d+) kB", done.stderr)
    assert int(kilobytes) / 1024 < MOST_MEGABYTES
