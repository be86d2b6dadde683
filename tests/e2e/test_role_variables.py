# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How values of variables reach the modules through a role, on the oldest and the newest ansible-core."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from simulator.server import running
from simulator.settings import CLIENT_ID, CLIENT_SECRET, Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.site import Site, workload

ROLE = "gpuops.runai.workload_maintenance"
OLD = "2026-01-01T00:00:00Z"
PASSWORD = b"open sesame"


@pytest.fixture
def site(run_playbook_on_each_core: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    with running(
        Settings(fleet={"workloads": [workload(number, createdAt=OLD) for number in (1, 2)]})
    ) as simulator:
        yield Site(simulator, run_playbook_on_each_core, tmp_path / "records")


def vaulted(text: str) -> str:
    """A text encrypted as a value in a vars file, as ansible-vault encrypt_string writes it."""
    found = VaultLib([("default", VaultSecret(PASSWORD))]).encrypt(text).decode()
    return "!vault |\n" + textwrap.indent(found, "  ")


def test_role_maintenance_vault_dates_and_defaults_of_the_play_reach_the_module(site: Site) -> None:
    password = site.run.folder / "password"
    password.write_bytes(PASSWORD)
    variables = site.run.folder / "night.yml"
    variables.write_text(
        f"workload_maintenance_client_secret: {vaulted(CLIENT_SECRET)}"
        "workload_maintenance_token: ''\n"
        "workload_maintenance_name: 2026-11-30\n"
        "workload_maintenance_reason: 2026-11-30\n"
        f"workload_maintenance_record_dir: {site.folder}\n"
        "workload_maintenance_projects: [vision]\n"
        "workload_maintenance_created_before: 2026-11-30\n"
        "workload_maintenance_max_affected: '5'\n"
        "workload_maintenance_max_percent: none\n"
        "workload_maintenance_wait_interval: 0.1\n"
        # Not of this entry point, but of the same maintenance.
        "workload_maintenance_resume_touched: false\n"
    )
    playbook = f"""
- hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/gpuops.runai.runai:
      base_url: {site.simulator.url}
      client_id: {CLIENT_ID}
      timeout: 7
    gpuops.runai.runai_maintenance: {{workloads_limit: 0, attempts: "{{{{ 3 }}}}"}}
  tasks:
    - include_role: {{name: {ROLE}, tasks_from: plan}}
"""
    run = site.run(playbook, "-e", f"@{variables}", "--vault-password-file", str(password))
    assert run.rc == 0, run.output
    assert run.warnings == []
    planned = run.one("runai_maintenance")
    assert planned["summary"]["planned"] == 1
    assert planned["workloads"] == []
    assert "Maintenance 2026-11-30 (2026-11-30), planned" in planned["msg"]
