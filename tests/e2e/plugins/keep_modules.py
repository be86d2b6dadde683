# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback that hands the modules that a play has packed to later plays, by the folder PACKED."""

from __future__ import annotations

import contextlib
import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

DOCUMENTATION = """
name: keep_modules
type: notification
short_description: Pack each module once
description: Ansible packs a module and all that it imports once a play, which takes longer than to run it.
requirements: []
"""


class CallbackModule(CallbackBase):  # type: ignore[misc] # ansible-core is not typed
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "keep_modules"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        made_of = f"{__version__} {constants.COLLECTIONS_PATHS}"
        self._kept = Path(os.environ["PACKED"], sha256(made_of.encode()).hexdigest())
        self._kept.mkdir(exist_ok=True)
        self._own = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        # Each play has a folder of its own: ansible-core 2.16 does not expect others in it.
        shutil.copytree(self._kept, self._own, copy_function=os.link)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        for packed in self._own.iterdir():
            if packed.suffix != ".lock" and not packed.name.endswith("-part"):
                with contextlib.suppress(FileExistsError):
                    os.link(packed, self._kept / packed.name)
