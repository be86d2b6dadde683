#!/usr/bin/python
# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runai_fleet_export
short_description: Export a Run:ai fleet to rehearse on
version_added: 1.0.0
author:
  - gpuops.runai contributors (@gpuops)
description:
  - Writes what the simulator of this collection needs to know of the workloads, clusters, nodes and pods that this
    account sees, and no more. It only reads the control plane.
  - If the account can't list clusters, nodes or pods, the rest is written. A warning names what can't be rehearsed
    without them.
  - Owners of workloads become pseudonyms. The names of workloads, projects, departments, clusters and
    nodes stay, since they are what maintenances are selected by.
extends_documentation_fragment:
  - gpuops.runai.connection
  - gpuops.runai.attributes
options:
  path:
    description:
      - Absolute path of the file. Only its owner can read it, and it is replaced as a whole.
      - A folder that everybody can write to is rejected, unless it is sticky like C(/tmp). A link at this path is
        replaced, not followed.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    details:
      - Reads everything, but writes no file.
  diff_mode:
    support: none
    details: The file holds the whole fleet.
  idempotent:
    support: none
    details: Each run writes the file anew, with the fleet of that moment.
seealso:
  - module: gpuops.runai.runai_workload_info
"""

EXAMPLES = r"""
- name: Export the fleet to rehearse on
  gpuops.runai.runai_fleet_export:
    path: /srv/runai/fleet.json
"""

RETURN = r"""
msg:
  description: One sentence.
  returned: always
  type: str
  sample: 250 workloads of 2 clusters exported to /srv/runai/fleet.json
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
path:
  description: Where the file is; null if it failed.
  returned: always
  type: str
  sample: /srv/runai/fleet.json
workloads:
  description: How many workloads the file holds.
  returned: always
  type: int
  sample: 250
nodes:
  description: How many nodes the file holds.
  returned: always
  type: int
  sample: 24
"""

import os

from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule
from ansible_collections.gpuops.runai.plugins.module_utils._selection.fleet_export import rejected, run_export

ARGUMENT_SPEC = {**connection_argument_spec(), "path": {"type": "path", "required": True}}


def main() -> None:
    """Run the module."""
    module = RunaiModule(ARGUMENT_SPEC)
    module.run(lambda: run_export(module.params, os.environ, module.check_mode), rejected)


if __name__ == "__main__":
    main()
