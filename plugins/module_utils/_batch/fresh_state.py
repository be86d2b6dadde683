# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of workloads right before they are deleted: never older than some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from .._workload.phases import DELETE, PHASES, is_active
from .._workload.state import StateReader
from .._workload.workload import Workload
from .outcome import Outcome
from .plan import Rules, plan_one, settled_by

# Seconds after which state is too old to delete by.
MAX_AGE = 5.0
# Batches whose state one read covers, since one page of the list holds several. Where a read takes long,
# the state of further batches would be too old when it is needed.
_LOOKAHEAD = 10
_LONG_READ = MAX_AGE / 2


class FreshState:
    """Reads the state of planned workloads again where it is too old. Safe to use from several threads.

    ``ids`` are the planned workloads in the order in which they are sent. ``state`` was read from ``read_at``
    on; newer state replaces it there.
    """

    def __init__(
        self,
        reader: StateReader,
        rules: Rules,
        ids: Sequence[str],
        state: dict[str, Workload],
        read_at: float,
    ) -> None:
        self._reader = reader
        self._ids = ids
        self._state = state
        inactive = rules._replace(only_phases=[phase for phase in PHASES if not is_active(phase)])
        # What was not active when it was chosen is not deleted while it is.
        self._rules = {
            one: rules if is_active(state[one].phase) or rules.only_phases is not None else inactive
            for one in ids
        }
        self._read_at = dict.fromkeys(ids, read_at)
        self._lookahead = _LOOKAHEAD
        self._lock = threading.Lock()

    def outcomes_of_changed(self, ids: Sequence[str]) -> list[Outcome]:
        """Return outcomes of those of ``ids`` that are no longer to be deleted. Raises what a read raises.

        These are the workloads that the plan would leave alone now, and those that were not active when the
        plan was made and are active now.
        """
        workloads = self._current(ids)
        return settled_by(plan_one(DELETE, one, self._rules[one.id]) for one in workloads)

    def _current(self, ids: Sequence[str]) -> list[Workload]:
        with self._lock:
            now = time.monotonic()
            if any(now - self._read_at[workload_id] > MAX_AGE for workload_id in ids):
                first = self._ids.index(ids[0])
                covered = self._ids[first : first + len(ids) * self._lookahead]
                self._state.update(self._reader.read(covered))
                self._read_at.update(dict.fromkeys(covered, now))
                self._lookahead = 1 if time.monotonic() - now > _LONG_READ else _LOOKAHEAD
            return [self._state[workload_id] for workload_id in ids]
