# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints: a method an operation of the contract, named after it."""

from __future__ import annotations

import fnmatch
import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from ..control_plane import ControlPlane
from ..model.workload import Workload
from .contract import ApiError, Operation
from .filters import check_sort_field, parse
from .lists import DEPARTMENTS, NODE_POOLS, NODES, PROJECTS
from .metrics import measure
from .rows import VERBOSE_POD_FIELDS, history_records, pod_rows, workload_row


@dataclass
class Call:
    """A request as the endpoints see it, after authorisation and validation."""

    path: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None


@dataclass
class ApiResponse:
    """Status and JSON text of a response; `checked` is what of it is held against the contract."""

    status: int
    text: bytes
    checked: Any


@dataclass(frozen=True)
class RawRequest:
    """What of an HTTP request the endpoints need."""

    query: str
    authorization: str
    content_type: str
    data: bytes

    def body(self, content_type: str) -> Any:
        """The body, which must be of this type; None when there is none. Raises ApiError 400."""
        if not self.data:
            return None
        if self.content_type.partition(";")[0].strip().lower() != content_type:
            raise ApiError(400, "bad request body", f"{content_type} is needed, not {self.content_type!r}")
        return _READERS[content_type](self.data)


def _read_json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ApiError(400, "bad request body", "not JSON") from None


def _read_form(data: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(data.decode("ascii"), keep_blank_values=True))
    except ValueError:
        raise ApiError(400, "bad request body", "not a form") from None


_READERS = {"application/json": _read_json, "application/x-www-form-urlencoded": _read_form}

Endpoint = Callable[[Call], Awaitable[ApiResponse]]


def _respond(body: Any, status: int = 200) -> ApiResponse:
    return ApiResponse(status, orjson.dumps(body), body)


def _page(things: list[Any], query: dict[str, Any]) -> tuple[list[Any], int | None]:
    start, size = query["offset"], query["limit"]
    end = start + size
    return things[start:end], end if end < len(things) else None


def _listed(key: str, found: list[Any], query: dict[str, Any], left_out: Collection[str] = ()) -> ApiResponse:
    """A page of what was found, without some fields, and the offset of the page after it."""
    page, following = _page(found, query)
    if left_out:
        page = [{name: row[name] for name in row if name not in left_out} for row in page]
    body: dict[str, Any] = {key: page}
    if following is not None:
        body["next"] = following
    return _respond(body)


class Api:
    """Responds to requests from a control plane's state; `pause` lets the time pass that latency takes."""

    def __init__(self, control_plane: ControlPlane, pause: Callable[[float], Awaitable[None]]) -> None:
        self._control_plane = control_plane
        self._pause = pause
        self._endpoints: dict[str, Endpoint] = {
            "batchWorkloads": self.batch,
            "listWorkloads": self.workloads,
            "countWorkloads": self.count,
            "getWorkload": self.workload,
            "listPods": self.pods,
            "listWorkloadPods": self.pods_of_workload,
            "getWorkloadMetrics": self.metrics,
            "getWorkloadHistory": self.history,
            "createToken": self.token,
            "createOAuth2Token": self.oauth2_token,
            "listClusters": self.clusters,
            "listClusterNodes": self.cluster_nodes,
            "listNodePools": self.node_pools,
            "listNodes": self.nodes,
            "listProjects": self.projects,
            "listDepartments": self.departments,
        }

    async def handle(
        self, operation: Operation, path: str, path_values: dict[str, str], request: RawRequest
    ) -> ApiResponse:
        """Authorise, validate, wait as long as the latency says, respond. Raises ApiError."""
        control_plane = self._control_plane
        version = control_plane.version
        if not version.has_operation(operation.name):
            raise ApiError(404, f"not found in version {version.name}")
        if operation.name == "countWorkloads" and not control_plane.settings.count_endpoint:
            raise ApiError(404, "not found")
        if operation.needs_token:
            self._authorise(request.authorization)
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in control_plane.settings.forbidden_paths):
            raise ApiError(403, "not permitted for this account")
        refuse_unknown = control_plane.settings.unknown_parameters == "refuse"
        pairs = parse_qsl(request.query, keep_blank_values=True)
        for name, _value in pairs:
            if refuse_unknown and not version.has_parameter(operation.name, name):
                raise ApiError(400, "unknown query parameter", name)
        call = Call(
            path=operation.read_path(path_values),
            query=operation.read_query(
                [pair for pair in pairs if version.has_parameter(operation.name, pair[0])], refuse_unknown
            ),
            body=None if operation.content_type is None else request.body(operation.content_type),
        )
        if operation.name == "createToken" and isinstance(call.body, dict):
            call.body = {name.lower(): value for name, value in call.body.items()}
        operation.check_body(call.body)
        await self._take_time(call)
        response = await self._endpoints[operation.name](call)
        if control_plane.settings.validate_responses:
            operation.check_response(response.status, response.checked)
        return response

    def _authorise(self, header: str) -> None:
        scheme, _space, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "unauthorized", "a bearer token is needed")
        if not self._control_plane.tokens.knows(token.strip()):
            raise ApiError(401, "unauthorized", "the token is not known or has expired")

    async def _take_time(self, call: Call) -> None:
        settings = self._control_plane.settings
        seconds = settings.latency
        if settings.latency_per_id and isinstance(call.body, dict):
            seconds += settings.latency_per_id * len(call.body.get("ids", ()))
        if seconds > 0:
            await self._pause(seconds)

    async def batch(self, call: Call) -> ApiResponse:
        """Suspend, resume or delete."""
        ids = [one.lower() for one in call.body["ids"]]
        caller = self._control_plane.settings.client_id
        result = self._control_plane.fleet.act(call.body["action"], ids, caller)
        body: dict[str, Any] = {"id": str(uuid.uuid4())}
        if result.succeeded:
            body["succeeded"] = result.succeeded
        if result.failed:
            body["failed"] = [
                {"id": one.id, "code": one.code, "message": one.message} for one in result.failed
            ]
        return _respond(body)

    async def workloads(self, call: Call) -> ApiResponse:
        """A page of the list. Rows are checked when they are made, the page around them here."""
        query, known = call.query, self._control_plane.version.workload_fields()
        check_sort_field(query.get("sortBy"), known)
        found = self._control_plane.views.workloads(
            parse(query.get("filterBy", ()), known),
            query.get("search", ""),
            query["deleted"],
            query.get("sortBy"),
            query["sortOrder"],
        )
        page, following = _page(found, query)
        checked: dict[str, Any] = {"workloads": []}
        text = b'{"workloads":[' + b",".join([one.encoded or self._encode(one) for one in page]) + b"]"
        if following is not None:
            checked["next"] = following
            text += b',"next":%d' % following
        return ApiResponse(200, text + b"}", checked)

    async def count(self, call: Call) -> ApiResponse:
        """How many the list would show."""
        query = call.query
        conditions = parse(query.get("filterBy", ()), self._control_plane.version.workload_fields())
        found = self._control_plane.views.workloads(conditions, query.get("search", ""), query["deleted"])
        return _respond({"count": len(found)})

    async def workload(self, call: Call) -> ApiResponse:
        """One live workload."""
        workload = self._visible(call.path["workloadId"])
        text = workload.encoded or self._encode(workload)
        return ApiResponse(
            200, text, orjson.loads(text) if self._control_plane.settings.validate_responses else None
        )

    async def pods(self, call: Call) -> ApiResponse:
        """A page of all pods."""
        query, known = call.query, self._control_plane.version.pod_fields()
        check_sort_field(query.get("sortBy"), known)
        found = self._control_plane.views.pods(
            parse(query.get("filterBy", ()), known),
            query.get("search", ""),
            query["deleted"],
            {"true": True, "false": False}.get(query["completed"]),
            query.get("sortBy"),
            query["sortOrder"],
        )
        return _listed("pods", found, query, () if query["verbosity"] == "full" else VERBOSE_POD_FIELDS)

    async def pods_of_workload(self, call: Call) -> ApiResponse:
        """A page of one live workload's pods."""
        workload = self._visible(call.path["workloadId"])
        search = call.query.get("search", "").lower()
        # Deleted pods are only those of deleted workloads.
        found = [] if call.query["deleted"] else pod_rows(workload, self._control_plane.fleet.places)
        found = [pod for pod in found if search in pod["name"].lower()]
        return _listed("pods", found, call.query, VERBOSE_POD_FIELDS)

    async def metrics(self, call: Call) -> ApiResponse:
        """Measurements of one live workload over a time."""
        workload = self._visible(call.path["workloadId"])
        status, body = measure(workload, call.query, self._control_plane.clock.now())
        return _respond(body, status)

    async def history(self, call: Call) -> ApiResponse:
        """A page of what happened to one live workload."""
        return _listed("records", history_records(self._visible(call.path["workloadId"])), call.query)

    async def token(self, call: Call) -> ApiResponse:
        """A token, asked for in JSON. Wrong credentials are a 400: the API names no 401 here."""
        body = call.body
        tokens = self._control_plane.tokens
        client_id = body.get("clientid", body.get("appid"))
        client_secret = body.get("clientsecret", body.get("appsecret"))
        if not tokens.accepts(client_id, client_secret):
            raise ApiError(400, "invalid client credentials")
        response: dict[str, Any] = {"accessToken": tokens.mint()}
        if self._control_plane.version.has_operation("createOAuth2Token"):
            response["expiresIn"] = int(tokens.lifetime)
        return _respond(response)

    async def oauth2_token(self, call: Call) -> ApiResponse:
        """A token, asked for as a form; errors have OAuth 2's shape."""
        body = call.body
        tokens = self._control_plane.tokens
        if body["grant_type"] != "client_credentials":
            return _respond({"error": "unsupported_grant_type"}, 400)
        if "client_id" not in body or "client_secret" not in body:
            return _respond(
                {"error": "invalid_request", "error_description": "client_id, client_secret"}, 400
            )
        if not tokens.accepts(body["client_id"], body["client_secret"]):
            return _respond(
                {"error": "invalid_client", "error_description": "credentials are not known"}, 401
            )
        return _respond(
            {"access_token": tokens.mint(), "token_type": "Bearer", "expires_in": int(tokens.lifetime)}
        )

    async def clusters(self, call: Call) -> ApiResponse:
        """All clusters."""
        return _respond(self._control_plane.fleet.places.clusters)

    async def cluster_nodes(self, call: Call) -> ApiResponse:
        """A page of the nodes of one cluster, without `next`, or (in older versions) all of them."""
        cluster_id = call.path["clusterId"].lower()
        if all(cluster["uuid"] != cluster_id for cluster in self._control_plane.fleet.places.clusters):
            raise ApiError(404, "cluster not found")
        query = dict(call.query)
        name = query.pop("nodeName", None)
        found = [
            row
            for row in NODES.find(self._control_plane.fleet.places, query)
            if row["clusterUuid"] == cluster_id and name in (None, row["name"])
        ]
        paged = self._control_plane.version.pages_cluster_nodes() and name is None
        return _respond({"nodes": _page(found, query)[0] if paged else found})

    async def node_pools(self, call: Call) -> ApiResponse:
        """A page of node pools, without `next`."""
        page, _following = _page(NODE_POOLS.find(self._control_plane.fleet.places, call.query), call.query)
        return _respond({"nodepools": page})

    async def nodes(self, call: Call) -> ApiResponse:
        """A page of nodes, without `next`."""
        page, _following = _page(NODES.find(self._control_plane.fleet.places, call.query), call.query)
        return _respond({"nodes": page})

    async def projects(self, call: Call) -> ApiResponse:
        """A page of projects."""
        return _listed("projects", PROJECTS.find(self._control_plane.fleet.places, call.query), call.query)

    async def departments(self, call: Call) -> ApiResponse:
        """A page of departments."""
        return _listed(
            "departments", DEPARTMENTS.find(self._control_plane.fleet.places, call.query), call.query
        )

    def _visible(self, workload_id: str) -> Workload:
        fleet = self._control_plane.fleet
        workload_id = workload_id.lower()
        if workload_id in fleet.behaviour.forbidden_ids:
            raise ApiError(403, "not permitted for this account")
        workload = fleet.get(workload_id)
        if workload is None:
            raise ApiError(404, "workload not found")
        return workload

    def _encode(self, workload: Workload) -> bytes:
        control_plane = self._control_plane
        row = workload_row(workload, control_plane.fleet.places)
        for name in control_plane.version.unknown_workload_fields():
            row.pop(name, None)
        if control_plane.settings.validate_responses:
            control_plane.contract.check_row("Workload", row)
        # A copy, since orjson's own object keeps the eight kilobytes that it was written into.
        workload.encoded = bytes(memoryview(orjson.dumps(row)))
        return workload.encoded
