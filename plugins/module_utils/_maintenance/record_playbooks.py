# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of the collection that work on records, by their names in it."""

from __future__ import annotations

PLAN_PLAYBOOK = "maintenance_plan"
BEGIN_PLAYBOOK = "maintenance_begin"
END_PLAYBOOK = "maintenance_end"
STATUS_PLAYBOOK = "maintenance_status"
CLEANUP_PLAYBOOK = "cleanup"
RECLAIM_PLAYBOOK = "reclaim"
REHEARSAL_PLAYBOOK = "maintenance_rehearse"
