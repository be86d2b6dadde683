# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_workload_info: options, places, rows, selection, result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Optional

from ansible_collections.gpuops.runai.plugins.module_utils._ancestors import watch_ancestors
from ansible_collections.gpuops.runai.plugins.module_utils._client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._connection import Connection, connect_options
from ansible_collections.gpuops.runai.plugins.module_utils._errors import OptionError, RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._finished import Finished
from ansible_collections.gpuops.runai.plugins.module_utils._guard import Guard
from ansible_collections.gpuops.runai.plugins.module_utils._info_options import InfoOptions, info_options
from ansible_collections.gpuops.runai.plugins.module_utils._info_places import (
    Cluster,
    read_clusters,
    resolve_clusters,
    unlisted_nodes,
    unlisted_projects,
    warn_of_unlisted,
    workloads_on_nodes,
)
from ansible_collections.gpuops.runai.plugins.module_utils._info_result import (
    Selection,
    control_plane_shown,
    make_result,
    nothing,
    truncation_words,
)
from ansible_collections.gpuops.runai.plugins.module_utils._info_rows import Question, RowReader, Rows
from ansible_collections.gpuops.runai.plugins.module_utils._pages import PAGE_SIZE
from ansible_collections.gpuops.runai.plugins.module_utils._row import Row
from ansible_collections.gpuops.runai.plugins.module_utils._select import Criteria, match, predicate, row_id
from ansible_collections.gpuops.runai.plugins.module_utils._select_fields import (
    Surroundings,
    needed_keys,
    shown_rows,
    unknown_fields,
)
from ansible_collections.gpuops.runai.plugins.module_utils._select_order import Order, Taken, take
from ansible_collections.gpuops.runai.plugins.module_utils._select_server import server_part
from ansible_collections.gpuops.runai.plugins.module_utils._tally import Tally
from ansible_collections.gpuops.runai.plugins.module_utils._text import clean, counted, some_of


def run_info(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    now: Optional[datetime] = None,
) -> Finished:
    """Select what the options say. Never raises for what users or control planes do wrong.

    ``given`` are the task's arguments before Ansible completed them.
    """
    now = now or datetime.now(timezone.utc)
    try:
        options = info_options(params, given, now)
        connection = connect_options(params, environ)
    except OptionError as fault:
        return refused(str(fault))
    return _Run(options, connection, now).finish()


def refused(words: str) -> Finished:
    """Return the result of a task that is refused before anything is asked, in the usual shape."""
    return Finished({**make_result(nothing(), None), "msg": words}, True, [], set())


class _Run:
    """One run, from checked options to a result."""

    def __init__(self, options: InfoOptions, connection: Connection, now: datetime) -> None:
        self._options = options
        self._connection = connection
        self._now = now
        self._tally = Tally()
        self._client = Client(
            connection, Guard(is_wanted=watch_ancestors()), self._tally, connections=options.concurrency
        )
        self._warnings = [*connection.warnings, *options.warnings]

    def finish(self) -> Finished:
        selection = nothing(self._connection.base_url)
        try:
            if not self._options.selects_nothing:
                selection = self._select()
        except RunaiError as fault:
            result, failed = {**make_result(selection, None), "msg": str(fault)}, True
        else:
            result, failed = make_result(selection, self._options.workloads_limit), False
        finally:
            self._client.close()
        if result["workloads_truncated"] and self._options.workloads_limit is None:
            self._warn(truncation_words(result))
        secrets = {*self._connection.secrets, *self._tally.secrets}
        return Finished(result, failed, [*self._warnings, *self._tally.warnings()], secrets)

    def _select(self) -> Selection:
        options = self._options
        clusters = read_clusters(self._client)
        criteria = self._resolved(clusters)
        rows = self._read(criteria)
        matched = match(rows.values(), criteria, options.exclude)
        self._tell_unlisted(matched.unmatched, criteria, clusters or [])
        taken = take(matched.rows, options.order)
        if not taken.is_enough and not options.is_partial_allowed:
            raise RunaiError(_shortage_words(options.order, taken))
        for field in unknown_fields(taken.rows, options.fields):
            self._warn("fields: no workload has a '{0}'".format(clean(field, 60)))
        names = {one.id: one.name for one in clusters or ()}
        return Selection(
            ids=[workload_id for row in taken.rows for workload_id in row_id(row)],
            rows=shown_rows(taken.rows, options.fields, Surroundings(names, self._now)),
            gpus=taken.gpus,
            is_limited=taken.is_limited,
            unmatched=matched.unmatched,
            control_plane=control_plane_shown(
                self._connection.base_url,
                _tenant_id(clusters or [], rows),
                [{"id": one.id, "name": one.name, "version": one.version} for one in clusters or ()],
            ),
        )

    def _resolved(self, clusters: Optional[Sequence[Cluster]]) -> Criteria:
        """Return the criteria with the uuids that clusters and nodes stand for."""
        options = self._options
        any_of = dict(options.criteria.any_of)
        cluster_ids = None
        if options.clusters is not None:
            any_of["clusters"] = resolve_clusters(options.clusters, clusters, self._warn)
            cluster_ids = frozenset[str]().union(*any_of["clusters"].values())
        if options.nodes is not None:
            any_of["nodes"] = workloads_on_nodes(
                self._client, options.nodes, cluster_ids, options.concurrency, self._warn
            )
        return options.criteria._replace(any_of=any_of)

    def _read(self, criteria: Criteria) -> Rows:
        options = self._options
        # What the control plane searched or filtered by may be any key.
        is_any_key_used = bool(options.filter_by) or options.search is not None
        keys = None if is_any_key_used else needed_keys(options.fields)
        reader = RowReader(self._client, options.concurrency, keys, self._warn)
        by_id = [
            frozenset[str]().union(*criteria.any_of[option].values())
            for option in ("ids", "nodes")
            if option in criteria.any_of
        ]
        if by_id and not options.filter_by and options.search is None:
            ids = sorted(by_id[0].intersection(*by_id))
            rows, forbidden = reader.by_ids(ids, criteria.is_deleted) if ids else ({}, [])
            self._tell_missing("not visible to this account (403)", forbidden)
            gone = set(ids).difference(rows, forbidden)
            self._tell_missing("not there, or not visible to this account", sorted(gone))
            return rows
        part = server_part(criteria)
        question = Question(criteria.is_deleted, options.search, options.filter_by, part.filters)
        limit = options.order.limit
        is_prefix_enough = (
            limit is not None
            and part.is_whole
            and not options.filter_by
            and not options.exclude
            and options.order == Order(limit=limit)
        )
        if limit is None or not is_prefix_enough:
            return reader.listed(question, None, PAGE_SIZE)
        is_meant = predicate(criteria)
        # One more than is wanted tells whether the limit left something out.
        return reader.listed(question, lambda found: sum(map(is_meant, found)) > limit, limit + 1)

    def _tell_missing(self, what: str, ids: Sequence[str]) -> None:
        if ids:
            self._warn("{0} {1}: {2}".format(counted(len(ids), "workload"), what, some_of(ids)))

    def _tell_unlisted(
        self, unmatched: Mapping[str, Sequence[str]], criteria: Criteria, clusters: Sequence[Cluster]
    ) -> None:
        """Warn of names that matched nothing because there is no such thing."""
        projects = unmatched.get("projects", [])
        if projects:
            warn_of_unlisted("projects", lambda: unlisted_projects(self._client, projects), self._warn)
        nodes = [node for node in unmatched.get("nodes", []) if not criteria.any_of["nodes"][node]]
        if nodes:
            wanted = criteria.any_of.get("clusters")
            cluster_ids = None if wanted is None else frozenset[str]().union(*wanted.values())
            warn_of_unlisted(
                "nodes", lambda: unlisted_nodes(self._client, nodes, cluster_ids, clusters), self._warn
            )

    def _warn(self, sentence: str) -> None:
        if sentence not in self._warnings:
            self._warnings.append(sentence)


def _shortage_words(order: Order, taken: Taken) -> str:
    return "until_gpus: {0} with only {1:g} of the {2:g} GPUs asked for{3}; partial: true takes them".format(
        counted(len(taken.rows), "workload") if taken.rows else "no workloads",
        taken.gpus,
        order.until_gpus or 0,
        ", and more that limit left out" if taken.is_limited else "",
    )


def _tenant_id(clusters: Sequence[Cluster], rows: Mapping[str, Row]) -> Optional[int]:
    known = [one.tenant_id for one in clusters] + [row.get("tenantId") for row in rows.values()]
    return next((tenant_id for tenant_id in known if isinstance(tenant_id, int)), None)
