# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Responses of the control plane, checked before anything is decided by them.

Nothing here trusts the other side: a proxy, an older version or a fault may have written the
response. What can't be used as a whole raises MalformedResponse; what is odd in part is dropped and
reported through ``warn_once``.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple, Optional

from .._common.ids import fold_id
from .._common.numbers import finite
from .._common.text import clean, first_line, hide
from .._common.times import parse_http_date, parse_timestamp
from .errors import NOT_JSON, MalformedResponse, StatusError

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
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")
_LONGEST_ASKED = 365 * 86_400.0
# Of errors within an error.
_DEEPEST_ERROR = 4
_MOST_ERRORS = 5


class Response(NamedTuple):
    """What came back. The case of names in ``headers`` does not matter."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self, is_secret: bool = False) -> Any:
        """Return the decoded body; raise MalformedResponse when it is not JSON.

        Of a secret body nothing but a page is quoted: anything else may be a token, or half of one.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            body = self.body.lstrip()
            line = first_line(self.body) if body.startswith(b"<") or not is_secret else ""
            message = "the response is not JSON" if body else "the response is empty"
            message += " but '{0}'".format(line) if line else ""
            raise self.malformed(NOT_JSON, message) from None

    def mapping(self) -> dict[str, Any]:
        """Return the decoded body; raise MalformedResponse when it is not a JSON object."""
        body = self.json()
        if not isinstance(body, dict):
            raise self.of_other_shape("the response is not a JSON object")
        return body

    def listed(self, body: dict[str, Any], key: str) -> list[Any]:
        """Return the list under ``key`` of an object in the body; raise MalformedResponse when it is none."""
        value = body.get(key)
        # Some gateways write {} for [].
        if value is None or value == {}:
            return []
        if not isinstance(value, list):
            raise self.of_other_shape("'{0}' in the response is not a list".format(key))
        return value

    def malformed(self, kind: str, message: str) -> MalformedResponse:
        return MalformedResponse(self.method, self.path, kind, message)

    def of_other_shape(self, message: str) -> MalformedResponse:
        return self.malformed("a response of another shape", message)


class Refusal(NamedTuple):
    """Why the control plane did not act on one workload. ``code`` has no documented list of values."""

    code: Optional[int]
    message: str


class BatchResponse(NamedTuple):
    """The response of a batch call, about the requested ids and no others; it may omit some of them.

    No id is in both ``succeeded`` and ``refused``.
    """

    batch_id: Optional[str]
    succeeded: list[str]
    refused: dict[str, Refusal]


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
    response: Response, asked: Sequence[str], warn_once: WarnOnce, secrets: Iterable[str] = ()
) -> BatchResponse:
    """Return what a response of the batch endpoint says about the ids in ``asked``, without ``secrets``.

    ``succeeded`` and ``failed`` are both optional (Run:ai API 2.24, workloads batch).
    """
    body = response.mapping()
    succeeded = _ids_of(response.listed(body, "succeeded"), asked, warn_once)
    refused: dict[str, Refusal] = {}
    for item in response.listed(body, "failed"):
        fields = _object(item)
        for workload_id in _ids_of([fields.get("id")], asked, warn_once):
            refused[workload_id] = Refusal(_code(fields.get("code")), _shown(fields.get("message"), secrets))
    if any(workload_id in refused for workload_id in succeeded):
        warn_once("the control plane named a workload both as succeeded and as failed; it counts as failed")
    done = set(succeeded).difference(refused)
    return BatchResponse(
        fold_id(body.get("id")), [workload_id for workload_id in asked if workload_id in done], refused
    )


def parse_page(response: Response, key: str, offset: int) -> Page:
    """Return the rows under ``key`` and where the list goes on.

    ``next`` is the offset of the following page; absent, null, empty or 0 ends the list (Run:ai
    API, pagination), and so does a page without rows that names itself. One that does not move on
    behind rows raises MalformedResponse: it would never end.
    """
    body = response.mapping()
    if key not in body:
        raise response.of_other_shape("the response holds no '{0}'".format(key))
    rows = [row for row in response.listed(body, key) if isinstance(row, dict)]
    following = body.get("next")
    if isinstance(following, str) and _OFFSET.fullmatch(following):
        following = int(following)
    if following in (None, "", 0) or (not rows and following == offset):
        return Page(rows, None)
    if isinstance(following, bool) or not isinstance(following, int) or not offset < following < _NO_OFFSET:
        raise response.malformed(
            "a list that does not move on", "the page at {0} names no later page as the next".format(offset)
        )
    return Page(rows, following)


def parse_count(response: Response) -> int:
    """Return the number in a response of a count endpoint."""
    count = response.mapping().get("count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise response.of_other_shape("the response holds no count")
    return count


def parse_measurements(response: Response, metric: str) -> Measurements:
    """Return the series of ``metric``; a value that is no number, or has no time, is no sample."""
    times: dict[str, Optional[datetime]] = {}

    def sample(item: object) -> Optional[Sample]:
        fields = _object(item)
        timestamp, value = fields.get("timestamp"), finite(fields.get("value"))
        if not isinstance(timestamp, str) or value is None or value < 0:
            return None
        # The GPUs of a workload are measured at the same times.
        if timestamp not in times:
            times[timestamp] = parse_timestamp(timestamp)
        time = times[timestamp]
        return None if time is None else Sample(time, value)

    series = [
        [found for found in map(sample, response.listed(one, "values")) if found is not None]
        for one in response.listed(response.mapping(), "measurements")
        if isinstance(one, dict) and one.get("type") == metric
    ]
    return Measurements(series, is_partial=response.status == 207)


def parse_phase_changes(response: Response) -> list[tuple[datetime, str]]:
    """Return the phases that a page of a workload's history shows, each with its time; events are none."""
    found = []
    for record in response.listed(response.mapping(), "records"):
        fields = _object(record)
        created = _object(fields.get("meta")).get("creationTimestamp")
        phase = _object(_object(fields.get("spec")).get("phaseUpdate")).get("phase")
        moment = parse_timestamp(created) if isinstance(created, str) else None
        if moment is not None and isinstance(phase, str):
            found.append((moment, phase))
    return found


def parse_objects(response: Response) -> list[dict[str, Any]]:
    """Return the objects of a bare array; some gateways write ``{}`` or null for ``[]``."""
    body = response.json()
    if body is None or body == {}:
        return []
    if not isinstance(body, list):
        raise response.of_other_shape("the response is not a list")
    return [item for item in body if isinstance(item, dict)]


def parse_one(response: Response, workload_id: str) -> dict[str, Any]:
    """Return the workload that was asked for; raise MalformedResponse for another one."""
    body = response.mapping()
    if fold_id(body.get("id")) != workload_id:
        raise response.of_other_shape("the response is not the workload asked for")
    return body


def parse_retry_after(value: Optional[str], date: Optional[str]) -> Optional[float]:
    """Return the seconds that a Retry-After header asks for, or ``None``.

    The header holds seconds or an HTTP date; a date is compared with the response's own ``date``
    header where there is one, so that the clocks of two machines need not agree. What asks for
    longer than a year asks for a year.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_ASKED)
    until = parse_http_date(text)
    if until is None:
        return None
    since = parse_http_date(date or "") or datetime.now(timezone.utc)
    return max(0.0, min((until - since).total_seconds(), _LONGEST_ASKED))


def status_error(response: Response, secrets: Collection[str], about: str = "") -> StatusError:
    """Return the error of a response without success, without ``secrets``; ``about`` is added to its text."""
    body: Any = None
    with contextlib.suppress(MalformedResponse):
        body = response.json()
    code, text = parse_error(body, secrets)
    text = text or _parse_challenge(response.headers.get("WWW-Authenticate"), secrets)
    if not text and not (isinstance(body, (dict, list)) and not body):
        text = first_line(response.body if body is None else json.dumps(body).encode())
    return StatusError(
        response.method,
        response.path,
        response.status,
        "; ".join(filter(None, (text, about))),
        code,
        parse_retry_after(response.headers.get("Retry-After"), response.headers.get("Date")),
        # OAuth2's own (RFC 6749, 5.2).
        is_of_oauth=_object(body).get("error") in _OAUTH_ERRORS,
    )


def parse_error(body: object, secrets: Iterable[str] = ()) -> tuple[Optional[int], str]:
    """Return the code and the text, without ``secrets``, of an error response.

    Known are the shapes of the API, of OAuth2, of problem details (RFC 9457) and of common frameworks.
    """
    texts = [_shown(text, secrets) for text in _error_texts(body, _DEEPEST_ERROR)]
    fields = _object(body)
    code = _code(fields.get("code"))
    if code is None:
        code = _code(_object(fields.get("error")).get("code"))
    return code, clean(": ".join(dict.fromkeys(text for text in texts if text)))


def _parse_challenge(header: Optional[str], secrets: Iterable[str] = ()) -> str:
    """Return the reason in a ``WWW-Authenticate`` header (RFC 6750), without ``secrets``."""
    found = dict(_CHALLENGE.findall((header or "")[:4096]))
    texts = [_shown(found.get(key), secrets) for key in ("error", "error_description")]
    return clean(": ".join(text for text in texts if text))


def _error_texts(body: object, depth: int) -> Iterator[object]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, list) and depth:
        for item in body[:_MOST_ERRORS]:
            yield from _error_texts(item, depth - 1)
    elif isinstance(body, dict) and depth:
        for key in _ERROR_KEYS:
            yield from _error_texts(body.get(key), depth - 1)


def _shown(text: object, secrets: Iterable[str]) -> str:
    # Hidden before it is cut: half a secret is not recognised.
    return clean(hide(text, secrets) if isinstance(text, str) else None)


def _object(value: object) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


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


def _code(value: object) -> Optional[int]:
    if isinstance(value, str) and _OFFSET.fullmatch(value):
        value = int(value)
    # The API says int32; a larger one is no code, and could be megabytes of digits.
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        return None
    return value
