# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control plane's endpoints, a method each, without actions and outcomes.

Reads are repeated until they succeed or ``retry_timeout`` is over. A write is sent once: whether it
may be sent again is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Callable, NamedTuple, Optional, TypeVar

from .._common.text import clean
from .._common.times import api_time
from .._system.processes import watch_ancestors
from .auth import V1_PATH, V2_PATH, AccessToken, TokenSource, body_v1, form_v2, parse_token
from .cancellation import Cancellation
from .connection import Connection, ServiceAccount
from .errors import NOT_JSON, NoToken, RequestError, StatusError
from .page_size import PageSize
from .paging import PAGE_SIZE, assume_next
from .responses import (
    BatchResponse,
    Measurements,
    Page,
    Response,
    parse_batch,
    parse_count,
    parse_measurements,
    parse_objects,
    parse_one,
    parse_page,
    parse_phase_changes,
    status_error,
)
from .retry import RetryBudget
from .stats import RequestStats
from .transport import Transport

WORKLOADS = "/api/v1/workloads"
PODS = WORKLOADS + "/pods"


class Listing(NamedTuple):
    """A list that comes in pages: its path, and the key of its rows."""

    path: str
    key: str


PROJECTS = Listing("/api/v1/org-unit/projects", "projects")
DEPARTMENTS = Listing("/api/v1/org-unit/departments", "departments")
# From Run:ai 2.19 on.
NODE_POOLS = Listing("/api/v1/node-pools", "nodepools")
# From Run:ai 2.23 on.
NODES = Listing("/api/v1/nodes", "nodes")
# Orders of the list of workloads.
CREATION = "createdAt"
NAME = "name"
_BATCH = WORKLOADS + "/batch"
_COUNT = WORKLOADS + "/count"
_CLUSTERS = "/api/v1/clusters"
# A page of the collection's simulator.
_SIMULATOR = "/_simulator/summary"

# A metric, in percent of each GPU.
_GPU_UTILIZATION = "GPU_UTILIZATION"
# Enough for the last stops of a workload: the simulator lists the newest first, no document does.
_HISTORY_RECORDS = 500

# A kind of retry: the bearer was refused and renewed.
_RENEWED_BEARER = "HTTP 401, a token that was not accepted"

_Parsed = TypeVar("_Parsed")


class ListQuery(NamedTuple):
    """Parameters of the list of workloads, and of their count.

    With ``is_deleted`` the list holds deleted workloads instead of existing ones. ``filters`` are items of
    ``filterBy``: field, operator and value, without a comma.
    """

    is_deleted: bool = False
    search: Optional[str] = None
    filters: tuple[str, ...] = ()

    def parameters(self) -> dict[str, str]:
        parts = {
            "deleted": "true" if self.is_deleted else "",
            "search": self.search or "",
            "filterBy": ",".join(self.filters),
        }
        return {key: value for key, value in parts.items() if value}


EVERYTHING = ListQuery()


class Client:
    """One control plane, as one account. Safe to use from several threads; ``close`` it at the end.

    Every read raises RequestError, and Interrupted where no further call may be made: without
    ``cancellation``, when the play is gone. ``warn_once`` notes a warning in ``stats``. ``on_trouble`` is
    called, in any thread, where retries take long: see RetryBudget. ``tokens`` are those of an earlier client
    of the same account, whose token is used as long as it is accepted.
    """

    def __init__(
        self,
        connection: Connection,
        connections: int,
        cancellation: Optional[Cancellation] = None,
        stats: Optional[RequestStats] = None,
        on_trouble: Callable[[str, float], None] = lambda kind, left: None,
        tokens: Optional[TokenSource] = None,
    ) -> None:
        self._on_trouble = on_trouble
        self._connection = connection
        self._cancellation = cancellation or Cancellation(is_cancelled=watch_ancestors())
        self.stats = stats or RequestStats(connection.secrets)
        self.warn_once = self.stats.warn_once
        self._transport = Transport(connection, self.stats, connections)
        self.tokens = (
            TokenSource(connection.credentials, self._mint)
            if tokens is None
            else tokens.for_next_client(self._mint)
        )
        self._use_token_v1 = False
        # By path, where pages of PAGE_SIZE fail.
        self._page_sizes: dict[str, int] = {}

    def close(self) -> None:
        self._transport.close()

    def retry_budget(self, is_optional: bool = False) -> RetryBudget:
        """Return a fresh ``retry_timeout``, for one request or for several that settle one question.

        ``is_optional`` is for what can be done without or asked otherwise: see RetryBudget.
        """
        return RetryBudget(
            self._connection.retry_timeout, self._cancellation, self.stats, is_optional, self._on_trouble
        )

    def batch(self, action: str, ids: Sequence[str]) -> BatchResponse:
        """Ask once for ``action`` on at most 100 ids; the caller decides about sending again.

        Raises NotDelivered, ResponseLost, MalformedResponse, StatusError, Interrupted.
        """
        body = {"action": action, "ids": list(ids)}
        response = self._send("POST", _BATCH, self.retry_budget(), json_body=body)
        return parse_batch(response, ids, self.stats.warn_once, self.stats.secrets)

    def count(self, query: ListQuery = EVERYTHING) -> Optional[int]:
        """Return how many workloads the list would show; ``None`` where the control plane does not say.

        The count only saves time, so that one that is refused or makes no sense is none. Raises
        RequestError where the control plane does not respond, or not to this account.
        """
        try:
            return self._read(_COUNT, query.parameters(), parse_count, self.retry_budget(is_optional=True))
        except RequestError as fault:
            if not fault.is_from_endpoint:
                raise
            # Without the endpoint, "count" is taken for a workload's id, which is a bad request.
            if not fault.is_no_such_endpoint and fault.ended_on.status != 400:
                self.stats.warn_once(
                    "the control plane's count can't be used ({0}); the list was read without it".format(
                        fault.kind
                    )
                )
            return None

    def list_page(
        self,
        offset: int,
        query: ListQuery = EVERYTHING,
        limit: int = PAGE_SIZE,
        retry_budget: Optional[RetryBudget] = None,
        sort_by: str = CREATION,
    ) -> Page:
        """Return one page of workloads, by default sorted by creation: it holds still while it is read.

        ``limit`` is how many rows it may hold, at most PAGE_SIZE.
        """
        full = {**query.parameters(), "sortBy": sort_by, "sortOrder": "asc"}
        return self._read_page(WORKLOADS, "workloads", full, offset, limit, retry_budget)

    def workload(self, workload_id: str, retry_budget: Optional[RetryBudget] = None) -> dict[str, Any]:
        """Return one workload as the API gives it. Raises StatusError, with 404 or 403 among others."""
        path = "{0}/{1}".format(WORKLOADS, workload_id)
        return self._read(path, {}, lambda response: parse_one(response, workload_id), retry_budget)

    def gpu_utilization(self, workload_id: str, start: datetime, end: datetime, samples: int) -> Measurements:
        """Return how much of each GPU of a workload was used, in percent."""
        path = "{0}/{1}/metrics".format(WORKLOADS, workload_id)
        query = {
            "metricType": _GPU_UTILIZATION,
            "start": api_time(start),
            "end": api_time(end),
            "numberOfSamples": str(samples),
        }
        return self._read(
            path,
            query,
            lambda response: parse_measurements(response, _GPU_UTILIZATION),
            # A server error for one workload does not keep the others waiting.
            self.retry_budget(is_optional=True),
        )

    def phase_changes(self, workload_id: str) -> list[tuple[datetime, str]]:
        """Return the phases in the first page of a workload's history, with their times."""
        path = "{0}/{1}/history".format(WORKLOADS, workload_id)
        query = {"limit": str(_HISTORY_RECORDS)}
        return self._read(path, query, parse_phase_changes, self.retry_budget(is_optional=True))

    def pods_page(
        self,
        offset: int,
        filters: Sequence[str] = (),
        is_current: bool = True,
        retry_budget: Optional[RetryBudget] = None,
    ) -> Page:
        """Return one page of pods, of all workloads, that this account may see.

        ``filters`` are items of ``filterBy``; ``is_current`` leaves out those that are completed.
        """
        full = {"sortBy": "createdAt"}
        if is_current:
            full["completed"] = "false"
        if filters:
            full["filterBy"] = ",".join(filters)
        page = self._read_page(PODS, "pods", full, offset, retry_budget=retry_budget)
        return assume_next(page, offset)

    def clusters(self, retry_budget: Optional[RetryBudget] = None) -> list[dict[str, Any]]:
        """Return the clusters, without their status."""
        return self._read(_CLUSTERS, {"verbosity": "metadata"}, parse_objects, retry_budget)

    def is_simulator(self) -> bool:
        """Return whether this is the collection's simulator: only that one has such a page. Asks once."""
        try:
            response = self._transport.exchange("GET", _SIMULATOR)
            return response.status == 200 and response.mapping().get("simulator") is True
        except RequestError:
            return False

    def page_of(self, listing: Listing, offset: int) -> Page:
        """Return one page of a list of places, sorted by name."""
        return assume_next(self._read_page(listing.path, listing.key, {"sortBy": "name"}, offset), offset)

    def nodes_of_cluster(self, cluster_id: str) -> list[dict[str, Any]]:
        """Return the nodes of a cluster; Run:ai 3.0 no longer has the endpoint."""
        path = "{0}/{1}/nodes".format(_CLUSTERS, cluster_id)

        def parse(response: Response) -> list[dict[str, Any]]:
            body = response.json()
            # Some gateways write {} or null for [].
            is_array = isinstance(body, list) or not body
            return parse_objects(response) if is_array else parse_page(response, "nodes", 0).rows

        return self._read(path, {}, parse)

    def _read_page(
        self,
        path: str,
        key: str,
        query: Mapping[str, str],
        offset: int,
        limit: int = PAGE_SIZE,
        retry_budget: Optional[RetryBudget] = None,
    ) -> Page:
        """Return one page of a list, put together from smaller ones where the control plane can't send it."""
        retry_budget = retry_budget or self.retry_budget()
        size = PageSize(min(limit, self._page_sizes.get(path, limit)))
        rows: list[dict[str, Any]] = []
        at, end = offset, offset + limit
        kind = ""
        while True:
            asked = min(size.now, end - at)
            full = {**query, "limit": str(asked), "offset": str(at)}
            try:
                page = parse_page(self._send("GET", path, retry_budget, full), key, at)
            except RequestError as fault:
                kind = fault.kind
                retry_budget.start()
                if not size.failed(fault) or retry_budget.left <= 0:
                    retry_budget.pause(fault)
                continue
            is_full = len(page.rows) >= asked
            if not size.worked(is_end=page.next is None and not is_full):
                continue
            if size.is_settled and size.now < self._page_sizes.get(path, PAGE_SIZE):
                self._page_sizes[path] = size.now
                self.stats.warn_once(
                    "the control plane can't send pages of {0} {1} ({2}); the list was read in pages of "
                    "{3}".format(limit, key, kind, size.now)
                )
            rows += page.rows
            # Where parts are read, a full one leads on, also where the list does not say so.
            following = at + len(page.rows) if page.next is None and is_full else page.next
            if asked >= limit or following is None or following >= end:
                return Page(rows, page.next)
            at = following

    def _read(
        self,
        path: str,
        query: Mapping[str, str],
        parse: Callable[[Response], _Parsed],
        retry_budget: Optional[RetryBudget] = None,
    ) -> _Parsed:
        retry_budget = retry_budget or self.retry_budget()
        while True:
            try:
                return parse(self._send("GET", path, retry_budget, query))
            except RequestError as fault:
                retry_budget.pause(fault)

    def _send(
        self,
        method: str,
        path: str,
        retry_budget: RetryBudget,
        query: Optional[Mapping[str, str]] = None,
        json_body: Optional[Mapping[str, Any]] = None,
    ) -> Response:
        """Send one request with a bearer, once more if the bearer had to be renewed.

        If the new bearer is refused too, the request is sent again with pauses, as long as the bearer may be
        accepted later. A 401 means that nothing was done, so this holds for a write too.
        """
        is_write = method == "POST"
        is_renewed = False
        while True:
            token = self.tokens.bearer()
            self.stats.add_secret(token)
            if is_write:
                self._cancellation.check_write()
            else:
                self._cancellation.check()
            response = self._transport.exchange(method, path, query=query, json_body=json_body, bearer=token)
            if response.status != 401:
                self.tokens.accepted(token, response.is_success)
                return self._successful(response)
            if self.tokens.refused(token, keep_fresh=retry_budget.seconds > 0) and not is_renewed:
                is_renewed = True
                self.stats.count_retry(_RENEWED_BEARER)
                continue
            self._pause_for_token(response, retry_budget, is_write)

    def _pause_for_token(self, response: Response, retry_budget: RetryBudget, is_write: bool) -> None:
        """Pause before a refused token is tried again, or raise StatusError."""
        about = "{0} was refused, nothing was done".format(self._connection.credentials)
        fault = status_error(response, self.stats.secrets, about)
        if not self.tokens.may_be_accepted_later():
            raise fault
        try:
            retry_budget.pause(fault, before_write=is_write, is_transient=True)
        except RequestError:
            raise fault from None

    def _mint(self, account: ServiceAccount) -> AccessToken:
        try:
            return self._mint_by_version(account)
        except RequestError as fault:
            raise NoToken(fault, clean(account.client_id, 80), self._connection.base_url) from None

    def _mint_by_version(self, account: ServiceAccount) -> AccessToken:
        refusal: Optional[RequestError] = None
        if not self._use_token_v1:
            try:
                return self._ask_for_token(V2_PATH, form=form_v2(account))
            except RequestError as fault:
                if not _may_lack_token_v2(fault):
                    raise
                refusal = fault
        try:
            minted = self._ask_for_token(V1_PATH, json_body=body_v1(account))
        except StatusError as fault:
            # Neither is there, or a gateway says the same of both: the error of the newer one is raised.
            if refusal is not None and fault.is_no_such_endpoint and not refusal.is_no_such_endpoint:
                raise refusal from None
            raise
        self._use_token_v1 = True
        return minted

    def _ask_for_token(
        self,
        path: str,
        form: Optional[Mapping[str, str]] = None,
        json_body: Optional[Mapping[str, str]] = None,
    ) -> AccessToken:
        retry_budget = self.retry_budget()
        while True:
            self._cancellation.check()
            try:
                response = self._transport.exchange("POST", path, form=form, json_body=json_body)
                return parse_token(self._successful(response))
            except RequestError as fault:
                retry_budget.pause(fault)

    def _successful(self, response: Response) -> Response:
        if response.is_success:
            return response
        raise status_error(response, self.stats.secrets)


def _may_lack_token_v2(fault: RequestError) -> bool:
    """Return whether there may be no v2, as before Run:ai 2.24: what responded is not OAuth2's endpoint.

    Some gateways respond with 401, or with a page, to an unknown path.
    """
    found = fault.ended_on
    if isinstance(found, StatusError):
        return found.status >= 400 and not (found.is_transient or found.is_of_oauth)
    return found.kind == NOT_JSON
