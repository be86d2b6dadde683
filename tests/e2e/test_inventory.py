# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin with real ansible-inventory, against the simulator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator.server import Handle, running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.support.waiting import PATIENCE
from tools.paths import environment

WEST, EAST = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch evaluated') }}"
FLEET = {
    "format": "gpuops.runai fleet",
    "version": 1,
    "exportedAt": "2026-11-23T09:00:00Z",
    "workloads": [],
    "clusters": [{"uuid": WEST, "name": "west"}, {"uuid": EAST, "name": "east"}],
    "nodes": [
        {
            "name": "gpu-17",
            "clusterUuid": WEST,
            "nodePool": "a100",
            "gpuInfo": {"gpuType": "A100", "gpuCount": 8},
        },
        {"name": "gpu-18", "clusterUuid": WEST, "nodePool": "a100", "status": "NotReady"},
        {
            "name": "gpu-18",
            "clusterUuid": EAST,
            "nodePool": "h100",
            "conditions": [{"type": "Odd", "reason": "Text", "message": HOSTILE}],
        },
    ],
}
SOURCE = """\
plugin: gpuops.runai.runai_nodes
strict: true
keyed_groups:
  - {key: runai_cluster, prefix: cluster}
  - {key: runai_status, prefix: status}
groups:
  with_gpus: runai_gpu_count > 0
  odd: runai_conditions | map(attribute='message') | select('search', 'lookup') | length > 0
compose:
  address: runai_name ~ '.' ~ runai_cluster ~ '.example.com'
"""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    path = tmp_path_factory.mktemp("fleet") / "fleet.json"
    path.write_text(json.dumps(FLEET))
    with running(Settings(fleet=path)) as handle:
        yield handle


def _text_or_object(found: dict[str, Any]) -> Any:
    """Read a text that must not be a template as that text, as Ansible itself does."""
    return found.get("__ansible_unsafe", found)


@dataclass(frozen=True)
class Inventory:
    """Runs ansible-inventory of one ansible-core in a folder."""

    collections: Path
    core: Path
    folder: Path
    url: str

    def __call__(
        self, *arguments: str, source: str = SOURCE, name: str = "runai_nodes.yml", **env: str
    ) -> subprocess.CompletedProcess[str]:
        (self.folder / name).write_text(source)
        return subprocess.run(
            [str(self.core / "bin" / "ansible-inventory"), "-i", name, *arguments],
            cwd=self.folder,
            env={
                **environment(self.collections, self.core),
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
                "RUNAI_BASE_URL": self.url,
                "RUNAI_CLIENT_ID": CLIENT_ID,
                "RUNAI_CLIENT_SECRET": CLIENT_SECRET,
                **env,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def listed(self, **options: Any) -> dict[str, Any]:
        done = self("--list", **options)
        assert done.returncode == 0, done.stderr
        assert "[WARNING]" not in done.stderr
        found: dict[str, Any] = json.loads(done.stdout, object_hook=_text_or_object)
        return found


@pytest.fixture
def inventory(collections: Path, tmp_path: Path, simulator: Handle) -> Inventory:
    return Inventory(collections, Path(sys.prefix), tmp_path, simulator.url)


@pytest.fixture
def inventory_on_each_core(
    collections: Path, each_core: Path, tmp_path: Path, simulator: Handle
) -> Inventory:
    return Inventory(collections, each_core, tmp_path, simulator.url)


def test_inventory_of_two_clusters_has_hosts_groups_and_variables(
    inventory_on_each_core: Inventory, tmp_path: Path
) -> None:
    found = inventory_on_each_core.listed()
    variables = found["_meta"]["hostvars"]
    assert sorted(variables) == ["east_gpu-18", "gpu-17", "west_gpu-18"]
    assert sorted(found["cluster_west"]["hosts"]) == ["gpu-17", "west_gpu-18"]
    assert found["status_NotReady"]["hosts"] == ["west_gpu-18"]
    assert found["with_gpus"]["hosts"] == ["gpu-17"]
    assert found["odd"]["hosts"] == ["east_gpu-18"]
    assert variables["gpu-17"]["address"] == "gpu-17.west.example.com"
    assert variables["gpu-17"]["runai_gpu_type"] == "A100"
    # A condition's message is data: it is never evaluated.
    assert not (tmp_path / "evaluated").exists()


def test_inventory_with_cache_reads_the_nodes_once(
    inventory: Inventory, simulator: Handle, tmp_path: Path
) -> None:
    cached = f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {tmp_path}/cache\n"
    source = f"{SOURCE}{cached}retry_timeout: 0\n"
    since = len(simulator.requests())
    first = inventory.listed(source=source)
    assert inventory.listed(source=source) == first
    asked = [one["path"] for one in simulator.requests()[since:]]
    assert asked.count("/api/v1/nodes") == 1
    kept = "".join(file.read_text() for file in (tmp_path / "cache").iterdir())
    assert "gpu-17" in kept
    assert CLIENT_SECRET not in kept
    # Another control plane never gets the nodes of this one.
    other = inventory("--list", source=source, RUNAI_BASE_URL="http://127.0.0.1:9")
    assert other.returncode != 0
    assert "gpu-17" not in other.stdout


MINIMAL = "plugin: gpuops.runai.runai_nodes\nstrict: true\n"
# The environment holds others, none of them valid.
GIVEN = f"client_id: {CLIENT_ID}\nclient_secret: \"{{{{ lookup('ansible.builtin.env', 'MINE') }}}}\"\n"
# What one run is given beside a source that it can read, and what it reports of each.
WRONG = {
    "host_names": "host_names: short\n",
    "host_name: not an option of this plugin": "host_name: name_if_unique\n",
    "validate_certs": "validate_certs: perhaps\n",
    "timeout": "timeout: soon\n",
    "missing_variable": "compose: {address: missing_variable}\n" + GIVEN,
    "no token for the client 'rehearsal'": "client_secret: wrong-secret-1234\n",
}


@pytest.fixture(scope="module")
def mixed(
    collections: Path, simulator: Handle, tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    """One run with wrong sources, one of another name, and one that differs from the environment."""
    folder = tmp_path_factory.mktemp("mixed")
    sources = {**{f"wrong-{number}": more for number, more in enumerate(WRONG.values())}, "right": GIVEN}
    arguments = []
    for name, more in sources.items():
        (folder / name).mkdir()
        (folder / name / "runai_nodes.yml").write_text(f"{MINIMAL}{more}")
        arguments += ["-i", f"{name}/runai_nodes.yml"]
    return Inventory(collections, Path(sys.prefix), folder, simulator.url)(
        *("--list", "-vvvv", *arguments),
        name="nodes.yml",
        ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="false",
        ANSIBLE_INVENTORY_ENABLED="auto",
        RUNAI_BEARER_TOKEN="not-valid",
        RUNAI_CLIENT_SECRET="no",
        MINE=CLIENT_SECRET,
    )


def reported(mixed: subprocess.CompletedProcess[str]) -> list[str]:
    """What was reported of each source that could not be read, in their order."""
    return " ".join(mixed.stderr.split()).split("Unable to parse /")[:-1]


def test_inventory_options_of_the_file_beat_the_environment_and_may_be_templates(
    mixed: subprocess.CompletedProcess[str],
) -> None:
    assert '"gpu-17"' in mixed.stdout


@pytest.mark.parametrize(("number", "problem"), list(enumerate(WRONG)))
def test_inventory_with_a_wrong_option_fails_and_names_it(
    mixed: subprocess.CompletedProcess[str], number: int, problem: str
) -> None:
    assert problem in reported(mixed)[1 + number]


def test_inventory_with_a_wrong_secret_does_not_show_it(mixed: subprocess.CompletedProcess[str]) -> None:
    assert "wrong-secret-1234" not in mixed.stdout + mixed.stderr
    assert CLIENT_SECRET not in mixed.stdout + mixed.stderr


def test_inventory_file_of_another_name_is_not_read(mixed: subprocess.CompletedProcess[str]) -> None:
    assert "could not be verified" in reported(mixed)[0]


def test_inventory_without_requests_names_the_library(inventory: Inventory, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "requests.py").write_text("raise ImportError('not here')\n")
    done = inventory("--list", PYTHONPATH=str(tmp_path / "broken"))
    assert done.returncode != 0
    assert "Failed to import the required Python library (requests)" in " ".join(done.stderr.split())
