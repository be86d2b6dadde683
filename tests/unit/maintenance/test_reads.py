# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which control plane answers, as it is read over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import RequestError
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import reads as _maintenance_reads
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import run as _maintenance_run
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.reads import ControlPlaneReader
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import RecordError
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import run_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.settings import read_settings

if TYPE_CHECKING:
    from tests.unit.conftest import Asked, Loopback, Reply

BERLIN, PARIS = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ID = "7c9c4a4e-9f0b-4f57-8f3e-6a1d2f3b4c5d"
ROW = {"id": ID, "clusterId": PARIS, "tenantId": 1001, "phase": "Running"}


def reader(loopback: Loopback, **variables: Any) -> ControlPlaneReader:
    """A reader of the loopback; ``variables`` are the role's, without its prefix."""
    named = {"workload_maintenance_" + name: value for name, value in variables.items()}
    return ControlPlaneReader(connection(loopback), {}, read_settings("workload_maintenance", named))


def connection(loopback: Loopback) -> dict[str, Any]:
    """Options of the connection to the loopback."""
    params = {option: spec.get("default") for option, spec in connection_argument_spec().items()}
    return {**params, "base_url": loopback.url, "token": "a-token", "retry_timeout": 0}


def script(loopback: Loopback, **replies: list[Reply]) -> None:
    """Answer ``clusters`` and ``workloads`` by these, the last one for ever; there is no simulator."""

    def answer(asked: Asked) -> Reply:
        left = replies.get(asked.path.rpartition("/")[2], [loopback.reply(404)])
        return left.pop(0) if len(left) > 1 else left[0]

    loopback.answer = answer


def asked(loopback: Loopback) -> list[str]:
    return [one.path.rpartition("/")[2] for one in loopback.asked]


def test_clusters_and_tenant_are_those_of_the_list(loopback: Loopback) -> None:
    listed = [{"uuid": BERLIN, "name": "berlin", "tenantId": 1001, "version": "2.24.1"}]
    script(loopback, clusters=[loopback.reply(200, listed)])
    found = reader(loopback).identity()
    assert (found.control_plane.tenant_id, found.control_plane.clusters) == ("1001", {BERLIN: "berlin"})
    assert found.control_plane.all_clusters
    assert not found.control_plane.simulator
    assert found.versions == {BERLIN: "2.24.1"}
    assert "workloads" not in asked(loopback)


def test_a_workload_tells_the_tenant_and_one_cluster_where_the_list_is_refused(loopback: Loopback) -> None:
    rows = loopback.reply(200, {"workloads": [ROW]})
    script(loopback, clusters=[loopback.reply(403)], workloads=[rows])
    control_plane = reader(loopback).identity().control_plane
    assert (control_plane.tenant_id, control_plane.clusters) == ("1001", {PARIS: PARIS})
    assert not control_plane.all_clusters


@pytest.mark.parametrize("first", ["identity", "look"])
def test_what_is_waited_for_is_the_list_of_workloads_too(
    loopback: Loopback, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_maintenance_reads, "_BETWEEN_TRIES", 0.01)
    listed = loopback.reply(200, [{"uuid": BERLIN, "name": "berlin", "tenantId": 1001}])
    down, rows = loopback.reply(503), loopback.reply(200, {"workloads": [ROW]})
    one = loopback.reply(200, ROW)
    script(loopback, clusters=[listed], workloads=[down, down, rows], **{ID: [one]})
    waiting = reader(loopback, wait_for_api=60)
    if first == "identity":
        waiting.identity()
    assert list(waiting.look([ID])) == [ID]
    assert asked(loopback).count("workloads") >= 3
    assert waiting.warnings[0].startswith("the control plane did not answer at first")


def with_client(loopback: Loopback, **variables: Any) -> ControlPlaneReader:
    """A reader as a service account."""
    account = {"token": None, "client_id": "an-id", "client_secret": "a-long-secret"}
    named = {"workload_maintenance_" + name: value for name, value in variables.items()}
    params = {**connection(loopback), **account}
    return ControlPlaneReader(params, {}, read_settings("workload_maintenance", named))


def test_a_token_is_waited_for_that_an_ingress_does_not_know_yet(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_maintenance_reads, "_BETWEEN_TRIES", 0.01)
    listed = loopback.reply(200, [{"uuid": BERLIN, "name": "berlin", "tenantId": 1001}])
    rows = loopback.reply(200, {"workloads": [ROW]})
    nobody, token = loopback.reply(404), loopback.reply(200, {"access_token": "a-new-token"})
    # A try asks both endpoints, of the newer version first.
    script(loopback, token=[nobody] * 4 + [token], clusters=[listed], workloads=[rows])
    assert with_client(loopback, wait_for_api=60).identity().control_plane.tenant_id == "1001"
    assert loopback.paths("POST") == ["/api/v2/token", "/api/v1/token"] * 2 + ["/api/v2/token"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_client_that_is_refused_is_not_waited_for(loopback: Loopback, status: int) -> None:
    script(loopback, token=[loopback.reply(status)])
    reading = with_client(loopback, wait_for_api=60)
    with pytest.raises(RequestError, match="no token for the client 'an-id'"):
        reading.identity()
    assert loopback.paths("POST") == ["/api/v2/token", "/api/v1/token"]
    assert reading.warnings == []


def test_the_ids_of_a_read_that_samples_are_said_once(loopback: Loopback, tmp_path: Path) -> None:
    listed = loopback.reply(200, [{"uuid": PARIS, "name": "paris", "tenantId": 1001}])
    rows = loopback.reply(200, {"workloads": [{**ROW, "idleAllocatedGpus": 2}]})
    script(loopback, clusters=[listed], workloads=[rows], count=[loopback.reply(200, {"count": 1})])
    said = {"name": "weekend", "reason": "idle", "record_dir": str(tmp_path), "min_idle_gpus": 1}
    said.update({"idle_for": "now", "max_affected": "none", "max_percent": "none"})
    variables = {"workload_reclaim_" + name: value for name, value in said.items()}
    params = {"step": "sample", "role": "workload_reclaim", "variables": variables, **connection(loopback)}
    finished = run_step(params, {}, False)
    assert not finished.failed, finished.result
    assert (finished.result["ids"], finished.result["sampled"]["ids"]) == ([], [ID])
    assert (finished.result["sampled"]["reads"], finished.result["samples"]) == (1, 1)


def test_a_selection_says_what_met_nothing_and_a_look_does_not(loopback: Loopback) -> None:
    listed = loopback.reply(200, [{"uuid": PARIS, "name": "paris"}])
    rows = loopback.reply(200, {"workloads": [ROW]})
    script(loopback, clusters=[listed], workloads=[rows], count=[loopback.reply(200, {"count": 1})])
    reading = reader(loopback)
    found = reading.select({"all": True, "exclude": ["keep-me"]})
    assert ([seen.id for seen in found.workloads], found.unmatched) == ([ID], {"exclude": ["keep-me"]})
    assert len(reading.warnings) == 1
    assert "'keep-me'" in reading.warnings[0]
    assert reading.look([BERLIN]) == {}
    assert len(reading.warnings) == 1
    with pytest.raises(RunaiError, match="criteria: not set"):
        reading.select({})
    assert "a-token" in reading.secrets


def test_nothing_is_waited_for_unless_that_was_said(loopback: Loopback) -> None:
    script(loopback, clusters=[loopback.reply(503)])
    with pytest.raises(RequestError):
        reader(loopback).identity()
    assert asked(loopback) == ["clusters"]


def test_a_summary_that_can_not_be_written_costs_no_record_that_travels(
    loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, _text: str) -> None:
        raise RecordError(path + " can't be written: No space left on device")

    monkeypatch.setattr(_maintenance_run, "write_whole", full)
    listed = loopback.reply(200, [{"uuid": BERLIN, "name": "berlin", "tenantId": 1001}])
    rows = loopback.reply(200, {"workloads": [ROW]})
    script(loopback, clusters=[listed], workloads=[rows], count=[loopback.reply(200, {"count": 1})])
    said = {"name": "night", "reason": "fan", "all": True, "max_affected": "none", "max_percent": "none"}
    page = str(tmp_path / "page.md")
    variables = {
        "workload_maintenance_" + name: value for name, value in {**said, "summary_path": page}.items()
    }
    params = {"step": "plan", "role": "workload_maintenance", "variables": variables, **connection(loopback)}
    finished = run_step(params, {}, False)
    assert not finished.failed
    assert finished.result["packed"].startswith("runai-record-1:")
    assert finished.warnings == [
        "the summary is not written: {0} can't be written: No space left on device".format(page)
    ]


def test_a_summary_may_lie_in_a_folder_of_records_that_is_still_to_be_made(
    loopback: Loopback, tmp_path: Path
) -> None:
    listed = loopback.reply(200, [{"uuid": BERLIN, "name": "berlin", "tenantId": 1001}])
    rows = loopback.reply(200, {"workloads": [ROW]})
    script(loopback, clusters=[listed], workloads=[rows], count=[loopback.reply(200, {"count": 1})])
    folder, page = tmp_path / "records", tmp_path / "records" / "page.md"
    said = {"name": "night", "reason": "fan", "all": True, "max_affected": "none", "max_percent": "none"}
    said.update(record_dir="{0}/".format(folder), summary_path=str(page))
    variables = {"workload_maintenance_" + name: value for name, value in said.items()}
    params = {"step": "plan", "role": "workload_maintenance", "variables": variables, **connection(loopback)}
    for check_mode in (True, False):
        finished = run_step(params, {}, check_mode)
        assert not finished.failed, finished.result
        assert folder.exists() != check_mode
    assert page.exists()


def test_select_list_shorter_than_its_count_is_rejected_with_both_numbers(loopback: Loopback) -> None:
    rows = loopback.reply(200, {"workloads": [{**ROW, "createdAt": "2026-01-01T00:00:00Z"}]})
    script(loopback, workloads=[rows], count=[loopback.reply(200, {"count": 3})])
    with pytest.raises(RunaiError, match="lists 1 of 3 workloads that it counts; nothing was done"):
        reader(loopback).select({"all": True})
