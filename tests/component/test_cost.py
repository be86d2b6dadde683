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
from collections.abc import Mapping
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.component.conftest import Start
from tests.component.harness import rehearse
from tests.support.workloads import fleet, workload_ids
from tools.paths import LINKED_TREE

MODULE = "ansible_collections.gpuops.runai.plugins.modules.runai_workload_batch"
# The kernel's own account of the largest size, which unlike getrusage leaves out the parent's.
RUN_AND_TELL_MEMORY = f"""
import atexit, runpy, sys
atexit.register(lambda: sys.stderr.write(open("/proc/self/status").read()))
runpy.run_module({MODULE!r}, run_name="__main__")
"""
MOST_MEGABYTES = 100
# Token, count, and three more.
OTHER_REQUESTS = 5


def assert_few_requests(summary: Mapping[str, Any], size: int) -> None:
    pages, batches = -(-size // 500), -(-size // 100)
    assert summary["batches"] == {"suspend": batches}
    assert summary["by_path"]["GET /api/v1/workloads"] == pages
    assert summary["requests"] <= pages + batches + OTHER_REQUESTS
    assert summary["max_batches_in_flight"] <= 8


@pytest.mark.parametrize("size", [51, 500, 501, 2345])
def test_batch_of_many_ids_makes_no_request_that_is_not_needed(start: Start, size: int) -> None:
    simulator = start(count=size, validate_responses=False)
    run = rehearse(simulator, "suspend", workload_ids(size), concurrency=8)
    assert run.counts == {"changed": size}
    assert_few_requests(simulator.summary(), size)
    assert run.result["summary"]["requests"] == simulator.summary()["requests"]


@pytest.mark.heavy
def test_batch_of_ten_thousand_ids_fits_in_memory() -> None:
    with running(Settings(fleet=fleet(10_000), validate_responses=False)) as simulator:
        arguments = {
            "action": "suspend",
            "ids": workload_ids(10_000),
            "base_url": simulator.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "concurrency": 8,
        }
        done = subprocess.run(
            [sys.executable, "-c", RUN_AND_TELL_MEMORY],
            check=False,
            env={**os.environ, "PYTHONPATH": str(LINKED_TREE)},
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["summary"]["changed"] == 10_000
        assert_few_requests(simulator.summary(), 10_000)
    (kilobytes,) = re.findall(r"(?m)^VmHWM:\s+(\d+) kB", done.stderr)
    assert int(kilobytes) / 1024 < MOST_MEGABYTES, kilobytes
