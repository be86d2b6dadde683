# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_workload_info: options, selection, result."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from .._api.cancellation import Cancellation
from .._api.client import Client
from .._api.connection import (
    connect_options,
    no_connection,
)
from .._api.stats import RequestStats
from .._common.errors import OptionError, RunaiError
from .._common.result import ModuleResult
from .._common.text import clean
from .._system.processes import watch_ancestors
from .criteria import row_id
from .fields import (
    Surroundings,
    needed_keys,
    shown_rows,
    unknown_fields,
)
from .options import info_options
from .result import (
    Selection,
    control_plane_shown,
    make_result,
    nothing,
    truncation_words,
)
from .select import SelectedRows, select


def run_info(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    now: Optional[datetime] = None,
) -> ModuleResult:
    """Select what the options say. Never raises for what users or control planes do wrong.

    ``given`` are the task's arguments before Ansible completed them.
    """
    now = now or datetime.now(timezone.utc)
    try:
        options = info_options(params, given, now)
        # What selects nothing makes no call, and is there also for those who may not connect.
        connect = no_connection if options.selects_nothing else connect_options
        connection = connect(params, environ)
    except OptionError as refusal:
        return refused(str(refusal))
    warnings = [*connection.warnings, *options.warnings]
    if options.selects_nothing:
        return ModuleResult(make_result(nothing(), None), False, warnings, set(connection.secrets))

    def warn(sentence: str) -> None:
        if sentence not in warnings:
            warnings.append(sentence)

    stats = RequestStats()
    cancellation = Cancellation(is_cancelled=watch_ancestors())
    client = Client(connection, cancellation, stats, connections=options.concurrency)
    fault: Optional[RunaiError] = None
    try:
        selected = select(client, options, needed_keys(options.fields), warn)
    except RunaiError as found:
        fault = found
        result = {**make_result(nothing(connection.base_url), None), "msg": str(fault)}
    else:
        for field in unknown_fields(selected.rows, options.fields):
            warn("fields: no workload has a '{0}'".format(clean(field, 60)))
        shown = _shown(selected, options.fields, connection.base_url, now)
        result = make_result(shown, options.workloads_limit)
    finally:
        client.close()
    if result["workloads_truncated"] and options.workloads_limit is None:
        warn(truncation_words(result))
    secrets = {*connection.secrets, *stats.secrets}
    return ModuleResult(result, fault is not None, [*warnings, *stats.warnings()], secrets, fault)


def refused(words: str) -> ModuleResult:
    """Return the result of a task that is refused before anything is asked, in the usual shape."""
    return ModuleResult({**make_result(nothing(), None), "msg": words}, True, [], set())


def _shown(selected: SelectedRows, fields: tuple[str, ...], base_url: str, now: datetime) -> Selection:
    clusters = selected.clusters or ()
    surroundings = Surroundings({one.id: one.name for one in clusters}, now, selected.peaks)
    return Selection(
        ids=[workload_id for row in selected.rows for workload_id in row_id(row)],
        rows=shown_rows(selected.rows, fields, surroundings),
        gpus=selected.gpus,
        is_limited=selected.is_limited,
        unmatched=selected.unmatched,
        undecided=selected.undecided,
        control_plane=control_plane_shown(
            base_url,
            selected.tenant_id,
            [{"id": one.id, "name": one.name, "version": one.version} for one in clusters],
        ),
    )
