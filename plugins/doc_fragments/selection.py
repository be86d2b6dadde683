# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from textwrap import indent

_OPTIONS = r"""
all:
  description:
    - Whether to select every workload that is visible to this account, if no criterion is set. With a criterion it has no
      effect.
  type: bool
  default: false
ids:
  description:
    - UUIDs of workloads. Every element is split on commas and white space. A malformed UUID fails the task.
    - An empty list selects nothing, and no request is sent.
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
    - Names of node pools that a workload runs in now. A workload that is Pending or Stopped is in no node pool.
  type: list
  elements: str
nodes:
  description:
    - Names of nodes on which a workload has at least one pod that has not ended.
    - Only pods that this account can see are counted. A node can hold others.
    - A node name that exists in several clusters fails the task. Set O(clusters) to choose one.
  type: list
  elements: str
phases:
  description:
    - Phases, in upper or lower case. The known phases are V(Creating), V(Pending), V(Initializing), V(Running),
      V(Degraded), V(Updating), V(Resuming), V(Stopping), V(Stopped), V(Completed), V(Failed), V(Deleting),
      V(Terminating) and V(Unknown). Another name gives a warning. V(Suspending) is an alias of V(Stopping).
  type: list
  elements: str
types:
  description:
    - Types of workloads, named as in the API.
  type: list
  elements: str
categories:
  description:
    - Categories of workloads, which Run:ai has since 2.22. A workload without a category is never selected.
  type: list
  elements: str
submitted_by:
  description:
    - Owners, named as in the API.
  type: list
  elements: str
priority_classes:
  description:
    - Names of priority classes.
  type: list
  elements: str
name:
  description:
    - Shell pattern that the name of a workload must match, for example V(llama-*). Upper and lower case differ.
  type: str
search:
  description:
    - Search text for the control plane. Which fields it searches is not documented. Run:ai supports it since 2.20.
    - If the control plane ignores the text, the task fails. If this can not be checked, the module warns.
  type: str
filter_by:
  description:
    - Filter expressions of the API (field, operator, value), at most ten, sent unchanged. They cannot contain commas.
    - The API does not document how several expressions are combined. The module therefore adds no filter of its own to
      them.
    - If the control plane lists a workload that contradicts an expression, the task fails. Text and dates are checked,
      numbers are not.
  type: list
  elements: str
min_allocated_gpus:
  description:
    - Minimum number of GPUs that a workload holds. A part of a GPU is a fraction.
  type: float
min_idle_gpus:
  description:
    - Minimum number of GPUs of a workload that the control plane reports as idle now. For a period, use O(idle_for).
  type: float
idle_for:
  description:
    - Duration until now for which all GPUs of a workload stayed idle, for example V(90m), V(2h) or V(1d12h). Months are
      not supported; use days.
    - The measurements of the control plane decide. They are requested for active workloads that hold GPUs and meet all
      other criteria, one request each.
    - A workload that has been in its phase for a shorter time is not idle.
    - A workload with missing or incomplete measurements is never selected. It is listed as undecided, with a warning.
    - If the control plane refuses to show measurements (HTTP 403), the task fails.
  type: str
idle_threshold:
  description:
    - Highest utilization, in percent of a GPU, that counts as idle in O(idle_for). The highest sample of any GPU of the
      workload decides.
  type: float
  default: 1
preemptible:
  description:
    - Whether the workload is preemptible. A workload for which this is not reported is never selected.
  type: bool
suspendable:
  description:
    - V(true) selects workloads that can be suspended, and workloads for which this is not reported. V(false) selects workloads that
      cannot be suspended.
  type: bool
phase_older_than:
  description:
    - Minimum time that a workload has been in its phase, for example V(90m), V(12h), V(7d), V(2w) or V(1d12h). A
      timestamp is accepted as well; without a time zone it is UTC. Months are not supported; use days.
    - For this option, O(created_before) and O(completed_before), timestamps in the future are rejected. A workload
      without the date is never selected. The clock of the machine that runs the module counts.
  type: str
created_before:
  description:
    - Minimum age of a workload, or the timestamp before which it was created, in the format of O(phase_older_than).
  type: str
completed_before:
  description:
    - Minimum time since a workload completed, or the timestamp before which it completed, in the format of
      O(phase_older_than).
  type: str
exclude:
  description:
    - UUIDs or shell patterns of names. Matching workloads are not selected. This option is no criterion.
    - An element that holds several UUIDs is split on commas and white space. A UUID, or a name without wildcards, that
      matches no selected workload gives a warning.
  type: list
  elements: str
except_projects:
  description:
    - Names of projects. Their workloads are not selected. This option is no criterion.
  type: list
  elements: str
except_newest:
  description:
    - Number of workloads to leave out in each project of each cluster, the newest first. The newest workload is the one
      that completed last, or was created last where it has not completed. This option is no criterion.
    - Only workloads that meet the criteria are counted. With O(idle_for), workloads that match O(exclude) are not counted.
  type: int
  default: 0
sort_by:
  description:
    - Key by which the workloads are sorted. Workloads without a value come last. Among equal values the oldest comes
      first.
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
    - Direction of the sort. V(asc) puts the smallest or oldest first, V(desc) the largest or newest.
  type: str
  choices: [asc, desc]
  default: asc
limit:
  description:
    - Maximum number of workloads to select, the first in order.
  type: int
until_gpus:
  description:
    - Number of GPUs at which the selection ends. Workloads are taken in order until together they hold that many.
      Workloads that hold no GPU are left out.
    - If all together hold fewer GPUs, the task fails, unless O(partial=true).
  type: float
partial:
  description:
    - Whether fewer GPUs than O(until_gpus) are accepted.
  type: bool
  default: false
"""

# Of a selection whose workloads are not acted on.
_DELETED = r"""
deleted:
  description:
    - Whether to select among the deleted workloads instead of the existing ones. The control plane lists deleted workloads
      for some time.
  type: bool
  default: false
"""


class ModuleDocFragment:
    """Options of a module, or of its option ``select``: the criteria of a selection, and ``keep``."""

    # Annotated, since ansible-test reads plain assignments as literals only.
    DOCUMENTATION: str = "options:\n" + indent(_OPTIONS + _DELETED, "  ")

    SELECT: str = (
        "options:\n"
        "  select:\n"
        "    description:\n"
        "      - Workloads of the maintenance, by the options of M(gpuops.runai.runai_workload_info).\n"
        "    type: dict\n"
        "    suboptions:\n" + indent(_OPTIONS.replace("O(", "O(select."), "      ")
    )

    KEEP = r"""
options:
  keep:
    description:
      - Workloads to leave alone until a date. All that an entry names must be true of a workload.
      - An entry that has run out is ignored and reported. An entry without O(keep[].until) is rejected.
    type: list
    elements: dict
    suboptions:
      name:
        description: Shell pattern of the name.
        type: str
      project:
        description: Name of the project.
        type: str
      owner:
        description: Owner, as the control plane names it.
        type: str
      until:
        description: Required. Date or time until which the entry counts. A date counts to the end of that day in UTC.
        type: str
      reason:
        description: Reason, for people.
        type: str
"""
