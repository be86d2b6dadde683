# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of the collection that work on records, by their names in it."""

from __future__ import annotations

from ansible_collections.gpuops.runai.plugins.module_utils._record import CLEANUP, RECLAIM, Record

PLAN_PLAYBOOK = "maintenance_plan"
BEGIN_PLAYBOOK = "maintenance_begin"
END_PLAYBOOK = "maintenance_end"
STATUS_PLAYBOOK = "maintenance_status"
CLEANUP_PLAYBOOK = "cleanup"
RECLAIM_PLAYBOOK = "reclaim"
REHEARSAL_PLAYBOOK = "maintenance_rehearse"

_ACTS = {CLEANUP: CLEANUP_PLAYBOOK, RECLAIM: RECLAIM_PLAYBOOK}


def playbook_that_acts(record: Record) -> str:
    """Return the playbook that goes on with a begin, or a clean-up, of this record."""
    return _ACTS.get(record.kind, BEGIN_PLAYBOOK)
