# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow of runai_workload_info: options, selection, result."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

from .._api.client import Client
from .._api.connection import connect_options, no_connection
from .._common.errors import OptionError, RunaiError
from .._common.result import ModuleResult
from .._common.text import clean
from .fields import needed_keys, unknown_fields
from .options import InfoOptions, info_options
from .result import EMPTY, Selection, empty_result, make_result
from .select import select


class SelectionRun(NamedTuple):
    """A selection that came to its end: EMPTY if it ended on ``fault``."""

    selection: Selection
    base_url: str
    warnings: list[str]
    secrets: set[str]
    fault: Optional[RunaiError] = None


def run_info(params: Mapping[str, Any], given: Mapping[str, Any], environ: Mapping[str, str]) -> ModuleResult:
    """Select what the options say. Never raises for what users or control planes do wrong.

    ``given`` are the task's arguments before Ansible completed them.
    """
    now = datetime.now(timezone.utc)
    try:
        options = info_options(params, given, now)
        run = run_selection(options, params, environ)
    except OptionError as refusal:
        return rejected(str(refusal))
    result = make_result(run.selection, run.base_url, options.fields, options.workloads_limit, now)
    if run.fault is not None:
        result["msg"] = str(run.fault)
    for field in unknown_fields(run.selection.rows, options.fields):
        run.warnings.append("fields: no workload has a '{0}'".format(clean(field, 60)))
    if result["workloads_truncated"] and options.workloads_limit is None:
        run.warnings.append(
            "workloads: the first {0} of {1} rows, so that job viewers can show the result; ids is complete. "
            "Request fewer fields, or set workloads_limit.".format(len(result["workloads"]), result["count"])
        )
    return ModuleResult(result, run.fault is not None, run.warnings, run.secrets, run.fault)


def run_selection(
    options: InfoOptions, params: Mapping[str, Any], environ: Mapping[str, str]
) -> SelectionRun:
    """Select with the connection options in ``params``. Raises OptionError for these, and RequestsMissing."""
    # An empty list of ids needs no request, and so no connection.
    connect = no_connection if options.selects_nothing else connect_options
    connection = connect(params, environ)
    warnings = [*connection.warnings, *options.warnings]
    if options.selects_nothing:
        return SelectionRun(EMPTY, connection.base_url, warnings, set(connection.secrets))
    client = Client(connection, options.concurrency)
    selection, fault = EMPTY, None
    try:
        selection = select(client, options, needed_keys(options.fields))
    except RunaiError as found:
        fault = found
    finally:
        client.close()
    warnings += client.stats.warnings()
    return SelectionRun(selection, connection.base_url, warnings, client.stats.secrets, fault)


def rejected(message: str) -> ModuleResult:
    """Return the result of a task that is rejected before any request, with the usual keys."""
    return ModuleResult({**empty_result(), "msg": message}, True, [], set())
