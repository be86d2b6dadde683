# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints over HTTP: strict where the API is, and shaped as it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator.model.clock import RealClock
from simulator.server import Handle
from simulator.settings import CLIENT_ID, CLIENT_SECRET, TOKEN
from tests.support.workloads import workload_id

from .conftest import Client, Start, fleet_of

Connect = Callable[[Handle], Client]
ABSENT = workload_id(999)


def is_error(response: requests.Response, status: int) -> bool:
    body = response.json()
    return response.status_code == status and body["code"] == status and isinstance(body["message"], str)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "suspend", "ids": []},
        {"action": "suspend", "ids": [workload_id(number) for number in range(101)]},
        {"action": "suspend", "ids": ["not-a-uuid"]},
        {"action": "suspend", "ids": [7]},
        {"action": "suspend", "ids": workload_id(0)},
        {"action": "stop", "ids": [workload_id(0)]},
        {"action": "suspend"},
        {"ids": [workload_id(0)]},
        [],
        "text",
    ],
)
def test_batch_with_bad_body_is_refused_whole(start: Start, connect: Connect, body: Any) -> None:
    simulator = start(fleet=fleet_of("Running"))
    response = connect(simulator).post("/api/v1/workloads/batch", json=body)
    assert is_error(response, 400)
    assert simulator.state.phase(workload_id(0)) == "Running"


def test_batch_without_json_body_is_refused(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=1))
    assert is_error(client.post("/api/v1/workloads/batch"), 400)
    headers = {"content-type": "application/json"}
    assert is_error(client.post("/api/v1/workloads/batch", data='{"ids":', headers=headers), 400)
    form = client.post("/api/v1/workloads/batch", data={"action": "suspend"})
    assert is_error(form, 400)


def test_batch_of_a_hundred_ids_names_each_once(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of(*["Running"] * 100))
    ids = [workload_id(number) for number in range(100)]
    response = connect(simulator).batch("suspend", ids)
    assert response.status_code == 200
    assert response.json()["succeeded"] == ids
    assert "failed" not in response.json()
    assert simulator.state.counts() == {"Stopping": 100}


def test_batch_with_bad_ids_reports_them_inside_the_200(start: Start, connect: Connect) -> None:
    response = connect(start(fleet=fleet_of("Completed"))).batch("suspend", [ABSENT, workload_id(0)])
    assert response.status_code == 200
    assert "succeeded" not in response.json()
    assert [(row["id"], row["code"]) for row in response.json()["failed"]] == [
        (ABSENT, 404),
        (workload_id(0), 409),
    ]


def test_batch_with_upper_case_ids_is_carried_out(start: Start, connect: Connect) -> None:
    simulator = start(
        fleet={"workloads": [{"id": "abcdefab-0000-4000-8000-000000000001", "phase": "Running"}]}
    )
    client = connect(simulator)
    upper = "ABCDEFAB-0000-4000-8000-000000000001"
    assert client.get(f"/api/v1/workloads/{upper}").json()["id"] == upper.lower()
    assert client.batch("suspend", [upper]).json()["succeeded"] == [upper.lower()]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}"])
def test_endpoint_without_good_token_responds_401(start: Start, connect: Connect, header: str) -> None:
    simulator = start(fleet=fleet_of("Running"))
    client = connect(simulator)
    client.headers["Authorization"] = header
    assert is_error(client.batch("suspend", [workload_id(0)]), 401)
    for path in ("workloads", "workloads/count", f"workloads/{workload_id(0)}", "clusters", "nodes"):
        assert is_error(client.get(f"/api/v1/{path}"), 401)
    assert simulator.state.phase(workload_id(0)) == "Running"


def form(**changes: str) -> dict[str, str]:
    good = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return {**good, **changes}


def test_oauth2_token_expired_or_revoked_is_refused(start: Start, connect: Connect) -> None:
    simulator = start(workloads=1, token_seconds=60)
    client = connect(simulator)

    def fresh_token() -> None:
        response = client.post("/api/v2/token", data=form())
        assert response.status_code == 200
        assert (response.json()["token_type"], response.json()["expires_in"]) == ("Bearer", 60)
        client.headers["Authorization"] = "Bearer " + response.json()["access_token"]

    def status() -> int:
        return client.get("/api/v1/workloads/count").status_code

    fresh_token()
    assert status() == 200
    simulator.advance(61)
    assert status() == 401
    fresh_token()
    assert status() == 200
    simulator.revoke_tokens()
    assert status() == 401


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (form(client_secret="wrong"), 401, "invalid_client"),
        (form(client_id="wrong"), 401, "invalid_client"),
        (form(grant_type="password"), 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "invalid_request"),
        ({"x": "y"}, 400, "invalid_request"),
    ],
)
def test_oauth2_token_refused_has_the_oauth2_shape(
    start: Start, connect: Connect, body: dict[str, str], status: int, error: str
) -> None:
    response = connect(start(workloads=1)).post("/api/v2/token", data=body)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert "code" not in response.json()


def test_oauth2_token_request_in_json_is_refused(start: Start, connect: Connect) -> None:
    response = connect(start(workloads=1)).post("/api/v2/token", json=form())
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("spelling", ["clientId", "clientID"])
def test_v1_token_request_in_either_spelling_is_granted(
    start: Start, connect: Connect, spelling: str
) -> None:
    client = connect(start(workloads=1))
    body = {"grantType": "client_credentials", spelling: CLIENT_ID, "clientSecret": CLIENT_SECRET}
    response = client.post("/api/v1/token", json=body)
    assert response.status_code == 200
    client.headers["Authorization"] = "Bearer " + response.json()["accessToken"]
    assert client.get("/api/v1/workloads/count").json() == {"count": 1}
    assert is_error(client.post("/api/v1/token", json={**body, "clientSecret": "wrong"}), 400)
    assert is_error(client.post("/api/v1/token", json={"grantType": "client_credentials"}), 400)
    assert is_error(client.post("/api/v1/token", data=body), 400)


def test_get_workload_by_id_returns_its_row(start: Start, connect: Connect) -> None:
    deleted = {"id": workload_id(2), "phase": "Completed", "deletedAt": "2025-01-01T00:00:00Z"}
    fleet = fleet_of("Running", "Running")
    fleet["workloads"].append(deleted)
    simulator = start(fleet=fleet, forbidden_ids=frozenset({workload_id(1), workload_id(2)}))
    client = connect(simulator)
    assert client.get(f"/api/v1/workloads/{workload_id(0)}").json()["phase"] == "Running"
    assert is_error(client.get(f"/api/v1/workloads/{workload_id(1)}"), 403)
    assert is_error(client.get(f"/api/v1/workloads/{ABSENT}"), 404)
    assert is_error(client.get("/api/v1/workloads/not-a-uuid"), 400)
    assert [row["id"] for row in client.rows()] == [workload_id(0)]
    assert client.rows(deleted="true") == []


def test_list_read_in_pages_holds_every_row_once(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=137))
    for limit in (1, 10, 50, 137, 500):
        rows = client.rows(limit=limit, sortBy="createdAt")
        assert len({row["id"] for row in rows}) == len(rows) == 137
        assert [row["createdAt"] for row in rows] == sorted(row["createdAt"] for row in rows)
    page = client.get("/api/v1/workloads").json()
    assert (len(page["workloads"]), page["next"]) == (50, 50)
    beyond = client.get("/api/v1/workloads", params={"offset": 1000}).json()
    assert beyond == {"workloads": []}


def test_list_sorted_by_field_is_in_order(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=60))
    up = [row["name"] for row in client.rows(sortBy="name")]
    assert up == sorted(up)
    assert [row["name"] for row in client.rows(sortBy="name", sortOrder="desc")] == up[::-1]
    completed = [row["completedAt"] for row in client.rows(sortBy="completedAt")]
    known = [one for one in completed if one is not None]
    assert known == sorted(known)
    assert completed == known + [None] * (60 - len(known))


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "many"},
        {"offset": "-1"},
        {"sortBy": "id"},
        {"sortOrder": "up"},
        {"deleted": "maybe"},
        {"filterBy": "id==x"},
        {"filterBy": "phase"},
        {"filterBy": ",".join(["name!=x"] * 11)},
        {"filterBy": ["phase==Running", "name!=x"]},
        {"filterby": "phase==Running"},
    ],
)
def test_list_with_bad_query_is_refused(start: Start, connect: Connect, query: dict[str, Any]) -> None:
    assert is_error(connect(start(workloads=1)).get("/api/v1/workloads", params=query), 400)


def test_list_filtered_or_searched_agrees_with_count(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=200))
    everything = client.rows()
    project = everything[0]["projectName"]
    queries: list[tuple[dict[str, str], Callable[[dict[str, Any]], bool]]] = [
        (
            {"filterBy": f"phase==Running,projectName=={project}"},
            lambda row: row["phase"] == "Running" and row["projectName"] == project,
        ),
        (
            {"filterBy": "allocatedGPU>=2"},
            lambda row: row["allocatedResources"]["gpu"] >= 2,
        ),
        ({"filterBy": "nodepool==h100"}, lambda row: "h100" in row["currentNodePools"]),
        ({"search": project.upper()}, lambda row: project in row["name"] + row["projectName"]),
        ({"filterBy": "phase=^Comp"}, lambda row: row["phase"] == "Completed"),
    ]
    for query, expected in queries:
        rows = client.rows(**query)
        assert [row["id"] for row in rows] == [row["id"] for row in everything if expected(row)]
        assert rows
        assert client.get("/api/v1/workloads/count", params=query).json() == {"count": len(rows)}


@pytest.mark.parametrize("field", ["createdAt", "phaseUpdatedAt", "completedAt"])
def test_list_filtered_by_a_shown_time_holds_its_row(start: Start, connect: Connect, field: str) -> None:
    client = connect(start(workloads=60, clock=RealClock()))
    row = next(row for row in client.rows() if row[field])
    for operator in ("==", "<=", ">="):
        found = client.rows(filterBy=f"{field}{operator}{row[field]}")
        assert row["id"] in {one["id"] for one in found}
    assert len(client.rows(filterBy=f"{field}=={row[field]}")) == 1


def test_list_of_deleted_workloads_holds_them_alone(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running", "Stopped"), transition_seconds=5)
    client = connect(simulator)
    assert (len(client.rows()), client.rows(deleted="true")) == (2, [])
    client.batch("delete", [workload_id(0)])
    simulator.advance(5)
    assert [row["id"] for row in client.rows()] == [workload_id(1)]
    deleted = client.rows(deleted="true")
    assert [row["id"] for row in deleted] == [workload_id(0)]
    assert deleted[0]["deletedAt"] is not None
    assert is_error(client.get(f"/api/v1/workloads/{workload_id(0)}"), 404)
    assert client.get("/api/v1/workloads/count", params={"deleted": "true"}).json() == {"count": 1}


def test_pods_filtered_by_node_are_found(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=150))
    rows = {row["id"]: row for row in client.rows()}
    pods = client.get("/api/v1/workloads/pods", params={"limit": "500", "verbosity": "full"}).json()["pods"]
    one: dict[str, Any] = next(pod for pod in pods if pod["nodeName"] and pod["completedAt"] is None)
    query: dict[str, Any] = {
        "filterBy": f"nodeName=={one['nodeName']},clusterId=={one['clusterId']}",
        "completed": "false",
        "limit": 500,
    }
    found = client.get("/api/v1/workloads/pods", params=query).json()["pods"]
    same = ("nodeName", "clusterId")
    assert {pod["id"] for pod in found} == {
        pod["id"]
        for pod in pods
        if all(pod[name] == one[name] for name in same) and pod["completedAt"] is None
    }
    assert "workloadName" not in found[0]
    assert one["workloadName"] == rows[one["workloadId"]]["name"]
    for pod in pods:
        assert rows[pod["workloadId"]]["phase"] not in ("Stopped", "Creating", "Resuming")


def test_pods_of_one_workload_are_paged(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=150))
    distributed: dict[str, Any] = next(row for row in client.rows() if row["runningPods"] > 2)
    path = f"/api/v1/workloads/{distributed['id']}/pods"
    whole = client.get(path).json()["pods"]
    assert len(whole) == distributed["runningPods"]
    first = client.get(path, params={"limit": 2}).json()
    assert (first["pods"], first["next"]) == (whole[:2], 2)
    assert client.get(path, params={"deleted": "true"}).json() == {"pods": []}
    assert is_error(client.get(f"/api/v1/workloads/{ABSENT}/pods"), 404)


def test_lists_of_places_return_their_rows(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=60))
    clusters = client.get("/api/v1/clusters").json()
    assert [sorted(cluster)[-1] for cluster in clusters] == ["version", "version"]
    pools = client.get("/api/v1/node-pools", params={"limit": 4}).json()
    assert len(pools["nodepools"]) == 4
    assert "next" not in pools
    nodes = client.get("/api/v1/nodes", params={"filterBy": f"clusterUuid=={clusters[0]['uuid']}"}).json()
    older = client.get(f"/api/v1/clusters/{clusters[0]['uuid']}/nodes").json()
    assert nodes == older
    projects = client.get("/api/v1/org-unit/projects", params={"limit": 3}).json()
    assert (len(projects["projects"]), projects["next"]) == (3, 3)
    named = client.get("/api/v1/org-unit/projects", params={"filterBy": "name==vision"}).json()
    assert [project["name"] for project in named["projects"]] == ["vision"]
    assert len(client.get("/api/v1/org-unit/departments").json()["departments"]) == 3
    assert is_error(client.get("/api/v1/projects"), 404)


PLACES = {
    "node-pools": {"name", "clusterId", "phase", "createdAt", "updatedAt"},
    "nodes": {
        "name",
        "status",
        "nodePool",
        "gpuType",
        "nvLinkDomainUid",
        "nvLinkCliqueId",
        "clusterUuid",
    },
    "org-unit/projects": {
        "name",
        "clusterId",
        "departmentId",
        "parentId",
        "parentName",
        "phase",
        "createdAt",
    },
    "org-unit/departments": {"name"},
}


@pytest.mark.parametrize("path", sorted(PLACES))
def test_lists_of_places_with_foreign_field_are_refused(start: Start, connect: Connect, path: str) -> None:
    client = connect(start(workloads=5))

    def asked(**query: str) -> requests.Response:
        return client.get(f"/api/v1/{path}", params=query)

    (whole,) = asked().json().values()
    for field in set().union(*PLACES.values(), {"colour"}):
        value = "2020-01-01T00:00:00Z" if field.endswith("At") else "none such"
        if field in PLACES[path]:
            (found,) = asked(filterBy=f"{field}!={value}").json().values()
            (ordered,) = asked(sortBy=field, sortOrder="desc").json().values()
            assert found == whole
            assert sorted(row["name"] for row in ordered) == sorted(row["name"] for row in whole)
        else:
            assert is_error(asked(filterBy=f"{field}!={value}"), 400)
            assert is_error(asked(sortBy=field), 400)


def test_projects_filtered_by_each_field_are_found(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=5))

    def names(*conditions: str) -> list[str]:
        query = {"filterBy": ",".join(conditions), "sortBy": "name"}
        found = client.get("/api/v1/org-unit/projects", params=query).json()["projects"]
        return [project["name"] for project in found]

    (science,) = client.get("/api/v1/org-unit/departments", params={"filterBy": "name==science"}).json()[
        "departments"
    ]
    assert names("parentName==science") == names(f"departmentId=={science['id']}") == ["climate", "genomics"]
    projects = client.get("/api/v1/org-unit/projects").json()["projects"]
    assert {uuid.UUID(one["parent"]["id"]) for one in projects if one["parent"]["name"] == "science"} == {
        uuid.UUID(science["id"])
    }
    assert names("phase==Ready", "createdAt<=2000-01-01T00:00:00Z") == []
    assert len(names("phase==Ready", "createdAt>=2000-01-01T00:00:00Z")) == 8


def test_older_version_lacks_endpoints_and_fields(start: Start, connect: Connect) -> None:
    old = connect(start(workloads=5, api_version="2.18"))
    assert is_error(old.batch("suspend", [ABSENT]), 404)
    assert is_error(old.get("/api/v1/nodes"), 404)
    assert is_error(old.get("/api/v1/node-pools"), 404)
    assert is_error(old.post("/api/v2/token", data=form()), 404)
    assert is_error(old.get("/api/v1/workloads", params={"search": "x"}), 400)
    assert is_error(old.get("/api/v1/workloads", params={"filterBy": "category==Train"}), 400)
    assert is_error(old.get("/api/v1/workloads", params={"sortBy": "phaseUpdatedAt"}), 400)
    assert is_error(old.get("/api/v1/workloads/pods", params={"sortBy": "workloadId"}), 400)
    assert not {"priority", "category", "idleAllocatedGpus"} & set(old.rows()[0])
    assert old.get("/api/v1/clusters").json()[0]["version"].startswith("2.18")
    lenient = connect(start(workloads=5, api_version="2.18", unknown_parameters="ignore"))
    assert len(lenient.rows(search="matches nothing")) == 5
    previous = connect(start(workloads=5, api_version="2.23"))
    assert is_error(previous.post("/api/v2/token", data=form()), 404)
    assert previous.get("/api/v1/nodes").status_code == 200
    assert connect(start(workloads=5, api_version="2.24")).post("/api/v2/token", data=form()).ok


def test_settings_that_remove_parts_are_respected(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=5, count_endpoint=False, actions_support=False))
    assert is_error(client.get("/api/v1/workloads/count"), 404)
    assert all("actionsSupport" not in row for row in client.rows())
    forbidden = connect(start(workloads=5, forbidden_paths=("/api/v1/workloads/b*",)))
    assert is_error(forbidden.batch("suspend", [ABSENT]), 403)
    assert len(forbidden.rows()) == 5


def test_unknown_path_or_method_has_the_error_shape(start: Start, connect: Connect) -> None:
    client = connect(start(workloads=1))
    assert is_error(client.get("/api/v1/nothing"), 404)
    assert is_error(client.get("/api/v1/workloads/"), 404)
    assert is_error(client.delete("/api/v1/workloads"), 405)


def test_response_that_breaks_the_contract_becomes_a_500(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of("Running"))
    simulator.state.set_phase(workload_id(0), "Suspending", frozen=True)
    response = connect(simulator).get("/api/v1/workloads")
    assert is_error(response, 500)
    assert "broken contract" in response.json()["message"]
    lax = start(fleet=fleet_of("Running"), validate_responses=False)
    lax.state.set_phase(workload_id(0), "Suspending", frozen=True)
    assert connect(lax).rows()[0]["phase"] == "Suspending"


def test_latency_set_delays_each_request_and_id(start: Start, connect: Connect) -> None:
    simulator = start(fleet=fleet_of(*["Running"] * 4), latency=0.02, latency_per_id=0.05, clock=RealClock())
    connect(simulator).batch("suspend", [workload_id(number) for number in range(4)])
    entry = simulator.requests()[0]
    assert entry["end"] - entry["start"] >= 0.21  # 0.22, and a little for the rounding
