#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_maintenance
short_description: Suspend Run:ai workloads for a maintenance, and resume exactly these
version_added: 1.0.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Suspends a selection of workloads, writes a record of it, and resumes exactly these workloads.
  - Each batch is in the record before it is sent. A job that is killed at any moment leaves a correct record. The same
    task goes on from there.
  - Workloads that were not active before, that their owners stopped or resumed since, or that another open maintenance
    holds, stay as they are.
  - A task fails if anything failed or is unknown. A green task means that nothing is owed and nothing is in doubt.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.selection.select
  - gpuops.runai.selection.keep
  - gpuops.runai.attributes
options:
  name:
    description:
      - Name of the record, of 1 to 100 letters, digits, dots, hyphens and underscores. The first is a letter or a digit.
    type: str
    required: true
  state:
    description:
      - V(planned) selects workloads and writes the plan. Nothing is sent. A plan that has not begun is made anew.
      - V(told) writes into the record which owners were told of the suspend. Nothing is sent.
      - V(begun) suspends the planned workloads that are still active. Without a plan, it makes one first. After a begin that
        stopped half way, it goes on.
      - V(ended) resumes the workloads that the record suspended. It closes the record once nothing is owed and nothing is in
        doubt.
    type: str
    required: true
    choices: [planned, told, begun, ended]
  record_dir:
    description:
      - Absolute path of the folder that holds the records. It must outlive the job, and its storage must support file
        locks.
      - Only its owner may be able to write to it, since what the records say is acted on. A folder that a group or
        everybody can write to is rejected, also a sticky one such as C(/tmp). Sharing it among several accounts by a
        group is not supported. A folder of another account is rejected as well. Root uses it only where no further
        account can replace it.
      - Without it, the environment variable E(RUNAI_RECORD_DIR) counts. O(state=begun) and O(state=ended) need it, or
        O(record).
    type: path
  record:
    description:
      - RV(record) of a task that planned or began, for jobs that share no storage. A plan is used once.
    type: str
  record_max_age:
    description:
      - Maximum age of a plan in O(record), such as V(12h) or V(7d). An older plan is rejected.
    type: str
    default: 7d
  reason:
    description:
      - Reason of the maintenance, written into the record. Required where a plan is made.
    type: str
  max_affected:
    description:
      - Maximum number of workloads to suspend, or V(none). Required where a plan is made. With more workloads, the task fails
        and nothing is sent.
    type: str
  max_percent:
    description:
      - Maximum percentage of the active workloads to suspend, or V(none). Required where a plan is made.
      - It is a percentage of the active workloads in O(select.clusters). Without O(select.clusters), all visible workloads
        count.
    type: str
  max_drift:
    description:
      - Maximum number of workloads that are active and selected now, but not planned, or V(none). With more, O(state=begun)
        fails and nothing is sent.
      - Workloads that were not planned are never suspended.
    type: str
    default: none
  recheck:
    description:
      - Whether O(state=begun) leaves planned workloads alone that do not meet O(select) any more.
    type: bool
    default: false
  allow_empty:
    description:
      - Whether a plan without workloads is accepted, or the begin of a plan of which no workload is active any more.
    type: bool
    default: false
  notice:
    description:
      - Minimum time between O(state=told) and O(state=begun) for a workload, such as V(24h), or V(none) for no notice. With
        this option the maintenance is one that repeats under one name, such as a reclaim of idle GPUs.
      - O(state=planned) and O(state=begun) then make the plan anew at each run. A record that has ended is kept beside the
        new one. A record that has begun keeps the workloads that it still holds stopped, and takes the new ones as well.
      - O(state=planned) returns in RV(to_tell) the owners to tell. O(state=begun) suspends only selected workloads
        with an owner who was told at least so long ago.
      - A notice is valid for six days from the moment it is due. It expires as soon as the workload was suspended, was
        started again, or is kept. It also expires if the workload does not meet O(select) when it is planned or due.
    type: str
  told:
    description: Owners who were told. Required for O(state=told), and rejected elsewhere.
    type: list
    elements: dict
    suboptions:
      owner:
        description: Owner.
        type: str
        required: true
      ids:
        description: UUIDs of the workloads that the owner was told of.
        type: list
        elements: str
        required: true
  unsuspendable:
    description:
      - Action for selected workloads that cannot be suspended, such as inference. V(refuse) rejects the task, V(leave) leaves
        them running.
    type: str
    choices: [refuse, leave]
    default: refuse
  unmatched_exemptions:
    description:
      - Action for an element of O(select.exclude) or O(select.except_projects) that matches no selected workload.
        V(refuse) rejects the task, V(allow) ignores the element.
    type: str
    choices: [refuse, allow]
    default: refuse
  node_fenced:
    description:
      - Whether new pods are kept off the nodes of O(select.nodes), by a cordon or a taint with C(NoSchedule). With
        O(select.nodes), O(state=begun) requires V(true).
    type: bool
    default: false
  crosses_version:
    description:
      - Version of Run:ai after an upgrade that happens before O(state=ended), or V(none). Workloads that were submitted
        before version 3.0 cannot be resumed after it. They are rejected.
    type: str
    default: none
  resume_touched:
    description:
      - Whether O(state=ended) also resumes workloads that somebody else stopped, and those with an uncertain stop.
      - Where time stamps and history do not show who stopped a workload, O(state=ended) fails. If V(false) is set on the
        task, it leaves a few such workloads stopped. Many at once stay in doubt, since an upgrade moves time stamps.
    type: bool
    default: false
  attempts:
    description:
      - Maximum attempts for each workload.
    type: int
    default: 2
  max_failures:
    description:
      - Maximum number or percentage of refused workloads. Above it, no further batch is sent.
    type: str
    default: 10%
  concurrency:
    description:
      - Number of batches in flight, from 1 to 16.
      - By default, the number follows the control plane. It starts at 4 and grows up to 16 while responses stay as
        fast as before. It halves after HTTP 429 or 503, a time-out, or slower responses.
    type: int
  wait_timeout:
    description:
      - Seconds to wait until the workloads reach the target phase.
    type: float
    default: 1800
  wait_interval:
    description:
      - Seconds between two reads of the state while waiting.
    type: float
    default: 5
  wait_for_api:
    description:
      - Seconds to wait for a control plane that does not respond. No record is locked meanwhile.
    type: float
    default: 0
  settle_time:
    description:
      - Seconds that O(state=ended) waits for the effect of requests of a run that was cut off.
    type: float
    default: 15
  deadline:
    description:
      - Maximum number of seconds for all batches. After that, the remaining workloads are not attempted and the task fails.
    type: int
  summary_path:
    description:
      - Absolute path of a page for people, with RV(lines), all owners and all workloads. It is Markdown, or HTML if the name
        ends in C(.html). Only its owner can read it. In check mode it is not written.
    type: path
  workloads_limit:
    description:
      - Maximum number of rows in RV(workloads). There are fewer if the result would otherwise be too large for job
        viewers.
    type: int
    default: 1000
  by:
    description:
      - Names of who runs the task, written into the record.
      - With C(awx_job_id), RV(next) names the job template and its variables instead of a shell command.
    type: dict
attributes:
  check_mode:
    support: full
    details:
      - Reads the same and decides the same, but sends and writes nothing.
  diff_mode:
    support: none
    details: RV(workloads) holds the phase of each workload.
  idempotent:
    support: full
    details: A repeat of O(state=planned) is unchanged as long as the plan holds the same workloads.
seealso:
  - module: gpuops.runai.runai_maintenance_info
  - module: gpuops.runai.runai_workload_batch
  - ref: Maintenance guide <ansible_collections.gpuops.runai.docsite.guide_maintenance>
    description: The record, the verdicts, and how to hand a record from job to job.
"""

EXAMPLES = r"""
# The address and the credentials are in the environment: RUNAI_BASE_URL, RUNAI_CLIENT_ID, RUNAI_CLIENT_SECRET.

- name: Plan the maintenance of a node
  gpuops.runai.runai_maintenance:
    name: gpu-17
    state: planned
    record_dir: /srv/runai/records
    reason: broken fan
    select:
      nodes: [gpu-17]
    unsuspendable: leave
    max_affected: 20
    max_percent: 10

- name: Suspend the planned workloads after the cordon
  gpuops.runai.runai_maintenance:
    name: gpu-17
    state: begun
    record_dir: /srv/runai/records
    node_fenced: true

- name: Resume exactly these workloads
  gpuops.runai.runai_maintenance:
    name: gpu-17
    state: ended
    record_dir: /srv/runai/records

- name: Show what a maintenance of two projects would suspend
  gpuops.runai.runai_maintenance:
    name: vision
    state: begun
    record_dir: /srv/runai/records
    reason: move of the data
    select:
      projects: [vision, speech]
      exclude: ["*-production"]
    max_affected: 100
    max_percent: none
  check_mode: true
  register: predicted

- name: Free 64 GPUs, the lowest priority first
  gpuops.runai.runai_maintenance:
    name: quota-2026-11-30
    state: begun
    record_dir: /srv/runai/records
    reason: emergency quota
    select:
      preemptible: true
      sort_by: priority
      until_gpus: 64
    max_affected: 200
    max_percent: 25

- name: Suspend what idled for four hours
  gpuops.runai.runai_maintenance:
    name: idle-2026-11-30
    state: begun
    record_dir: /srv/runai/records
    reason: idle GPUs
    select:
      idle_for: 4h
      clusters: [north]
    max_affected: 50
    max_percent: none

- name: Suspend the workloads that a survey names
  gpuops.runai.runai_maintenance:
    name: storage
    state: begun
    record_dir: /srv/runai/records
    reason: storage maintenance
    select:
      ids: "{{ workload_ids }}"
    max_affected: 250
    max_percent: none

# Jobs that share no storage hand the record on.
- name: Plan in the first job of an AWX workflow
  gpuops.runai.runai_maintenance:
    name: upgrade
    state: planned
    reason: upgrade of the cluster
    select:
      clusters: [north]
      phases: [Running]
    max_affected: none
    max_percent: none
    by:
      awx_job_id: "{{ awx_job_id }}"
  register: planned

- name: Hand the record to the next job
  ansible.builtin.set_stats:
    data:
      maintenance_record: "{{ planned.record }}"

- name: Begin in the next job
  gpuops.runai.runai_maintenance:
    name: upgrade
    state: begun
    record: "{{ maintenance_record }}"
"""

RETURN = r"""
msg:
  description: Verdict in one sentence.
  returned: always
  type: str
  sample: "Maintenance gpu-17 (broken fan), begun: 12 of 12 suspended"
check_mode:
  description: Whether the module ran in check mode.
  returned: always
  type: bool
  sample: false
state:
  description:
    - State of the record, V(planned), V(acting), V(begun), V(ending) or V(ended). Null without a record.
    - V(acting) and V(ending) mean that a run is at work, or stopped half way.
  returned: always
  type: str
  sample: begun
control_plane:
  description: Control plane that responded. Empty if none did.
  returned: always
  type: dict
  contains:
    base_url: {description: "Address of the control plane.", type: str, sample: "https://acme.run.ai"}
    tenant_id: {description: "Id of the tenant. Empty if it is not visible.", type: str, sample: "1001"}
    clusters:
      description: Names of the clusters by UUID.
      type: dict
      sample: {"71f69d83-ba66-4822-adf5-55ce55efd210": "north"}
    simulator: {description: "Whether it is the collection's simulator.", type: bool, sample: false}
simulator:
  description: Whether the collection's simulator responded.
  returned: always
  type: bool
  sample: false
record_path:
  description: Path of the record. Null without a folder.
  returned: always
  type: str
  sample: /srv/runai/records/gpu-17.record.jsonl
record:
  description: Record as a string for O(record) of a later task. Null with a folder.
  returned: always
  type: str
  sample: runai-record-1:eNqrVkrLz1eyUkpKLFKqBQAlnwTN
summary:
  description: Numbers of workloads.
  returned: always
  type: dict
  contains:
    planned: {description: "Workloads to suspend.", type: int, sample: 12}
    shared:
      description: Workloads that another open maintenance stopped. They come back with the last one to end.
      type: int
      sample: 0
    left: {description: "Workloads that cannot be suspended and were left running.", type: int, sample: 1}
    stopped: {description: "Workloads that were seen stopped and that were not resumed.", type: int, sample: 12}
    problems: {description: "Reasons for which the task fails.", type: int, sample: 0}
    workload_problems: {description: "Those that are about a workload, and not about pods.", type: int, sample: 0}
    late:
      description: Workloads that may still stop, since a suspend was sent and its effect was not seen yet.
      type: int
      sample: 0
    ours: {description: "Workloads that this maintenance stopped and that are still stopped.", type: int, sample: 0}
    uncertain: {description: "Workloads that are stopped. The time stamps do not show by whom.", type: int, sample: 0}
    unclear: {description: "Workloads in an indeterminate phase.", type: int, sample: 0}
    not_visible: {description: "Workloads that are not visible and not listed as deleted.", type: int, sample: 0}
    held: {description: "Workloads that another open maintenance holds.", type: int, sample: 0}
    touched: {description: "Workloads that somebody else stopped again since.", type: int, sample: 0}
    restopped: {description: "Workloads that were resumed, and that somebody else stopped since.", type: int, sample: 0}
    starting: {description: "Workloads that were resumed and wait to run.", type: int, sample: 0}
    resumed_since: {description: "Workloads that somebody else resumed since.", type: int, sample: 0}
    gone: {description: "Workloads that were deleted since.", type: int, sample: 0}
    finished: {description: "Workloads that finished since.", type: int, sample: 0}
    not_stopped: {description: "Workloads that this maintenance did not stop.", type: int, sample: 0}
    back: {description: "Workloads that are running again.", type: int, sample: 0}
workloads:
  description:
    - One row for each workload of the plan, worst first, up to O(workloads_limit) rows.
    - There are fewer if the result would otherwise be too large for job viewers. O(summary_path) has all workloads.
  returned: always
  type: list
  elements: dict
  contains:
    id: {description: "UUID of the workload.", type: str, sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d}
    name: {description: "Name of the workload.", type: str, sample: llama-finetune-3}
    project: {description: "Name of its project.", type: str, sample: vision}
    submitted_by: {description: "Owner of the workload.", type: str, sample: "ada@example.com"}
    gpus: {description: "GPUs that it held when it was planned.", type: float, sample: 8.0}
    plan:
      description:
        - Place in the plan. V(act) means to suspend it, V(share) that another open maintenance has stopped it, and V(leave)
          that it cannot be suspended and is left running.
      type: str
      sample: act
    phase_before: {description: "Phase when it was planned.", type: str, sample: Running}
    phase: {description: "Phase now. Empty if it was not read.", type: str, sample: Stopped}
    verdict:
      description: Key of RV(summary) that counts this workload. Empty before O(state=ended).
      type: str
      sample: back
    outcome:
      description:
        - Outcome of the last batch, as in RV(gpuops.runai.runai_workload_batch#module:workloads[].outcome). Empty if nothing
          was sent.
      type: str
      sample: changed
    code: {description: "Error code of the control plane for a refusal, or null.", type: int, sample: 409}
    message:
      description: Message of the control plane, or explanation of the module.
      type: str
      sample: conflict, try later
    held_by:
      description: Name of the record that holds the workload stopped. Empty if none does.
      type: str
      sample: gpu-18
workloads_truncated:
  description: Whether RV(workloads) has fewer rows than the plan.
  returned: always
  type: bool
  sample: false
owners:
  description:
    - One object for each owner, most GPUs first. For O(state=planned), these are the owners of the planned workloads. After
      that, only owners of workloads that were suspended or may have been.
  returned: always
  type: list
  elements: dict
  contains:
    owner: {description: "Owner, as the control plane names it.", type: str, sample: "ada@example.com"}
    gpus: {description: "GPUs that the workloads held.", type: float, sample: 16.0}
    count: {description: "Number of the workloads.", type: int, sample: 2}
    projects: {description: "Names of the first projects.", type: str, sample: "nlp, vision"}
    workloads:
      description: The first 20 workloads, each with C(name), C(project) and C(gpus).
      type: list
      elements: dict
      sample: [{"name": "llama-finetune-3", "project": "vision", "gpus": 8.0}]
to_tell:
  description: One object an owner who has not been told yet, most GPUs first. Empty without O(notice).
  returned: always
  type: list
  elements: dict
  contains:
    owner: {description: "Owner, as the control plane names it.", type: str, sample: "ada@example.com"}
    workloads:
      description: Workloads of this owner, each with C(id), C(name), C(project) and C(gpus).
      type: list
      elements: dict
      sample: [{"id": "7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d", "name": "llama-3", "project": "vision", "gpus": 8.0}]
    gpus: {description: "GPUs that these workloads hold.", type: float, sample: 8.0}
    suspend_after:
      description: Time from which they may be suspended, if the owner is told now.
      type: str
      sample: "2026-12-05T12:00:00Z"
  sample: []
lines:
  description: Lines for people. The first is the verdict, the last the command to type next.
  returned: always
  type: list
  elements: str
  sample:
    - "Maintenance gpu-17 (broken fan), begun: 12 of 12 suspended"
    - "Control plane https://acme.run.ai, tenant 1001, clusters: north"
    - "ada@example.com: 12 workloads, 32 GPUs in vision"
    - "When the maintenance is over, let pods on the nodes again: kubectl uncordon gpu-17"
    - "Next: ansible-playbook gpuops.runai.maintenance_end -e @gpu-17.yml"
next:
  description:
    - Command to type next, quoted for a shell, or empty. Values in angle brackets are to be filled in. It has no secrets.
    - It repeats inventories, files of variables, vault options and C(--check) of the command that started the play. In a
      job of AWX, it names the job template and the variables.
  returned: always
  type: str
  sample: ansible-playbook gpuops.runai.maintenance_end -e @gpu-17.yml
error:
  description:
    - Reason why the task failed. Null if it did not fail. Without a request, RV(error.method), RV(error.path),
      RV(error.status) and RV(error.code) are null.
  returned: always
  type: dict
  contains:
    method: {description: "HTTP method of the request.", type: str, sample: GET}
    path:
      description: Path of the request, without the address and the query.
      type: str
      sample: /api/v1/workloads
    status: {description: "HTTP status of the response. Null if none arrived.", type: int, sample: 403}
    code:
      description: Error code in the response, or its HTTP status. Null if no response arrived.
      type: int
      sample: 403
    message: {description: "Error in one sentence.", type: str, sample: "HTTP 403, permission denied"}
    rows:
      description: Lines about the first 20 workloads or owners that the error is about.
      type: list
      elements: str
      sample: ["llama-finetune-3 | vision | ada@example.com | 409 | still Running: conflict, try later"]
"""

import os
import sys

from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress_pipe import progress_sink
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next_command import typed_command
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.options import (
    maintenance_argument_spec,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import (
    rejected_result,
    run_maintenance,
)
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule

ARGUMENT_SPEC = {**connection_argument_spec(), **maintenance_argument_spec()}


def main() -> None:
    """Run the module."""
    # A record and a selection would make the invocation as long as the result.
    module = RunaiModule(ARGUMENT_SPEC, shown=("name", "state", "record_dir", "reason"))
    say = progress_sink(os.environ)
    install = "{0} -m pip install requests".format(sys.executable)
    module.run(
        lambda: run_maintenance(
            module.params,
            module.given,
            os.environ,
            module.check_mode,
            say,
            verbosity=module.verbosity,
            typed=typed_command(),
        ),
        lambda message: rejected_result(message, module.check_mode, install),
    )


if __name__ == "__main__":
    main()
