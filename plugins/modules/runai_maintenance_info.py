#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_maintenance_info
short_description: List records of Run:ai maintenances, or compare one with the control plane
version_added: 1.0.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Without O(name), lists the records of the folder. No request is sent.
  - With O(name), reads the workloads of the record, and returns where each stands.
  - Writes no record.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  name:
    description: Name of the record.
    type: str
  record_dir:
    description: Absolute path of the folder that holds the records; without it E(RUNAI_RECORD_DIR) counts.
    type: path
  record:
    description: RV(gpuops.runai.runai_maintenance#module:record) of an earlier job, where there is no folder.
    type: str
  wait_for_api:
    description: Seconds to wait for a control plane that does not answer.
    type: float
    default: 0
  summary_path:
    description: Absolute path of a summary for people, as Markdown, or HTML where the name ends in C(.html).
    type: path
  by:
    description:
      - Names of who asks, as for O(gpuops.runai.runai_maintenance#module:by). With C(awx_job_id), RV(next) is for AWX.
    type: dict
  workloads_limit:
    description: Maximum number of rows in RV(workloads).
    type: int
    default: 1000
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: This module never changes anything.
  idempotent:
    support: full
    details: This module never changes anything.
seealso:
  - module: gpuops.runai.runai_maintenance
"""

EXAMPLES = r"""
- name: List the records
  gpuops.runai.runai_maintenance_info:
    record_dir: /srv/runai/records
  register: maintenances

- name: Compare one with the control plane
  gpuops.runai.runai_maintenance_info:
    name: gpu-17
    record_dir: /srv/runai/records
"""

RETURN = r"""
records:
  description: One object a record, with its name, state, reason, since when, by whom, and whether a run works on it.
  returned: without O(name)
  type: list
  elements: dict
  sample: [{"name": "gpu-17", "state": "begun", "reason": "replace the fan", "workloads": 12, "at_work": false}]
state:
  description: State of the record.
  returned: always
  type: str
  sample: begun
lines:
  description: Lines for people.
  returned: always
  type: list
  elements: str
  sample: ["Maintenance gpu-17 (replace the fan), begun: 0 of 12 back"]
workloads:
  description: As RV(gpuops.runai.runai_maintenance#module:workloads).
  returned: always
  type: list
  elements: dict
  sample: []
"""

import os
import sys

from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next_command import typed_command
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.options import (
    maintenance_argument_spec,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import (
    refused,
    run_maintenance_info,
)
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule

_TAKEN = ("record_dir", "record", "wait_for_api", "summary_path", "workloads_limit", "by")
ARGUMENT_SPEC = {
    **connection_argument_spec(),
    "name": {"type": "str"},
    **{option: spec for option, spec in maintenance_argument_spec().items() if option in _TAKEN},
}


def main() -> None:
    """Run the module."""
    module = RunaiModule(ARGUMENT_SPEC, shown=("name", "record_dir"))
    install = "{0} -m pip install requests".format(sys.executable)
    module.run(
        lambda: run_maintenance_info(
            module.params, module.given, os.environ, module.check_mode, module.verbosity, typed_command()
        ),
        lambda words: refused(words, module.check_mode, install),
    )


if __name__ == "__main__":
    main()
