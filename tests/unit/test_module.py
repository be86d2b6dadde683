# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpuops.runai.plugins.module_utils import _module
from ansible_collections.gpuops.runai.plugins.module_utils._api import transport as _transport
from ansible_collections.gpuops.runai.plugins.module_utils._api.errors import StatusError
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import no_request
from ansible_collections.gpuops.runai.plugins.module_utils._common.result import ModuleResult
from ansible_collections.gpuops.runai.plugins.module_utils._module import RunaiModule


class Ended(Exception):
    """Stands in for the end of the process."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keep what the module ends with, in place of the module's options and of its end."""
    kept: dict[str, Any] = {}

    def end(how: str) -> Any:
        def keep(module: AnsibleModule, msg: str = "", **result: Any) -> None:
            kept.update(result, how=how, msg=msg)
            raise Ended

        return keep

    def init(module: AnsibleModule, **_arguments: Any) -> None:
        module.params = {"step": "plan", "token": None, "variables": {"a": 1}}
        module.no_log_values = set()

    monkeypatch.setattr(AnsibleModule, "__init__", init)
    monkeypatch.setattr(AnsibleModule, "exit_json", end("well"))
    monkeypatch.setattr(AnsibleModule, "fail_json", end("badly"))
    monkeypatch.setattr(_module, "_load_params", dict)
    monkeypatch.setattr(_module, "connection_secrets", lambda params, environ: {"secret-1"})
    return kept


def refused(message: str) -> ModuleResult:
    return ModuleResult({"msg": message, "changed": False}, True, [], set())


@pytest.mark.parametrize("failed", [False, True])
def test_module_at_its_end_hides_secrets(ended: dict[str, Any], failed: bool) -> None:
    module = RunaiModule({}, shown=["step"])
    with pytest.raises(Ended):
        module.run(lambda: ModuleResult({"msg": "done", "changed": True}, failed, [], {"secret-2"}), refused)
    assert ended == {
        "how": "badly" if failed else "well",
        "msg": "done",
        "changed": True,
        "invocation": {"module_args": {"step": "plan"}},
        **({"error": no_request("done")} if failed else {}),
    }
    assert module.no_log_values == {"secret-1", "secret-2"}


def test_module_failed_on_a_request_returns_it_as_error(ended: dict[str, Any]) -> None:
    fault = StatusError("GET", "/api/v1/workloads", 404, "no such page", code=40)
    with pytest.raises(Ended):
        RunaiModule({}).run(lambda: ModuleResult({"msg": "failed"}, True, [], set(), fault), refused)
    assert ended["error"] == {
        "method": "GET",
        "path": "/api/v1/workloads",
        "status": 404,
        "code": 40,
        "message": "HTTP 404 (code 40), no such page",
    }


def test_shortened_long_message_is_cut_outside_secrets(ended: dict[str, Any]) -> None:
    with pytest.raises(Ended):
        RunaiModule({}).fail_json("x" * 3997 + "secret-1" + "y" * 400_000)
    assert len(ended["msg"]) < 4100
    assert ended["msg"].endswith("more characters")
    assert "sec" not in ended["msg"]


def test_module_without_requests_is_rejected_with_the_traceback(
    ended: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_transport, "REQUESTS_IMPORT_ERROR", "ImportError: not here")

    def run() -> ModuleResult:
        _transport.require_requests()
        return refused("too late")

    with pytest.raises(Ended):
        RunaiModule({}).run(run, refused)
    assert ended["how"] == "badly"
    assert "required Python library (requests)" in ended["msg"]
    assert ended["exception"] == "ImportError: not here"
    assert set(ended["invocation"]["module_args"]) == {"step", "token", "variables"}
