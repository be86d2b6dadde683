# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of the same name as any module is run, and shows its progress lines while it works.

It also passes on whether results are printed at length: only the process of the play has this setting.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable

from ansible import constants as C  # noqa: N812 - its name everywhere in Ansible
from ansible.errors import AnsibleError
from ansible.plugins.action.normal import ActionModule as AnyModule
from ansible.utils.display import Display
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress_pipe import progress_lines
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import AT_LENGTH

# Programs read their output. A line in between would break it.
_CALLBACKS_FOR_PROGRAMS = ("json", "jsonl")


class ActionModule(AnyModule):  # type: ignore[misc] # ansible-core is not typed
    """Adds progress lines for people. The module does all the work, and also runs without this plugin."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> Any:
        """Run the module and return its result."""
        if not self._has_lines():
            return super().run(tmp, task_vars)
        with progress_lines(C.DEFAULT_LOCAL_TMP, os.environ, self._display_for(task_vars or {})):
            return super().run(tmp, task_vars)

    def _update_module_args(
        self, module_name: str, module_args: dict[str, Any], *rest: Any, **named: Any
    ) -> None:
        """Complete the arguments as for any module, with a verbosity that stands for long results."""
        super()._update_module_args(module_name, module_args, *rest, **named)
        if _is_printed_at_length():
            module_args["_ansible_verbosity"] = max(module_args["_ansible_verbosity"], AT_LENGTH)

    def _display_for(self, task_vars: Mapping[str, Any]) -> Callable[[str], None]:
        """Return the function that shows a line, with the name of the host if several hosts work at once."""
        display: Callable[[str], None] = Display().display
        if self._task.run_once or len(task_vars.get("ansible_play_batch", ())) < 2:
            return display
        host = task_vars["inventory_hostname"]
        return lambda line: display("[{0}] {1}".format(host, line))

    def _has_lines(self) -> bool:
        return not (
            self._task.no_log
            or self._task.async_val
            or self._connection.transport != "local"
            or _callback() in _CALLBACKS_FOR_PROGRAMS
        )


def _callback() -> str:
    name: str = C.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2]
    return name


def _is_printed_at_length() -> bool:
    """Return whether results are printed with a line for each value at any verbosity, e.g. as YAML."""
    if _callback().endswith("yaml"):
        return True
    try:
        result_format, pretty_results = (
            C.config.get_config_value(option, plugin_type="callback", plugin_name=_callback())
            for option in ("result_format", "pretty_results")
        )
    except AnsibleError:
        # Not every callback has these options.
        return False
    return bool(result_format != "json" or pretty_results)
