# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command to type next: what it repeats, what it leaves open, and what it never shows."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.next_command import (
    NextCommand,
    TypedCommand,
    faulty_options,
    parse_command,
)
from ansible_collections.gpuops.runai.plugins.module_utils._record.record import Record

GIVEN: dict[str, Any] = {
    "_ansible_check_mode": True,
    "name": "gpu-17",
    "state": "planned",
    "record_dir": "/srv/records",
    "base_url": "https://acme.run.ai",
    "client_secret": "never-shown",
    "token": "never-shown",
    "proxy": "http://user:never-shown@proxy",
    "reason": 'it\'s "new", really',
    "select": {"nodes": ["gpu-17", "gpu-18"], "name": "train-*", "projects": None},
    "max_affected": 20,
    "max_percent": "none",
    "attempts": 2,
    "settle_time": "15",
    "node_fenced": False,
    "by": {},
}
RECORD = Record("1", "gpu-17", {}, select={"nodes": ["gpu-17"]})
JOB = {"awx_job_id": "12", "awx_job_template_name": "Run:ai: plan"}


def _command(
    typed: Optional[TypedCommand] = None, check: bool = False, environ: Any = None, **given: Any
) -> NextCommand:
    return NextCommand({**GIVEN, **given}, environ or {}, check, typed)


def _variables(command: str) -> dict[str, Any]:
    """What ansible-playbook makes of the arguments of a command."""
    found: dict[str, Any] = {}
    arguments = shlex.split(command)
    for option, value in zip(arguments, arguments[1:]):
        if option == "-e" and value.startswith("{"):
            found.update(json.loads(value))
        elif option == "-e":
            name, _equals, text = value.partition("=")
            found[name] = text
    return {name.removeprefix("workload_maintenance_"): value for name, value in found.items()}


def test_repeat_has_all_given_options_but_secrets_and_defaults() -> None:
    command = _command(check=True).repeat("planned", ["max_affected"])
    assert command.startswith("ansible-playbook gpuops.runai.maintenance_plan -e ")
    assert command.endswith(" --check")
    assert "never-shown" not in command
    assert _variables(command) == {
        "name": "gpu-17",
        "record_dir": "/srv/records",
        "base_url": "https://acme.run.ai",
        "reason": 'it\'s "new", really',
        "nodes": "gpu-17,gpu-18",
        "workload_name": "train-*",
        "max_affected": "<a higher ceiling or none>",
        "max_percent": "none",
    }


def test_repeat_leaves_out_an_address_that_may_hold_a_password() -> None:
    assert "secret" not in _command(base_url="https://user:secret@acme.run.ai").repeat("planned")


def test_without_check_is_the_same_command_without_check_mode() -> None:
    commands = _command(check=True)
    assert commands.without_check("planned") + " --check" == commands.repeat("planned")


def test_continue_with_names_the_record_and_never_fills_in_an_attestation() -> None:
    assert _command().continue_with("begun", RECORD) == (
        "ansible-playbook gpuops.runai.maintenance_begin -e workload_maintenance_name=gpu-17 "
        "-e workload_maintenance_record_dir=/srv/records "
        "-e workload_maintenance_base_url=https://acme.run.ai "
        "-e 'workload_maintenance_node_fenced=<true once it is cordoned>'"
    )


def test_continue_with_leaves_out_a_folder_of_the_environment() -> None:
    commands = _command(environ={"RUNAI_RECORD_DIR": "/srv/records"}, record_dir=None, base_url=None)
    assert _variables(commands.continue_with("ended", RECORD)) == {"name": "gpu-17"}


def test_continue_with_asks_for_a_folder_where_nothing_keeps_the_plan() -> None:
    found = _variables(_command(record_dir=None).continue_with("begun", Record("1", "gpu-17", {})))
    assert found["record_dir"] == "<folder that outlives the job>"
    assert found["nodes"] == "gpu-17,gpu-18"


def test_end_other_names_a_record_of_the_same_folder() -> None:
    found = _variables(_command().end_other("second"))
    assert (found["name"], found["record_dir"]) == ("second", "/srv/records")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (["a", "b"], "a,b"),
        (["a, b", "c"], ["a, b", "c"]),
        ("two words", "two words"),
        (17, "17"),
        (True, "true"),
        ("\u00fc'\"", "\u00fc'\""),
    ],
)
def test_values_survive_a_shell(value: Any, read: Any) -> None:
    command = _command(select={"projects": value}).repeat("planned")
    assert _variables(command)["projects"] == read


def test_command_in_a_job_of_awx_names_a_template_and_its_variables() -> None:
    commands = _command(by=JOB, record_dir=None, base_url=None)
    assert commands.continue_with("begun", RECORD) == (
        "in AWX, run the job template of maintenance_begin with workload_maintenance_name=gpu-17; "
        "workload_maintenance_node_fenced=<true once it is cordoned>; "
        "workload_maintenance_record=<artifact of job 12>"
    )
    again = _command(by=JOB, check=True, select={"all": True}).repeat("planned", ["max_affected"])
    assert again.startswith("in AWX, run the job template Run:ai: plan as a check with ")
    assert "ansible-playbook" not in again


def test_command_in_a_workflow_job_of_awx_names_the_node() -> None:
    commands = _command(by={**JOB, "awx_workflow_job_id": "11"})
    assert commands.continue_with("ended", RECORD).startswith(
        "in AWX, run the node of maintenance_end in workflow job 11 with "
    )


def test_parse_command_keeps_inventories_files_and_the_way_to_the_vault(tmp_path: Path) -> None:
    (tmp_path / "gpu-17.yml").write_text(
        "workload_maintenance_name: gpu-17\nworkload_maintenance_reason: x\n"
    )
    options = (
        "-i hosts --inventory=more -e @gpu-17.yml -e workload_maintenance_reason=y -e token=secret -C -J"
    )
    typed = parse_command(["python3", "ansible-playbook", "play.yml", *options.split(), ""], str(tmp_path))
    assert typed.arguments == ("-i", "hosts", "--inventory", "more", "-e", "@gpu-17.yml", "-J")
    assert typed.variables == {"workload_maintenance_name"}


def test_parse_command_drops_what_ansible_runner_wrote() -> None:
    arguments = ["ansible-playbook", "-i", "/runner/inventory", "-e", "@/runner/env/extravars", "play.yml"]
    assert parse_command(arguments, "/") == TypedCommand()


def test_variables_of_a_typed_file_are_not_repeated() -> None:
    typed = TypedCommand(("-i", "my hosts", "-e", "@gpu-17.yml"), frozenset({"workload_maintenance_name"}))
    assert _command(typed, base_url=None).continue_with("ended", RECORD) == (
        "ansible-playbook gpuops.runai.maintenance_end -i 'my hosts' -e @gpu-17.yml "
        "-e workload_maintenance_record_dir=/srv/records"
    )


def test_begin_of_nodes_leaves_out_an_attestation_of_a_typed_file() -> None:
    typed = TypedCommand(("-e", "@gpu-17.yml"), frozenset({"workload_maintenance_node_fenced"}))
    assert "node_fenced" not in _command(typed).continue_with("begun", RECORD)


def test_plan_again_takes_from_the_record_what_the_task_does_not_set() -> None:
    limits = {"max_affected": None, "max_percent": 10.0, "max_drift": None, "unsuspendable": "leave"}
    record = Record("1", "gpu-17", {}, "planned", reason="x", select={"projects": ["a"]}, limits=limits)
    commands = _command(base_url=None, reason="fan", select=None, max_affected=None, max_percent=None)
    assert _variables(commands.plan_again(record, is_renamed=True)) == {
        "name": "<another name>",
        "record_dir": "/srv/records",
        "reason": "fan",
        "projects": "a",
        "max_affected": "none",
        "max_percent": "10.0",
        "unsuspendable": "leave",
    }


def test_faulty_options_are_those_that_a_message_begins_with() -> None:
    assert faulty_options("max_affected: 3 workloads") == ["max_affected"]
    assert faulty_options("reason, select: required for a plan") == ["reason", "select"]
    assert faulty_options("the control plane: no answer") == []


def test_rejected_notice_has_no_command_since_a_playbook_writes_it() -> None:
    assert _command(told=[]).repeat("told", ["told"]) == ""
