#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_workload_info
short_description: Select Run:ai workloads by what is known of them
version_added: 0.1.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Selects workloads of an NVIDIA Run:ai control plane by project, node, phase, age, GPUs and more, and returns
    their ids for M(gpuops.runai.runai_workload_batch) and rows to read.
  - All criteria must hold. Where a criterion takes a list, one of its values is enough. Names are compared
    exactly; case matters.
  - A task without any criterion is refused unless O(all=true) is given. So is one with an option that is given but is
    null, empty or blank, since an unanswered question of a survey must not mean every workload. Only O(ids=[]) is
    taken as it is and selects nothing.
  - What the control plane can filter safely it filters; the rest is filtered here. The result does not depend
    on which.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  all:
    description:
      - Selects every workload that this account may see, if there is no criterion; with criteria it changes nothing.
    type: bool
    default: false
  ids:
    description:
      - UUIDs. Every element is split on commas and white space. A malformed one refuses the task.
      - An empty list selects nothing, without any call.
    type: list
    elements: str
  projects:
    description:
      - Names of projects.
    type: list
    elements: str
  departments:
    description:
      - Names of departments.
    type: list
    elements: str
  clusters:
    description:
      - Names or UUIDs of clusters.
    type: list
    elements: str
  node_pools:
    description:
      - Names of node pools that a workload runs in now. One that is Pending or Stopped is in none.
    type: list
    elements: str
  nodes:
    description:
      - Names of nodes on which a workload has at least one pod that has not ended.
      - Only the pods that this account may see are known. There may be others on the node.
      - A node name that exists in several clusters fails the task unless O(clusters) says which is meant.
    type: list
    elements: str
  phases:
    description:
      - Phases, in upper or lower case. Those that are known are V(Creating), V(Pending), V(Initializing), V(Running),
        V(Degraded), V(Updating), V(Resuming), V(Stopping), V(Stopped), V(Completed), V(Failed), V(Deleting),
        V(Terminating) and V(Unknown); others give a warning. V(Suspending) is another name of V(Stopping).
    type: list
    elements: str
  types:
    description:
      - Types as the API names them.
    type: list
    elements: str
  categories:
    description:
      - Categories. Run:ai has them from 2.22 on; a workload without one never matches.
    type: list
    elements: str
  submitted_by:
    description:
      - Who submitted a workload, as the API names them.
    type: list
    elements: str
  priority_classes:
    description:
      - Names of priority classes.
    type: list
    elements: str
  name:
    description:
      - Shell pattern that a workload's name must match, for example V(llama-*). Upper and lower case differ.
    type: str
  search:
    description:
      - Text that the control plane searches for; it does not say in what. Run:ai has this from 2.20 on. If the text
        seems to be ignored, the task fails; where that can't be told, it warns.
    type: str
  filter_by:
    description:
      - Filter expressions of the API (field, operator, value), at most ten, passed on as they are. They can't hold commas.
      - Whether the control plane joins several by "and" is not documented, so these are never mixed with
        filters of this module's own.
      - If the control plane lists a workload that plainly does not meet one of them, the task fails and names both.
        Text and dates are judged like that, numbers are not.
    type: list
    elements: str
  min_allocated_gpus:
    description:
      - Least number of GPUs that a workload holds. A portion of a GPU is a fraction.
    type: float
  min_idle_gpus:
    description:
      - Least number of its GPUs that are idle now. What counts as idle is up to the control plane; it does not say
        since when.
    type: float
  preemptible:
    description:
      - Whether a workload is preemptible. One of which this is not known never matches.
    type: bool
  suspendable:
    description:
      - V(true) selects what the control plane does not say to be unsuspendable, V(false) what it does.
    type: bool
  phase_older_than:
    description:
      - How long a workload has been in its phase at least, for example V(90m), V(12h), V(7d), V(2w) or V(1d12h), or a
        timestamp since when, which is in UTC unless it has a zone. Months are told in days; V(6M) is refused.
      - For all three ages, one of the future is refused, and a workload without the date never matches. The clock is
        that of the machine on which the module runs.
    type: str
  created_before:
    description:
      - Age or timestamp by which a workload was created, as in O(phase_older_than).
    type: str
  completed_before:
    description:
      - Age or timestamp by which a workload was completed, as in O(phase_older_than).
    type: str
  exclude:
    description:
      - UUIDs or shell patterns of names that are left out of what the criteria select. This is no criterion.
      - An element that holds several UUIDs is split on commas and white space. A UUID, or a name without wildcards, that
        leaves out nothing gives a warning.
    type: list
    elements: str
  deleted:
    description:
      - Select among the deleted workloads, which the control plane shows for some time, instead of those that are there.
    type: bool
    default: false
  sort_by:
    description:
      - What the rows and ids are sorted by. Those without a value come last. Among equals the oldest comes first.
    type: str
    choices:
      - created_at
      - phase_updated_at
      - completed_at
      - name
      - project
      - department
      - type
      - category
      - phase
      - submitted_by
      - priority
      - allocated_gpus
      - idle_gpus
    default: created_at
  sort_order:
    description:
      - V(asc) has the smallest or oldest first, V(desc) the largest or newest.
    type: str
    choices: [asc, desc]
    default: asc
  limit:
    description:
      - Select at most this many, the first in order. RV(limited) tells whether there were more.
    type: int
  until_gpus:
    description:
      - Select, in order, only until the workloads hold together at least this many GPUs. Those that hold none are left out.
      - If all together hold less, the task fails, unless O(partial=true).
    type: float
  partial:
    description:
      - Whether less than O(until_gpus) is good enough.
    type: bool
    default: false
  fields:
    description:
      - Keys of the rows. V(all) gives the rows of the API untouched.
      - Beside the default ones there are V(category), V(cluster_id), V(completed_at), V(created_at), V(deleted_at),
        V(department_id), V(namespace), V(phase_message), V(phase_reason), V(phase_updated_at), V(preemptible),
        V(priority), V(priority_class), V(project_id) and V(requested_node_pools).
      - Any other is taken for a key of the API's row, for example V(tenantId), and passed on untouched, or null.
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
      - How many rows RV(workloads) holds at most, however large the result grows. RV(ids) is complete all the same.
      - Without it there are as many rows as job viewers can show, and a warning if those are not all.
    type: int
  concurrency:
    description:
      - Requests in flight at once, from 1 to 16.
    type: int
    default: 4
attributes:
  check_mode:
    support: full
    details: Never changes anything.
  diff_mode:
    support: N/A
    details: Never changes anything.
seealso:
  - module: gpuops.runai.runai_workload_batch
"""

EXAMPLES = r"""
# The address and the credentials are in the environment: RUNAI_BASE_URL, RUNAI_CLIENT_ID, RUNAI_CLIENT_SECRET.

- name: Everything that has a pod on a node
  gpuops.runai.runai_workload_info:
    nodes: [gpu-17]
    clusters: [west]
  register: on_node

- name: Suspend it
  gpuops.runai.runai_workload_batch:
    action: suspend
    ids: "{{ on_node.ids }}"
    max_affected: 50

- name: What holds at least one GPU and has one idle now, the most idle first
  gpuops.runai.runai_workload_info:
    min_allocated_gpus: 1
    min_idle_gpus: 1
    sort_by: idle_gpus
    sort_order: desc

- name: What finished more than a week ago, but for what is to be kept
  gpuops.runai.runai_workload_info:
    phases: [Completed, Failed]
    phase_older_than: 7d
    exclude: ["keep-*"]

- name: Preemptible workloads of the lowest priority that hold 16 GPUs together
  gpuops.runai.runai_workload_info:
    preemptible: true
    phases: [Running]
    sort_by: priority
    until_gpus: 16

- name: Is anything left in a project?
  gpuops.runai.runai_workload_info:
    projects: [vision]
    limit: 1
  register: left
  failed_when: left.count > 0
"""

RETURN = r"""
msg:
  description: One sentence that tells what was selected, or why nothing was.
  returned: always
  type: str
  sample: 12 workloads selected, holding 34 GPUs
ids:
  description: UUIDs of all that was selected, in order, for M(gpuops.runai.runai_workload_batch). Empty if the task fails.
  returned: always
  type: list
  elements: str
  sample: [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d]
count:
  description: How many were selected.
  returned: always
  type: int
  sample: 1
workloads:
  description:
    - One row for each, in order, with the keys of O(fields); those below are the default ones.
    - There may be fewer rows than ids, see O(workloads_limit).
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The workload's UUID.
      type: str
      sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
    name:
      description: Its name.
      type: str
      sample: llama-finetune-3
    project:
      description: Name of its project.
      type: str
      sample: vision
    department:
      description: Name of its department.
      type: str
      sample: research
    cluster:
      description: Name of its cluster, or the UUID where this account may not list clusters.
      type: str
      sample: west
    type:
      description: Its type, in the API's word.
      type: str
      sample: Training
    phase:
      description: Its phase.
      type: str
      sample: Running
    phase_age:
      description: How long it has been in this phase, in the two largest units.
      type: str
      sample: 5d3h
    node_pools:
      description: The node pools it runs in now.
      type: list
      elements: str
      sample: [a100]
    allocated_gpus:
      description: GPUs that it holds, or null if that is not known.
      type: float
      sample: 4.0
    idle_gpus:
      description: How many of these are idle, or null if that is not known.
      type: float
      sample: 0.0
    submitted_by:
      description: Who submitted it.
      type: str
      sample: ada@example.com
    suspendable:
      description: Whether the control plane says that it can be suspended, or null if it does not say.
      type: bool
      sample: true
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
  description: Whether RV(workloads) holds fewer rows than there are ids.
  returned: always
  type: bool
  sample: false
limited:
  description: Whether O(limit) left out workloads that the criteria select.
  returned: always
  type: bool
  sample: false
allocated_gpus:
  description: GPUs that the selected workloads hold together.
  returned: always
  type: float
  sample: 34.0
unmatched:
  description:
    - For each option, its values to which none of the workloads that meet all criteria belongs, such as a project without any.
      For O(exclude), those that left out nothing. Empty if every value counted.
  returned: always
  type: dict
  sample: {"projects": [visoin]}
control_plane:
  description: Where the workloads are.
  returned: always
  type: dict
  contains:
    base_url:
      description: The address; empty if the task was refused before it was settled.
      type: str
      sample: https://acme.run.ai
    tenant_id:
      description: The control plane's number for the tenant, or null.
      type: int
      sample: 1001
    clusters:
      description: The clusters that this account may list, each with RV(ignore:id), RV(ignore:name) and RV(ignore:version).
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
from ansible_collections.gpuops.runai.plugins.module_utils._selection.run import refused, run_info

ARGUMENT_SPEC = {**connection_argument_spec(), **selection_argument_spec()}


def main() -> None:
    """Run the module."""
    module = RunaiModule(ARGUMENT_SPEC)
    module.run(lambda: run_info(module.params, module.given, os.environ), refused)


if __name__ == "__main__":
    main()
