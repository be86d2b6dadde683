# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of runai_workload_info, checked before any request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Optional

from .._api.client import ListQuery
from .._common.errors import OptionError
from .._common.ids import fold_id, parse_ids, pieces
from .._common.option_values import MOST_CONCURRENT, names, reject_blank, whole, with_whole_texts, within
from .._common.text import clean
from .._common.times import parse_age, parse_before
from .._workload.phases import phases
from .criteria import AMOUNTS, MOMENTS, Criteria
from .fields import ALL_FIELDS, DEFAULT_FIELDS
from .idle import SHORTEST_IDLE, IdleWindow, idle_window
from .order import SORT_KEYS, Order
from .server_filter import EXPRESSION

# Lists of names that rows carry as they are given.
_EXACT = ("projects", "departments", "node_pools", "types", "categories", "submitted_by", "priority_classes")
_LISTS = (*_EXACT, "clusters", "phases", "nodes", "filter_by")
# At least one of these must be given, or all: true.
CRITERIA = ("ids", *_LISTS, "name", "search", *AMOUNTS, *MOMENTS, "preemptible", "suspendable", "idle_for")

# Run:ai API 2.25, list of workloads.
_MOST_FILTERS = 10


class InfoOptions(NamedTuple):
    """Checked options: which workloads to select, and how to show them.

    ``criteria`` lacks ``clusters`` and ``nodes``, since their ids are read from the control plane. They
    are ``None`` where they were not given. ``query`` is what only the control plane can filter by.
    """

    criteria: Criteria
    clusters: Optional[tuple[str, ...]]
    nodes: Optional[tuple[str, ...]]
    query: ListQuery
    idle: Optional[IdleWindow]
    except_newest: int
    order: Order
    is_partial_allowed: bool
    fields: tuple[str, ...]
    workloads_limit: Optional[int]
    concurrency: int
    warnings: tuple[str, ...]

    @property
    def selects_nothing(self) -> bool:
        """Whether ids was given as an empty list."""
        return self.criteria.any_of.get("ids") == {}


def selection_argument_spec() -> dict[str, dict[str, Any]]:
    """Return the options of runai_workload_info beside those of the connection."""
    return {
        **select_argument_spec(),
        "deleted": {"type": "bool", "default": False},
        "fields": {"type": "list", "elements": "str", "default": list(DEFAULT_FIELDS)},
        "workloads_limit": {"type": "int"},
        "concurrency": {"type": "int", "default": 4},
    }


def select_argument_spec() -> dict[str, dict[str, Any]]:
    """Return the options that select workloads: those of the documentation fragment ``selection``."""
    lists = ("ids", *_LISTS, "exclude", "except_projects")
    return {
        **{option: {"type": "list", "elements": "str"} for option in lists},
        "all": {"type": "bool", "default": False},
        "name": {"type": "str"},
        "search": {"type": "str"},
        **{option: {"type": "float"} for option in (*AMOUNTS, "until_gpus")},
        **{option: {"type": "str"} for option in MOMENTS},
        "preemptible": {"type": "bool"},
        "suspendable": {"type": "bool"},
        "idle_for": {"type": "str"},
        "idle_threshold": {"type": "float", "default": 1.0},
        "except_newest": {"type": "int", "default": 0},
        "partial": {"type": "bool", "default": False},
        "limit": {"type": "int"},
        "sort_by": {"type": "str", "default": "created_at", "choices": list(SORT_KEYS)},
        "sort_order": {"type": "str", "default": "asc", "choices": ["asc", "desc"]},
    }


def info_options(params: Mapping[str, Any], given: Mapping[str, Any], now: datetime) -> InfoOptions:
    """Check the options; raise OptionError for the first that can't be used.

    An option that ``params`` lack has its default. ``given`` are the task's own arguments before Ansible
    completed them. Only there a null differs from an option that was omitted.
    """
    spec = selection_argument_spec()
    for option in spec:
        if option in given:
            reject_blank(option, given[option], may_be_empty=option == "ids")
    defaults = {option: one.get("default") for option, one in spec.items()}
    params = with_whole_texts({**defaults, **params}, given, ("ids",))
    if not params["all"] and all(params[option] is None for option in CRITERIA):
        raise OptionError("criteria", "not set. Set at least one criterion, or all: true for every workload.")
    for option in ("nodes", "idle_for"):
        if params[option] is not None and params["deleted"]:
            raise OptionError(
                option, "can't be used with deleted: a deleted workload is on no node and holds no GPU"
            )
    if params["idle_for"] is None and "idle_threshold" in given:
        raise OptionError("idle_threshold", "has no effect without idle_for. Set idle_for, or omit it.")
    lists = {
        option: names(option, params[option])
        for option in (*_LISTS, "exclude", "except_projects", "fields")
        if params[option] is not None
    }
    if ALL_FIELDS in lists["fields"] and len(lists["fields"]) > 1:
        raise OptionError("fields", "'all' stands alone")
    warnings: list[str] = []
    return InfoOptions(
        criteria=_criteria(params, lists, now, warnings),
        clusters=lists.get("clusters"),
        nodes=lists.get("nodes"),
        query=ListQuery(params["deleted"], params["search"], _expressions(lists.get("filter_by", ()))),
        idle=None if params["idle_for"] is None else _idle(params["idle_for"], params["idle_threshold"], now),
        except_newest=whole("except_newest", params["except_newest"], 0) or 0,
        order=Order(
            sort_by=params["sort_by"],
            is_descending=params["sort_order"] == "desc",
            limit=whole("limit", params["limit"], 1),
            until_gpus=_gpus("until_gpus", params["until_gpus"]),
        ),
        is_partial_allowed=params["partial"],
        fields=lists["fields"],
        workloads_limit=whole("workloads_limit", params["workloads_limit"], 0),
        concurrency=within("concurrency", params["concurrency"], MOST_CONCURRENT),
        warnings=tuple(warnings),
    )


def _criteria(
    params: Mapping[str, Any], lists: Mapping[str, tuple[str, ...]], now: datetime, warnings: list[str]
) -> Criteria:
    """Return the criteria that can be made without a request."""
    any_of = {option: _as_given(values) for option, values in lists.items() if option in _EXACT}
    if params["ids"] is not None:
        any_of["ids"] = _as_given(_ids(params["ids"]))
    if "phases" in lists:
        known = phases("phases", lists["phases"], warnings)
        any_of["phases"] = {value: frozenset((phase,)) for value, phase in known.items()}
    amounts = {option: _gpus(option, params[option]) for option in AMOUNTS}
    return Criteria(
        any_of=any_of,
        name=params["name"],
        at_least={option: least for option, least in amounts.items() if least is not None},
        before={
            option: _moment(option, params[option], now) for option in MOMENTS if params[option] is not None
        },
        preemptible=params["preemptible"],
        suspendable=params["suspendable"],
        is_deleted=params["deleted"],
        exclude=_exclude(lists.get("exclude", ())),
        except_projects=lists.get("except_projects", ()),
    )


def _as_given(values: Iterable[str]) -> dict[str, frozenset[str]]:
    return {value: frozenset((value,)) for value in values}


def _exclude(values: Iterable[str]) -> tuple[str, ...]:
    """Return the elements; one that holds only ids, as surveys give them, is split."""
    found: list[str] = []
    for value in values:
        ids = [fold_id(piece) for piece in pieces(value)]
        found += [one for one in ids if one is not None] if all(ids) and ids else [value]
    return tuple(dict.fromkeys(found))


def _ids(values: Sequence[object]) -> list[str]:
    ids = parse_ids(values, "ids").ids
    if values and not ids:
        raise OptionError("ids", "holds no id. Give an empty list to select nothing.")
    return ids


def _gpus(option: str, value: Optional[float]) -> Optional[float]:
    if value is not None and not 0 < value < math.inf:
        raise OptionError(option, "must be a number of GPUs greater than 0")
    return value


def _moment(option: str, value: str, now: datetime) -> datetime:
    try:
        return parse_before(value, now)
    except ValueError as fault:
        raise OptionError(option, clean(str(fault))) from None


def _idle(value: str, threshold: float, now: datetime) -> IdleWindow:
    age = parse_age(value)
    if age is None:
        raise OptionError(
            "idle_for",
            "'{0}' is not a duration. Give for example 90m, 12h, 7d or 1d12h; "
            "months are not supported.".format(clean(value, 60)),
        )
    if age < SHORTEST_IDLE or age >= now - datetime.min.replace(tzinfo=now.tzinfo):
        raise OptionError(
            "idle_for", "'{0}' is too short or too long. Give at least 1m.".format(clean(value, 60))
        )
    if not 0 <= threshold <= 100:
        raise OptionError("idle_threshold", "must be a percentage from 0 to 100")
    return idle_window(age, threshold, now)


def _expressions(values: Sequence[str]) -> tuple[str, ...]:
    for value in values:
        if not EXPRESSION.fullmatch(value):
            raise OptionError(
                "filter_by",
                "'{0}' is not field, operator (== != <= >= =@ !@ =^ =$) and value, without a comma".format(
                    clean(value, 60)
                ),
            )
    if len(values) > _MOST_FILTERS:
        raise OptionError(
            "filter_by", "the control plane takes at most {0} expressions".format(_MOST_FILTERS)
        )
    return tuple(values)
