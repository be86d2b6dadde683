# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A selection, from checked options to rows: places, rows, criteria, order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Callable, Optional

from .._api.client import Client, ListQuery
from .._api.errors import RequestError
from .._common.errors import RunaiError
from .._common.ids import fold_id
from .._common.text import NAME_LENGTH, clean, counted, some_of
from .._workload.row import Row
from .criteria import Criteria, Matched, match, predicate, row_id
from .idle import IdleRows, idle_rows
from .options import InfoOptions
from .order import Order, is_enough, newest, sum_of_gpus, take
from .places import (
    LISTINGS,
    Cluster,
    Unlisted,
    api_id,
    look_up,
    look_up_nodes,
    read_clusters,
    resolve_clusters,
    unlisted_message,
    workloads_on_nodes,
)
from .result import EMPTY, Selection
from .rows import LimitedRead, RowReader, Rows, Shortfall
from .server_filter import server_part

_WILDCARDS = frozenset("*?[")


def select(
    client: Client,
    options: InfoOptions,
    keys: Optional[Collection[str]],
    warn: Callable[[str], None],
    with_scope: bool = False,
) -> Selection:
    """Return the workloads that ``options`` mean; ``warn`` gets sentences for the user.

    Of rows from the list only ``keys`` are kept, or all with ``None``. ``with_scope`` returns also all
    workloads of the clusters that ``options`` name, from the same read where that can be. Raises RunaiError,
    as any fault of a request is.
    """
    if options.selects_nothing:
        return EMPTY
    return _Selecting(client, options, keys, warn, with_scope).select()


class _Selecting:
    """State of one call of ``select``."""

    def __init__(
        self,
        client: Client,
        options: InfoOptions,
        keys: Optional[Collection[str]],
        warn: Callable[[str], None],
        with_scope: bool,
    ) -> None:
        self._client = client
        self._options = options
        self._keys = keys
        self._warn = warn
        self._with_scope = with_scope
        self._scope: Rows = {}
        self._unlisted: dict[str, Unlisted] = {}

    def select(self) -> Selection:
        options = self._options
        clusters = self._clusters()
        criteria = self._resolved(clusters)
        rows, shortfall = self._read(criteria, clusters)
        matched = match(rows.values(), criteria, options.exclude, options.except_projects)
        self._warn_of_unmatched(matched.unmatched, criteria, clusters)
        idle = self._idle(matched)
        order = options.order
        taken = take(idle.rows, order)
        gpus = sum_of_gpus(taken)
        is_limited = order.limit is not None and len(idle.rows) > order.limit
        if not is_enough(gpus, order) and not options.is_partial_allowed:
            raise RunaiError(_shortage_message(order.until_gpus or 0, gpus, len(taken), is_limited))
        return Selection(
            taken,
            gpus,
            is_limited,
            matched.unmatched,
            clusters,
            _tenant_id(clusters or [], rows),
            idle.undecided,
            shortfall,
            match({**self._scope, **rows}.values(), _scope_of(criteria)).rows if self._with_scope else None,
            self._unlisted,
        )

    def _clusters(self) -> Optional[list[Cluster]]:
        """Return the clusters; ``None`` where they are not needed and can't be listed."""
        is_needed = any(fold_id(value) is None for value in self._options.clusters or ())
        try:
            return read_clusters(self._client, is_optional=not is_needed)
        except RequestError as fault:
            if is_needed or not fault.is_from_endpoint:
                raise
            self._warn("the clusters could not be listed, so their names are not known ({0})".format(fault))
            return None

    def _resolved(self, clusters: Optional[Sequence[Cluster]]) -> Criteria:
        """Return the criteria with the uuids that clusters and nodes stand for."""
        options = self._options
        any_of = dict(options.criteria.any_of)
        cluster_ids = None
        if options.clusters is not None:
            any_of["clusters"] = resolve_clusters(options.clusters, clusters, self._note_unlisted)
            cluster_ids = api_id(frozenset[str]().union(*any_of["clusters"].values()), clusters)
        if options.nodes is not None:
            any_of["nodes"] = workloads_on_nodes(
                self._client, options.nodes, cluster_ids, clusters, options.concurrency, self._warn
            )
        return options.criteria._replace(any_of=any_of)

    def _read(
        self, criteria: Criteria, clusters: Optional[Sequence[Cluster]]
    ) -> tuple[Rows, Optional[Shortfall]]:
        options = self._options
        # What the control plane searched or filtered by may be any key.
        is_any_key_used = bool(options.filter_by) or options.search is not None
        reader = RowReader(
            self._client, options.concurrency, None if is_any_key_used else self._keys, self._warn
        )
        by_id = [
            frozenset[str]().union(*criteria.any_of[option].values())
            for option in ("ids", "nodes")
            if option in criteria.any_of
        ]
        known_clusters = api_id((one.id for one in clusters or ()), clusters)
        if self._with_scope:
            scope_reader = RowReader(self._client, options.concurrency, self._keys, self._warn)
            filters = server_part(_scope_of(criteria), known_clusters).filters
            self._scope = scope_reader.listed(ListQuery(), filters)
            if scope_reader.shortfall is not None or not (is_any_key_used or by_id):
                return self._scope, scope_reader.shortfall
        if by_id and not is_any_key_used:
            ids = sorted(by_id[0].intersection(*by_id).difference(self._scope))
            found = self._by_ids(reader, ids, criteria.is_deleted)
            return {**self._scope, **found}, reader.shortfall
        part = server_part(criteria, known_clusters)
        limit = options.order.limit
        limited_read = None
        if (
            limit is not None
            and part.is_whole
            and not options.filter_by
            and not options.exclude
            and not options.except_projects
            and options.idle is None
            and not options.except_newest
            and options.order == Order(limit=limit)
        ):
            limited_read = LimitedRead(limit, predicate(criteria))
        query = ListQuery(criteria.is_deleted, options.search, options.filter_by)
        rows = reader.listed(query, part.filters, limited_read)
        # Only the control plane can search and use its own filters: that takes a read of its own.
        self._scope = {**self._scope, **rows}
        return rows, reader.shortfall

    def _idle(self, matched: Matched) -> IdleRows:
        """Return what of the rows is idle, where that is asked for, without the newest of each project."""
        options = self._options
        found = IdleRows(matched.rows, [])
        if options.idle is not None:
            found = idle_rows(self._client, matched.rows, options.idle, options.concurrency)
            if found.undecided:
                self._warn(
                    "idle_for: GPU use is not known for {0}, listed in undecided and not selected".format(
                        counted(len(found.undecided), "workload")
                    )
                )
        if not options.except_newest:
            return found
        # An excluded workload meets the criteria, but whether it is idle has not been asked.
        known = found.rows if options.idle is not None else [*found.rows, *matched.excluded]
        kept = newest(known, options.except_newest)
        return found._replace(rows=[row for row in found.rows if kept.isdisjoint(row_id(row))])

    def _by_ids(self, reader: RowReader, ids: Sequence[str], is_deleted: bool) -> Rows:
        rows, forbidden = reader.by_ids(ids, is_deleted) if ids else ({}, [])
        self._warn_of_missing("not visible to this account (403)", forbidden)
        gone = set(ids).difference(rows, forbidden)
        self._warn_of_missing("not found, or not visible to this account", sorted(gone))
        return rows

    def _warn_of_missing(self, what: str, ids: Sequence[str]) -> None:
        if ids:
            self._warn("{0} {1}: {2}".format(counted(len(ids), "workload"), what, some_of(ids)))

    def _warn_of_unmatched(
        self,
        unmatched: Mapping[str, Sequence[str]],
        criteria: Criteria,
        clusters: Optional[Sequence[Cluster]],
    ) -> None:
        """Warn of names that the control plane does not list, and of exclusions without effect."""
        for option in LISTINGS:
            names = unmatched.get(option, ())
            if names:
                self._look_up(option, partial(look_up, self._client, option, names))
        wanted = criteria.any_of.get("clusters")
        cluster_ids = None if wanted is None else frozenset[str]().union(*wanted.values())
        nodes = [node for node in unmatched.get("nodes", []) if not criteria.any_of["nodes"][node]]
        # A cluster that is not listed has no listed nodes, and there is a warning of it already.
        if nodes and (cluster_ids is None or cluster_ids):
            self._look_up("nodes", partial(look_up_nodes, self._client, nodes, cluster_ids, clusters))
        # A pattern may match nothing on purpose. An id or a name stands for one workload.
        unused = [element for element in unmatched.get("exclude", []) if _WILDCARDS.isdisjoint(element)]
        if unused:
            shown = some_of(["'{0}'".format(clean(one, NAME_LENGTH)) for one in unused])
            verb = "matches" if len(unused) == 1 else "match"
            self._warn("exclude: {0} {1} no selected workload".format(shown, verb))

    def _look_up(self, option: str, read: Callable[[], Unlisted]) -> None:
        """Note the names that the control plane does not list, or warn that it can't be asked."""
        try:
            unlisted = read()
        except RequestError as fault:
            self._warn("{0}: could not be looked up ({1})".format(option, fault))
            return
        if unlisted:
            self._note_unlisted(option, unlisted)

    def _note_unlisted(self, option: str, unlisted: Unlisted) -> None:
        self._unlisted[option] = unlisted
        self._warn(unlisted_message(option, unlisted))


def _scope_of(criteria: Criteria) -> Criteria:
    """Return the criterion of the clusters alone."""
    return Criteria({option: wanted for option, wanted in criteria.any_of.items() if option == "clusters"})


def _shortage_message(wanted: float, gpus: float, workloads: int, is_limited: bool) -> str:
    if not workloads:
        return "until_gpus: no selected workload holds a GPU, {0:g} requested".format(wanted)
    return "until_gpus: {0} with {1:g} of {2:g} GPUs{3}. Set partial: true to select them.".format(
        counted(workloads, "workload"), gpus, wanted, ", and more beyond limit" if is_limited else ""
    )


def _tenant_id(clusters: Sequence[Cluster], rows: Mapping[str, Row]) -> Optional[int]:
    known = [one.tenant_id for one in clusters] + [row.get("tenantId") for row in rows.values()]
    return next((tenant_id for tenant_id in known if isinstance(tenant_id, int)), None)
