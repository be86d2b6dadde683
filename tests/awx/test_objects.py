# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the kit against AWX's own rules."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.awx.conftest import KIT, render
from tests.e2e.playbook import PlaybookRunner
from tools.paths import CHECKOUT

TYPES = {"text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float"}
# A template for each playbook. A rehearsal reaches only a simulator on its own machine, and has none.
TEMPLATES = {
    "cleanup": "clean-up",
    "fleet_export": "fleet export",
    "maintenance_plan": "maintenance: plan",
    "maintenance_begin": "maintenance: begin",
    "maintenance_end": "maintenance: end by hand",
    "maintenance_status": "maintenance: status",
    "node_maintenance": "node maintenance",
    "reclaim": "reclaim: suspend",
    "reclaim_report": "reclaim: report",
    "reclaim_warn": "reclaim: warn",
}
CEILING = re.compile("max|limit|percent|ceiling")


def surveys(kit: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in [*kit["controller_templates"], *kit["controller_workflows"]]:
        if one.get("survey_enabled"):
            yield one["survey_spec"]


def questions(kit: dict[str, Any]) -> list[dict[str, Any]]:
    return [question for survey in surveys(kit) for question in survey["spec"]]


def test_apply_playbook_with_the_real_modules_has_valid_arguments(
    kit: dict[str, Any], awx_collection: Path, tmp_path: Path
) -> None:
    calls = tmp_path / "calls.jsonl"
    run = PlaybookRunner(awx_collection, Path(sys.prefix), tmp_path)
    done = run(str(KIT / "apply.yml"), env={"AWX_CALLS": str(calls)})
    assert done.rc == 0, done.output
    made = [json.loads(line) for line in calls.read_text().splitlines()]
    nodes = sum(len(one["simplified_workflow_nodes"]) for one in kit["controller_workflows"])
    assert len(made) == sum(map(len, kit.values())) + 2 * nodes
    injectors = [given["injectors"] for module, given in made if module.endswith("credential_type")]
    assert injectors == [one["injectors"] for one in kit["controller_credential_types"]]


def test_surveys_keep_the_rules_of_awx(kit: dict[str, Any]) -> None:
    for survey in surveys(kit):
        assert set(survey) == {"name", "description", "spec"}
        assert survey["spec"]
    for one in questions(kit):
        assert {"question_name", "variable", "type", "required"} <= set(one)
        assert one["type"] in TYPES
        assert re.fullmatch("kit_[a-z_]+", one["variable"])
        if one["type"] == "integer":
            assert one.get("default", "") == "" or isinstance(one["default"], int)
        if one["type"] == "multiplechoice":
            assert all(isinstance(choice, str) for choice in one["choices"])
            assert one["default"] in one["choices"]


def test_surveys_hold_filters_and_no_ceilings(kit: dict[str, Any]) -> None:
    assert not [one["variable"] for one in questions(kit) if CEILING.search(one["variable"])]


def test_optional_text_question_has_no_empty_default(kit: dict[str, Any]) -> None:
    for one in questions(kit):
        if one["type"] in ("text", "textarea") and not one["required"]:
            assert one.get("default", "any") != ""


def test_survey_variables_are_those_that_the_wrapper_maps(kit: dict[str, Any]) -> None:
    for one in kit["controller_templates"]:
        wrapper = (KIT / "project" / one["playbook"]).read_text()
        # One that imports another hands its variables on.
        for imported in re.findall("import_playbook: ([a-z_]+[.]yml)", wrapper):
            wrapper += (KIT / "project" / imported).read_text()
        for question in one.get("survey_spec", {}).get("spec", []):
            assert question["variable"] in wrapper


def test_templates_and_nodes_name_objects_of_the_kit(kit: dict[str, Any]) -> None:
    names = {key: {one["name"] for one in kit[key]} for key in kit}
    for one in kit["controller_templates"]:
        assert one["project"] in names["controller_projects"]
        assert one["inventory"] in names["controller_inventories"]
        assert set(one.get("credentials", [])) <= names["controller_credentials"]
        assert one["execution_environment"] in names["controller_execution_environments"]
        assert set(one["notification_templates_error"]) <= names["controller_notifications"]
        assert (KIT / "project" / one["playbook"]).is_file()
        assert one["allow_simultaneous"] is False
    for workflow in kit["controller_workflows"]:
        for node in workflow["simplified_workflow_nodes"]:
            assert node.get("unified_job_template") in names["controller_templates"] | {None}
    for one in kit["controller_inventory_sources"]:
        assert one["inventory"] in names["controller_inventories"]
        assert (KIT / "project" / one["source_path"]).is_file()
    for one in kit["controller_schedules"]:
        assert one["unified_job_template"] in names["controller_templates"]


def test_each_playbook_of_the_collection_has_a_template(kit: dict[str, Any]) -> None:
    playbooks = {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")}
    assert playbooks == {*TEMPLATES, "maintenance_rehearse"}
    names = [one["name"] for one in kit["controller_templates"]]
    assert [name for name in TEMPLATES.values() if f"Run:ai {name}" not in names] == []


def test_batches_stop_by_themselves_before_awx_kills_the_job(kit: dict[str, Any]) -> None:
    without = {"begin_failed.yml", "fence.yml", "fleet_export.yml", "hold.yml", "node_maintenance.yml"}
    for one in kit["controller_templates"]:
        deadlines = [value for key, value in one.get("extra_vars", {}).items() if key.endswith("_deadline")]
        assert deadlines == ([] if one["playbook"] in without else [one["timeout"] - 60]), one["name"]


def test_waiting_in_a_job_ends_long_before_its_timeout(kit: dict[str, Any]) -> None:
    without = {"begin_failed.yml", "fence.yml", "fleet_export.yml", "hold.yml"}
    for one in kit["controller_templates"]:
        waits = [value for key, value in one.get("extra_vars", {}).items() if key.endswith("_wait_timeout")]
        assert len(waits) == (one["playbook"] not in without)
        assert all(wait <= one["timeout"] / 2 for wait in waits)


def test_rulebook_answers_what_its_templates_ask(kit: dict[str, Any]) -> None:
    [ruleset] = yaml.safe_load((CHECKOUT / "extensions/eda/rulebooks/node_maintenance.yml").read_text())
    for rule in ruleset["rules"]:
        [(action, given)] = rule["action"].items()
        kind = {"run_job_template": "controller_templates", "run_workflow_template": "controller_workflows"}
        [one] = [one for one in kit[kind[action]] if one["name"] == given["name"]]
        assert given["organization"] == one["organization"]
        asked = {question["variable"] for question in one["survey_spec"]["spec"]}
        assert set(given["job_args"]["extra_vars"]) == asked


# --- credential type


@pytest.mark.parametrize("insecure", [True, False])
@pytest.mark.parametrize("ca_cert", ["", "-----BEGIN CERTIFICATE-----"])
def test_injectors_rendered_by_awx_set_the_environment(
    kit: dict[str, Any], ca_cert: str, insecure: bool
) -> None:
    (one,) = [one for one in kit["controller_credential_types"] if one["name"] == "NVIDIA Run:ai"]
    assert one["kind"] in ("cloud", "net")
    assert {field["type"] for field in one["inputs"]["fields"]} <= {"string", "boolean"}
    assert not [field for field in one["inputs"]["fields"] if "default" in field]
    values = {"base_url": "https://runai.example.com", "client_id": "app", "client_secret": "s3cret"}
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    names: dict[str, Any] = {**values, "ca_cert": ca_cert, "insecure": insecure}
    ca = environment.from_string(one["injectors"]["file"]["template.ca"]).render(names)
    assert ca == ca_cert
    names["tower"] = {"filename": {"ca": "/runner/env/ca"}}
    got = {key: environment.from_string(text).render(names) for key, text in one["injectors"]["env"].items()}
    assert got == {
        "RUNAI_BASE_URL": "https://runai.example.com",
        "RUNAI_CLIENT_ID": "app",
        "RUNAI_CLIENT_SECRET": "s3cret",
        "RUNAI_VALIDATE_CERTS": "false" if insecure else "true",
        "RUNAI_CA_PATH": "/runner/env/ca" if ca_cert else "",
    }


def test_credential_for_kubernetes_verifies_where_there_is_a_ca(kit: dict[str, Any], tmp_path: Path) -> None:
    def inputs(rendered: dict[str, Any]) -> Any:
        kind = "OpenShift or Kubernetes API Bearer Token"
        [one] = [one for one in rendered["controller_credentials"] if one["credential_type"] == kind]
        return one["inputs"]

    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    given = {"K8S_AUTH_HOST": "https://k8s.example.com", "K8S_AUTH_API_KEY": "t0ken"}
    verified = render(tmp_path, env={**given, "K8S_AUTH_SSL_CA_CERT": str(tmp_path / "ca.pem")})
    assert inputs(verified) == {
        "host": "https://k8s.example.com",
        "bearer_token": "t0ken",
        "verify_ssl": True,
        "ssl_ca_cert": "-----BEGIN CERTIFICATE-----",
    }
    # AWX writes a CA that is given into a file, an empty one too.
    assert inputs(render(tmp_path, env=given)) == {"host": "https://k8s.example.com", "bearer_token": "t0ken"}
    # Who has no Kubernetes for it fills the credential in later.
    assert inputs(kit) == {}


# --- schedules


def test_schedule_rules_are_accepted_by_awx(kit: dict[str, Any]) -> None:
    for one in kit["controller_schedules"]:
        found = re.fullmatch(r"DTSTART;TZID=(\S+):(\d{8}T\d{6}) RRULE:(\S+)", one["rrule"])
        assert found, one["rrule"]
        ZoneInfo(found[1])
        parts = dict(part.split("=") for part in found[3].split(";"))
        assert "INTERVAL" in parts
        assert set(parts) <= {"FREQ", "INTERVAL", "BYDAY"}
        assert parts["FREQ"] in ("DAILY", "WEEKLY")
        assert not re.search(r"\d", parts.get("BYDAY", ""))
        assert datetime.strptime(found[2], "%Y%m%dT%H%M%S").hour != 2


def test_schedule_is_off_and_answers_every_required_question(kit: dict[str, Any]) -> None:
    templates = {one["name"]: one for one in kit["controller_templates"]}
    for one in kit["controller_schedules"]:
        asked = templates[one["unified_job_template"]].get("survey_spec", {}).get("spec", [])
        if not templates[one["unified_job_template"]]["survey_enabled"]:
            asked = []
        assert one["enabled"] is False
        assert {q["variable"] for q in asked if q["required"]} <= set(one["extra_data"])
        assert set(one["extra_data"]) <= {q["variable"] for q in asked}


def test_off_hours_begin_and_end_carry_the_same_name_all_year(kit: dict[str, Any]) -> None:
    rules = {one["name"].rpartition(" ")[2]: one["rrule"] for one in kit["controller_schedules"]}

    def names(step: str) -> list[str]:
        rule, zone = rules[step], ZoneInfo(re.findall("TZID=([^:]+)", rules[step])[0])
        start = datetime.strptime(re.findall(r"\d{8}T\d{6}", rule)[0], "%Y%m%dT%H%M%S")
        times = rrulestr(rule.partition("RRULE:")[2], dtstart=start).xafter(start, count=208, inc=True)
        shift = timedelta(
            hours=yaml.safe_load((KIT / "settings.yml").read_text())["runai_awx_day_begins_utc"]
        )
        return [f"{one.replace(tzinfo=zone).astimezone(ZoneInfo('UTC')) - shift:%F}" for one in times]

    assert names("begin") == names("end")
    assert len(set(names("begin"))) == 208


# --- workflow


def outcome(nodes: dict[str, Any], failing: frozenset[str], first: str = "plan") -> tuple[list[str], bool]:
    """Which nodes run, and whether AWX then calls the workflow successful."""
    ran, successful, to_do = [], True, [first]
    while to_do:
        name = to_do.pop(0)
        node, failed = nodes[name], name in failing
        ran.append(name)
        on = [*node.get("failure_nodes" if failed else "success_nodes", []), *node.get("always_nodes", [])]
        handled = node.get("failure_nodes") or node.get("always_nodes")
        successful = successful and (not failed or bool(handled))
        to_do += [one for one in on if one not in ran]
    return ran, successful


def test_workflow_after_begin_leads_through_an_approval_to_end(kit: dict[str, Any]) -> None:
    nodes = {one["identifier"]: one for one in kit["controller_workflows"][0]["simplified_workflow_nodes"]}
    free = [name for name in nodes if name not in ("plan", "approve_begin", "report_failed_begin")]
    for fails in product((False, True), repeat=len(free)):
        failing = frozenset(name for name, does in zip(free, fails, strict=True) if does)
        ran, successful = outcome(nodes, failing | {"report_failed_begin"})
        after = ran[ran.index("begin") + 1 :]
        steps = [nodes[name].get("unified_job_template") for name in after]
        assert "Run:ai maintenance step: end" in steps
        assert "approval_node" in nodes[after[0]]
        if failing & {"begin", "end"} and not (
            "end" in failing and "end" not in ran and "begin" not in failing
        ):
            assert not successful, failing


def test_workflow_denied_or_failed_before_begin_suspends_nothing_and_fails(kit: dict[str, Any]) -> None:
    nodes = {one["identifier"]: one for one in kit["controller_workflows"][0]["simplified_workflow_nodes"]}
    assert outcome(nodes, frozenset({"plan"})) == (["plan"], False)
    assert outcome(nodes, frozenset({"approve_begin"})) == (["plan", "approve_begin"], False)


def test_workflows_of_the_rulebook_resume_after_an_approval_alone(kit: dict[str, Any]) -> None:
    [_maintenance, begin, end] = [
        {one["identifier"]: one for one in workflow["simplified_workflow_nodes"]}
        for workflow in kit["controller_workflows"]
    ]
    report = "report_failed_begin"
    before = ["fence", "plan", "begin"]
    assert outcome(begin, frozenset(), "fence") == (before, True)
    assert outcome(begin, frozenset({"plan"}), "fence") == (before[:2], False)
    undone = [*before, "approve_end_after_failure", "open", "end", report]
    for more in ([], ["approve_end_after_failure"], ["open"], ["end"]):
        assert outcome(begin, frozenset({"begin", report, *more}), "fence") == (undone, False)
    assert outcome(end, frozenset(), "approve_end") == (["approve_end", "open", "end"], True)
    assert outcome(end, frozenset({"approve_end"}), "approve_end") == (["approve_end"], False)
