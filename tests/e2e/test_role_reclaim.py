# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role workload_reclaim as people run it: report, warn, suspend, and the end of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator.server import running
from simulator.settings import Settings
from tests.e2e.playbook import PlaybookRun, PlaybookRunner
from tests.e2e.site import Site, told_each, workload
from tests.support.receivers import mail_server, webhook
from tools.community import community_collection

LONG_AGO = "2026-01-01T00:00:00Z"
IDLE: dict[str, Any] = {"phaseUpdatedAt": LONG_AGO, "createdAt": LONG_AGO, "gpuHistory": {"percent": 0.4}}
FLEET: list[dict[str, Any]] = [
    workload(1, **IDLE),
    workload(2, **IDLE, submittedBy="bob@example.com"),
    workload(3, **{**IDLE, "gpuHistory": {"percent": 90}}),
    workload(4, **IDLE, submittedBy="carl"),
]
SAID: dict[str, Any] = {
    "name": "weekend",
    "reason": "idle over the weekend",
    "idle_for": "2h",
    "max_affected": 5,
    "max_percent": 100,
}


@pytest.fixture
def site(run_playbook: PlaybookRunner, tmp_path: Path) -> Iterator[Site]:
    with running(Settings(fleet={"workloads": FLEET}, transition_seconds=0.05)) as simulator:
        yield Site(simulator, run_playbook, tmp_path / "records")


def say(site: Site, **more: Any) -> dict[str, Any]:
    return {**SAID, "record_dir": str(site.folder), **more}


def result(run: PlaybookRun) -> dict[str, Any]:
    """What the role returned."""
    facts = [task.result["ansible_facts"] for task in run.tasks if "ansible_facts" in task.result]
    found = [one["workload_reclaim_result"] for one in facts if "workload_reclaim_result" in one]
    assert len(found) == 1, run.output
    return dict(found[0])


def pass_time(site: Site, **time: float) -> None:
    """Make all notices older."""
    path = site.folder / "weekend.record.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        if event["event"] == "told":
            at = datetime.fromisoformat(event["at"]) - timedelta(**time)
            event["at"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_role_reclaim_warned_by_webhook_tells_who_was_not_told_and_suspends_after_the_notice(
    site: Site, tmp_path: Path
) -> None:
    keep = tmp_path / "keep.yml"
    keep.write_text("- {owner: carl, until: 2999-12-31, reason: demo}\n- {name: '*', until: 2020-01-01}\n")
    with webhook() as chat:
        chat.refuses = "bob@example.com"
        warning = say(site, keep=str(keep), notify="webhook", webhook_url=chat.url)
        warned = site.play("reclaim_warn", **warning)
        assert warned.rc == 2, warned.output
        assert "1 owners were not told" in result(warned)["trouble"]["sentence"]
        assert any(
            row.startswith("bob@example.com: Status code was 500") for row in result(warned)["not_told"]
        )
        assert "xyzzy-secret" not in warned.output
        assert [body["text"].partition(",")[0] for body in chat.bodies] == ["ada@example.com"]
        chat.refuses = ""
        again = site.play("reclaim_warn", **warning)
        assert again.rc == 0, again.output
        assert [body["text"].partition(",")[0] for body in chat.bodies[1:]] == ["bob@example.com"]
        assert "- nlp/train-2: 2" in chat.bodies[1]["text"]
    pass_time(site, hours=25)
    done = site.play("reclaim", **say(site, keep=str(keep)))
    assert done.rc == 0, done.output
    assert done.warnings == []
    assert set(site.sent("suspend")) == {FLEET[0]["id"], FLEET[1]["id"]}
    lines = result(done)["lines"]
    assert "1 workload left alone: kept by their owners" in lines
    assert "keep: ignored, since it has run out: name *, until 2020-01-01" in lines
    assert lines[-1].startswith("Next: ansible-playbook gpuops.runai.maintenance_end ")


def test_role_reclaim_warn_with_a_failed_mail_tells_the_others(site: Site) -> None:
    tree = community_collection("community.general")
    if tree is None:
        pytest.skip("community.general can't be had: the package ansible can't be downloaded")
    path = {"ANSIBLE_COLLECTIONS_PATH": f"{site.run.collections}{os.pathsep}{tree}"}
    with mail_server() as server:
        server.refused = {"bob@example.com"}
        warned = site.play(
            "reclaim_warn",
            env=path,
            **say(
                site,
                notify="mail",
                mail_host="127.0.0.1",
                mail_port=server.port,
                mail_from="gpu-ops@example.com",
                mail_domain="example.org",
            ),
        )
    assert warned.rc == 2, warned.output
    assert sorted(server.mails) == ["ada@example.com", "carl@example.org"]
    ((mail,),) = (mails for owner, mails in server.mails.items() if owner == "ada@example.com")
    assert mail["Subject"] == "1 of your workloads hold 2.0 idle GPUs"
    text = mail.get_body()
    assert text is not None
    assert "- vision/train-1: 2.0 GPUs" in text.get_content()
    assert sorted(result(warned)["told"]) == ["ada@example.com", "carl"]
    (failed,) = result(warned)["not_told"]
    assert failed.startswith("bob@example.com: ")


def test_role_reclaim_warn_with_a_task_file_of_the_user_tells_by_it(
    run_playbook_on_the_oldest_core: PlaybookRunner, tmp_path: Path
) -> None:
    log = tmp_path / "told.jsonl"
    tasks = tmp_path / "tell.yml"
    tasks.write_text(
        "- ansible.builtin.fail: {msg: no such person}\n"
        "  when: workload_owner.owner == 'carl'\n"
        "- ansible.builtin.lineinfile:\n"
        f"    path: {log}\n"
        "    create: true\n"
        "    mode: '0600'\n"
        '    line: "{{ workload_owner | to_json }}"\n'
    )
    variables = tmp_path / "reclaim.yml"
    # Dates without quotes, as people write them.
    variables.write_text(
        "workload_reclaim_keep:\n"
        "  - {owner: bob@example.com, until: 2999-12-31, reason: demo}\n"
        "  - {project: nlp, until: 2020-01-01 12:00:00}\n"
        f"workload_reclaim_notify: {tasks}\n"
    )
    with running(Settings(fleet={"workloads": FLEET}, transition_seconds=0.05)) as simulator:
        site = Site(simulator, run_playbook_on_the_oldest_core, tmp_path / "records")
        warned = site.play("reclaim_warn", "-e", f"@{variables}", **say(site))
        assert warned.rc == 2, warned.output
        assert result(warned)["not_told"] == ["carl: no such person"]
        (owner,) = (json.loads(line) for line in log.read_text().splitlines())
        after = owner.pop("suspend_after")
        assert owner == {
            "owner": "ada@example.com",
            "workloads": [{"id": FLEET[0]["id"], "name": "train-1", "project": "vision", "gpus": 2.0}],
            "gpus": 2.0,
        }
        assert timedelta(hours=23) < datetime.fromisoformat(after) - datetime.now(UTC) < timedelta(hours=25)
        pass_time(site, hours=25)
        done = site.play("reclaim", "-e", f"@{variables}", **say(site))
        assert done.rc == 0, done.output
        assert set(site.sent("suspend")) == {FLEET[0]["id"]}


def test_role_reclaim_wrong_variables_are_rejected_before_anything_is_sent(site: Site) -> None:
    warned = site.play_cases("workload_reclaim", [{}, {"notify": "/nowhere/tell.yml"}], "warn", **say(site))
    unset, without_file = told_each(warned)
    assert unset.startswith("workload_reclaim_notify: not set")
    assert without_file.startswith("workload_reclaim_notify: there is no file")
    assert site.simulator.requests(0) == []
