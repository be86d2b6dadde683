#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_idle_report
short_description: Report idle GPU-hours of Run:ai workloads
version_added: 1.0.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Reports which projects, owners and workloads hold GPUs that stayed idle, as a result and as files. It only reads the
    control plane.
  - Idle GPU-hours are the GPUs that a workload holds, times the duration O(select.idle_for). They are counted only for
    workloads of which all GPUs stayed idle for all of that time, by the measurements of the control plane.
  - O(select.idle_for) is required.
  - Idle time before that, and workloads that were idle for a part of it or are undecided, are not counted. The real number
    is the same or higher.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.selection.select
  - gpuops.runai.selection.keep
  - gpuops.runai.attributes
options:
  keep:
    description:
      - Workloads that are kept until a date, as in M(gpuops.runai.runai_maintenance). They are counted, and marked.
  paths:
    description:
      - Absolute paths of files to write, each whole and for its owner alone (0600). The ending decides the format.
      - C(.csv) has a line a workload. C(.md) is Markdown. C(.html) is one page with bar charts, without a script or an
        outside reference.
      - In the CSV, a text that a spreadsheet would take for a formula begins with an apostrophe.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    support: full
    details:
      - Reads everything, but writes no file.
  diff_mode:
    support: none
    details: The files hold a report of that moment.
  idempotent:
    support: none
    details: Each run writes the files anew. The control plane is not changed, and C(changed) is false.
seealso:
  - module: gpuops.runai.runai_workload_info
  - module: gpuops.runai.runai_maintenance
"""

EXAMPLES = r"""
- name: Report what was idle for a day
  gpuops.runai.runai_idle_report:
    select:
      idle_for: 24h
      min_allocated_gpus: 1
    paths:
      - /srv/runai/reports/idle.html
      - /srv/runai/reports/idle.csv
  register: idle

- name: Show it
  ansible.builtin.debug:
    var: idle.lines
"""

RETURN = r"""
msg:
  description: The sum in one sentence.
  returned: always
  type: str
  sample: "3 workloads of 2 owners in 2 projects idle for 1d, until 2026-12-03 12:00 UTC: 24 GPUs, 576 idle GPU-hours"
idle_gpu_hours:
  description: Idle GPU-hours of all workloads.
  returned: always
  type: float
  sample: 576.0
projects:
  description: One object a project, most idle GPU-hours first.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "vision", "workloads": 2, "gpus": 16.0, "idle_gpu_hours": 384.0}]
owners:
  description: One object an owner, most idle GPU-hours first.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "ada@example.com", "workloads": 2, "gpus": 16.0, "idle_gpu_hours": 384.0}]
workloads:
  description: One object a workload, most idle GPU-hours first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: UUID.
      type: str
      sample: 7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d
    name:
      description: Name.
      type: str
      sample: llama-3
    project:
      description: Name of the project.
      type: str
      sample: vision
    owner:
      description: Owner, as the control plane names it.
      type: str
      sample: ada@example.com
    cluster:
      description: Name of the cluster.
      type: str
      sample: berlin
    gpus:
      description: GPUs that it holds.
      type: float
      sample: 8.0
    idle_gpu_hours:
      description: Idle GPU-hours.
      type: float
      sample: 192.0
    peak:
      description: Highest sample of any of its GPUs, in percent.
      type: float
      sample: 0.4
    kept_until:
      description: Until when it is kept; empty where it is not.
      type: str
      sample: "2026-12-31"
  sample: []
workloads_truncated:
  description: Whether RV(workloads) lacks some, so that job viewers can show the result. The files are complete.
  returned: always
  type: bool
  sample: false
count:
  description: Number of idle workloads.
  returned: always
  type: int
  sample: 3
ids:
  description: UUIDs of all idle workloads.
  returned: always
  type: list
  elements: str
  sample: ["7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d"]
undecided:
  description: Workloads whose GPU use is not known, each with C(id), C(name) and C(reason). They are not counted.
  returned: always
  type: list
  elements: dict
  sample: []
paths:
  description: Files that were written.
  returned: always
  type: list
  elements: str
  sample: [/srv/runai/reports/idle.html]
lines:
  description: Lines for people; first the sum.
  returned: always
  type: list
  elements: str
  sample: ["Project vision: 384 idle GPU-hours, 16 GPUs, 2 workloads"]
"""

import os

from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule
from ansible_collections.gpuops.runai.plugins.module_utils._selection.idle_report import (
    idle_report_argument_spec,
    rejected,
    run_idle_report,
)

ARGUMENT_SPEC = idle_report_argument_spec()


def main() -> None:
    """Run the module."""
    module = RunaiModule(ARGUMENT_SPEC, shown=("select", "paths"))
    module.run(
        lambda: run_idle_report(module.params, module.given, os.environ, module.check_mode),
        rejected,
    )


if __name__ == "__main__":
    main()
