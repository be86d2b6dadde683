# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every refusal ends with a command that can be typed, and it never shows a secret."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import run as _maintenance_run
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.begin import begin_step, begun_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.context import Context, Step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.end import end_step, ended_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next import (
    Caller,
    after_refusal,
    go_on,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.plan import plan_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ControlPlane,
    Record,
    RecordError,
    Remedy,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.run import run_step
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.settings import (
    read_settings,
    to_fill_in,
)
from ansible_collections.gpuops.runai.tests.support.fake_maintenance import (
    SAID,
    FakeControlPlane,
    context,
)

MAINTENANCE = "workload_maintenance"
NOWHERE = {
    **{name: spec.get("default") for name, spec in connection_argument_spec().items()},
    "base_url": "http://127.0.0.1:9",
    "token": "geheim",
    "retry_timeout": 0,
}
PLAN: dict[str, Any] = {
    "name": "night",
    "reason": "new fan",
    "projects": ["a", "b"],
    "max_affected": 5,
    "max_percent": "none",
}


def refused(step: str, variables: dict[str, Any], role: str = MAINTENANCE, **params: Any) -> dict[str, Any]:
    """What a step that is refused before any call returns."""
    named = {"{0}_{1}".format(role, name): value for name, value in variables.items()}
    finished = run_step({"step": step, "role": role, "variables": named, **NOWHERE, **params}, {}, False)
    assert finished.failed
    assert finished.result["refused"]
    found: dict[str, Any] = finished.result
    assert "geheim" not in str(found)
    return found


def said(command: str) -> dict[str, str]:
    """Variables of a command as it would be typed, without the prefix."""
    words = shlex.split(command)
    assert words[0] == "ansible-playbook"
    assert words[1].startswith("gpuops.runai.")
    found = {}
    for word in words[3::2]:
        name, _equals, value = word.strip("{}").replace(": ", "=", 1).partition("=")
        found[re.sub("^(workload_[a-z]+|rehearsal)_", "", name)] = value
    assert words[2::2] == ["-e"] * len(found)
    return found


PLAYBOOKS = {
    **{one: "maintenance_" + one for one in ("plan", "begin", "end", "status")},
    "reclaim": "reclaim",
}
# What the record of the tests below was planned with.
PLANNED = {"reason": "fan", "all": "true", "max_affected": "none", "max_percent": "none", "max_drift": "0"}
USUAL = {
    "name": "night",
    "reason": "new fan",
    "projects": "a,b",
    "max_affected": "5",
    "max_percent": "none",
    "base_url": NOWHERE["base_url"],
}


@pytest.mark.parametrize(
    ("step", "changes", "mended"),
    [
        ("plan", {"projects": ""}, {"projects": "<projects or any>"}),
        ("plan", {"exclude": None}, {"exclude": "<exclude or none>"}),
        ("begin", {"max_affected": "many"}, {"max_affected": "<max affected or none>"}),
        ("plan", {"max_percent": ...}, {"max_percent": "<max percent or none>"}),
        ("begin", {"name": "no/name"}, {"name": "<name>"}),
        ("begin", {"name": ...}, {"name": "<name>"}),
        ("begin", {}, {"record_dir": "<a folder that stays>"}),
        ("begin", {"record_dir": "here"}, {"record_dir": "<a folder that stays>"}),
        ("plan", {"projects": "any"}, {"projects": "<projects>"}),
        ("plan", {"summary_path": "here.md"}, {"summary_path": "<summary path or none>"}),
        ("plan", {"summary_path": "/tmp"}, {"summary_path": "<summary path or none>"}),
        ("begin", {"attempts": 0}, {"attempts": "<attempts>"}),
        # One of an unknown name may hold a secret: it is never said again.
        ("plan", {"client_secrt": "geheim"}, {}),
        ("plan", {"project": "geheim"}, {}),
        ("plan", {"unsuspendble": "leave"}, {"unsuspendable": "<unsuspendable>"}),
        ("begin", {"record": "geheim"}, {"record": "<the packed record>"}),
        # What the roles say anyway goes without saying.
        (
            "plan",
            {"name": "no/name", "attempts": 2, "wait_interval": 0.1},
            {"name": "<name>", "wait_interval": "0.1"},
        ),
        (
            "plan",
            {"name": "no/name", "projects": ["a" * 99] * 4},
            {"name": "<name>", "projects": "<as before>"},
        ),
    ],
)
def test_a_refusal_before_any_call_ends_with_the_same_command_mended(
    step: str, changes: dict[str, Any], mended: dict[str, str]
) -> None:
    variables = {name: value for name, value in {**PLAN, **changes}.items() if value is not ...}
    found = refused(step, variables)
    command = found["trouble"]["next_command"]
    assert command.startswith("ansible-playbook gpuops.runai.maintenance_{0} -e ".format(step))
    assert said(command) == {**USUAL, **mended}
    assert found["trouble"]["sentence"] == found["msg"]
    assert "nothing was done" in found["msg"].lower()


@pytest.mark.parametrize(
    ("role", "name"),
    [
        *(
            (MAINTENANCE, name)
            for name in ("max_affected", "max_percent", "name", "record_dir", "unsuspendable")
        ),
        ("workload_reclaim", "idle_for"),
        ("workload_reclaim", "min_idle_gpus"),
        ("workload_cleanup", "older_than"),
        ("workload_cleanup", "keep_newest"),
    ],
)
def test_what_is_to_be_filled_in_is_not_taken_as_it_stands(role: str, name: str) -> None:
    variables = {"name": "night", "reason": "fan", "max_affected": 5, "max_percent": "none"}
    filled = to_fill_in(role, [name])
    found = refused("begin", {**variables, **filled}, role)
    assert said(found["trouble"]["next_command"])[name].startswith("<")


class Bench:
    """A plan of a record in a folder, and what the next step of some playbook is refused with."""

    def __init__(self, folder: str) -> None:
        self.control_plane = FakeControlPlane(["Running", "Stopped"])
        self.folder = folder
        plan_step(self.at("plan", max_drift=0, **SAID))

    def at(self, playbook: str, name: str = "night", **variables: Any) -> Context:
        role = "workload_reclaim" if playbook == "reclaim" else MAINTENANCE
        made = context(
            self.control_plane, self.folder, name=name, role=role, record_dir=self.folder, **variables
        )
        return made._replace(caller=made.caller._replace(playbook=PLAYBOOKS[playbook]))

    def begin(self) -> None:
        begin_step(self.at("begin"))
        self.control_plane.send("suspend", self.control_plane.ids[:1])
        begun_step(self.at("begin"))

    def end(self) -> None:
        end_step(self.at("end"))
        self.control_plane.send("resume", self.control_plane.ids[:1])
        ended_step(self.at("end"))

    def next(self, words: str, at: Context) -> tuple[str, dict[str, str]]:
        """The playbook and the variables of the next command, without the name of the folder."""
        take: dict[str, Callable[[Context], Step]] = {
            "maintenance_end": end_step,
            "maintenance_plan": plan_step,
        }
        with pytest.raises(RecordError, match=words) as told:
            take.get(at.caller.playbook, begin_step)(at)
        command = after_refusal(at.caller, told.value.remedy)
        variables = said(command)
        assert variables.pop("record_dir") == self.folder
        return shlex.split(command)[1].replace("gpuops.runai.", ""), variables


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(str(tmp_path))


def test_another_control_plane_ends_with_the_address_of_the_right_one(bench: Bench) -> None:
    bench.begin()
    bench.control_plane.tenant = "2002"
    found = bench.next("is of tenant 1001", bench.at("end"))
    assert found == ("maintenance_end", {"name": "night", "base_url": "https://a.example"})


def test_a_misspelt_name_ends_with_the_one_that_is_there(bench: Bench) -> None:
    found = bench.next("did you mean night", bench.at("end", "nihgt"))
    assert found == ("maintenance_end", {"name": "night"})
    assert bench.next("nothing was done", bench.at("end", "x"))[1] == {"name": "<name>"}


def test_a_name_that_was_used_ends_with_one_that_is_free(bench: Bench) -> None:
    assert bench.next("not a reclaim", bench.at("reclaim")) == ("reclaim", {"name": "night-2"})
    plan_step(bench.at("plan", "night-2", **SAID))
    bench.begin()
    found = bench.next("already begun", bench.at("plan", max_drift=0, **SAID))
    assert found == ("maintenance_plan", {**PLANNED, "name": "night-3"})


def test_what_has_ended_is_planned_anew(bench: Bench) -> None:
    bench.begin()
    bench.end()
    found = bench.next("already ended; a new maintenance needs", bench.at("begin"))
    assert found == ("maintenance_plan", {**PLANNED, "name": "night-2"})


def test_what_has_not_quite_ended_is_ended(bench: Bench) -> None:
    bench.begin()
    bench.control_plane.hidden.add(bench.control_plane.ids[0])
    bench.end()
    assert bench.next("already ending", bench.at("begin")) == ("maintenance_end", {"name": "night"})


def test_too_much_drift_is_planned_anew(bench: Bench) -> None:
    bench.control_plane.set_phase(bench.control_plane.ids[1], "Running")
    found = bench.next("1 workload meets the selection now", bench.at("begin"))
    assert found == ("maintenance_plan", {**PLANNED, "name": "night-2"})


def test_another_selection_is_left_to_the_record(bench: Bench) -> None:
    asked = bench.at("begin", reason="fan", projects="p", sort_by="name")
    found = bench.next(r"another selection \(all, projects, sort_by differ\)", asked)
    assert found == ("maintenance_begin", {"name": "night", "reason": "fan"})


@pytest.mark.parametrize(
    ("words", "asked", "mended"),
    [
        ("keep new pods off", {"nodes": "gpu-17"}, {"node_fenced": "true"}),
        ("can't be suspended", {"projects": "p"}, {"unsuspendable": "leave"}),
        ("max_affected is 0", {"max_affected": "0"}, {"max_affected": "<a higher ceiling or none>"}),
        ("matches no selected", {"exclude": "x-*"}, {"exclude": "<exclude or none>"}),
    ],
)
def test_what_is_missing_for_a_begin_is_added(
    bench: Bench, words: str, asked: dict[str, str], mended: dict[str, str]
) -> None:
    bench.control_plane.workloads[bench.control_plane.ids[0]].suspendable = (
        False if "projects" in asked else None
    )
    usual = {"name": "b", "reason": "fan", "all": "true", "max_affected": "none", "max_percent": "none"}
    found = bench.next(words, bench.at("begin", **{**usual, **asked}))
    assert found == ("maintenance_begin", {**usual, **asked, **mended})


WEEKEND = Record(
    id="x",
    name="weekend",
    kind="reclaim",
    action="suspend",
    state="acting",
    reason="idle",
    control_plane=ControlPlane("https://a.example", "1001", {}),
    selection={"min_idle_gpus": 1.0, "name": "train-*"},
    settings={"idle_for": None, "max_affected": 5, "max_percent": None},
    times={},
    by={},
    workloads=[],
)


def test_a_status_of_a_reclaim_goes_on_with_the_reclaim() -> None:
    settings = read_settings(MAINTENANCE, {"workload_maintenance_name": "weekend"})
    assert said(go_on(Caller(settings, "maintenance_status"), "reclaim", WEEKEND)) == {
        "name": "weekend",
        "reason": "idle",
        "min_idle_gpus": "1",
        "workload_name": "train-*",
        "idle_for": "now",
        "max_affected": "5",
        "max_percent": "none",
    }


def test_a_plan_that_was_not_kept_goes_on_with_the_packed_record() -> None:
    named = {MAINTENANCE + "_" + name: value for name, value in PLAN.items()}
    caller = Caller(read_settings(MAINTENANCE, named), "maintenance_plan")
    record = replace(WEEKEND, name="night", kind="maintenance", state="planned", selection={})
    for playbook in ("maintenance_begin", "maintenance_end"):
        assert said(go_on(caller, playbook, record))["record"] == "<the packed record>"
    kept = {**named, MAINTENANCE + "_record_dir": "/srv/records"}
    again = said(go_on(caller._replace(settings=read_settings(MAINTENANCE, kept)), playbook, record))
    assert again == {"name": "night", "record_dir": "/srv/records"}


def test_a_rehearsal_only_ever_goes_on_as_a_rehearsal() -> None:
    variables = {**PLAN, "record_dir": "/tmp/x", "node_fenced": True}
    caller = Caller(
        read_settings(MAINTENANCE, {"workload_maintenance_" + name: variables[name] for name in variables}),
        "maintenance_begin",
        {"base_url": "http://127.0.0.1:8080", "ca_path": "/x"},
    )
    caller = caller._replace(rehearsed=caller.settings)
    for command in (
        go_on(caller, "maintenance_end"),
        after_refusal(caller, Remedy(playbook="maintenance_plan")),
    ):
        assert command.startswith(
            "ansible-playbook gpuops.runai.maintenance_rehearse -e workload_maintenance_name"
        )
        assert command.endswith(" -e rehearsal_base_url=http://127.0.0.1:8080")
        assert said(command) == {**USUAL, "base_url": "http://127.0.0.1:8080"}


@pytest.mark.parametrize("step", ["status", "end"])
def test_a_step_after_a_rehearsed_reclaim_goes_on_with_what_was_rehearsed(tmp_path: Path, step: str) -> None:
    own = {"name": "rehearsal", "record_dir": str(tmp_path)}
    reclaim = {**own, "reason": "idle", "min_idle_gpus": 1, "idle_for": "now", "max_affected": "none"}
    rehearsal = {
        "role": "workload_reclaim",
        "variables": {"workload_reclaim_" + name: value for name, value in reclaim.items()},
    }
    command = refused(step, own, rehearsal=rehearsal)["trouble"]["next_command"]
    assert command.startswith(
        "ansible-playbook gpuops.runai.maintenance_rehearse -e rehearsal_of=reclaim -e workload_reclaim_"
    )
    assert said(command) == {
        "of": "reclaim",
        "name": "rehearsal",
        "reason": "idle",
        "min_idle_gpus": "1",
        "idle_for": "now",
        "max_affected": "none",
        "base_url": NOWHERE["base_url"],
    }


def test_it_is_told_where_others_can_not_be_kept_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_maintenance_run, "this_play", lambda: None)
    named = {MAINTENANCE + "_" + name: value for name, value in {**PLAN, "record_dir": str(tmp_path)}.items()}
    finished = run_step({"step": "begin", "role": MAINTENANCE, "variables": named, **NOWHERE}, {}, False)
    assert "connection refused" in finished.result["msg"]
    assert any("which play this is" in one for one in finished.warnings)
