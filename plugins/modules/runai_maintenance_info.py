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
  - Without O(name), lists the records of a folder. No request is sent.
  - With O(name), reads the workloads of the record and returns where each of them stands.
  - Sends no batch and writes no record, so it can run beside a task that is at work.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  name:
    description:
      - Name of the record to compare with the control plane.
    type: str
  record_dir:
    description:
      - Absolute path of the folder that holds the records. Without it, the environment variable E(RUNAI_RECORD_DIR) counts.
    type: path
  record:
    description:
      - RV(gpuops.runai.runai_maintenance#module:record) of an earlier task, where there is no folder.
    type: str
  wait_for_api:
    description:
      - Seconds to wait for a control plane that does not respond.
    type: float
    default: 0
  summary_path:
    description:
      - Absolute path of a page for people, with RV(lines), all owners and all workloads. It is Markdown, or HTML if the name
        ends in C(.html). Only its owner can read it. This page is the only file that the module writes. In check mode, and
        without O(name), it is not written.
    type: path
  by:
    description:
      - Names of who runs the task. With C(awx_job_id), RV(next) names the job template and its variables instead of a
        shell command.
    type: dict
  workloads_limit:
    description:
      - Maximum number of rows in RV(workloads). There are fewer if the result would otherwise be too large for job
        viewers.
    type: int
    default: 1000
attributes:
  check_mode:
    support: full
    details: Changes nothing anyway.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: Changes nothing.
seealso:
  - module: gpuops.runai.runai_maintenance
  - ref: Maintenance guide <ansible_collections.gpuops.runai.docsite.guide_maintenance>
    description: The record, the verdicts, and how to hand a record from job to job.
"""

EXAMPLES = r"""
# The address and the credentials are in the environment: RUNAI_BASE_URL, RUNAI_CLIENT_ID, RUNAI_CLIENT_SECRET.

- name: List the records of a folder
  gpuops.runai.runai_maintenance_info:
    record_dir: /srv/runai/records
  register: maintenances

- name: Show the maintenances that have not ended
  ansible.builtin.debug:
    msg: "{{ maintenances.records | rejectattr('state', 'eq', 'ended') | map(attribute='name') }}"

- name: Compare a record with the control plane
  gpuops.runai.runai_maintenance_info:
    name: gpu-17
    record_dir: /srv/runai/records
    summary_path: /srv/runai/gpu-17.html

- name: Compare a record that an earlier job handed on
  gpuops.runai.runai_maintenance_info:
    name: upgrade
    record: "{{ maintenance_record }}"
"""

RETURN = r"""
msg:
  description: Verdict, or number of records, in one sentence.
  returned: always
  type: str
  sample: "Maintenance gpu-17 (broken fan), begun: 12 of 12 stopped"
records:
  description: One object for each record of the folder.
  returned: without O(name)
  type: list
  elements: dict
  contains:
    name: {description: "Name of the record.", type: str, sample: gpu-17}
    state:
      description:
        - State of the record, V(planned), V(acting), V(begun), V(ending) or V(ended). V(damaged) if it cannot be read.
      type: str
      sample: begun
    reason: {description: "Reason of the maintenance, or of the damage.", type: str, sample: "broken fan"}
    since: {description: "Time at which it entered its state.", type: str, sample: "2026-11-30T09:00:00Z"}
    by:
      description: Who moved it to its state.
      type: dict
      sample: {"user": "runai-ops", "host": "admin-1"}
    workloads: {description: "Number of its workloads.", type: int, sample: 12}
    at_work: {description: "Whether a run works on it now.", type: bool, sample: false}
state:
  description:
    - State of the record. V(acting) and V(ending) mean that a run is at work, or stopped half way. Null without O(name).
  returned: always
  type: str
  sample: begun
check_mode:
  description: Whether the module ran in check mode.
  returned: always
  type: bool
  sample: false
control_plane:
  description: Control plane that responded, as in RV(gpuops.runai.runai_maintenance#module:control_plane).
  returned: always
  type: dict
  sample: {"base_url": "https://acme.run.ai", "tenant_id": "1001", "clusters": {}, "simulator": false}
simulator:
  description: Whether the collection's simulator responded.
  returned: always
  type: bool
  sample: false
record_path:
  description: Path of the record. Null without O(name) or a folder.
  returned: always
  type: str
  sample: /srv/runai/records/gpu-17.record.jsonl
summary:
  description: Numbers of workloads by verdict, as in RV(gpuops.runai.runai_maintenance#module:summary).
  returned: always
  type: dict
  sample: {"planned": 12, "ours": 12, "back": 0}
workloads:
  description:
    - One row for each workload, worst first, as in RV(gpuops.runai.runai_maintenance#module:workloads). RV(workloads[].verdict)
      says where it stands.
  returned: always
  type: list
  elements: dict
  contains:
    id: {description: "UUID of the workload.", type: str, sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d}
    verdict: {description: "Key of RV(summary) that counts it.", type: str, sample: ours}
workloads_truncated:
  description: Whether RV(workloads) has fewer rows than the record.
  returned: always
  type: bool
  sample: false
owners:
  description: One object for each owner, as in RV(gpuops.runai.runai_maintenance#module:owners).
  returned: always
  type: list
  elements: dict
  sample: [{"owner": "ada@example.com", "gpus": 32.0, "count": 12, "projects": "vision", "workloads": []}]
lines:
  description: Lines for people. The first is the verdict, the last the command to type next.
  returned: always
  type: list
  elements: str
  sample: ["Maintenance gpu-17 (broken fan), begun: 12 of 12 stopped"]
next:
  description: Command to type next, as in RV(gpuops.runai.runai_maintenance#module:next).
  returned: always
  type: str
  sample: ansible-playbook gpuops.runai.maintenance_end -e @gpu-17.yml
error:
  description:
    - Reason why the task failed, as in RV(gpuops.runai.runai_maintenance#module:error). Null if it did not fail.
  returned: always
  type: dict
  sample: null
"""

import os
import sys

from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next_command import typed_command
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.options import (
    maintenance_argument_spec,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import (
    rejected_result,
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
        lambda message: rejected_result(message, module.check_mode, install),
    )


if __name__ == "__main__":
    main()
