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
  - Suspends a selection of workloads, remembers it in a record, and resumes exactly these workloads.
  - Each batch is in the record before it is sent. A job that is killed at any moment leaves a record that is true; run
    the same task again.
  - Workloads that were not active, that their owners stopped or resumed, or that another open maintenance holds, stay as
    they are.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.selection.select
  - gpuops.runai.attributes
options:
  name:
    description: Name of the record. Letters, digits, dots, hyphens and underscores.
    type: str
    required: true
  state:
    description:
      - V(planned) selects workloads and writes the plan. Nothing is sent.
      - V(told) writes into the record who was told of the suspend. Nothing is sent.
      - V(begun) suspends what is planned, and plans first where there is no plan.
      - V(ended) resumes what the record stopped, and closes the record once nothing is owed and nothing is in doubt.
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
    description: RV(record) of a job that planned or began, for jobs that share no storage. A plan is used once.
    type: str
  record_max_age:
    description: Maximum age of a plan in O(record), such as V(12h) or V(7d).
    type: str
    default: 7d
  reason:
    description: Reason, written into the record. Required where a plan is made.
    type: str
  max_affected:
    description: Maximum number of workloads to suspend, or V(none). Required where a plan is made.
    type: str
  max_percent:
    description:
      - Maximum percentage of the active workloads in scope to suspend, or V(none). Required where a plan is made.
      - The scope is the clusters of O(select), or everything.
    type: str
  max_drift:
    description: Maximum number of workloads that are selected and active now and were not planned, or V(none).
    type: str
    default: none
  recheck:
    description: Whether to leave alone what was planned and does not meet the selection any more.
    type: bool
    default: false
  allow_empty:
    description: Whether a plan without any workload is accepted.
    type: bool
    default: false
  reuse_name:
    description: Whether the name of a record that has ended can be used again. The old record is kept beside it.
    type: bool
    default: false
  notice:
    description:
      - Minimum time between O(state=told) and O(state=begun) for a workload, such as V(24h), or V(none) for no notice. With
        this option the maintenance is one that repeats under one name, such as a reclaim of idle GPUs.
      - O(state=planned) and O(state=begun) then make the plan anew at each run. A record that has ended is kept beside the
        new one. A record that has begun keeps the workloads that it still holds stopped, and takes the new ones as well.
      - O(state=planned) returns in RV(to_tell) whom to tell. O(state=begun) suspends the selected workloads of which the
        owner was told at least so long ago, and no others.
      - A notice counts for six days from the moment it is due. It counts no more once the workload was suspended, was
        started again, is kept, or does not meet O(select) when it is planned or due.
    type: str
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
    description: What to do about selected workloads that can't be suspended. V(refuse) rejects the task, V(leave) leaves them running.
    type: str
    choices: [refuse, leave]
    default: refuse
  unmatched_exemptions:
    description: What to do about an element of O(select.exclude) that matches no selected workload.
    type: str
    choices: [refuse, allow]
    default: refuse
  node_fenced:
    description: Whether new pods are kept off the nodes of O(select.nodes), by a cordon or a taint with C(NoSchedule).
    type: bool
    default: false
  crosses_version:
    description: Version of Run:ai after an upgrade that happens before the end, or V(none).
    type: str
    default: none
  resume_touched:
    description: Whether to resume also what was stopped again by somebody else since.
    type: bool
    default: false
  attempts:
    description: Maximum attempts for each workload.
    type: int
    default: 2
  max_failures:
    description: Maximum number or percentage of refused workloads. Above it, no further batch is sent.
    type: str
    default: 10%
  concurrency:
    description: Number of batches in flight.
    type: int
    default: 4
  wait_timeout:
    description: Seconds to wait until the workloads reach the target phase.
    type: float
    default: 1800
  wait_interval:
    description: Seconds between two reads while waiting.
    type: float
    default: 5
  wait_for_api:
    description: Seconds to wait for a control plane that does not answer. No record is locked meanwhile.
    type: float
    default: 0
  settle_time:
    description: Seconds that O(state=ended) leaves to requests of a run that was cut off.
    type: float
    default: 15
  deadline:
    description: Maximum seconds for all batches.
    type: int
  summary_path:
    description:
      - Absolute path of a summary for people, as Markdown, or HTML where the name ends in C(.html). Only its owner can
        read it, and it is replaced as a whole.
      - A folder that everybody can write to is rejected, unless it is sticky like C(/tmp). A link at this path is
        replaced, not followed.
    type: path
  workloads_limit:
    description: Maximum number of rows in RV(workloads).
    type: int
    default: 1000
  by:
    description: Names of who asks, written into the record, such as those of an AWX job.
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
"""

EXAMPLES = r"""
- name: Suspend what runs on a node
  gpuops.runai.runai_maintenance:
    name: gpu-17
    state: begun
    record_dir: /srv/runai/records
    reason: replace the fan
    select:
      nodes: [gpu-17]
    max_affected: 20
    max_percent: 10
    node_fenced: true

- name: Resume it
  gpuops.runai.runai_maintenance:
    name: gpu-17
    state: ended
    record_dir: /srv/runai/records
"""

RETURN = r"""
msg:
  description: The verdict in one sentence.
  returned: always
  type: str
  sample: "Maintenance gpu-17 (replace the fan), begun: 12 of 12 suspended"
check_mode:
  description: Whether the module ran in check mode.
  returned: always
  type: bool
  sample: false
state:
  description: State of the record; V(planned), V(acting), V(begun), V(ending) or V(ended). Null without a record.
  returned: always
  type: str
  sample: begun
control_plane:
  description: The control plane that answered.
  returned: always
  type: dict
  sample: {"base_url": "https://acme.run.ai", "tenant_id": "1001", "clusters": {}, "simulator": false}
simulator:
  description: Whether the simulator answered.
  returned: always
  type: bool
  sample: false
record_path:
  description: Path of the record; null without a folder.
  returned: always
  type: str
  sample: /srv/runai/records/gpu-17.record.jsonl
record:
  description: The record as a string for a later job; null with a folder.
  returned: always
  type: str
  sample: runai-record-2:eNqrVkrLz1eyUkpKLFKqBQAlnwTN
summary:
  description: Counts of the workloads.
  returned: always
  type: dict
  sample: {"planned": 12, "stopped": 12}
workloads:
  description: One object a workload, worst first.
  returned: always
  type: list
  elements: dict
  sample: [{"id": "7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d", "verdict": "ours"}]
workloads_truncated:
  description: Whether RV(workloads) lacks some.
  returned: always
  type: bool
  sample: false
owners:
  description: One object an owner, most GPUs first, with the number, the GPUs and the names of the workloads.
  returned: always
  type: list
  elements: dict
  sample: [{"owner": "ada@example.com", "gpus": 16.0, "count": 2, "projects": "vision", "workloads": ["vision/llama-3"]}]
to_tell:
  description: One object an owner who has not been told yet, most GPUs first. Empty without O(notice).
  returned: always
  type: list
  elements: dict
  contains:
    owner:
      description: Owner, as the control plane names it.
      type: str
      sample: ada@example.com
    workloads:
      description: Workloads of this owner, each with C(id), C(name), C(project) and C(gpus).
      type: list
      elements: dict
      sample: [{"id": "7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d", "name": "llama-3", "project": "vision", "gpus": 8.0}]
    gpus:
      description: GPUs that these workloads hold.
      type: float
      sample: 8.0
    suspend_after:
      description: Time from which they may be suspended, if the owner is told now.
      type: str
      sample: "2026-12-05T12:00:00Z"
  sample: []
lines:
  description: Lines for people; first the verdict, last the next command.
  returned: always
  type: list
  elements: str
  sample: ["Maintenance gpu-17 (replace the fan), begun: 12 of 12 suspended"]
next:
  description: The command to type next; empty where there is none.
  returned: always
  type: str
  sample: ansible-playbook gpuops.runai.maintenance_end -e workload_maintenance_name=gpu-17
error:
  description: Why the task fails, and rows of the worst workloads; null if it does not.
  returned: always
  type: dict
  sample: {"message": "2 of 12 suspended", "rows": []}
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
    refused,
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
        lambda words: refused(words, module.check_mode, install),
    )


if __name__ == "__main__":
    main()
