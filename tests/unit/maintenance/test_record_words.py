# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shlex
import uuid
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ACT,
    LEAVE,
    Asked,
    ControlPlane,
    Entry,
    Record,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_command import command
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_nodes import PodsOnNode
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_rows import MOST_ROWS
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_words import (
    first_line,
    plan_page,
    standing_page,
    trouble_rows,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.summary import (
    as_html,
    as_markdown,
    as_text,
)

HOSTILE = "<script>|`[x](y) {{ 7 * 7 }}\x1b[2J"


def record(workloads: list[Entry], simulator: bool = False, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": "x",
        "name": "night",
        "kind": "maintenance",
        "action": "suspend",
        "state": "planned",
        "reason": "fan",
        "control_plane": ControlPlane("https://a.example", "1001", {"c": "berlin", "d": "aachen"}, simulator),
        "selection": {},
        "settings": {},
        "times": {},
        "by": {},
        "workloads": workloads,
    }
    return Record(**{**fields, **changes})


def entry(number: int, **changes: Any) -> Entry:
    fields: dict[str, Any] = {"plan": ACT, "name": "w", "project": "p", "owner": "ada", "gpus": 2.5}
    return Entry(id=str(uuid.UUID(int=number)), **{**fields, **changes})


def test_the_first_line_says_which_control_plane() -> None:
    control_plane = ControlPlane("https://a.example", "1001", {"c": "berlin", "d": "aachen"})
    assert (
        first_line(control_plane) == "Control plane https://a.example, tenant 1001, clusters: aachen, berlin"
    )
    control_plane.simulator = True
    for page in (plan_page(record([], simulator=True)), standing_page(record([], simulator=True))):
        assert as_text(page)[0].startswith("REHEARSAL on a simulator: https://a.example")
        assert as_markdown(page).startswith("# REHEARSAL on a simulator")
        assert "<h1>REHEARSAL on a simulator" in as_html(page)


def test_a_plan_says_how_many_whose_and_what_is_lost() -> None:
    workloads = [
        entry(1),
        entry(2, owner="bob", interactive=True),
        entry(3, plan=LEAVE, reason="unsuspendable"),
    ]
    lines = as_text(plan_page(record(workloads)))
    assert lines[1] == (
        "Maintenance night (fan), planned: suspends 2 workloads of 2 owners in 1 project; 5 GPUs fall free"
    )
    assert lines[2] == "1 among them is interactive: data and logs inside the containers are lost"
    assert lines[3] == "1 workload left running, since the control plane can't suspend it"
    assert lines[lines.index("By project and owner:") + 2].split() == ["p", "ada", "1", "2.5"]


def test_long_tables_are_cut_on_the_terminal_and_whole_in_documents() -> None:
    page = plan_page(record([entry(number, owner="o{0}".format(number)) for number in range(50)]))
    assert "  and 30 more" in as_text(page)
    assert len(as_text(page)) < 30
    assert as_markdown(page).count("\n| p |") == 50


def test_what_became_of_each_and_what_is_new_is_listed_to_the_last() -> None:
    touched = [entry(number, name="w", standing="touched") for number in range(30)]
    new = [{"name": "w", "project": "p", "owner": "o"}] * 40
    page = standing_page(record(touched, state="ending"))
    assert as_text(page).count("  and 10 more") == 1
    assert as_markdown(page).count("\n| w | p |") == 30
    page = plan_page(record([], drift=new))
    assert "  and 20 more" in as_text(page)
    assert as_markdown(page).count("\n| w | p |") == 40


def test_at_most_20_rows_are_told_and_they_are_safe() -> None:
    asked = Asked("t", "failed", code=409, message=HOSTILE)
    rows = trouble_rows([entry(number, name=HOSTILE, act=asked) for number in range(30)], resume=False)
    assert len(rows) == MOST_ROWS
    assert all("\x1b" not in row and " | 409 | " in row for row in rows)


def test_names_from_outside_do_no_harm_in_documents() -> None:
    page = plan_page(record([entry(1, project=HOSTILE, owner="a|b")]))
    assert "<script>" not in as_html(page)
    row = next(line for line in as_markdown(page).splitlines() if "script" in line)
    assert row.replace("\\|", "").count("|") == 5
    assert "<script>" not in row.replace("\\<", "").replace("\\>", "")


def test_pods_are_never_called_none_left() -> None:
    assert PodsOnNode("gpu-17", 0, 0).words() == "gpu-17: 0 pods visible to this account in 0 projects"
    assert PodsOnNode("gpu-17", 1, 1).words() == "gpu-17: 1 pod visible to this account in 1 project"


@pytest.mark.parametrize(
    "value",
    [
        "b",
        "b c",
        "it's",
        'say "b c"',
        "a, b",
        "yes, b: c",
        "{b}",
        "null",
        "no",
        "b #1 c",
        "b=c d",
        "/a b/c",
        "\u00e4 b",
    ],
)
def test_the_next_command_can_be_typed(value: str) -> None:
    words = shlex.split(command("maintenance_end", [("a", value), ("n", 2.0), ("c", ["x-*", "y"])]))
    assert words[:2] == ["ansible-playbook", "gpuops.runai.maintenance_end"]
    assert [word for word in words if word == "-e"] == ["-e"] * 3
    # ansible-test runs these tests as on a target, where there is no controller's code.
    from_yaml = pytest.importorskip("ansible.parsing.utils.yaml").from_yaml
    parse_kv = pytest.importorskip("ansible.parsing.splitter").parse_kv
    said: dict[str, Any] = {}
    for word in words[3::2]:
        said |= from_yaml(word) if word.startswith("{") else parse_kv(word)
    assert said == {"a": value, "n": "2", "c": "x-*,y"}


def test_the_next_command_has_no_double_quotes_where_it_can_do_without() -> None:
    command_line = command("maintenance_begin", [("a", "broken fan in gpu-17"), ("b", "/srv/two words")])
    assert '"' not in command_line
