# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that is known of a run so far, kept so that nothing is lost however the run ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from .._api.cancellation import STOPPED_EARLY
from .._api.errors import Interrupted
from .._api.stats import RequestStats
from .._common.errors import RunaiError
from .._common.ids import Ids
from .._common.text import some_of
from .._workload.workload import Workload
from .outcome import BAD, NOT_ATTEMPTED, NOT_REACHED, BatchRecord, Outcome, report_row
from .report_file import ReportFile

_MOST_PLACES = 5


class RunState:
    """Holds an outcome for each id that is settled, and why the run was stopped, if it was.

    ``state`` is what was seen before anything was sent; ``counts`` are ids by outcome; ``batches`` are those
    of the ``sent_batches`` that got a response; ``notes`` are sentences for the end of ``msg``; ``reason`` is
    that of the ids which are left; ``fault`` is the first that stopped the run. What is settled goes into the
    report file at once.
    """

    def __init__(
        self, action: str, ids: Ids, check_mode: bool, stats: RequestStats, report_file: ReportFile
    ) -> None:
        self.action = action
        self.ids, self.duplicates = ids
        self.check_mode = check_mode
        self.stats = stats
        self.state: dict[str, Workload] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.counts: Counter[str] = Counter()
        self.batches: list[BatchRecord] = []
        self.sent_batches = 0
        self.seconds = 0.0
        self.not_reached: list[str] = []
        self.notes: list[str] = []
        self.is_stopped = False
        self.reason = STOPPED_EARLY
        self.fault: Optional[RunaiError] = None
        self._report_file = report_file

    @property
    def is_failed(self) -> bool:
        """Whether the task fails."""
        return self.is_stopped or bool(self.not_reached) or any(self.counts[outcome] for outcome in BAD)

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Enter the outcomes of ids that had none yet."""
        settled = list(outcomes)
        self.outcomes.update((outcome.id, outcome) for outcome in settled)
        self.counts.update(outcome.outcome for outcome in settled)
        self._report_file.write(self.row(outcome.id) for outcome in settled)

    def stop(self, note: str) -> None:
        """Enter the reason why the run ends early."""
        self.is_stopped = True
        if note not in self.notes:
            self.notes.append(note)

    def stop_for(self, fault: RunaiError) -> None:
        """Enter the fault for which the run ends early."""
        self.fault = self.fault or fault
        if isinstance(fault, Interrupted):
            self.reason = fault.reason
        self.stop(str(fault))

    def unsettled(self) -> list[str]:
        """Return the ids that have no outcome yet."""
        return [workload_id for workload_id in self.ids if workload_id not in self.outcomes]

    def mark_rest_not_attempted(self) -> None:
        """Settle all ids that have no outcome yet as not attempted."""
        message = self.notes[0] if self.notes else ""
        self.settle(
            Outcome(workload_id, NOT_ATTEMPTED, self.reason, message) for workload_id in self.unsettled()
        )

    def mark_not_reached(self, target: str, places: Mapping[str, str]) -> None:
        """Enter the places of ids that had not reached ``target`` when the wait ended."""
        if not places:
            return
        self.not_reached = [workload_id for workload_id in self.ids if workload_id in places]
        short = "not {0} when the wait ended".format(target)
        for workload_id, place in places.items():
            self.outcomes[workload_id] = self.outcomes[workload_id]._replace(
                reason=NOT_REACHED, message="{0}: {1}".format(short, place)
            )
        parts = ["{0} {1}".format(count, place) for place, count in Counter(places.values()).most_common()]
        self.notes.append("{0} {1}: {2}".format(len(places), short, some_of(parts, _MOST_PLACES)))

    def row(self, workload_id: str) -> dict[str, Any]:
        """Return a settled id as a row of ``workloads`` and of the report file."""
        return report_row(self.outcomes[workload_id], self.state.get(workload_id))
