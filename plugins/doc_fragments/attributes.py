# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What all modules of the collection have in common."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/gpuops.runai.runai) in C(module_defaults) to set defaults for all modules of this group.
    support: full
    membership:
      - gpuops.runai.runai
  async:
    description: Supports the task keyword C(async).
    support: full
    details: Progress lines are not shown then.
  check_mode:
    description: Can run in check mode and predict what would change, without changing anything.
  diff_mode:
    description: Returns what has changed, or would change in check mode, in diff mode.
  idempotent:
    description: When run twice in a row with the same arguments, the second run changes nothing.
  platform:
    description: Operating systems of the target.
    support: full
    platforms: posix
"""
