# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses of the control plane, checked before anything is decided by them.

Nothing here trusts the other side: a proxy, an older version or a fault may have written the
response. What can't be used as a whole raises MalformedResponse; what is odd in part is dropped and
reported through ``warn_once``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Callable, NamedTuple, Optional

from .._common.ids import fold_id
from .._common.text import clean, hide
from .._common.times import parse_timestamp
from .errors import MalformedResponse

WarnOnce = Callable[[str], None]

# No list is so long; a number beyond could be megabytes of digits.
_NO_OFFSET = 10**9
_OFFSET = re.compile("[0-9]{1,9}")
_ERROR_KEYS = ("title", "message", "msg", "details", "detail", "error", "error_description", "errors")
_OAUTH_ERRORS = (
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
)
_CHALLENGE = re.compile(r'\b(error|error_description)="([^"]*)"')
# Of errors within an error.
_DEEPEST_ERROR = 4
_MOST_ERRORS = 5


class Refusal(NamedTuple):
    """Why the control plane did not act on one workload. ``code`` has no documented list of values."""

    code: Optional[int]
    message: str


class BatchResponse(NamedTuple):
    """What a batch call said, about the ids asked and no others.

    Every id asked is in exactly one of ``succeeded``, ``refused`` and ``omitted``.
    """

    batch_id: Optional[str]
    succeeded: list[str]
    refused: dict[str, Refusal]
    omitted: list[str]


class Page(NamedTuple):
    """One page of a list: rows as the API gave them, and the offset of the next page if there is one.

    ``is_next_assumed``: the response names no next page, but there may be one.
    """

    rows: list[dict[str, Any]]
    next: Optional[int]
    is_next_assumed: bool = False


class Sample(NamedTuple):
    """One measured value."""

    time: datetime
    value: float


class Measurements(NamedTuple):
    """The samples of one metric, a series a GPU; ``is_partial`` is set where the response is a 207."""

    series: list[list[Sample]]
    is_partial: bool


def parse_batch(
    path: str, response: object, asked: Sequence[str], warn_once: WarnOnce, secrets: Iterable[str] = ()
) -> BatchResponse:
    """Return what a response of the batch endpoint says about the ids in ``asked``, without ``secrets``.

    ``succeeded`` and ``failed`` are both optional (Run:ai API 2.24, workloads batch).
    """
    body = _mapping("POST", path, response)
    succeeded = _ids_of(_list("POST", path, body, "succeeded"), asked, warn_once)
    refused: dict[str, Refusal] = {}
    for item in _list("POST", path, body, "failed"):
        fields = item if isinstance(item, dict) else {}
        for workload_id in _ids_of([fields.get("id")], asked, warn_once):
            refused[workload_id] = Refusal(_code(fields.get("code")), _shown(fields.get("message"), secrets))
    if any(workload_id in refused for workload_id in succeeded):
        warn_once("the control plane named a workload both as succeeded and as failed; it counts as failed")
    done = {workload_id for workload_id in succeeded if workload_id not in refused}
    return BatchResponse(
        fold_id(body.get("id")),
        [workload_id for workload_id in asked if workload_id in done],
        refused,
        [workload_id for workload_id in asked if workload_id not in done and workload_id not in refused],
    )


def parse_page(path: str, response: object, key: str, offset: int) -> Page:
    """Return the rows under ``key`` and where the list goes on.

    ``next`` is the offset of the following page; absent, null, empty or 0 ends the list (Run:ai
    API, pagination), and so does a page without rows that names itself. One that does not move on
    behind rows raises MalformedResponse: it would never end.
    """
    body = _mapping("GET", path, response)
    if key not in body:
        raise _other_shape("GET", path, "the response holds no '{0}'".format(key))
    rows = [row for row in _list("GET", path, body, key) if isinstance(row, dict)]
    following = body.get("next")
    if isinstance(following, str) and _OFFSET.fullmatch(following):
        following = int(following)
    if following in (None, "", 0) or (not rows and following == offset):
        return Page(rows, None)
    if isinstance(following, bool) or not isinstance(following, int) or not offset < following < _NO_OFFSET:
        raise MalformedResponse(
            "GET",
            path,
            "a list that does not move on",
            "the page at {0} names no later page as the next".format(offset),
        )
    return Page(rows, following)


def parse_count(path: str, response: object) -> int:
    """Return the number in a response of a count endpoint."""
    count = _mapping("GET", path, response).get("count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise _other_shape("GET", path, "the response holds no count")
    return count


def parse_measurements(path: str, response: object, metric: str, is_partial: bool) -> Measurements:
    """Return the series of ``metric``; a value that is no number, or has no time, is no sample."""
    times: dict[str, Optional[datetime]] = {}

    def sample(item: object) -> Optional[Sample]:
        fields = item if isinstance(item, dict) else {}
        timestamp, value = fields.get("timestamp"), _measured(fields.get("value"))
        if not isinstance(timestamp, str) or value is None:
            return None
        # The GPUs of a workload are measured at the same times.
        if timestamp not in times:
            times[timestamp] = parse_timestamp(timestamp)
        time = times[timestamp]
        return None if time is None else Sample(time, value)

    series = [
        [found for found in map(sample, _list("GET", path, one, "values")) if found is not None]
        for one in _list("GET", path, _mapping("GET", path, response), "measurements")
        if isinstance(one, dict) and one.get("type") == metric
    ]
    return Measurements(series, is_partial)


def parse_phase_changes(path: str, response: object) -> list[tuple[datetime, str]]:
    """Return the phases that a page of a workload's history shows, each with its time; events are none."""
    found = []
    for record in _list("GET", path, _mapping("GET", path, response), "records"):
        fields = record if isinstance(record, dict) else {}
        meta, spec = fields.get("meta"), fields.get("spec")
        update = spec.get("phaseUpdate") if isinstance(spec, dict) else None
        created = meta.get("creationTimestamp") if isinstance(meta, dict) else None
        phase = update.get("phase") if isinstance(update, dict) else None
        moment = parse_timestamp(created) if isinstance(created, str) else None
        if moment is not None and isinstance(phase, str):
            found.append((moment, phase))
    return found


def parse_objects(path: str, response: object) -> list[dict[str, Any]]:
    """Return the objects of a bare array; some gateways write ``{}`` or null for ``[]``."""
    if response is None or response == {}:
        return []
    if not isinstance(response, list):
        raise _other_shape("GET", path, "the response is not a list")
    return [item for item in response if isinstance(item, dict)]


def parse_one(path: str, response: object, workload_id: str) -> dict[str, Any]:
    """Return the workload that was asked for; raise MalformedResponse for another one."""
    body = _mapping("GET", path, response)
    if fold_id(body.get("id")) != workload_id:
        raise _other_shape("GET", path, "the response is not the workload asked for")
    return body


def parse_error(body: object, secrets: Iterable[str] = ()) -> tuple[Optional[int], str]:
    """Return the code and the text, without ``secrets``, of an error response.

    Known are the shapes of the API, of OAuth2, of problem details (RFC 9457) and of common frameworks.
    """
    texts = [_shown(text, secrets) for text in _error_texts(body, _DEEPEST_ERROR)]
    code = _error_code(body)
    return code, clean(": ".join(dict.fromkeys(text for text in texts if text)))


def parse_challenge(header: Optional[str], secrets: Iterable[str] = ()) -> str:
    """Return the reason in a ``WWW-Authenticate`` header (RFC 6750), without ``secrets``."""
    found = dict(_CHALLENGE.findall((header or "")[:4096]))
    texts = [_shown(found.get(key), secrets) for key in ("error", "error_description")]
    return clean(": ".join(text for text in texts if text))


def is_oauth_error(body: object) -> bool:
    """Return whether the body of an error is OAuth2's own (RFC 6749, 5.2)."""
    return isinstance(body, dict) and body.get("error") in _OAUTH_ERRORS


def _error_texts(body: object, depth: int) -> Iterator[object]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, list) and depth:
        for item in body[:_MOST_ERRORS]:
            yield from _error_texts(item, depth - 1)
    elif isinstance(body, dict) and depth:
        for key in _ERROR_KEYS:
            yield from _error_texts(body.get(key), depth - 1)


def _error_code(body: object) -> Optional[int]:
    if not isinstance(body, dict):
        return None
    code = _code(body.get("code"))
    inner = body.get("error")
    return _code(inner.get("code")) if code is None and isinstance(inner, dict) else code


def _shown(text: object, secrets: Iterable[str]) -> str:
    # Hidden before it is cut: half a secret is not recognised.
    return clean(hide(text, secrets) if isinstance(text, str) else None)


def _other_shape(method: str, path: str, message: str) -> MalformedResponse:
    return MalformedResponse(method, path, "a response of another shape", message)


def _mapping(method: str, path: str, response: object) -> dict[str, Any]:
    if not isinstance(response, dict):
        raise _other_shape(method, path, "the response is not a JSON object")
    return response


def _list(method: str, path: str, body: dict[str, Any], key: str) -> list[Any]:
    value = body.get(key)
    # Some gateways write {} for [].
    if value is None or value == {}:
        return []
    if not isinstance(value, list):
        raise _other_shape(method, path, "'{0}' in the response is not a list".format(key))
    return value


def _ids_of(values: Sequence[object], asked: Sequence[str], warn_once: WarnOnce) -> list[str]:
    wanted = set(asked)
    found = []
    for value in values:
        workload_id = fold_id(value)
        if workload_id is None:
            warn_once("the control plane's response held something that is not a workload id; it was ignored")
        elif workload_id not in wanted:
            warn_once("the control plane's response named a workload that was not asked for; it was ignored")
        else:
            found.append(workload_id)
    return found


def _measured(value: object) -> Optional[float]:
    # The API writes numbers as text. "NaN", which Prometheus has, is none.
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def _code(value: object) -> Optional[int]:
    if isinstance(value, str) and _OFFSET.fullmatch(value):
        value = int(value)
    # The API says int32; a larger one is no code, and could be megabytes of digits.
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        return None
    return value
