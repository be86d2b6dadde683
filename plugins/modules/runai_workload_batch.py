#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_workload_batch
short_description: Suspend, resume or delete many Run:ai workloads
version_added: 0.1.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Suspends, resumes or deletes workloads of an NVIDIA Run:ai control plane, many at once, through its batch
    endpoint, and says for every single id what became of it.
  - The state of the workloads is read first. What is there already is left alone, what can't be acted on is
    told before anything is sent, and the rest is sent in batches.
  - Every id is answered exactly once, as changed, unchanged, skipped, failed, unknown or not attempted. An id
    that an answer of the control plane does not name is looked up.
  - The control plane is asynchronous. A changed id is one whose action was accepted; use O(wait) to see it
    arrive.
  - While it works, it says in the output of the play how far it is, a line for each batch and at most 50 of
    them. There are no such lines under C(no_log), in asynchronous tasks, where the module runs on another
    host or as another user, and where the callback for the output writes JSON.
  - The batch endpoint needs Run:ai 2.19 or later.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  action:
    description:
      - What to do with the workloads.
      - V(suspend) ends their pods, and with them the logs and whatever lies in the containers; V(resume) lets
        them queue again; V(delete) removes them for good.
    type: str
    required: true
    choices: [suspend, resume, delete]
  ids:
    description:
      - UUIDs of the workloads. An empty list makes no call, needs no control plane and is unchanged; it never
        means all.
      - Every element is split on commas and white space, so that the text of a survey can be used. Repeated
        ids count once, in upper and lower case alike.
      - One malformed id, or an element that is empty, refuses the whole task before any call.
      - Up to 15,000 ids give a result that job viewers keep.
    type: list
    elements: str
    required: true
  protect:
    description:
      - UUIDs that are never acted on. They are skipped with reason V(protected).
      - A null or a blank is refused here and in O(only_phases), O(max_affected), O(max_failures) and
        O(deadline), since an unanswered question must not lift what holds an action back. Where a variable
        may be undefined, C(omit) leaves the option out.
    type: list
    elements: str
    default: []
  only_phases:
    description:
      - Act only on workloads that are in one of these phases now. Others are skipped with reason V(phase). What
        was Completed when it was chosen and runs again now is then not deleted.
      - The phases are V(Creating), V(Pending), V(Initializing), V(Running), V(Degraded), V(Updating),
        V(Resuming), V(Stopping), V(Stopped), V(Completed), V(Failed), V(Deleting), V(Terminating) and
        V(Unknown). Others give a warning. An empty list is refused.
    type: list
    elements: str
  tolerate:
    description:
      - Reasons for which a workload that can't be acted on is skipped; for the others it fails.
      - V(missing) is not there, or not visible to this account; V(finished) is Completed or Failed;
        V(unsupported) is of a type for which the control plane does not support the action; V(deleting) is
        being deleted.
    type: list
    elements: str
    choices: [missing, finished, unsupported, deleting]
    default: [finished, deleting]
  max_affected:
    description:
      - If more workloads than this would be acted on, the task fails before anything is sent.
    type: int
  max_failures:
    description:
      - A number of workloads, or a percentage of those that are to be acted on. Once the control plane has refused
        more, no further batch is sent and the rest is not attempted.
      - Defaults to V(10%) for O(action=suspend) and O(action=resume), and to V(0) for O(action=delete).
    type: str
  batch_size:
    description:
      - Ids in one call, from 1 to 100.
    type: int
    default: 100
  concurrency:
    description:
      - Batches in flight at once, from 1 to 16. Reads use as many, and at least 4.
      - Defaults to 4, and to 1 for O(action=delete).
    type: int
  wait:
    description:
      - Whether to wait until every workload that was changed, or was on its way already, has got there, which
        is Stopped, Running, or gone.
      - If the time runs out, the task fails and RV(not_reached) holds the ids that are short; RV(msg) and their rows say
        in which phase they were when the wait ended.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait at most. Also bounds how long O(action=resume) waits for workloads that are still
        Stopping, whatever O(wait) says.
    type: float
    default: 600
  wait_interval:
    description:
      - Seconds between two looks while waiting.
    type: float
    default: 5
  wait_for:
    description:
      - What O(wait) waits for after O(action=resume). V(target) is Running; V(active) is content with any active
        phase, since a resumed workload may stay Pending for want of GPUs.
    type: str
    choices: [target, active]
    default: target
  deadline:
    description:
      - Seconds for the whole task, looked at before every call. What is left then is not attempted, and the task
        fails with what was done.
      - Unlike a task's C(timeout), it keeps the result.
    type: int
  report_path:
    description:
      - File for the whole report, with one JSON object a line and a line for each id, readable by its owner alone.
        What is there and is no ordinary file is refused.
      - It grows under the name with C(.part) added and gets its own name when it is complete, so that a killed
        task leaves what it knew. That it can be written is checked before the first call. Not written in check
        mode.
    type: path
  workloads_limit:
    description:
      - How many rows RV(workloads) holds at most. There are fewer where the whole result would grow too large for
        job viewers.
    type: int
    default: 1000
attributes:
  check_mode:
    support: full
    details: Reads the same state, makes the same plan, and sends nothing that changes anything.
  diff_mode:
    support: full
    details: Shows the phase before and after, by id and name, of what changes.
seealso:
  - name: Run:ai API, workloads batch
    description: The endpoint that this module calls.
    link: https://run-ai-docs.nvidia.com/api/workloads/workloads-batch
"""

EXAMPLES = r"""
# The address and the credentials are in the environment: RUNAI_BASE_URL, RUNAI_CLIENT_ID, RUNAI_CLIENT_SECRET.

- name: Suspend the workloads that a survey names, at most 250
  gpuops.runai.runai_workload_batch:
    action: suspend
    ids: "{{ workload_ids }}"
    max_affected: 250
    wait: true

- name: Resume what was suspended, and be content when it queues
  gpuops.runai.runai_workload_batch:
    action: resume
    ids: "{{ suspended.outcomes.changed }}"
    wait: true
    wait_for: active

- name: Delete what had finished when it was chosen, if it still has
  gpuops.runai.runai_workload_batch:
    action: delete
    ids: "{{ finished_ids }}"
    only_phases: [Completed, Failed]
    max_affected: 500
    report_path: /var/log/runai/cleanup.jsonl

- name: A control plane of one's own, with one's own certificate authority
  gpuops.runai.runai_workload_batch:
    base_url: https://runai.example.com
    client_id: maintenance
    client_secret: "{{ vault_runai_client_secret }}"
    ca_path: /etc/pki/example-ca.pem
    action: suspend
    ids:
      - 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
      - 0b1d2c3e-4f50-4a6b-8c7d-9e0f1a2b3c4d
"""

RETURN = r"""
msg:
  description: One sentence that tells what was done, and why something was not.
  returned: always
  type: str
  sample: "suspend: 240 changed, 8 unchanged, 2 failed of 250 (409 conflict, try later: 2)"
action:
  description: The action that was asked for.
  returned: always
  type: str
  sample: suspend
summary:
  description: Counts.
  returned: always
  type: dict
  contains:
    requested:
      description: Distinct ids.
      type: int
      sample: 250
    changed:
      description: Ids whose action was accepted; in check mode those that would be sent.
      type: int
      sample: 240
    unchanged:
      description: Ids that were there already.
      type: int
      sample: 8
    skipped:
      description: Ids that were left alone on purpose.
      type: int
      sample: 0
    failed:
      description: Ids that can't be acted on, or that the control plane refused.
      type: int
      sample: 2
    unknown:
      description: Ids of which it could not be found out what became of them.
      type: int
      sample: 0
    not_attempted:
      description: Ids that nothing was sent for.
      type: int
      sample: 0
    duplicates:
      description: Repeated ids that were folded.
      type: int
      sample: 0
    requests:
      description: HTTP requests sent, those for tokens included.
      type: int
      sample: 5
    batches:
      description: Batches sent; one that was sent again counts once.
      type: int
      sample: 3
    retries:
      description: Requests that were sent again.
      type: int
      sample: 0
    seconds:
      description: Time that the whole took.
      type: float
      sample: 1.734
  sample: {"requested": 250, "changed": 240, "unchanged": 8, "skipped": 0, "failed": 2, "unknown": 0, "not_attempted": 0,
           "duplicates": 0, "requests": 5, "batches": 3, "retries": 0, "seconds": 1.734}
outcomes:
  description: Every id in exactly one of six lists, in the order asked.
  returned: always
  type: dict
  contains:
    changed:
      description: Ids whose action was accepted, or would be sent in check mode.
      type: list
      elements: str
      sample: [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d]
    unchanged:
      description: Ids that were there already.
      type: list
      elements: str
      sample: []
    skipped:
      description: Ids that were left alone on purpose.
      type: list
      elements: str
      sample: []
    failed:
      description: Ids that can't be acted on, or that the control plane refused.
      type: list
      elements: str
      sample: []
    unknown:
      description: Ids of which it could not be found out what became of them.
      type: list
      elements: str
      sample: []
    not_attempted:
      description: Ids that nothing was sent for.
      type: list
      elements: str
      sample: []
  sample: {"changed": [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d], "unchanged": [], "skipped": [], "failed": [], "unknown": [],
           "not_attempted": []}
not_reached:
  description:
    - Ids that O(wait) did not see arrive.
    - Where the whole result would grow too large for job viewers only the first of them; RV(msg) then says how many
      they are and how many stand here. The same task again waits for all of them.
  returned: always
  type: list
  elements: str
  sample: []
workloads:
  description:
    - One row for each id, worst first (failed, unknown, not attempted, skipped, changed, unchanged), and at most
      O(workloads_limit) of them.
    - Fewer where the whole result would grow too large for job viewers. With C(-vvv) and more that is sooner, since
      results are printed at length then.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The workload's UUID.
      type: str
      sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
    name:
      description: Its name; empty where it was not seen.
      type: str
      sample: llama-finetune-3
    project:
      description: Name of its project.
      type: str
      sample: vision
    cluster:
      description: UUID of its cluster.
      type: str
      sample: 71f69d83-ba66-4822-adf5-55ce55efd210
    submitted_by:
      description: Who submitted it.
      type: str
      sample: ada@example.com
    outcome:
      description: Which of the lists of RV(outcomes) it is in.
      type: str
      sample: failed
    phase:
      description: The phase it was in before anything was sent.
      type: str
      sample: Running
    reason:
      description:
        - Why, as one word; empty where there is nothing to say.
        - Left alone or impossible are V(protected), V(phase), V(not_found), V(missing), V(forbidden), V(deleting),
          V(finished) and V(unsupported).
        - While acting come V(refused) by the control plane, V(still_stopping), V(unreachable), V(unsettled) after a
          lost answer, V(deadline), V(stopped), V(orphaned), V(internal).
        - Where O(wait) ended short it is V(not_reached), and the message says in which phase the workload was then.
      type: str
      sample: refused
    code:
      description: The control plane's number for a refusal, or null. It documents no list of values.
      type: int
      sample: 409
    message:
      description: The control plane's words, or ours, on one line of at most 500 characters.
      type: str
      sample: conflict, try later
    batch_id:
      description: UUID that the control plane gave the batch, for its logs; empty where there was none.
      type: str
      sample: 5e0ae0c5-7b5c-4a5c-9c3f-2f1c7a2f9d11
  sample:
    - id: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
      name: llama-finetune-3
      project: vision
      cluster: 71f69d83-ba66-4822-adf5-55ce55efd210
      submitted_by: ada@example.com
      outcome: failed
      phase: Running
      reason: refused
      code: 409
      message: conflict, try later
      batch_id: 5e0ae0c5-7b5c-4a5c-9c3f-2f1c7a2f9d11
workloads_truncated:
  description: Whether RV(workloads) holds fewer rows than there are ids.
  returned: always
  type: bool
  sample: false
batches:
  description:
    - One object for each batch that was answered, as many as fit where the whole result would grow too large for job
      viewers. RV(summary.batches) counts all that were sent.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: UUID that the control plane gave it, for its logs; empty where the answer had none.
      type: str
      sample: 5e0ae0c5-7b5c-4a5c-9c3f-2f1c7a2f9d11
    size:
      description: Ids in it.
      type: int
      sample: 100
    succeeded:
      description: Ids of it that changed.
      type: int
      sample: 98
    failed:
      description: Ids of it that failed.
      type: int
      sample: 2
    attempts:
      description: Calls that it took.
      type: int
      sample: 1
    seconds:
      description: Time from its first call until its last id was settled.
      type: float
      sample: 0.412
  sample:
    - id: 5e0ae0c5-7b5c-4a5c-9c3f-2f1c7a2f9d11
      size: 100
      succeeded: 98
      failed: 2
      attempts: 1
      seconds: 0.412
"""

import os

from ansible_collections.gpuops.runai.plugins.module_utils._batch_options import DEFAULT_WORKLOADS_LIMIT
from ansible_collections.gpuops.runai.plugins.module_utils._batch_run import refused, run_batch
from ansible_collections.gpuops.runai.plugins.module_utils._connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule
from ansible_collections.gpuops.runai.plugins.module_utils._phases import ACTIONS
from ansible_collections.gpuops.runai.plugins.module_utils._plan import TOLERABLE, TOLERATED
from ansible_collections.gpuops.runai.plugins.module_utils._progress_pipe import progress_sink

ARGUMENT_SPEC = {
    **connection_argument_spec(),
    "action": {"type": "str", "required": True, "choices": list(ACTIONS)},
    "ids": {"type": "list", "elements": "str", "required": True},
    "protect": {"type": "list", "elements": "str", "default": []},
    "only_phases": {"type": "list", "elements": "str"},
    "tolerate": {"type": "list", "elements": "str", "choices": list(TOLERABLE), "default": list(TOLERATED)},
    "max_affected": {"type": "int"},
    "max_failures": {"type": "str"},
    "batch_size": {"type": "int", "default": 100},
    "concurrency": {"type": "int"},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "float", "default": 600.0},
    "wait_interval": {"type": "float", "default": 5.0},
    "wait_for": {"type": "str", "choices": ["target", "active"], "default": "target"},
    "deadline": {"type": "int"},
    "report_path": {"type": "path"},
    "workloads_limit": {"type": "int", "default": DEFAULT_WORKLOADS_LIMIT},
}


def main() -> None:
    """Run the module."""
    module = RunaiModule(ARGUMENT_SPEC)
    params, with_diff = module.params, module.is_diff_wanted
    say = progress_sink(os.environ)
    module.run(
        lambda: run_batch(
            params, os.environ, module.check_mode, with_diff, say, module.verbosity, module.given
        ),
        lambda words: refused(params, words, with_diff),
    )


if __name__ == "__main__":
    main()
