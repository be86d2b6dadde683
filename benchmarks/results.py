# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured: medians, and what they say about each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.cost import Cost
from benchmarks.maintenance import STEPS
from benchmarks.runs import CONTENDERS, Run


@dataclass
class Results:
    """Runs by contender and number of ids, of the module alone, of a busy control plane, of maintenances."""

    machine: str
    runs: dict[str, dict[int, list[Run]]] = field(default_factory=dict)
    alone: dict[int, list[Run]] = field(default_factory=dict)
    busy: dict[str, list[Run]] = field(default_factory=dict)
    maintenance: dict[str, dict[int, list[Run]]] = field(default_factory=dict)

    @property
    def sizes(self) -> list[int]:
        return sorted({size for runs in self.runs.values() for size in runs})

    def seconds(self, contender: str, size: int) -> float | None:
        runs = self.runs.get(contender, {}).get(size)
        return median(run.cost.seconds for run in runs) if runs else None

    def ratio(self, contender: str, size: int, *references: str) -> float | None:
        """How many times as long as all ``references`` together; ``None`` where one was not measured."""
        seconds = self.seconds(contender, size)
        others = [self.seconds(reference, size) for reference in references]
        known = [other for other in others if other is not None]
        return None if seconds is None or len(known) < len(others) else seconds / sum(known)

    def busy_seconds(self) -> dict[str, float]:
        """The median of each contender against a busy control plane."""
        return {key: median(run.cost.seconds for run in runs) for key, runs in self.busy.items() if runs}

    def maintenance_ratio(self, step: str, size: int) -> float | None:
        """How many times as long a step takes as the batch module that sends and awaits the same."""
        runs = [self.maintenance.get(key, {}).get(size, []) for key in (step, STEPS[step][0])]
        if not all(runs):
            return None
        mine, other = (median(run.cost.seconds for run in some) for some in runs)
        return mine / other

    def save(self, path: Path) -> None:
        """Keep them in a file, with the titles of all contenders for whoever draws them."""
        titles = {contender.key: contender.title for contender in CONTENDERS}
        path.write_text(json.dumps({**asdict(self), "titles": titles}, indent=1))


def load(path: Path) -> Results:
    """Results that were saved."""

    def some_runs(found: list[dict[str, dict[str, float]]]) -> list[Run]:
        return [Run(Cost(**run["cost"]), int(run["requests"])) for run in found]  # type: ignore[call-overload]

    def runs(found: dict[str, list[dict[str, dict[str, float]]]]) -> dict[int, list[Run]]:
        return {int(size): some_runs(some) for size, some in found.items()}

    saved = json.loads(path.read_text())
    return Results(
        saved["machine"],
        {name: runs(found) for name, found in saved["runs"].items()},
        runs(saved["alone"]),
        {name: some_runs(found) for name, found in saved.get("busy", {}).items()},
        {name: runs(found) for name, found in saved.get("maintenance", {}).items()},
    )
