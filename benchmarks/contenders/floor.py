# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor: nothing but the calls, eight in flight, and no care for what goes wrong.

Reads the pages of the list and sends batches of 100 for what is not stopped yet. It is told how large the
fleet is, so that it needs no call to find out.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

IN_FLIGHT = 8
ON_THEIR_WAY = {"Stopping", "Stopped", "Completed", "Failed", "Deleting"}

ARGUMENTS = ("url", "client_id", "client_secret", "ids_file", "fleet")


async def suspend(url: str, client_id: str, client_secret: str, ids_file: str, fleet: int) -> int:
    with open(ids_file, encoding="utf-8") as file:
        ids = file.read().split()
    gate = asyncio.Semaphore(IN_FLIGHT)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(ask: Callable[[], Any]) -> Any:
            async with gate, ask() as answer:
                answer.raise_for_status()
                return await answer.json()

        def page(offset: int) -> Awaitable[Any]:
            query = {"limit": "500", "sortBy": "createdAt", "offset": str(offset)}
            return call(lambda: session.get(f"{url}/api/v1/workloads", params=query))

        def batch(some: list[str]) -> Awaitable[Any]:
            body = {"action": "suspend", "ids": some}
            return call(lambda: session.post(f"{url}/api/v1/workloads/batch", json=body))

        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        made = await call(lambda: session.post(f"{url}/api/v2/token", data=form))
        session.headers["Authorization"] = f"Bearer {made['access_token']}"
        pages = await asyncio.gather(*(page(offset) for offset in range(0, fleet, 500)))
        phases = {row["id"]: row["phase"] for one in pages for row in one["workloads"]}
        chosen = [one for one in ids if phases[one] not in ON_THEIR_WAY]
        answers = await asyncio.gather(*(batch(chosen[at : at + 100]) for at in range(0, len(chosen), 100)))
        return sum(len(answer["succeeded"]) for answer in answers)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    print(asyncio.run(suspend(**{name: given[name] for name in ARGUMENTS})))
