# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all steps of one run share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Callable, NamedTuple, Optional

from .._api.auth import TokenSource
from .._api.cancellation import Cancellation
from .._api.client import Client
from .._workload.state import StateReader
from .._workload.workload import Workload
from .concurrency import ConcurrencyLimit
from .options import BatchOptions
from .outcome import Outcome
from .progress import Progress
from .run_state import RunState


class BatchHooks(NamedTuple):
    """Callbacks of a caller in the same process, and what that caller has read or decided.

    ``on_send`` gets the ids of each batch before it is sent; a RunaiError of it stops the batches.
    ``on_settled`` gets the outcomes of each batch. ``send_anyway`` are ids that are sent even where their
    phase says that there is nothing to do: it may not show an earlier call yet, so that the state proves
    nothing for them. ``state`` are workloads that the caller has just read, which are not read again before
    the first batch. ``on_reached`` gets the workloads that a read of the wait saw at its target, and the time
    at which that read began. ``tokens`` are those of a client of the caller.
    """

    on_send: Callable[[Sequence[str]], None] = lambda ids: None
    on_settled: Callable[[Sequence[Outcome]], None] = lambda outcomes: None
    send_anyway: Collection[str] = ()
    state: Mapping[str, Workload] = {}
    on_reached: Callable[[float, Sequence[Workload]], None] = lambda read_at, workloads: None
    tokens: Optional[TokenSource] = None


NO_HOOKS = BatchHooks()


class BatchContext(NamedTuple):
    """What all steps of one run share. Of ``run_state``, other threads use only ``state`` and ``stats``."""

    options: BatchOptions
    hooks: BatchHooks
    client: Client
    reader: StateReader
    cancellation: Cancellation
    concurrency: ConcurrencyLimit
    progress: Progress
    run_state: RunState
