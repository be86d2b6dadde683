# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kit for AWX as it is rendered, and the modules of awx.awx that apply it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import collections, packed, shared, tarball
from tests.e2e.playbook import PlaybookRunner
from tools.paths import CACHE, CHECKOUT, LINKED_TREE, only_one

# Fixtures of the end-to-end tests that the jobs use, too.
__all__ = ["collections", "packed", "shared", "tarball"]

KIT = CHECKOUT / "docs" / "awx"
LISTS = [
    "aap_organizations",
    "controller_credential_types",
    "controller_credentials",
    "controller_execution_environments",
    "controller_notifications",
    "controller_projects",
    "controller_inventories",
    "controller_inventory_sources",
    "controller_hosts",
    "controller_templates",
    "controller_workflows",
    "controller_schedules",
]
RENDER = f"""
- hosts: localhost
  gather_facts: false
  vars_files: ["{KIT}/settings.yml", "{KIT}/objects.yml"]
  tasks:
    - ansible.builtin.copy:
        dest: "{{{{ target }}}}"
        mode: "0600"
        content: "{{{{ dict(names | zip(query('ansible.builtin.vars', *names))) | to_json }}}}"
"""
# Stands for awx.awx's own: the real modules check their arguments with it, and ask no AWX.
STAND_IN = """
import json, os
from ansible.module_utils.basic import AnsibleModule, env_fallback

class ControllerAPIModule(AnsibleModule):
    def __init__(self, argument_spec=None, **kwargs):
        super().__init__(argument_spec=argument_spec, **kwargs)
        given = {key: value for key, value in self.params.items() if value is not None}
        with open(os.environ["AWX_CALLS"], "a") as calls:
            calls.write(json.dumps([os.path.basename(self._name), given]) + "\\n")
        self.exit_json(changed=False)
"""
# Runs a module within the process of the task: a hundred objects would start as many interpreters.
IN_PROCESS = """
import contextlib, io, json
from importlib import import_module
from ansible.module_utils.testing import patch_module_args
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        name = self._task.action.rpartition(".")[2]
        module = import_module("ansible_collections.awx.awx.plugins.modules." + name)
        arguments = {**self._task.args, "_ansible_module_name": name}
        out = io.StringIO()
        with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            module.main()
        return json.loads(out.getvalue())
"""


def render(folder: Path, *options: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the objects of the kit, rendered with these options and environment."""
    target = folder / "objects.json"
    run = PlaybookRunner(LINKED_TREE, Path(sys.prefix), folder)
    done = run(RENDER, *options, extra_vars={"target": str(target), "names": LISTS}, env=env)
    assert done.rc == 0, done.output
    rendered: dict[str, Any] = json.loads(target.read_text())
    return rendered


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The objects of the kit with its own settings, and a folder of records."""
    return render(tmp_path_factory.mktemp("kit"), "-e", "runai_awx_record_dir=/srv/runai/records")


@pytest.fixture(scope="session")
def awx_collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path with the real modules of awx.awx 24.6.1, and a stand-in for what asks AWX."""
    cache = CACHE / "awx"
    with only_one(cache):
        if not (wheels := list(cache.glob("ansible-13.*.whl"))):
            download = [
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--python-version",
                "3.12",
            ]
            subprocess.run(
                [sys.executable, "-m", *download, "-d", str(cache), "ansible==13.*"], check=False, timeout=300
            )
            wheels = list(cache.glob("ansible-13.*.whl"))
    if not wheels:
        pytest.skip("the package ansible 13, which holds awx.awx 24.6.1, could not be downloaded")
    tree = tmp_path_factory.mktemp("awx")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(tree, [n for n in wheel.namelist() if n.startswith("ansible_collections/awx/awx/")])
    collection = tree / "ansible_collections" / "awx" / "awx"
    assert json.loads((collection / "MANIFEST.json").read_text())["collection_info"]["version"] == "24.6.1"
    plugins = collection / "plugins"
    (plugins / "module_utils" / "controller_api.py").write_text(STAND_IN)
    (plugins / "action").mkdir()
    for module in (plugins / "modules").glob("*.py"):
        (plugins / "action" / module.name).write_text(IN_PROCESS)
    return tree
