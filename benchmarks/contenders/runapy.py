# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's own Python client, one call after another: the state by pages, then batches of 100."""

from __future__ import annotations

import json
import sys

from runai import models
from runai.api_client import ApiClient
from runai.configuration import Configuration
from runai.runai_client import RunaiClient

ON_THEIR_WAY = {"Stopping", "Stopped", "Completed", "Failed", "Deleting"}


def suspend(url: str, client_id: str, client_secret: str, ids_file: str) -> int:
    with open(ids_file, encoding="utf-8") as file:
        ids = file.read().split()
    settings = Configuration(client_id=client_id, client_secret=client_secret, runai_base_url=url)
    client = RunaiClient(ApiClient(settings))  # type: ignore[no-untyped-call]
    phases: dict[str, str] = {}
    offset = 0
    while offset is not None:
        page = client.workloads.workloads.get_workloads(limit=500, sort_by="createdAt", offset=offset).data
        phases.update((row["id"], row["phase"]) for row in page["workloads"])
        offset = page.get("next")
    chosen = [one for one in ids if phases[one] not in ON_THEIR_WAY]
    succeeded = 0
    for at in range(0, len(chosen), 100):
        batch = models.WorkloadBatch(action="suspend", ids=chosen[at : at + 100])
        succeeded += len(
            client.workloads.workloads_batch.batch_workloads(workload_batch=batch).data["succeeded"]
        )
    return succeeded


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    print(suspend(given["url"], given["client_id"], given["client_secret"], given["ids_file"]))
