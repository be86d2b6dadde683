# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of runai_maintenance, checked before anything is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Optional

from .._batch.options import DEFAULT_WORKLOADS_LIMIT, batch_options
from .._common.errors import OptionError
from .._common.ids import parse_ids
from .._common.option_values import has_blank, seconds, whole, within
from .._common.times import parse_age
from .._record.events import BEGUN, ENDED, PLANNED
from .._record.record import NAME_RULE, is_name
from .._selection.keep import Keep, keep_argument_spec, keep_of
from .._selection.options import info_options, select_argument_spec
from .._workload.phases import SUSPEND

TOLD = "told"
NONE = "none"
REFUSE = "refuse"
# Criteria that take only a part of a selection.
LIMITING_CRITERIA = ("limit", "until_gpus", "partial")
_COUNT = re.compile(r"[0-9]{1,9}")
_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]+)?")
_VERSION = re.compile(r"[vV]?[0-9]+(\.[0-9]+)*([-+][0-9A-Za-z.+-]+)?")
_MOST_ATTEMPTS = 20
# Options of the batch module: fixed ones, and those that both modules have.
_BATCH: dict[str, Any] = {
    "protect": [],
    "only_phases": None,
    "tolerate": ["finished", "deleting"],
    "max_affected": None,
    "batch_size": 100,
    "wait": True,
    # A resumed workload may stay Pending for want of GPUs.
    "wait_for": "active",
    "report_path": None,
    "workloads_limit": 0,
}
_OF_BATCH = ("max_failures", "concurrency", "wait_timeout", "wait_interval", "deadline")
# A blank one would widen the selection or lift a limit.
_NEVER_BLANK = (
    "name",
    "reason",
    "record_dir",
    "record",
    "max_affected",
    "max_percent",
    "max_drift",
    "max_failures",
    "notice",
    "crosses_version",
    "deadline",
    "summary_path",
)
_OR_NONE = ("max_affected", "max_percent", "max_drift", "notice", "crosses_version", "summary_path")


class MaintenanceOptions(NamedTuple):
    """The checked options. A ceiling of ``None`` sets no limit. ``given`` are the options of the task.

    ``told`` are pairs of a notified owner and the ids of the owner's workloads.
    """

    name: str
    state: str
    record_dir: Optional[str]
    record: Optional[str]
    record_max_age: timedelta
    reason: str
    select: dict[str, Any]
    max_affected: Optional[int]
    max_percent: Optional[float]
    max_drift: Optional[int]
    recheck: bool
    allow_empty: bool
    notice: Optional[timedelta]
    keep: Keep
    told: Sequence[tuple[str, list[str]]]
    unsuspendable: str
    unmatched_exemptions: str
    node_fenced: bool
    crosses_version: Optional[str]
    resume_touched: bool
    attempts: int
    settle_time: float
    wait_for_api: float
    summary_path: Optional[str]
    workloads_limit: int
    batch: dict[str, Any]
    by: dict[str, str]
    given: frozenset[str]

    @property
    def is_repeated(self) -> bool:
        """Whether each run under the same name plans anew and adds to the workloads that the record holds."""
        return "notice" in self.given


def maintenance_argument_spec() -> dict[str, dict[str, Any]]:
    """Return the options beside those of the connection."""
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "required": True, "choices": [PLANNED, TOLD, BEGUN, ENDED]},
        "record_dir": {"type": "path"},
        "record": {"type": "str"},
        "record_max_age": {"type": "str", "default": "7d"},
        "reason": {"type": "str"},
        "select": {"type": "dict", "options": select_argument_spec()},
        "max_affected": {"type": "str"},
        "max_percent": {"type": "str"},
        "max_drift": {"type": "str", "default": NONE},
        "recheck": {"type": "bool", "default": False},
        "allow_empty": {"type": "bool", "default": False},
        "notice": {"type": "str"},
        "keep": keep_argument_spec(),
        "told": {
            "type": "list",
            "elements": "dict",
            "options": {
                "owner": {"type": "str", "required": True},
                "ids": {"type": "list", "elements": "str", "required": True},
            },
        },
        "unsuspendable": {"type": "str", "choices": [REFUSE, "leave"], "default": REFUSE},
        "unmatched_exemptions": {"type": "str", "choices": [REFUSE, "allow"], "default": REFUSE},
        "node_fenced": {"type": "bool", "default": False},
        "crosses_version": {"type": "str", "default": NONE},
        "resume_touched": {"type": "bool", "default": False},
        "attempts": {"type": "int", "default": 2},
        "max_failures": {"type": "str", "default": "10%"},
        "concurrency": {"type": "int"},
        "wait_timeout": {"type": "float", "default": 1800.0},
        "wait_interval": {"type": "float", "default": 5.0},
        "wait_for_api": {"type": "float", "default": 0.0},
        "settle_time": {"type": "float", "default": 15.0},
        "deadline": {"type": "int"},
        "summary_path": {"type": "path"},
        "workloads_limit": {"type": "int", "default": DEFAULT_WORKLOADS_LIMIT},
        "by": {"type": "dict"},
    }


def maintenance_options(
    params: Mapping[str, Any], given: Mapping[str, Any], environ: Mapping[str, str]
) -> MaintenanceOptions:
    """Check and settle the options; raise OptionError for the first that can't be used.

    ``given`` are the task's own arguments before Ansible completed them.
    """
    for option in _NEVER_BLANK:
        if option in given:
            _reject_blank(option, given[option])
    if not is_name(params["name"]):
        raise OptionError("name", NAME_RULE)
    age = parse_age(params["record_max_age"])
    if age is None:
        raise OptionError("record_max_age", "not an age such as 12h or 7d")
    # The word none sets no limit.
    params = {**params, **{option: None for option in _OR_NONE if params[option] == NONE}}
    version = params["crosses_version"]
    if version is not None and not _VERSION.fullmatch(version):
        raise OptionError("crosses_version", "'{0}' is not a version such as 2.25".format(version))
    batch = {**_BATCH, **{option: params[option] for option in _OF_BATCH}}
    # The batches would reject them only after the record has moved on.
    batch_options({**batch, "action": SUSPEND, "ids": []}, {})
    select = _select(params["select"], given.get("select"))
    return MaintenanceOptions(
        name=params["name"],
        state=params["state"],
        record_dir=params["record_dir"] or environ.get("RUNAI_RECORD_DIR") or None,
        record=params["record"],
        record_max_age=age,
        reason=(params["reason"] or "").strip(),
        select=select,
        max_affected=_count("max_affected", params["max_affected"]),
        max_percent=_percent("max_percent", params["max_percent"]),
        max_drift=_count("max_drift", params["max_drift"]),
        recheck=params["recheck"],
        allow_empty=params["allow_empty"],
        notice=_notice(params["notice"]),
        keep=keep_of(params["keep"], datetime.now(timezone.utc)),
        told=_told(params["state"], params["told"]),
        unsuspendable=params["unsuspendable"],
        unmatched_exemptions=params["unmatched_exemptions"],
        node_fenced=params["node_fenced"],
        crosses_version=version,
        resume_touched=params["resume_touched"],
        attempts=within("attempts", params["attempts"], _MOST_ATTEMPTS),
        settle_time=seconds("settle_time", params["settle_time"], 0),
        wait_for_api=seconds("wait_for_api", params["wait_for_api"], 0),
        summary_path=params["summary_path"],
        workloads_limit=whole("workloads_limit", params["workloads_limit"], 0) or 0,
        batch=batch,
        by={str(key): str(value) for key, value in (params["by"] or {}).items() if value not in (None, "")},
        given=frozenset(option for option, value in given.items() if value is not None),
    )


def check_plan_options(options: MaintenanceOptions) -> None:
    """Raise OptionError unless all that a plan needs was given."""
    needed = {
        "reason": options.reason,
        "select": options.select,
        "max_affected": "max_affected" in options.given,
        "max_percent": "max_percent" in options.given,
    }
    missing = [option for option, value in needed.items() if not value]
    if missing:
        more = "; a ceiling of none sets no limit" if "max_affected" in missing else ""
        raise OptionError(", ".join(missing), "required for a plan. Set it{0}".format(more))


def _notice(value: Optional[str]) -> Optional[timedelta]:
    if value is None:
        return None
    age = parse_age(value)
    if not age:
        raise OptionError("notice", "must be a duration such as 24h, or none")
    return age


def _told(state: str, values: Optional[Sequence[Mapping[str, Any]]]) -> Sequence[tuple[str, list[str]]]:
    if (state == TOLD) != (values is not None):
        raise OptionError("told", "required for state: told, and rejected for other states")
    return [(one["owner"], parse_ids(one["ids"], "told").ids) for one in values or ()]


def _select(params: Optional[Mapping[str, Any]], given: Any) -> dict[str, Any]:
    """Return the criteria that were given, once they are checked."""
    if params is None:
        return {}
    as_given = given if isinstance(given, dict) else {}
    info_options(params, as_given, datetime.now(timezone.utc))
    return {option: value for option, value in params.items() if option in as_given}


def _reject_blank(option: str, value: Any) -> None:
    if has_blank(value, ignored=","):
        if option in ("name", "reason"):
            raise OptionError(option, "is empty, and it is required. Set it")
        raise OptionError(option, "is empty. Omit it, or set a value")


def _count(option: str, value: Optional[str]) -> Optional[int]:
    if value is None:
        return None
    if not _COUNT.fullmatch(value.strip()):
        raise OptionError(option, "must be a whole number of workloads, or none")
    return int(value)


def _percent(option: str, value: Optional[str]) -> Optional[float]:
    if value is None:
        return None
    text = value.strip().rstrip("%").strip()
    if not _PERCENT.fullmatch(text) or float(text) > 100:
        raise OptionError(option, "must be a percentage from 0 to 100, or none")
    return float(text)
