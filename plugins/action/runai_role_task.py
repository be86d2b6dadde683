# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module of this collection with the variables of the role that the task belongs to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812
from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.gpuops.runai.plugins.action import runai_workload_batch
from ansible_collections.gpuops.runai.plugins.plugin_utils.role_variables import (
    VariableError,
    awx_variables,
    check_blanks,
    check_names,
    check_types,
    documented_options,
    is_connection,
    module_options,
    plain,
)

_MODULES = "ansible_collections.gpuops.runai.plugins.modules."


class ActionModule(runai_workload_batch.ActionModule):
    """Checks the role's variables, makes the module's options of them, and runs the module.

    Options of the module, from the weakest to the strongest: ``module_defaults``, the role's variables,
    and ``options`` of the task.
    """

    def run(self, tmp: Any = None, task_vars: Any = None) -> Any:
        """Run the module and return its result, or the variable that is rejected."""
        defaults = dict(self._task.args)
        module = defaults.pop("module")
        options = {name: plain(value) for name, value in (defaults.pop("options", None) or {}).items()}
        rejected = defaults.pop("rejected", "")
        action = "gpuops.runai." + module
        spec = import_module(_MODULES + module).ARGUMENT_SPEC
        try:
            found = module_options(spec, self._role_values(task_vars or {}))
            if rejected:
                raise VariableError(rejected)
        except VariableError as refusal:
            return {"failed": True, "changed": False, "msg": "{0} Nothing was sent.".format(refusal)}
        if "by" in spec:
            found["by"] = {name: self._value(task_vars, name) for name in awx_variables(list(task_vars))}
        if "select" in options:
            found["select"] = {**found.get("select", {}), **(options.pop("select") or {})}
        merged = {**defaults, **self._module_defaults(action), **found, **options}
        self._task.args = {name: value for name, value in merged.items() if value not in (None, "")}
        self._task.action = action
        # A variable with a time of day has another value later on.
        return {**super().run(tmp, task_vars), "report_path": self._task.args.get("report_path")}

    def _role_values(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the role's variables without its prefix, checked."""
        role, path = task_vars["role_name"], Path(task_vars["role_path"])
        prefix = role + "_"
        specs = yaml_load((path / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        documented = documented_options(specs)
        # The role itself sets its result.
        names = [name for name in task_vars if name.startswith(prefix) and name != prefix + "result"]
        raw = task_vars.get("_raw_params")
        check_names(prefix, names, documented, None if raw is None else str(raw))
        values = {name: self._value(task_vars, name) for name in names}
        given = {
            name: value
            for name, value in values.items()
            if not (value in ("", None) and is_connection(name[len(prefix) :]))
        }
        check_blanks(given, documented)
        check_types(given, documented)
        # A rehearsal uses neither the real control plane nor the real folder. Its own folder is removed with
        # the temporary files of the play.
        instead = self._value(task_vars, "__{0}instead".format(prefix)) or {}
        if instead:
            instead["record_dir"] = os.path.join(C.DEFAULT_LOCAL_TMP, "runai-rehearsal")
        return {**{name[len(prefix) :]: value for name, value in given.items()}, **instead}

    def _module_defaults(self, action: str) -> dict[str, Any]:
        """Return the play's defaults for the module; those for its group are in the task's arguments."""
        found: dict[str, Any] = {}
        for defaults in self._task.module_defaults or ():
            found.update(self._templar.template(defaults.get(action) or {}))
        return found

    def _value(self, task_vars: Mapping[str, Any], name: str) -> Any:
        try:
            return plain(self._templar.template(task_vars.get(name)))
        except AnsibleError as fault:
            raise VariableError("{0}: {1}.".format(name, fault)) from fault
