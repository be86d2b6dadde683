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
    api_ids,
    read_clusters,
    resolve_clusters,
    unlisted_clusters,
    unlisted_message,
    unlisted_names,
    unlisted_nodes,
    workloads_on_nodes,
)
from .result import EMPTY, Selection
from .rows import LimitedRead, RowReader, Rows
from .server_filter import server_part

_WILDCARDS = frozenset("*?[")


def select(
    client: Client,
    options: InfoOptions,
    keys: Optional[Collection[str]],
    with_scope: bool = False,
) -> Selection:
    """Return the workloads that ``options`` mean.

    Of rows from the list only ``keys`` are kept, or all with ``None``. ``with_scope`` returns also all
    workloads of the clusters that ``options`` name, from the same read where that can be. Raises RunaiError.
    """
    if options.selects_nothing:
        return EMPTY
    clusters = _clusters(client, options)
    criteria = _resolved(client, options, clusters)
    reader = RowReader(client, options.concurrency, keys)
    scope, rows = _read(reader, options, criteria, clusters, with_scope)
    matched = match(rows.values(), criteria)
    unlisted = _unlisted(client, matched.unmatched, criteria, clusters)
    _warn_of_exclusions(client, matched.unmatched.get("exclude", ()))
    idle = _idle(client, options, matched)
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
        clusters or [],
        _tenant_id(clusters or [], rows),
        idle.undecided,
        reader.shortfall,
        match({**scope, **rows}.values(), _scope_of(criteria)).rows if with_scope else [],
        unlisted,
    )


def _clusters(client: Client, options: InfoOptions) -> Optional[list[Cluster]]:
    """Return the clusters; ``None`` where they are not needed and can't be listed."""
    is_needed = any(fold_id(value) is None for value in options.clusters or ())
    try:
        return read_clusters(client, is_optional=not is_needed)
    except RequestError as fault:
        if is_needed or not fault.is_from_endpoint:
            raise
        client.warn_once("the clusters could not be listed, so their names are not known ({0})".format(fault))
        return None


def _resolved(client: Client, options: InfoOptions, clusters: Optional[Sequence[Cluster]]) -> Criteria:
    """Return the criteria with the uuids that clusters and nodes stand for."""
    any_of = dict(options.criteria.any_of)
    cluster_ids = None
    if options.clusters is not None:
        any_of["clusters"] = resolve_clusters(options.clusters, clusters)
        # Before the reads: one of them may fail, and the wrong name be why.
        if unlisted := unlisted_clusters(any_of["clusters"], clusters):
            client.warn_once(unlisted_message("clusters", unlisted))
        cluster_ids = api_ids(any_of["clusters"], clusters)
    if options.nodes is not None:
        any_of["nodes"] = workloads_on_nodes(
            client, options.nodes, cluster_ids, clusters, options.concurrency
        )
    return options.criteria._replace(any_of=any_of)


def _read(
    reader: RowReader,
    options: InfoOptions,
    criteria: Criteria,
    clusters: Optional[Sequence[Cluster]],
    with_scope: bool,
) -> tuple[Rows, Rows]:
    """Return the rows of the scope, where they are wanted, and rows with all that meet the criteria."""
    query, limit = options.query, options.order.limit
    is_asked_of_server = query.search is not None or bool(query.filters)
    by_id = [criteria.keys(option) for option in ("ids", "nodes") if option in criteria.any_of]
    written = {one.id: one.api_id for one in clusters or ()}
    scope: Rows = {}
    if with_scope:
        scope = reader.listed(ListQuery(), server_part(_scope_of(criteria), written).filters)
        if reader.shortfall is not None or not (is_asked_of_server or by_id):
            return scope, scope
    # Only the control plane can search and use its own filters: that takes a read of its own.
    if by_id and not is_asked_of_server:
        ids = sorted(by_id[0].intersection(*by_id).difference(scope))
        return scope, {**scope, **reader.by_ids(ids, criteria.is_deleted)}
    filters, is_whole = server_part(criteria, written)
    is_whole = is_whole and not (query.filters or options.idle or options.except_newest)
    limited_read = None
    if limit is not None and is_whole and options.order == Order(limit=limit):
        limited_read = LimitedRead(limit, predicate(criteria))
    return scope, reader.listed(query, filters, limited_read)


def _idle(client: Client, options: InfoOptions, matched: Matched) -> IdleRows:
    """Return the matched rows, with ``idle_for`` only idle ones, without the newest of each project."""
    found = IdleRows(matched.rows, [])
    if options.idle is not None:
        found = idle_rows(client, matched.rows, options.idle, options.concurrency)
        if found.undecided:
            client.warn_once(
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


def _unlisted(
    client: Client,
    unmatched: Mapping[str, Sequence[str]],
    criteria: Criteria,
    clusters: Optional[Sequence[Cluster]],
) -> dict[str, Unlisted]:
    """Return the unmatched names that the control plane does not list, by option.

    Warns of them, but for clusters, of which there is a warning already.
    """
    reads: dict[str, Callable[[], Unlisted]] = {}
    found: dict[str, Unlisted] = {}
    cluster_ids = None
    if "clusters" in criteria.any_of:
        cluster_ids = criteria.keys("clusters")
        resolved = {name: criteria.any_of["clusters"][name] for name in unmatched.get("clusters", ())}
        if unlisted := unlisted_clusters(resolved, clusters):
            found["clusters"] = unlisted
    for option in LISTINGS:
        if option in unmatched:
            reads[option] = partial(unlisted_names, client, option, unmatched[option])
    nodes = [node for node in unmatched.get("nodes", []) if not criteria.any_of["nodes"][node]]
    # A cluster that is not listed has no listed nodes, and there is a warning of it already.
    if nodes and (cluster_ids is None or cluster_ids):
        reads["nodes"] = partial(unlisted_nodes, client, nodes, cluster_ids, clusters)
    for option, read in reads.items():
        try:
            unlisted = read()
        except RequestError as fault:
            client.warn_once("{0}: could not be looked up ({1})".format(option, fault))
            continue
        if unlisted:
            found[option] = unlisted
            client.warn_once(unlisted_message(option, unlisted))
    return found


def _warn_of_exclusions(client: Client, unmatched: Sequence[str]) -> None:
    # A pattern may match nothing on purpose. An id or a name stands for one workload.
    unused = [element for element in unmatched if _WILDCARDS.isdisjoint(element)]
    if unused:
        shown = some_of(["'{0}'".format(clean(one, NAME_LENGTH)) for one in unused])
        verb = "matches" if len(unused) == 1 else "match"
        client.warn_once("exclude: {0} {1} no selected workload".format(shown, verb))


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
