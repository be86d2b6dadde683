#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_workload_info
short_description: Select Run:ai workloads by project, node, phase, age, GPU use and more
version_added: 1.0.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Selects workloads of an NVIDIA Run:ai control plane. Returns their ids for M(gpuops.runai.runai_workload_batch), and rows
    to read.
  - All criteria must hold. Where a criterion takes a list, one of its values is enough. Names are compared exactly;
    upper and lower case differ.
  - A task without any criterion is rejected unless O(all=true). An option that is null, empty or blank is rejected as
    well, so that an unanswered question of a survey never selects every workload. Only O(ids=[]) is accepted, and selects
    nothing.
  - The control plane applies the filters that it supports safely. The module applies all others to the rows. The result
    is the same either way.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.selection
  - gpuops.runai.attributes
options:
  fields:
    description:
      - Keys of the rows. V(all) returns the rows of the API unchanged. With O(idle_for), the key
        V(peak_gpu_utilization) is added.
      - Beside the default keys there are V(category), V(cluster_id), V(completed_at), V(created_at), V(deleted_at),
        V(department_id), V(namespace), V(phase_message), V(phase_reason), V(phase_updated_at), V(preemptible),
        V(priority), V(priority_class), V(project_id) and V(requested_node_pools).
      - Any other name is read as a key of the API's row, for example V(tenantId). Its value is returned unchanged, or null.
    type: list
    elements: str
    default:
      - id
      - name
      - project
      - department
      - cluster
      - type
      - phase
      - phase_age
      - node_pools
      - allocated_gpus
      - idle_gpus
      - submitted_by
      - suspendable
  workloads_limit:
    description:
      - Maximum number of rows in RV(workloads), whatever the size of the result. RV(ids) is always complete.
      - Without it, RV(workloads) holds as many rows as job viewers can show. If rows are missing, there is a warning.
    type: int
  concurrency:
    description:
      - Maximum number of requests in flight, from 1 to 16.
    type: int
    default: 4
attributes:
  check_mode:
    support: full
    details: This module never changes anything.
  diff_mode:
    support: N/A
    details: This module never changes anything.
  idempotent:
    support: full
    details: This module never changes anything.
seealso:
  - module: gpuops.runai.runai_workload_batch
"""

EXAMPLES = r"""
# The address and the credentials are in the environment: RUNAI_BASE_URL, RUNAI_CLIENT_ID, RUNAI_CLIENT_SECRET.

- name: Select the workloads that have a pod on a node
  gpuops.runai.runai_workload_info:
    nodes: [gpu-17]
    clusters: [west]
  register: on_node

- name: Suspend them
  gpuops.runai.runai_workload_batch:
    action: suspend
    ids: "{{ on_node.ids }}"
    max_affected: 50

- name: Select the workloads with idle GPUs, the most idle first
  gpuops.runai.runai_workload_info:
    min_allocated_gpus: 1
    min_idle_gpus: 1
    sort_by: idle_gpus
    sort_order: desc

- name: Select the workloads that hold at least 4 GPUs and used none of them for a day
  gpuops.runai.runai_workload_info:
    min_allocated_gpus: 4
    idle_for: 1d

- name: Select the workloads that finished more than a week ago, without those to keep
  gpuops.runai.runai_workload_info:
    phases: [Completed, Failed]
    phase_older_than: 7d
    exclude: ["keep-*"]

- name: Select preemptible workloads of the lowest priority that together hold 16 GPUs
  gpuops.runai.runai_workload_info:
    preemptible: true
    phases: [Running]
    sort_by: priority
    until_gpus: 16

- name: Check that a project has no workload left
  gpuops.runai.runai_workload_info:
    projects: [vision]
    limit: 1
  register: left
  failed_when: left.count > 0
"""

RETURN = r"""
msg:
  description: Summary of the selection in one sentence, or the reason of the failure.
  returned: always
  type: str
  sample: 12 workloads selected, holding 34 GPUs
error:
  description: What the task failed on. Without a request, all values but RV(error.message) are null.
  returned: failure
  type: dict
  contains:
    method:
      description: HTTP method of the request.
      type: str
      sample: GET
    path:
      description: Path of the request, without the address and the query.
      type: str
      sample: /api/v1/workloads
    status:
      description: HTTP status of the response; null if none arrived.
      type: int
      sample: 403
    code:
      description: Error code in the response, or its HTTP status; null if no response arrived.
      type: int
      sample: 403
    message:
      description: The error in one sentence.
      type: str
      sample: HTTP 403, permission denied
  sample:
    method: GET
    path: /api/v1/workloads
    status: 403
    code: 403
    message: HTTP 403, permission denied
ids:
  description: UUIDs of all selected workloads, in order, for M(gpuops.runai.runai_workload_batch). Empty if the task fails.
  returned: always
  type: list
  elements: str
  sample: [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d]
count:
  description: Number of selected workloads.
  returned: always
  type: int
  sample: 1
workloads:
  description:
    - One row for each selected workload, in order, with the keys of O(fields). The default keys are listed below.
    - There can be fewer rows than ids, see O(workloads_limit).
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: UUID of the workload.
      type: str
      sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
    name:
      description: Name of the workload.
      type: str
      sample: llama-finetune-3
    project:
      description: Name of the project.
      type: str
      sample: vision
    department:
      description: Name of the department.
      type: str
      sample: research
    cluster:
      description: Name of the cluster, or its UUID where this account cannot list clusters.
      type: str
      sample: west
    type:
      description: Type of the workload, named as in the API.
      type: str
      sample: Training
    phase:
      description: Phase of the workload.
      type: str
      sample: Running
    phase_age:
      description: Time in this phase, in the two largest units.
      type: str
      sample: 5d3h
    node_pools:
      description: Node pools that it runs in now.
      type: list
      elements: str
      sample: [a100]
    allocated_gpus:
      description: Number of GPUs that it holds, or null if not known.
      type: float
      sample: 4.0
    idle_gpus:
      description: Number of these GPUs that are idle now, or null if not known.
      type: float
      sample: 0.0
    submitted_by:
      description: Owner of the workload.
      type: str
      sample: ada@example.com
    suspendable:
      description: Whether it can be suspended, or null if not reported.
      type: bool
      sample: true
    peak_gpu_utilization:
      description: Highest sample of any of its GPUs in O(idle_for), in percent. Only with O(idle_for).
      type: float
      sample: 0.4
  sample:
    - id: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
      name: llama-finetune-3
      project: vision
      department: research
      cluster: west
      type: Training
      phase: Running
      phase_age: 5d3h
      node_pools: [a100]
      allocated_gpus: 4.0
      idle_gpus: 0.0
      submitted_by: ada@example.com
      suspendable: true
workloads_truncated:
  description: Whether RV(workloads) holds fewer rows than RV(ids).
  returned: always
  type: bool
  sample: false
limited:
  description: Whether O(limit) left out workloads that meet the criteria.
  returned: always
  type: bool
  sample: false
allocated_gpus:
  description: Number of GPUs that the selected workloads hold together.
  returned: always
  type: float
  sample: 34.0
unmatched:
  description:
    - Values that match none of the workloads that meet all criteria, by option. An example is a project without workloads.
      Empty if every value matches.
  returned: always
  type: dict
  sample: {"projects": [visoin]}
incomplete:
  description:
    - Number of workloads that the control plane lists, and the larger number that it counts, if the list stayed shorter than
      the count. Null if the list is complete, as far as known.
  returned: always
  type: dict
  contains:
    listed:
      description: Number of listed workloads.
      type: int
      sample: 1169
    counted:
      description: Number of counted workloads.
      type: int
      sample: 1200
  sample: null
undecided:
  description:
    - Workloads that meet all other criteria, and whose GPU use during O(idle_for) is not known. They are not selected.
    - Long lists are cut; the warning has the full number.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: UUID of the workload.
      type: str
      sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
    name:
      description: Name of the workload.
      type: str
      sample: llama-finetune-3
    reason:
      description: Reason why its GPU use is not known.
      type: str
      sample: there is no measurement for 31m of the time
control_plane:
  description: Control plane of the workloads.
  returned: always
  type: dict
  contains:
    base_url:
      description: Address of the control plane. Empty if the options were rejected.
      type: str
      sample: https://acme.run.ai
    tenant_id:
      description: Number of the tenant, or null.
      type: int
      sample: 1001
    clusters:
      description: Clusters that this account can list, each with RV(ignore:id), RV(ignore:name) and RV(ignore:version).
      type: list
      elements: dict
      sample:
        - id: 71f69d83-ba66-4822-adf5-55ce55efd210
          name: west
          version: 2.24.14
  sample:
    base_url: https://acme.run.ai
    tenant_id: 1001
    clusters:
      - id: 71f69d83-ba66-4822-adf5-55ce55efd210
        name: west
        version: 2.24.14
"""

import os

from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule
from ansible_collections.gpuops.runai.plugins.module_utils._selection.options import selection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._selection.run import rejected, run_info

ARGUMENT_SPEC = {**connection_argument_spec(), **selection_argument_spec()}


def main() -> None:
    """Run the module."""
    module = RunaiModule(ARGUMENT_SPEC)
    module.run(lambda: run_info(module.params, module.given, os.environ), rejected)


if __name__ == "__main__":
    main()
