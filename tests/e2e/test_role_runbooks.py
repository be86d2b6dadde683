# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the runbooks, run as it stands there and in its order, against the simulator."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import workload
from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT

# These have tests of their own.
OTHERS = ("runbook_node_maintenance", "runbook_off_hours", "runbook_weekend_reclaim")
PAGES = [
    page
    for page in sorted((CHECKOUT / "docs" / "docsite" / "rst").glob("runbook_*.rst"))
    if page.stem not in OTHERS
]
LONG_AGO = (datetime.now(UTC) - timedelta(days=20)).isoformat().replace("+00:00", "Z")
FLEET: dict[str, Any] = {
    "workloads": [
        *(workload(number, nodes=["gpu-17"]) for number in (1, 2)),
        *(workload(number, nodes=["gpu-18"], preemptible=True, priority=number) for number in (3, 4, 5, 6)),
        workload(7, nodes=["gpu-18"], idleAllocatedGpus=2),
        *(workload(number, nodes=["gpu-19"]) for number in range(20, 25)),
        workload(25, nodes=["gpu-19"], actionsSupport={"suspend": False, "delete": True}),
        *(
            workload(number, "Completed", completedAt=LONG_AGO, phaseUpdatedAt=LONG_AGO)
            for number in range(8, 18)
        ),
    ]
}
# On these pages the begin is cut off after so many of its tasks, and the next one is refused some: each
# command of theirs is run where it is meant to be.
CUT_OFF_AFTER = {
    "runbook_cluster_upgrade": 1,
    "runbook_quota_emergency": 1,
    "runbook_nightly_cleanup": 1,
}
BEGINS, HALF_WAY = ("Begin", "Run it each night"), "When it stopped half way"
ACTS = ("maintenance_begin", "runai.cleanup")
REFUSED = [workload(number)["id"] for number in (3, 7, 8)]
# The date that stands for the one of a night before.
THAT_NIGHT = "2026-11-23"
# There is no cluster here: cordons and taints go to the simulator's own node, and no pod is found.
KUBECTL = '#!/bin/sh\necho kubectl "$@" >> $KUBECTL_LOG\n'
# Commands that name a record by the day are to find it again, though midnight comes between them.
DATE = "#!/bin/sh\necho 2026-01-31\n"


REFUSALS: dict[str, Any] = {
    "match": {"path": "/api/v1/workloads/batch"},
    "times": "always",
    "fault": {"kind": "refuse_ids", "ids": REFUSED, "message": "owned by another"},
}


def commands(page: Path) -> list[str]:
    """The shell commands of a page, in order; one may go over several lines."""
    return _commands(page.read_text())


def _commands(page: str) -> list[str]:
    blocks = re.findall(r"\.\. code-block:: shell\n\n((?:    .*\n|\n)+)", page)
    text = "\n".join(textwrap.dedent(block) for block in blocks)
    return [one for one in re.split(r"(?<!\\)\n", text) if one.strip()]


def told_to_do(page: Path) -> list[tuple[str, str]]:
    """The same, each with the heading that it stands below."""
    parts = re.split(r"^(.+)\n-+\n", page.read_text(), flags=re.MULTILINE)
    return [
        (heading, command)
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
        for command in _commands(text)
    ]


def test_there_are_runbooks_with_commands() -> None:
    assert len(PAGES) == 4
    assert all(len(commands(page)) >= 3 for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_runbook_works(page: Path, run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    place = tmp_path / "srv"
    (place / "records").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for name, script in (("kubectl", KUBECTL), ("date", DATE)):
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []
    tonight = datetime.now()
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        environment = run_playbook.environment(tmp_path / "record.jsonl")
        environment |= {
            "PATH": os.pathsep.join([str(tmp_path / "bin"), environment["PATH"]]),
            "KUBECTL_LOG": str(tmp_path / "kubectl.log"),
            "RUNAI_BASE_URL": simulator.url,
            "RUNAI_CLIENT_ID": "rehearsal",
            "RUNAI_CLIENT_SECRET": "rehearsal-secret",
        }
        try:
            for heading, command in told_to_do(page):
                command = command.replace("/srv/runai", str(place)).replace(THAT_NIGHT, f"{tonight:%F}")
                env, expected = environment, 0
                if page.stem in CUT_OFF_AFTER and any(one in command for one in ACTS):
                    simulator.faults(*([REFUSALS] if heading == HALF_WAY else []))
                    expected = 2 if heading == HALF_WAY else 0
                    if heading in BEGINS:
                        die = {"DIE_AFTER": str(CUT_OFF_AFTER[page.stem]), "ANSIBLE_CALLBACKS_ENABLED": "die"}
                        env, expected = environment | die, 128 + signal.SIGKILL
                if "-m simulator" in command:
                    started.append(_simulator(command, tmp_path, environment))
                    continue
                if "maintenance_rehearse" in command:
                    address = (tmp_path / "port").read_text().strip()
                    command += f" -e rehearsal_base_url={address}"
                done = subprocess.run(
                    ["sh", "-c", command + " || exit $?"],
                    check=False,
                    cwd=tmp_path,
                    env=env,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                )
                assert done.returncode == expected, command + "\n" + done.stdout + done.stderr
                assert (heading == HALF_WAY and expected != 0) == ("did not get there: " in done.stdout)
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
                process.wait()
        for reason in set(re.findall(r'_reason="(.+?)"', page.read_text())):
            records = [path.read_text() for path in (place / "records").glob("*.record.json")]
            assert "rehearsal" in page.stem or any(f'"reason": "{reason}"' in one for one in records)
        if "cleanup" not in page.stem:
            assert {one.phase for one in simulator.state.live()} <= {
                "Running",
                "Completed",
                "Resuming",
                "Initializing",
                "Pending",
            }


@pytest.mark.parametrize("role", ["workload_maintenance", "workload_cleanup"])
def test_the_example_of_a_role_works(role: str, run_playbook: PlaybookRunner, tmp_path: Path) -> None:
    text = (CHECKOUT / "roles" / role / "README.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    example = example.replace("/srv/runai", str(tmp_path))
    with running(Settings(fleet=FLEET, transition_seconds=0.05)) as simulator:
        environment = {"RUNAI_BASE_URL": simulator.url, "RUNAI_BEARER_TOKEN": "rehearsal-token"}
        checked = run_playbook(example, env=environment, check=True)
        assert checked.rc == 0, checked.output
        assert simulator.summary()["batches"] == {}
        done = run_playbook(example, env=environment)
        assert done.rc == 0, done.output
        assert done.warnings == []
        assert sum(simulator.summary()["batches"].values()) == 1


def _simulator(command: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    words = shlex.split(command.replace("--port 8080", f"--port 0 --port-file {folder / 'port'}"))
    collection = Path(environment["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections" / "gpuops" / "runai"
    process = subprocess.Popen(words, cwd=collection, env=environment, stdout=subprocess.DEVNULL)
    while not (folder / "port").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process
