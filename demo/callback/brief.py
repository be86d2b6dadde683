# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the verdict of a maintenance and its rows of problems, and nothing else."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: brief
type: stdout
short_description: Show verdicts
description: Shows the verdict of runai_maintenance with the rows of its problems.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc] # ansible-core is not typed
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "brief"

    def v2_runner_on_ok(self, result: Any) -> None:
        found = result._result
        if "control_plane" in found:
            rows = (found["error"] or {}).get("rows", [])
            self._display.display("\n".join(f"   {line}" for line in (found["msg"], *rows)))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self.v2_runner_on_ok(result)
