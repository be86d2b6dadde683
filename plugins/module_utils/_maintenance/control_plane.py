# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reads of a maintenance: selections as the info module makes them, and which control plane responds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import urlsplit

from .._api.auth import TokenSource
from .._api.cancellation import Cancellation
from .._api.client import Client
from .._api.connection import Connection, connect_options, is_loopback
from .._api.errors import RequestError
from .._api.paging import map_parallel
from .._common.errors import RunaiError
from .._common.ids import fold_id
from .._record.ownership import PhaseChange
from .._selection.fields import needed_keys
from .._selection.nodes import pods_on_nodes
from .._selection.options import info_options
from .._selection.places import (
    Unlisted,
    api_ids,
    read_clusters,
    resolve_clusters,
    unlisted_clusters,
    unlisted_message,
)
from .._selection.result import Selection
from .._selection.select import select
from .._system.processes import watch_ancestors
from .._workload.phases import canonical, is_suspendable
from .._workload.row import Row
from .._workload.state import StateReader
from .._workload.workload import SEEN, Workload, phase_of, workload_from_row

_SECONDS_BETWEEN_ATTEMPTS = 2.0
_SHORT_RETRY = 5.0
_WORKERS = 4


class Identity(NamedTuple):
    """Which control plane responds, its clusters by UUID, and the versions of these.

    ``clock_ahead`` are the seconds by which its clock is ahead of this one, where that is known.
    """

    base_url: str
    tenant_id: str
    clusters: Mapping[str, str]
    simulator: bool
    all_clusters: bool
    versions: Mapping[str, str]
    clock_ahead: Optional[float] = None


class Selected(NamedTuple):
    """The workloads that meet a selection, in order, and its values that none of them met, by option.

    ``unlisted`` are those of these values that the control plane does not list, with similar ones.
    ``active_in_scope`` are the active workloads of its clusters, or of all, where they were asked for.
    """

    workloads: list[Workload]
    unmatched: Mapping[str, Sequence[str]]
    active_in_scope: frozenset[str] = frozenset()
    unlisted: Mapping[str, Unlisted] = {}


class PodsOnNode(NamedTuple):
    """Number of visible pods on a node, number of their projects, and ids of their workloads."""

    node: str
    pods: int
    projects: int
    workloads: tuple[str, ...] = ()


class ControlPlaneReader:
    """Reads one control plane with a module's connection options; raises RunaiError when it does not respond.

    ``identity`` comes first: it waits up to ``wait_for_api`` seconds for a control plane that is down.
    Warnings of the reads collect in ``warnings``, values that must never be shown in ``secrets``. ``tokens``
    are those of the last read: no client after it has to make a token again.
    """

    def __init__(self, params: Mapping[str, Any], environ: Mapping[str, str], wait_for_api: float) -> None:
        self._params = params
        self._environ = environ
        self._wait = wait_for_api
        self._identity: Optional[Identity] = None
        self.warnings: list[str] = []
        self.secrets: set[str] = set()
        self.tokens: Optional[TokenSource] = None

    def identity(self) -> Identity:
        """Return which control plane this is, as soon as it responds."""
        if self._identity is None:
            self._identity = self._wait_for_identity()
        return self._identity

    def _wait_for_identity(self) -> Identity:
        connection = connect_options(self._params, self._environ)
        if self._wait:
            connection = connection._replace(retry_timeout=min(connection.retry_timeout, _SHORT_RETRY))
        cancellation = Cancellation(is_cancelled=watch_ancestors())
        end = time.monotonic() + self._wait
        while True:
            try:
                # A client that got no token asks for none again, so that each attempt has its own.
                return self._read_identity(connection)
            except RequestError as fault:
                if fault.is_denied or time.monotonic() >= end:
                    raise
                self.warn_once("the control plane did not respond at first ({0})".format(fault.kind))
                cancellation.sleep(min(_SECONDS_BETWEEN_ATTEMPTS, max(0.0, end - time.monotonic())))

    def _read_identity(self, connection: Connection) -> Identity:
        with self._client(connection) as client:
            identity = _identity(client, connection)
            if self._wait:
                # Its parts start one by one, and the list of workloads is the part that matters.
                client.list_page(0, limit=1)
            return identity._replace(clock_ahead=client.stats.clock_ahead)

    def select(self, selection: Mapping[str, Any], with_scope: bool = False) -> Selected:
        """Return the workloads that meet options of the info module.

        ``with_scope`` counts the active workloads of its clusters in the same read, for ``max_percent``.
        Raises RunaiError for a list that is shorter than its count: a ceiling would be counted from a part.
        """
        found = self._rows(selection, self.warn_once, with_scope)
        if found.shortfall is not None:
            raise RunaiError(
                "the control plane lists {0} of the {1} workloads that it counts. Run the task again. If "
                "this repeats, report it to the operators of the control plane".format(*found.shortfall)
            )
        workloads = list(_workloads_by_id(found.rows).values())
        active = {fold_id(row.get("id")) for row in found.scope if is_suspendable(phase_of(row))}
        return Selected(workloads, found.unmatched, frozenset(filter(None, active)), found.unlisted)

    def read_workloads(self, ids: Sequence[str]) -> dict[str, Workload]:
        """Return those of ``ids`` that are visible."""
        with self._client() as client:
            found = StateReader(client, _WORKERS).read(ids)
        return {one: workload for one, workload in found.items() if workload.presence == SEEN}

    def deleted(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that the list of deleted workloads shows."""
        return set(_workloads_by_id(self._rows({"ids": list(ids), "deleted": True}, lambda _: None).rows))

    def histories(self, ids: Sequence[str]) -> dict[str, list[PhaseChange]]:
        """Return the phase changes in the history of each of ``ids``; none where it can't be read."""
        with self._client() as client:
            return dict(zip(ids, map_parallel(partial(self._history, client), ids, _WORKERS)))

    def _history(self, client: Client, workload_id: str) -> list[PhaseChange]:
        try:
            return [PhaseChange(at, canonical(phase)) for at, phase in client.phase_changes(workload_id)]
        except RequestError as fault:
            self.warn_once(
                "the history of workloads can't be read ({0}), so it does not show who stopped them".format(
                    fault.ended_on.kind
                )
            )
            return []

    def pods(self, nodes: Sequence[str], clusters: Optional[Sequence[str]]) -> list[PodsOnNode]:
        """Count the pods that are not completed on each of ``nodes``, as far as this account sees them."""
        with self._client() as client:
            cluster_ids = None
            if clusters:
                listed = read_clusters(client)
                known = resolve_clusters(clusters, listed)
                unlisted = unlisted_clusters(clusters, listed)
                if unlisted:
                    self.warn_once(unlisted_message("clusters", unlisted))
                cluster_ids = api_ids(known, listed)
            pods = pods_on_nodes(client, nodes, cluster_ids, 1)
        for warning in client.stats.warnings():
            self.warn_once(warning)
        return [_pods_of(node, here) for node, here in pods.items()]

    def _rows(
        self, selection: Mapping[str, Any], warn: Callable[[str], None], with_scope: bool = False
    ) -> Selection:
        options = info_options(selection, selection, datetime.now(timezone.utc))
        for warning in options.warnings:
            warn(warning)
        with self._client() as client:
            found = select(client, options, needed_keys(()), with_scope)
        for warning in client.stats.warnings():
            warn(warning)
        return found

    @contextmanager
    def _client(self, connection: Optional[Connection] = None) -> Iterator[Client]:
        connection = connection or connect_options(self._params, self._environ)
        for warning in connection.warnings:
            self.warn_once(warning)
        client = Client(connection, _WORKERS, tokens=self.tokens)
        try:
            yield client
            self.tokens = client.tokens
        finally:
            client.close()
            self.secrets |= client.stats.secrets

    def warn_once(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)


def _identity(client: Client, connection: Connection) -> Identity:
    """Take tenant and clusters from the list of clusters, or from a workload where that list is refused.

    A workload shows one cluster, and there may be others.
    """
    clusters = read_clusters(client)
    tenants = {one.tenant_id for one in clusters or () if one.tenant_id is not None}
    names = {one.id: one.name or one.id for one in clusters or ()}
    if not tenants or not names:
        for row in client.list_page(0, limit=1).rows:
            cluster_id, tenant_id = fold_id(row.get("clusterId")), row.get("tenantId")
            if cluster_id is not None:
                names.setdefault(cluster_id, cluster_id)
            if isinstance(tenant_id, int):
                tenants.add(tenant_id)
    return Identity(
        base_url=connection.base_url,
        tenant_id=str(min(tenants)) if tenants else "",
        clusters=names,
        # Nothing else is asked for such a page.
        simulator=is_loopback(urlsplit(connection.base_url).hostname) and client.is_simulator(),
        all_clusters=bool(clusters),
        versions={one.id: one.version for one in clusters or () if one.version},
    )


def _workloads_by_id(rows: Iterable[Row]) -> dict[str, Workload]:
    found = {}
    for row in rows:
        workload_id = fold_id(row.get("id"))
        if workload_id is not None:
            found[workload_id] = workload_from_row(workload_id, row)
    return found


def _pods_of(node: str, here: Sequence[Row]) -> PodsOnNode:
    workloads = {fold_id(pod.get("workloadId")) for pod in here}
    projects = {str(pod.get("projectId")) for pod in here}
    return PodsOnNode(node, len(here), len(projects), tuple(sorted(filter(None, workloads))))
