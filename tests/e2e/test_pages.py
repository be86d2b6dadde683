# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README, the site's start page and parts of guides, typed as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.server import running
from simulator.settings import CLIENT_SECRET, TOKEN, Settings
from tests.e2e.playbook import PlaybookRunner
from tests.e2e.test_snippets import RST, blocks
from tests.support.waiting import PATIENCE
from tools.paths import CHECKOUT, environment

# The environment of the suite stands for the virtual environment of the page, and has all that it installs.
SKIPPED = re.compile(r"python3 -m venv |\. ~/|python3 -m pip install ")


def typed(page: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Blocks of the rehearsal on a page, and the names that its YAML files are saved as."""
    text = (CHECKOUT / page).read_text()
    if page == "README.md":
        marked = re.findall(r"<!-- rehearsal -->\n```(\w+)\n(.*?)```", text, re.DOTALL)
    else:
        marked = blocks(page)
    names = re.findall(r"Save this(?: playbook)? as `+([\w.-]+)`+", text)
    files = [block for language, block in marked if language == "yaml"]
    return marked, dict(zip(names, files, strict=True))


@pytest.mark.parametrize("page", ["README.md", RST + "start.rst"])
def test_rehearsal_of_a_page_works_as_typed(page: str, tarball: Path, tmp_path: Path) -> None:
    shutil.copy(tarball, tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    marked, files = typed(page)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    lines = [line for language, text in marked if language == "shell" for line in text.splitlines()]
    kept = [line.replace("8080", port) for line in lines if not SKIPPED.match(line)]
    # The second terminal begins where the simulator has the first.
    at = next(number for number, line in enumerate(kept) if "-m simulator" in line)
    first = [*kept[:at], f"exec {kept[at]}"]
    env = environment(tmp_path / ".ansible" / "collections", Path(sys.prefix))
    env |= {"HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / ".ansible")}
    start = ["sh", "-ec", "\n".join(first)]
    with subprocess.Popen(start, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            printed = next(line for line in simulator.stdout if line.startswith("export "))
            assert printed in "\n".join([*kept, ""])
            second = subprocess.run(
                ["sh", "-ec", "\n".join(kept[at + 1 :])],
                check=False,
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        finally:
            simulator.kill()
    assert second.returncode == 0, second.stdout + second.stderr
    shown = re.findall(r"<!-- report -->\n```text\n(.*?)```", (CHECKOUT / page).read_text(), re.DOTALL)
    for line in "".join(shown).replace("8080", port).splitlines():
        assert line in second.stdout, second.stdout
    assert re.search(r"ended: 5 of 5 ", second.stdout), second.stdout


def test_rehearsal_of_the_simulators_readme_works(run_playbook: PlaybookRunner) -> None:
    (command,) = (text for language, text in blocks("simulator/README.md") if language == "shell")
    words = shlex.split(command.replace("\\\n", " "))
    with running(Settings(workloads=250, transition_seconds=0.05)) as simulator:
        done = run_playbook(words[1], *words[2:], "-e", f"rehearsal_base_url={simulator.url}")
    assert done.rc == 0, done.output


def test_inventory_of_the_alert_guide_shows_the_group_that_it_shows(
    run_playbook: PlaybookRunner, tmp_path: Path
) -> None:
    there = blocks(RST + "guide_alert_to_node.rst")
    (inventory,) = (text for language, text in there if language == "yaml")
    (command, *shown) = next(text for language, text in there if "--graph" in text).strip().splitlines()
    (tmp_path / "runai_nodes.yml").write_text(inventory)
    with running(Settings(workloads=250, seed=7)) as simulator:
        env = run_playbook.environment(tmp_path / "record")
        env |= {"RUNAI_BASE_URL": simulator.url, "RUNAI_BEARER_TOKEN": TOKEN}
        typed = command.removeprefix("$ ").split()
        done = subprocess.run(typed, check=True, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.splitlines() == shown


def test_play_of_the_connection_guide_connects(run_playbook: PlaybookRunner) -> None:
    play = next(text for language, text in blocks(RST + "guide_connection.rst") if language == "yaml")
    with running(Settings(workloads=10, client_id="maintenance")) as simulator:
        ids = [one.id for one in simulator.state.live() if one.phase == "Running"][:1]
        done = run_playbook(
            play.replace("https://runai.example.com", simulator.url),
            extra_vars={"workload_ids": ids, "vault_runai_client_secret": CLIENT_SECRET},
        )
    assert done.rc == 0, done.output
    assert done.one("runai_workload_batch")["outcomes"]["changed"] == ids
