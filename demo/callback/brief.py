# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a playbook as a person wants to follow it: what is done, and the one sentence that came of it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: brief
type: stdout
short_description: Show tasks' names and messages
description: Shows the names of tasks and the C(msg) that they return, and failures.
"""

# The batch module says by itself, while it works, what the others return as `msg`.
WITHOUT_MESSAGE = ("include_tasks", "runai_workload_batch", "uri")
WITHOUT_NAME = ("assert", "include_tasks", "uri")


def module(task: Any) -> str:
    return str(task.action.rpartition(".")[2])


class CallbackModule(CallbackBase):  # type: ignore[misc] # ansible-core is not typed
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "brief"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if module(task) not in WITHOUT_NAME:
            self._display.display(f"\n{task.get_name()}")

    def v2_runner_on_ok(self, result: Any) -> None:
        if module(result._task) not in WITHOUT_MESSAGE:
            self._display.display(result._result["msg"])

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._display.display(f"\nFAILED: {result._task.get_name()}: {result._result.get('msg')}")
