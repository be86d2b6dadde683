# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulator was asked: no header but the user agent, no body but a batch's ids and action."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass
class Entry:
    """One request; times are seconds since 1970. `status` None: under way, or without a response."""

    number: int
    method: str
    path: str
    query: str
    user_agent: str
    start: float
    end: float | None = None
    status: int | None = None
    action: str | None = None
    ids: list[str] | None = None
    fault: str | None = None


@dataclass
class RequestLog:
    """Safe to use from several threads."""

    entries: list[Entry] = field(default_factory=list)
    batches_in_flight: int = 0
    max_batches_in_flight: int = 0
    requests_in_flight: int = 0
    max_requests_in_flight: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._dropped = 0

    def begin(self, method: str, path: str, query: str, user_agent: str, now: float) -> Entry:
        """Note that a request came in."""
        with self._lock:
            number = self._dropped + len(self.entries) + 1
            entry = Entry(number, method, path, query, user_agent, now)
            self.entries.append(entry)
            self.requests_in_flight += 1
            self.max_requests_in_flight = max(self.max_requests_in_flight, self.requests_in_flight)
            return entry

    def batch(self, entry: Entry, action: str, ids: list[str]) -> None:
        """Note that the request is a batch."""
        with self._lock:
            entry.action, entry.ids = action, ids
            self.batches_in_flight += 1
            self.max_batches_in_flight = max(self.max_batches_in_flight, self.batches_in_flight)

    def finish(self, entry: Entry, status: int | None, now: float) -> None:
        """Note how it ended, unless that is noted; status None: it had no response."""
        with self._lock:
            if entry.end is not None:
                return
            entry.status, entry.end = status, now
            self.requests_in_flight -= 1
            if entry.ids is not None:
                self.batches_in_flight -= 1

    def since(self, number: int = 0) -> list[dict[str, Any]]:
        """The requests after that number, oldest first."""
        with self._lock:
            first = max(0, number - self._dropped)
            return [dict(vars(entry)) for entry in self.entries[first:]]

    def last(self, count: int) -> list[dict[str, Any]]:
        """The latest requests, newest first."""
        with self._lock:
            return [dict(vars(entry)) for entry in reversed(self.entries[-count:])]

    def clear(self) -> None:
        """Forget all requests; numbers go on."""
        with self._lock:
            self._dropped += len(self.entries)
            self.entries.clear()
            self.max_batches_in_flight = self.batches_in_flight
            self.max_requests_in_flight = self.requests_in_flight

    def summary(self) -> dict[str, Any]:
        """Counts by method and path (`{id}` for every uuid) and status, batches and ids sent by action."""
        with self._lock:
            sent: dict[str, Counter[str]] = {}
            batches: Counter[str] = Counter()
            for entry in self.entries:
                if entry.ids is not None and entry.action is not None:
                    batches[entry.action] += 1
                    sent.setdefault(entry.action, Counter()).update(entry.ids)
            paths = Counter(f"{entry.method} {_UUID.sub('{id}', entry.path)}" for entry in self.entries)
            return {
                "requests": len(self.entries),
                "by_path": dict(paths),
                "by_status": {
                    str(key): count for key, count in Counter(e.status for e in self.entries).items()
                },
                "batches": dict(batches),
                "ids_sent": {action: dict(counts) for action, counts in sent.items()},
                "max_batches_in_flight": self.max_batches_in_flight,
                "max_requests_in_flight": self.max_requests_in_flight,
            }
