# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection to this machine that Ansible takes for one to another machine."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: Runs on this machine as if on another
description: Runs on this machine as if on another.
options: {}
"""


class Connection(Local):  # type: ignore[misc] # ansible-core is not typed
    transport = "elsewhere"
