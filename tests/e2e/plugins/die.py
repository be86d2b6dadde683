# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback that kills ansible-playbook after the DIE_AFTER-th task of the collection's modules."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: die
type: notification
short_description: Kill the play before a task
description: Kills ansible-playbook before a task, by its place in the play.
requirements: []
"""


class CallbackModule(CallbackBase):  # type: ignore[misc] # ansible-core is not typed
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "die"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._left = int(os.environ["DIE_AFTER"])

    def _count(self, result: Any) -> None:
        if result._task.action.startswith("gpuops.runai."):
            self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._count(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._count(result)
