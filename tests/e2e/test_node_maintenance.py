# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook node_maintenance: hosts of the inventory plugin, the simulator, stand-ins of Kubernetes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator.server import Handle, running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e.pages import blocks, commands, last_of_each, page
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.e2e.site import workload
from tests.support.kubernetes import kubernetes
from tests.support.waiting import PATIENCE
from tools.cores import OLDEST, environment_with, kubernetes_environment
from tools.paths import CHECKOUT

RUNBOOK = "runbook_node_maintenance"
VARIABLES = CHECKOUT / "playbooks" / "vars" / "node_maintenance.yml"
KUBECTL = '#!/bin/sh\necho kubectl "$@" >> $KUBECTL_LOG\n'
WEST = "11111111-0000-4000-8000-000000000001"
ON_BOTH = ["gpu-17", "gpu-18"]
FLEET = {
    "format": "gpuops.runai fleet",
    "version": 1,
    "exportedAt": "2026-11-23T09:00:00Z",
    "clusters": [{"uuid": WEST, "name": "west"}],
    "nodes": [{"name": name, "clusterUuid": WEST} for name in ("gpu-17", "gpu-18")],
    "workloads": [
        workload(1, nodes=["gpu-17"], clusterId=WEST),
        workload(2, nodes=ON_BOTH, clusterId=WEST),
        workload(3, nodes=["gpu-18"], clusterId=WEST),
        workload(4, "Stopped", clusterId=WEST),
        *(workload(number, nodes=["gpu-19"], clusterId=WEST) for number in range(5, 20)),
    ],
}
INVENTORY = """\
plugin: gpuops.runai.runai_nodes
strict: true
compose: {ansible_connection: "'local'"}
"""
# Each node is noted; one that is marked as broken fails.
TASKS = """\
- name: Note that the node is repaired
  ansible.builtin.shell: >-
    echo {{ runai_name }} >> {{ playbook_log }};
    test ! -e {{ playbook_log }}.{{ runai_name }}.broken
  changed_when: true
"""


K8S_DRAIN = """\
import os
from ansible.module_utils.basic import AnsibleModule
spec = {name: {} for name in ("name", "state", "kubeconfig", "context")}
module = AnsibleModule(spec, supports_check_mode=True)
if not module.check_mode:
    with open(os.environ["FENCES"], "a") as log:
        log.write("{name} {state}\\n".format(**module.params))
module.exit_json(changed=True)
"""

# A connection to a node that is gone.
GONE = """\
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = "name: gone\\nshort_description: Gone\\ndescription: Gone.\\noptions: {}"


class Connection(Local):
    transport = "gone"

    def _connect(self):
        raise AnsibleConnectionFailure("no route to host")
"""


@dataclass(frozen=True)
class Roll:
    """Runs the playbook over nodes of the simulator."""

    run: PlaybookRunner
    simulator: Handle

    def __call__(self, *arguments: str, **options: Any) -> PlaybookRun:
        """Run it; for the options see ``arguments``."""
        return self.run(
            "gpuops.runai.node_maintenance", *self.arguments(*arguments, **options), env=self.environment()
        )

    def arguments(
        self,
        *arguments: str,
        limit: str = "gpu-17,gpu-18",
        inventory: str = "runai_nodes.yml",
        **options: Any,
    ) -> list[str]:
        """Arguments of ansible-playbook; variables without their prefix, one that is ``...`` is left out."""
        folder = self.run.folder
        (folder / "runai_nodes.yml").write_text(INVENTORY)
        (folder / "tasks.yml").write_text(TASKS)
        given = {
            "name": "fans",
            "reason": "new fans",
            "record_dir": str(folder / "records"),
            "max_affected": 10,
            "max_percent": "none",
            "tasks": str(folder / "tasks.yml"),
            "wait_interval": 0.2,
            **options,
        }
        named = {f"node_maintenance_{key}": value for key, value in given.items() if value is not ...}
        variables = json.dumps({**named, "playbook_log": str(folder / "log")})
        limited = ["-l", limit] if limit else []
        return ["-i", inventory, *limited, *arguments, "--extra-vars", variables]

    def environment(self) -> dict[str, str]:
        """Environment with the connection."""
        return {
            "RUNAI_BASE_URL": self.simulator.url,
            "RUNAI_CLIENT_ID": CLIENT_ID,
            "RUNAI_CLIENT_SECRET": CLIENT_SECRET,
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_CONNECTION_PLUGINS": str(self.run.folder),
            "FENCES": str(self.run.folder / "fences"),
        }

    def sent(self) -> list[tuple[str, list[int]]]:
        """Actions and the numbers of their workloads, in order."""
        batches = [one for one in self.simulator.requests() if one["action"]]
        return [(one["action"], sorted(int(text[-4:]) for text in one["ids"])) for one in batches]

    def log(self) -> list[str]:
        """Nodes on which the tasks ran, in order."""
        path = self.run.folder / "log"
        return path.read_text().split() if path.exists() else []

    def fences(self) -> list[str]:
        """What was asked of the module in the place of k8s_drain, in order."""
        path = self.run.folder / "fences"
        return path.read_text().splitlines() if path.exists() else []

    def states(self) -> dict[str, str]:
        """State of each record of the folder."""
        found = {}
        for path in sorted((self.run.folder / "records").glob("*.record.jsonl")):
            events = [json.loads(line) for line in path.read_text().splitlines()]
            [*_before, found[path.name.removesuffix(".record.jsonl")]] = [
                one["state"] for one in events if "state" in one
            ]
        return found


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Handle]:
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(FLEET))
    with running(Settings(fleet=path, transition_seconds=0.05)) as handle:
        yield handle


@pytest.fixture
def roll(run_playbook: PlaybookRunner, simulator: Handle) -> Roll:
    return Roll(run_playbook, simulator)


def with_recorded_fences(collections: Path, folder: Path) -> Path:
    """Collections path with a module in the place of k8s_drain, which only notes what it was asked."""
    modules = folder / "tree" / "ansible_collections" / "kubernetes" / "core" / "plugins" / "modules"
    modules.mkdir(parents=True)
    (modules / "k8s_drain.py").write_text(K8S_DRAIN)
    return Path(os.pathsep.join([str(collections), str(folder / "tree")]))


@pytest.fixture
def roll_with_recorded_fences(collections: Path, tmp_path: Path, simulator: Handle) -> Roll:
    """The same with a module in the place of k8s_drain."""
    return Roll(
        PlaybookRunner(with_recorded_fences(collections, tmp_path), Path(sys.prefix), tmp_path), simulator
    )


def said(run: PlaybookRun) -> list[str]:
    """Lines of the task that failed last."""
    [*_before, message] = [task.result["msg"] for task in run.tasks if task.status == "failed"]
    return message if isinstance(message, list) else [message]


def test_roll_whose_second_node_fails_stops_and_the_printed_command_goes_on(
    roll_with_recorded_fences: Roll,
) -> None:
    roll = roll_with_recorded_fences
    broken = roll.run.folder / "log.gpu-18.broken"
    broken.touch()
    (roll.run.folder / "own.yml").write_text(json.dumps({"playbook_log": str(roll.run.folder / "log")}))
    first = roll()
    assert first.rc == 2, first.output
    assert roll.log() == ["gpu-17", "gpu-18"]
    # What came back from gpu-17 may run on gpu-18 now.
    [suspended, resumed, last] = roll.sent()
    assert (suspended, resumed) == (("suspend", [1, 2]), ("resume", [1, 2]))
    assert last[0] == "suspend"
    assert {2, 3} <= set(last[1])
    assert roll.fences() == ["gpu-17 cordon", "gpu-17 uncordon", "gpu-18 cordon"]
    assert roll.states() == {"fans-gpu-17": "ended", "fans-gpu-18": "begun"}
    words, _open, _to_go_on, again, _to_give_up, uncordon, end = said(first)
    assert '"' not in again + end  # As typed: callbacks that show JSON would escape it.
    assert words.startswith("gpu-18 failed. Note that the node is repaired: non-zero return code")
    assert uncordon == "kubectl uncordon gpu-18"
    assert "workload_maintenance_name=fans-gpu-18" in shlex.split(end)
    broken.unlink()
    program, playbook, *arguments = shlex.split(again)
    assert program == "ansible-playbook"
    second = roll.run(playbook, *arguments, "-e", "@own.yml", env=roll.environment())
    assert second.rc == 0, second.output
    assert roll.log() == ["gpu-17", "gpu-18", "gpu-18"]
    assert roll.sent()[3:] == [("resume", last[1])]
    assert roll.fences()[3:] == ["gpu-18 cordon", "gpu-18 uncordon"]
    assert roll.states() == dict.fromkeys(["fans-gpu-17", "fans-gpu-18"], "ended")


def test_roll_with_a_node_that_can_not_be_reached_touches_no_further_batch(
    roll_with_recorded_fences: Roll, tmp_path: Path
) -> None:
    roll = roll_with_recorded_fences
    (tmp_path / "gone.py").write_text(GONE)
    names = ("gpu-17", "gpu-18", "gpu-19")
    nodes = {name: {"runai_name": name, "runai_cluster": "west"} for name in names}
    for name, variables in nodes.items():
        variables["ansible_connection"] = "gone" if name == "gpu-17" else "local"
    (tmp_path / "nodes.yml").write_text(json.dumps({"all": {"hosts": nodes}}))
    run = roll(inventory="nodes.yml", limit="gpu-17,gpu-18,gpu-19", serial=2, max_affected="none")
    assert run.rc != 0, run.output
    assert sorted(roll.fences()) == ["gpu-17 cordon", "gpu-18 cordon"], run.output
    assert "gpu-19" not in roll.log()
    assert roll.states()["fans-gpu-17"] == "begun"
    assert "gpu-17" in said(run)[0]


def test_roll_with_the_real_kubernetes_core_cordons_and_uncordons_the_node(
    collections: Path, tmp_path: Path, simulator: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = kubernetes_environment()
    if found is None:
        pytest.skip("kubernetes.core can't be had: the package ansible can't be downloaded")
    venv, tree = found
    both = Path(os.pathsep.join([str(collections), str(tree)]))
    roll = Roll(PlaybookRunner(both, venv, tmp_path), simulator)
    with kubernetes("gpu-17", "gpu-18") as (cluster, address):
        monkeypatch.setenv("K8S_AUTH_HOST", address)
        monkeypatch.setenv("K8S_AUTH_API_KEY", "a-token")
        # The collection keeps what the server can do in the temporary folder.
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        run = roll(limit="gpu-17")
    assert run.rc == 0, run.output
    assert run.warnings == []
    assert cluster.changes == [("gpu-17", True), ("gpu-17", False)]
    assert roll.sent() == [("suspend", [1, 2]), ("resume", [1, 2])]
    assert roll.log() == ["gpu-17"]


def test_roll_with_a_manual_fence_and_no_terminal_wants_attestations_on_the_oldest_core(
    collections: Path, tmp_path: Path, simulator: Handle
) -> None:
    core = environment_with(OLDEST)
    roll = Roll(PlaybookRunner(collections, core, tmp_path), simulator)
    manual: dict[str, Any] = {"fence": "manual", "serial": 2}
    unsaid = roll(**manual, fenced="gpu-17")
    assert unsaid.rc == 2, unsaid.output
    # Two nodes fail in the same task, in either order.
    messages = [str(task.result["msg"]) for task in unsaid.tasks if task.status == "failed"]
    assert any("node_maintenance_fenced=gpu-18" in message for message in messages)
    # The other node of the batch came to the same end: it is not said to be open again.
    assert roll.sent() == [("suspend", [1, 2])]
    fenced = roll(**manual, fenced="gpu-17, gpu-18")
    assert fenced.rc == 2, fenced.output
    assert "node_maintenance_unfenced=gpu-17,gpu-18" in said(fenced)[0]
    assert sorted(roll.log()) == ["gpu-17", "gpu-17", "gpu-18"]
    done = roll(**manual, unfenced=["gpu-17", "gpu-18"])
    assert done.rc == 0, done.output
    # What ran on both nodes is suspended once.
    assert [one for one in roll.sent() if one[0] == "suspend"] == [("suspend", [1, 2]), ("suspend", [3])]
    assert roll.states() == dict.fromkeys(["fans-gpu-17", "fans-gpu-18"], "ended")
    phases = {int(one.id[-4:]): one.phase for one in simulator.state.live()}
    assert phases[4] == "Stopped"
    assert {phases[number] for number in (1, 2, 3)} <= {"Running", "Resuming", "Initializing", "Pending"}


def test_roll_over_its_ceiling_fails_before_the_first_node(roll: Roll) -> None:
    run = roll(fence="manual", fenced="gpu-17,gpu-18", max_affected=2)
    assert run.rc == 2, run.output
    [words] = said(run)
    assert "3 workloads run there now" in words
    assert roll.sent() == []
    assert not (roll.run.folder / "records").exists()


def test_roll_with_wrong_variables_names_each_and_touches_nothing(roll: Roll) -> None:
    run = roll(
        limit="",
        name=...,
        reason=" ",
        fence="none",
        fenced="gpu-99",
        tasks="tasks.yml",
        max_affected="few",
        maximum=3,
    )
    assert run.rc == 2, run.output
    begins = [line.partition(":")[0] for line in said(run)]
    prefix = "node_maintenance_"
    assert begins == [
        *(prefix + "maximum", prefix + "name", prefix + "reason", prefix + "hosts", "gpu-99"),
        *(prefix + "fence", prefix + "tasks", prefix + "max_affected", "Nothing was touched."),
    ]
    assert roll.simulator.requests()[-1]["path"] == "/api/v1/nodes"


@pytest.mark.parametrize("inventory", ["runai_nodes.yml", "/dev/null"])
def test_roll_without_a_matching_host_fails(roll: Roll, inventory: str) -> None:
    run = roll(inventory=inventory, limit="", hosts="gpu-99")
    assert run.rc == 2, run.output
    assert said(run)[0].startswith("node_maintenance_hosts: no host of the inventory matches.")


def test_roll_over_two_clusters_with_one_context_is_rejected(roll: Roll) -> None:
    nodes = {
        f"{cluster}_gpu-17": {"runai_name": "gpu-17", "runai_cluster": cluster}
        for cluster in ("east", "west")
    }
    (roll.run.folder / "two.yml").write_text(json.dumps({"all": {"hosts": nodes}}))
    run = roll(limit="", inventory="two.yml", hosts="all", context="kind")
    assert run.rc == 2, run.output
    assert said(run)[0].startswith("node_maintenance_context: nodes of several clusters")


def test_roll_without_kubernetes_core_names_it_and_touches_nothing(roll: Roll) -> None:
    run = roll()
    assert run.rc != 0
    assert "kubernetes.core.k8s_drain" in run.output
    assert roll.sent() == []
    assert not (roll.run.folder / "records").exists()


def test_runbook_lists_each_variable_of_the_playbook() -> None:
    known = re.findall(r"'(\w+)'", VARIABLES.read_text().partition("__node_maintenance_names")[0])
    required = re.findall(r"__node_maintenance_required: \[(.+)\]", VARIABLES.read_text())[0].split(", ")
    table = re.findall(r"(?m)^   \* - (``.+``)$", page(RUNBOOK))
    listed = re.findall(r"``node_maintenance_(\w+)``", " ".join(table))
    assert sorted(listed) == sorted([*known, *required])


def test_runbook_commands_typed_in_order_work(roll_with_recorded_fences: Roll, tmp_path: Path) -> None:
    roll, text = roll_with_recorded_fences, page(RUNBOOK)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").write_text(KUBECTL)
    (tmp_path / "bin" / "kubectl").chmod(0o755)
    for block in blocks(text, "yaml"):
        content = block.replace("/srv/runai", str(tmp_path)) + "\n"
        (tmp_path / content.splitlines()[0].removeprefix("# ")).write_text(content)
    environment = {**roll.run.environment(tmp_path / "record"), **roll.environment()}
    environment |= {
        "PATH": os.pathsep.join([str(tmp_path / "bin"), environment["PATH"]]),
        "KUBECTL_LOG": str(tmp_path / "kubectl.log"),
        "ANSIBLE_TRANSPORT": "local",
    }
    typed = [command.replace("/srv/runai", str(tmp_path)) for command in last_of_each(commands(text))]
    assert "--check" in typed[0]
    for command in typed:
        done = subprocess.run(
            ["sh", "-c", command],
            check=False,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, command + done.stdout + done.stderr
        if "--check" in command:
            assert "suspends 2 workloads" in done.stdout
            assert roll.sent() == []
            assert not (tmp_path / "records").exists()
            assert not (tmp_path / "fences").exists()
    nodes = ["gpu-17", "gpu-18"]
    assert roll.fences() == [f"{node} {state}" for node in nodes for state in ("cordon", "uncordon")]
    assert set(roll.states().values()) == {"ended"}
    actions = roll.sent()
    assert [action for action, _ids in actions] == ["suspend", "resume"] * 3
    # Nothing is evicted before it is suspended, and the node is open before it is resumed.
    by_hand = "\n".join(typed).partition("@gpu-17.yml")[2]
    marks = ("maintenance_begin", ":NoExecute\n", "maintenance-\n", "kubectl uncordon", "maintenance_end")
    at = [by_hand.index(mark) for mark in marks]
    assert at == sorted(at)
