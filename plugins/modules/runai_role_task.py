#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_role_task
short_description: Run a module of this collection with the variables of a role
version_added: 1.0.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - The roles of this collection use it. In playbooks, use the modules themselves.
  - Checks all variables with the prefix of the role. Unknown names, empty values and values that Ansible cut at a space are
    rejected before any request.
  - A variable sets the option of the same name. Criteria set the keys of O(ignore:select) where the module has it.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  module:
    description: Name of the module to run, without the collection.
    type: str
    required: true
    choices: [runai_idle_report, runai_maintenance, runai_maintenance_info, runai_workload_batch, runai_workload_info]
  options:
    description:
      - Options of the module. They override the variables of the role. A null or an empty text removes an option.
      - The keys of O(ignore:select) are merged with the criteria of the variables.
    type: dict
  rejected:
    description: Reason to reject the task instead of running the module. Empty if there is none.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    details: As the module that it runs.
  diff_mode:
    support: full
    details: As the module that it runs.
  idempotent:
    support: full
    details: As the module that it runs.
seealso:
  - module: gpuops.runai.runai_maintenance
  - module: gpuops.runai.runai_workload_batch
"""

EXAMPLES = r"""
- name: Suspend the planned workloads
  gpuops.runai.runai_role_task:
    module: runai_maintenance
    options:
      state: begun
"""

RETURN = r"""
msg:
  description: Summary of the module in one sentence, or the variable that is rejected. All other values are those of the module.
  returned: always
  type: str
  sample: "workload_cleanup_keep_projects: is empty, or has an empty element. Omit it, or set a value. Nothing was sent."
report_path:
  description: Option C(report_path) of the module; null if it has none.
  returned: always, unless a variable is rejected
  type: str
  sample: /srv/runai/records/cleanup-20261130T020000Z.jsonl
"""
