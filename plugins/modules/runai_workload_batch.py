#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_workload_batch
short_description: Suspend, resume or delete many Run:ai workloads
version_added: 1.0.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Suspends, resumes or deletes many workloads of an NVIDIA Run:ai control plane at once, through its batch
    endpoint. Every id has its own outcome in the result.
  - The module reads the state of the workloads first. Workloads that already are in the requested state are unchanged.
    Workloads that can't be acted on are skipped or failed before anything is sent. The rest is sent in batches.
  - Every id gets exactly one outcome, which is changed, unchanged, skipped, failed, unknown or not attempted. If a
    response omits an id, its state is read.
  - The control plane is asynchronous. A changed id is one whose action was accepted; use O(wait) to wait until it
    has taken effect.
  - While it works, it reports its progress in the output of the play. The batches make about 50 lines at most, and a
    wait about as many; a long read of the state, and a control plane that does not respond, add a few. There are no
    such lines under C(no_log), in asynchronous tasks, when the module runs on another host or as another user, or when
    the output callback writes JSON.
  - The batch endpoint needs Run:ai 2.19 or later.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  action:
    description:
      - Action for the workloads.
      - V(suspend) ends their pods, which loses their logs and everything stored in the containers. V(resume) puts
        them back into the queue. V(delete) removes them for good.
    type: str
    required: true
    choices: [suspend, resume, delete]
  ids:
    description:
      - UUIDs of the workloads. With an empty list nothing is called and nothing changes; it never means all
        workloads.
      - Every element is split on commas and white space, so the answer to a survey question can be passed as it is.
        Repeated ids count once, and case does not matter.
      - If one id is malformed, or an element is empty, the whole task is rejected before any call.
      - The result of up to 15,000 ids is small enough for job viewers to keep.
    type: list
    elements: str
    required: true
  protect:
    description:
      - UUIDs of workloads to leave alone. They are skipped with reason V(protected).
      - A null or blank value is rejected here and in O(only_phases), O(max_affected), O(max_failures) and
        O(deadline), because an unanswered survey question must not remove a safeguard. Where a variable may be
        undefined, use C(omit) to leave the option out.
    type: list
    elements: str
    default: []
  only_phases:
    description:
      - Phases in which to act on a workload. In another phase, it is skipped with reason V(phase). For example, a
        workload that was Completed when it was chosen, but is running again, is not deleted.
      - The phases are V(Creating), V(Pending), V(Initializing), V(Running), V(Degraded), V(Updating),
        V(Resuming), V(Stopping), V(Stopped), V(Completed), V(Failed), V(Deleting), V(Terminating) and
        V(Unknown), which includes any phase not listed here. Naming another phase gives a warning. An empty list is
        rejected.
    type: list
    elements: str
  tolerate:
    description:
      - Reasons for which a workload that can't be acted on is skipped instead of failed.
      - V(missing) means that the workload does not exist or is not visible to this account.
      - V(finished) means that it is Completed or Failed, V(deleting) that it is being deleted.
      - V(unsupported) means that the control plane does not support the action for it.
      - Only the state before the first batch counts. A workload that changes after that, and is refused for it by the
        control plane, is failed with the code and message of the refusal. The state of a workload whose delete was
        refused is read again, and the workload is unchanged if it is gone.
      - Before each batch of O(action=delete), state that is older than 5 seconds is read again. A workload is skipped with
        reason V(phase) if it is no longer in one of O(only_phases), or if it became active after the first read.
    type: list
    elements: str
    choices: [missing, finished, unsupported, deleting]
    default: [finished, deleting]
  max_affected:
    description:
      - Maximum number of workloads to act on. If the plan has more, the task fails and nothing is sent.
    type: int
  max_failures:
    description:
      - Maximum number or percentage of refused workloads. Above it, no further batch is sent and the rest is not
        attempted. A percentage is one of the workloads to act on.
      - Defaults to V(10%) for O(action=suspend) and O(action=resume), and to V(0) for O(action=delete).
    type: str
  batch_size:
    description:
      - Number of ids in one call, from 1 to 100.
    type: int
    default: 100
  concurrency:
    description:
      - Number of batches in flight, from 1 to 16. Reads use as many connections, but at least 4.
      - By default, the number follows the control plane. It starts at 4 and grows up to 16 while responses stay as
        fast as before. It halves after HTTP 429 or 503, a time-out, or slower responses.
      - For O(action=delete) the default is 1.
    type: int
  wait:
    description:
      - Whether to wait until every workload that was changed, or was already on its way, is Stopped after
        O(action=suspend), Running after O(action=resume), or gone after O(action=delete).
      - If some are not in time, the task fails and RV(not_reached) holds their ids. RV(msg) and their rows say in which
        phase they were when the wait ended.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait until the workloads reach the target phase. It also limits how long O(action=resume) waits for
        workloads that are still Stopping, even without O(wait).
    type: float
    default: 600
  wait_interval:
    description:
      - Seconds between two reads of the state while waiting.
    type: float
    default: 5
  wait_for:
    description:
      - Target of O(wait) after O(action=resume). V(target) means Running. V(active) accepts any active phase,
        since a resumed workload may stay Pending until GPUs are free.
    type: str
    choices: [target, active]
    default: target
  deadline:
    description:
      - Maximum number of seconds for the whole task, checked before every call. After that, the remaining ids are not
        attempted and the task fails.
      - Unlike the C(timeout) of a task, this keeps the result of what was done.
    type: int
  report_path:
    description:
      - File for the whole report, one JSON object a line for each id. Only its owner can read it. A file that root writes
        belongs to the owner of its folder.
      - An existing report is replaced, so give each run a path of its own. A path that is not a regular file is rejected,
        and so is a path to which another task is writing. A link is rejected in a folder that other accounts can write to.
      - A folder that everybody can write to is rejected, unless it is sticky like C(/tmp). There the file is new and
        private, and the path is rejected if another account has a file of this name.
      - The module writes the file with C(.part) added to its name, and renames it when it is complete. After a killed task,
        the C(.part) holds the outcomes so far. Before the first call, the module checks that the file can be written. In
        check mode there is no report.
    type: path
  workloads_limit:
    description:
      - Maximum number of rows in RV(workloads). There are fewer if the result would otherwise be too large for job
        viewers.
    type: int
    default: 1000
attributes:
  check_mode:
    support: full
    details: Reads the same state and makes the same plan as the real run, but changes nothing.
  diff_mode:
    support: full
    details: Shows the phase before and after of each workload that changes, by id and name.
  idempotent:
    support: full
    details: A repeat is unchanged as soon as the control plane reports the phases. O(wait) waits for that.
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

- name: Resume what was suspended, and do not wait for workloads that queue for GPUs
  gpuops.runai.runai_workload_batch:
    action: resume
    ids: "{{ suspended.outcomes.changed }}"
    wait: true
    wait_for: active

- name: Delete finished workloads, but none that runs again by now
  gpuops.runai.runai_workload_batch:
    action: delete
    ids: "{{ finished_ids }}"
    only_phases: [Completed, Failed]
    max_affected: 500
    report_path: "/var/log/runai/cleanup-{{ now(utc=true, fmt='%Y-%m-%dT%H%M%SZ') }}.jsonl"

- name: Suspend two workloads of a self-hosted control plane with a private certificate authority
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
  description: One sentence that says what was done, and why the rest was not.
  returned: always
  type: str
  sample: "suspend: 240 changed, 8 unchanged, 2 failed of 250 (409 conflict, try later: 2)"
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
action:
  description: The action of the task.
  returned: always
  type: str
  sample: suspend
summary:
  description: Numbers of ids by outcome, and of what it took.
  returned: always
  type: dict
  contains:
    requested:
      description: Number of distinct ids.
      type: int
      sample: 250
    changed:
      description: Ids for which the action was accepted; in check mode, those that would be sent.
      type: int
      sample: 240
    unchanged:
      description: Ids that were already in the state asked for, or on their way there.
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
      description: Ids whose outcome could not be determined.
      type: int
      sample: 0
    not_attempted:
      description: Ids for which nothing was sent because the task ended early.
      type: int
      sample: 0
    duplicates:
      description: Repeated ids, which count once.
      type: int
      sample: 0
    requests:
      description: HTTP requests sent, including those for tokens.
      type: int
      sample: 5
    batches:
      description: Batches sent. A batch that was sent again counts once.
      type: int
      sample: 3
    retries:
      description: Requests that were sent again.
      type: int
      sample: 0
    seconds:
      description: Seconds that the whole task took.
      type: float
      sample: 1.734
  sample: {"requested": 250, "changed": 240, "unchanged": 8, "skipped": 0, "failed": 2, "unknown": 0, "not_attempted": 0,
           "duplicates": 0, "requests": 5, "batches": 3, "retries": 0, "seconds": 1.734}
outcomes:
  description: Six lists of ids by outcome. Every id is in exactly one of them, in the order given.
  returned: always
  type: dict
  contains:
    changed:
      description: Ids for which the action was accepted; in check mode, those that would be sent.
      type: list
      elements: str
      sample: [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d]
    unchanged:
      description: Ids that were already in the state asked for, or on their way there.
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
      description: Ids whose outcome could not be determined.
      type: list
      elements: str
      sample: []
    not_attempted:
      description: Ids for which nothing was sent because the task ended early.
      type: list
      elements: str
      sample: []
  sample: {"changed": [7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d], "unchanged": [], "skipped": [], "failed": [], "unknown": [],
           "not_attempted": []}
not_reached:
  description:
    - Ids that were not Stopped, Running or gone when O(wait) ended.
    - If the result would otherwise be too large for job viewers, only the first of them are listed, and RV(msg) has
      their number. Running the same task again waits for all of them.
  returned: always
  type: list
  elements: str
  sample: []
workloads:
  description:
    - One row for each id, worst first (failed, unknown, not attempted, skipped, changed, unchanged), up to
      O(workloads_limit) rows.
    - There are fewer if the result would otherwise be too large for job viewers. With C(-vvv) and more, and where
      the callback prints results as YAML or pretty, this happens sooner, since results are then printed with a line
      for each value.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The workload's UUID.
      type: str
      sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
    name:
      description: Its name; empty if the workload was not seen.
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
      description: The list of RV(outcomes) that it is in.
      type: str
      sample: failed
    phase:
      description: The phase it was in before anything was sent.
      type: str
      sample: Running
    reason:
      description:
        - Why it has this outcome, as one word; empty if there is nothing to explain.
        - V(protected), V(phase), V(not_found), V(missing), V(forbidden), V(deleting), V(finished) and V(unsupported) come
          from the plan. Nothing was sent for such a workload.
        - V(refused) means that the control plane refused the action, V(unreachable) that no call reached it.
        - V(still_stopping) means that the workload did not stop within O(wait_timeout), so it was not resumed.
        - V(lost_response) means that the response was lost, and the state does not show the result.
        - V(deadline), V(stopped) and V(orphaned) mean that the task ended before anything was sent for it, V(internal)
          that there is a bug in the collection.
        - V(not_reached) means that O(wait) ended too early for it. The message names its phase.
      type: str
      sample: refused
    code:
      description: The control plane's error code for a refusal, or null. Its values are not documented.
      type: int
      sample: 409
    message:
      description: Message of the control plane, or explanation of the module, in one line of at most 500 characters.
      type: str
      sample: conflict, try later
    batch_id:
      description: UUID of the batch in the control plane's logs; empty if there is none.
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
  description: Whether RV(workloads) has fewer rows than there are ids.
  returned: always
  type: bool
  sample: false
batches:
  description:
    - One object for each batch that got a response. There are fewer if the result would otherwise be too large for job
      viewers; RV(summary.batches) counts all batches sent.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: UUID of the batch in the control plane's logs; empty if the response had none.
      type: str
      sample: 5e0ae0c5-7b5c-4a5c-9c3f-2f1c7a2f9d11
    size:
      description: Number of ids in it.
      type: int
      sample: 100
    succeeded:
      description: Number of these that changed.
      type: int
      sample: 98
    failed:
      description: Number of these that failed.
      type: int
      sample: 2
    attempts:
      description: Number of calls that it took.
      type: int
      sample: 1
    seconds:
      description: Seconds from its first call until the outcome of its last id was known.
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

from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._batch.options import DEFAULT_WORKLOADS_LIMIT
from ansible_collections.gpuops.runai.plugins.module_utils._batch.plan import TOLERABLE, TOLERATED
from ansible_collections.gpuops.runai.plugins.module_utils._batch.progress_pipe import progress_sink
from ansible_collections.gpuops.runai.plugins.module_utils._batch.run import rejected, run_batch
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule
from ansible_collections.gpuops.runai.plugins.module_utils._workload.phases import ACTIONS

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
    params, with_diff, verbosity = module.params, module.is_diff_wanted, module.verbosity
    say = progress_sink(os.environ)
    module.run(
        lambda: run_batch(params, os.environ, module.check_mode, with_diff, say, verbosity, module.given),
        lambda message: rejected(params, message, with_diff, verbosity),
    )


if __name__ == "__main__":
    main()
