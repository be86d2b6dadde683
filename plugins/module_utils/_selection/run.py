# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_workload_info: options, selection, result."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from .._api.cancellation import Cancellation
from .._api.client import Client
from .._api.connection import connect_options, no_connection
from .._api.stats import RequestStats
from .._common.errors import OptionError, RunaiError
from .._common.result import ModuleResult
from .._common.text import clean
from .._system.processes import watch_ancestors
from .fields import needed_keys, unknown_fields
from .options import info_options
from .result import empty_result, make_result, truncation_message
from .select import select


def run_info(
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    now: Optional[datetime] = None,
    render: Callable[..., dict[str, Any]] = make_result,
) -> ModuleResult:
    """Select what the options say. Never raises for what users or control planes do wrong.

    ``given`` are the task's arguments before Ansible completed them. ``render`` makes the result of a
    selection, from what ``make_result`` takes.
    """
    now = now or datetime.now(timezone.utc)
    try:
        options = info_options(params, given, now)
        # An empty list of ids needs no request, and so no connection.
        connect = no_connection if options.selects_nothing else connect_options
        connection = connect(params, environ)
    except OptionError as refusal:
        return rejected(str(refusal))
    warnings = [*connection.warnings, *options.warnings]
    if options.selects_nothing:
        return ModuleResult(empty_result(), False, warnings, set(connection.secrets))

    def warn(sentence: str) -> None:
        if sentence not in warnings:
            warnings.append(sentence)

    stats = RequestStats(connection.secrets)
    cancellation = Cancellation(is_cancelled=watch_ancestors())
    client = Client(connection, cancellation, stats, connections=options.concurrency)
    fault: Optional[RunaiError] = None
    try:
        selected = select(client, options, needed_keys(options.fields), warn)
    except RunaiError as found:
        fault = found
        result = {**empty_result(connection.base_url), "msg": str(fault)}
    else:
        for field in unknown_fields(selected.rows, options.fields):
            warn("fields: no workload has a '{0}'".format(clean(field, 60)))
        result = render(selected, connection.base_url, options.fields, options.workloads_limit, now)
    finally:
        client.close()
    if result["workloads_truncated"] and options.workloads_limit is None:
        warn(truncation_message(result))
    return ModuleResult(result, fault is not None, [*warnings, *stats.warnings()], stats.secrets, fault)


def rejected(message: str) -> ModuleResult:
    """Return the result of a task that is rejected before any request, with the usual keys."""
    return ModuleResult({**empty_result(), "msg": message}, True, [], set())
