#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_maintenance_record
short_description: Keep the record of a Run:ai maintenance true
version_added: 0.1.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Takes one step of a maintenance, a clean-up or a reclaim. It reads the control plane, moves the record on, and
    says which workloads are to be sent next. It never sends anything itself.
  - The roles P(gpuops.runai.workload_maintenance#role), P(gpuops.runai.workload_cleanup#role) and
    P(gpuops.runai.workload_reclaim#role) are made of it and of M(gpuops.runai.runai_workload_batch). Use the
    roles; this module is for those who build their own.
  - What is going to be sent is in the record before the step returns, so that a job which is killed at any moment
    leaves a record that tells the truth.
  - One play at a time acts on a record. From V(begin), V(settle) or V(end) on, until V(begun) or V(ended), every other
    play is refused these steps at once. A play that ends, or is killed, in between lets the next one in.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  step:
    description:
      - V(plan) selects workloads and writes the plan, which is the record.
      - V(begin) plans if there is no plan yet, and returns the ids to suspend, or to delete for a clean-up.
      - V(fold) takes over what a batch said, and returns the ids that a second pass may mend.
      - V(begun) looks again once the batches are through, and notes the time of each stop.
      - V(end) returns the ids to resume.
      - V(ended) looks again once these batches are through, and closes the record if all is back.
      - V(status) compares the record with what is true now, and writes nothing.
      - V(settle) waits, after a V(begin) that was cut off, until its last calls have their answers, for twice O(timeout) at
        most, and says how long to wait before V(end) then.
      - V(which) says which control plane answers, and whether it is the simulator.
      - V(sample) returns the ids that meet the selection now and are among O(sampled). It waits until this read is due,
        by the time of the first one.
    type: str
    required: true
    choices: [plan, begin, fold, begun, end, ended, status, sample, settle, which]
  role:
    description: The role whose variables O(variables) are.
    type: str
    choices: [workload_maintenance, workload_cleanup, workload_reclaim]
    default: workload_maintenance
  variables:
    description:
      - The role's variables, with their prefix, but for those of the connection.
      - A blank value and a variable that the role does not have are refused before any call.
    type: dict
    required: true
  scratch_dir:
    description: Folder for the record where the variables name none that outlives the job.
    type: path
  sampled:
    description:
      - RV(sampled) of the V(sample) before, for the next one, and for V(begin) and V(plan) of a reclaim.
      - Only what idled at each of these reads is meant. A reclaim of what idles for a time is refused where the reads
        were fewer, or closer together, than that takes.
    type: dict
    suboptions:
      ids:
        description: UUIDs that met the selection at every read.
        type: list
        elements: str
      since:
        description: When the first read was through.
        type: str
      reads:
        description: How many there were.
        type: int
  action:
    description: For V(fold), the action of the batch.
    type: str
    choices: [suspend, resume, delete]
  outcomes:
    description: For V(fold), RV(gpuops.runai.runai_workload_batch#module:outcomes) of the batch.
    type: dict
  report_name:
    description: For V(fold), the RV(report_name) that the batch was given.
    type: str
  attempt:
    description: For V(fold), which pass it was. After the last one, by the role's variable, nothing is sent again.
    type: int
    default: 1
  rehearsal:
    description:
      - What is rehearsed, where this is a step of the playbook C(gpuops.runai.maintenance_rehearse). Then the command
        to type next is that playbook again, and none that could reach a real control plane.
    type: dict
    suboptions:
      role:
        description: The role that is rehearsed; steps after a clean-up or a reclaim are of another one.
        type: str
        required: true
        choices: [workload_maintenance, workload_cleanup, workload_reclaim]
      variables:
        description: Its variables, with their prefix.
        type: dict
        required: true
attributes:
  check_mode:
    support: full
    details:
      - Reads the same and says the same, but writes no record.
  diff_mode:
    support: none
seealso:
  - module: gpuops.runai.runai_workload_batch
  - module: gpuops.runai.runai_workload_info
"""

EXAMPLES = r"""
- name: Compare a record with what is true now
  gpuops.runai.runai_maintenance_record:
    step: status
    variables:
      workload_maintenance_name: gpu-17
      workload_maintenance_record_dir: /srv/runai/records
  register: status

- name: Show it
  ansible.builtin.debug:
    var: status.lines
"""

RETURN = r"""
msg:
  description: One sentence.
  returned: always
  type: str
  sample: "Maintenance gpu-17 (fan), planned: suspends 12 workloads of 3 owners in 2 projects; 40 GPUs fall free"
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
state:
  description: State of the record; planned, acting, begun, ending or ended. Null without a record.
  returned: always
  type: str
  sample: acting
simulator:
  description: Whether it is the simulator that answers, or that the record is of.
  returned: always
  type: bool
  sample: false
record_path:
  description: Path of the record, null where it is not kept.
  returned: always
  type: str
  sample: /srv/runai/records/gpu-17.record.json
lines:
  description: The summary for people; the first line says which control plane it is.
  returned: always
  type: list
  elements: str
  sample: ["Control plane https://acme.run.ai, tenant 1001, clusters: berlin"]
ids:
  description: UUIDs to send next. None for O(step=sample), whose ids are in RV(sampled).
  returned: always
  type: list
  elements: str
  sample: [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d]
ids_after:
  description: For O(step=end), UUIDs to send after these, which only waited to run before.
  returned: always
  type: list
  elements: str
  sample: []
report_name:
  description: Name of the report file for the batch of RV(ids), null without ids.
  returned: always
  type: str
  sample: gpu-17.9d1e8a1c.suspend-1.jsonl
report_name_after:
  description: The same for RV(ids_after).
  returned: always
  type: str
  sample: gpu-17.9d1e8a1c.resume-3.jsonl
report_path:
  description: Path of that file; hand it to the batch module.
  returned: always
  type: str
  sample: /srv/runai/records/gpu-17.9d1e8a1c.suspend-1.jsonl
report_path_after:
  description: The same for RV(ids_after).
  returned: always
  type: str
  sample: /srv/runai/records/gpu-17.9d1e8a1c.resume-3.jsonl
attempts:
  description: How many passes to make.
  returned: always
  type: int
  sample: 2
max_failures:
  description: The role's variable of this name.
  returned: always
  type: str
  sample: 10%
wait_timeout:
  description: The role's variable of this name.
  returned: always
  type: int
  sample: 1800
wait_interval:
  description: The role's variable of this name.
  returned: always
  type: float
  sample: 5.0
phases:
  description: The role's variable of this name.
  returned: always
  type: list
  elements: str
  sample: [Completed, Failed]
sampled:
  description: For O(step=sample), what the reads so far say; hand it to the next step.
  returned: always
  type: dict
  contains:
    ids:
      description: UUIDs that met the selection at every read.
      type: list
      elements: str
      sample: [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d]
    since:
      description: When the first read was through; empty where none was made.
      type: str
      sample: "2026-11-20T18:00:01.250000+00:00"
    reads:
      description: How many there were.
      type: int
      sample: 2
samples:
  description: For O(step=sample), how many reads are to be made; 0 where none are needed.
  returned: always
  type: int
  sample: 5
seconds:
  description: For O(step=settle), seconds to wait.
  returned: always
  type: float
  sample: 15.0
packed:
  description:
    - For the steps V(plan), V(begun) and V(ended), the record as a string that travels between jobs.
    - Null where the record is kept, or would be longer than 256,000 characters.
  returned: always
  type: str
  sample: runai-record-1:eNqrVkrLz1eyUkpKLFKqBQAlnwTN
owners:
  description:
    - Whom to tell, an object an owner, most GPUs first, with what of theirs was stopped or deleted, or may have been.
      What was refused or not attempted is not counted. Before anything was asked, with what is planned.
  returned: always
  type: list
  elements: dict
  contains:
    owner:
      description: Who submitted the workloads.
      type: str
      sample: ada@example.com
    gpus:
      description: GPUs that they held at the time of the plan.
      type: float
      sample: 16.0
    count:
      description: How many they are.
      type: int
      sample: 2
    workloads:
      description: Project and name of the first 20.
      type: list
      elements: str
      sample: [vision/llama-finetune-3]
refused:
  description: Whether the step was not taken, for the reason in RV(msg); the task fails then.
  returned: always
  type: bool
  sample: false
trouble:
  description: Why the role is going to fail, a step that was refused included; null if it is not.
  returned: always
  type: dict
  contains:
    sentence:
      description: One sentence.
      type: str
      sample: "2 of 12 workloads did not get there: 2 failed"
    rows:
      description:
        - The 20 worst; name, project, owner, code and message.
        - Of what is refused for a ceiling, how many workloads and GPUs a project and owner have.
      type: list
      elements: str
      sample: ["llama-finetune-3 | vision | ada@example.com | 409 | conflict, try later"]
    next_command:
      description: What to type next.
      type: str
      sample: ansible-playbook gpuops.runai.maintenance_begin -e workload_maintenance_name=gpu-17
"""

import os
import sys

from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import STEPS, refused, run_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.settings import ROLES
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import ACTIONS

ARGUMENT_SPEC = {
    **connection_argument_spec(),
    "step": {"type": "str", "required": True, "choices": list(STEPS)},
    "role": {"type": "str", "choices": list(ROLES), "default": ROLES[0]},
    "variables": {"type": "dict", "required": True},
    "scratch_dir": {"type": "path"},
    "sampled": {
        "type": "dict",
        "options": {
            "ids": {"type": "list", "elements": "str"},
            "since": {"type": "str"},
            "reads": {"type": "int"},
        },
    },
    "action": {"type": "str", "choices": list(ACTIONS)},
    "outcomes": {"type": "dict"},
    "report_name": {"type": "str"},
    "attempt": {"type": "int", "default": 1},
    "rehearsal": {
        "type": "dict",
        "options": {
            "role": {"type": "str", "required": True, "choices": list(ROLES)},
            "variables": {"type": "dict", "required": True},
        },
    },
}


def main() -> None:
    """Run the module."""
    # The variables and the ids would make the invocation as long as the result.
    module = RunaiModule(ARGUMENT_SPEC, shown=("step", "role"))
    install = "{0} -m pip install requests".format(sys.executable)
    module.run(
        lambda: run_step(module.params, os.environ, module.check_mode),
        lambda words: refused(words, install),
    )


if __name__ == "__main__":
    main()
