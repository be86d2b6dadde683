# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the checks, two at a time, all of them whatever fails: python -m tools.run_suite [--fast] [STAGE...]

Prints what a stage has to say only if it fails, and a line a stage with its duration. The last line is
"N passed, N failed, N skipped", where a stage that runs tests counts its tests and any other counts as one.
Exits with 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

from tools.cores import OLDEST
from tools.paths import CHECKOUT, LINKED_TREE, environment

PYTHON = sys.executable
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
COLLECTION = "ansible_collections.gpuops.runai"
# Most stages wait for something most of the time, or use one core: a second one uses the other.
AT_ONCE = 2
# Stages whose coverage counts. End-to-end tests go without: it makes ansible-playbook 1.75 times as slow.
MEASURED = ("tests/unit", "tests/component")


@dataclass(frozen=True)
class Stage:
    """One check: a command, and a program that it can't do without.

    It leaves JUnit files in `junit` if it runs tests, and what it executed of plugins/ beside `coverage`.
    """

    name: str
    command: tuple[str, ...]
    fast: bool = False
    junit: Path | None = None
    cwd: Path = CHECKOUT
    needs: str | None = None
    coverage: Path | None = None


@dataclass(frozen=True)
class Counts:
    passed: int
    failed: int
    skipped: int = 0


def stages(results: Path) -> Iterator[Stage]:
    """Every check there is: the fast ones first, then the longest, so that nothing waits for it at the end.

    Those that run tests leave reports below `results`.
    """

    def pytest_stage(folder: str, *, fast: bool = False) -> Stage:
        junit = results / folder
        options = ("-q", "--numprocesses=auto", "--maxprocesses=4", f"--junitxml={junit}/junit.xml")
        coverage = measured(results) if folder in MEASURED else None
        command = (PYTHON, "-m", "pytest", *options, folder)
        return Stage(f"pytest {folder}", command, fast=fast, junit=junit, coverage=coverage)

    yield Stage("ruff check", ("ruff", "check", "--output-format=concise", "."), fast=True)
    yield Stage("ruff format", ("ruff", "format", "--check", "--output-format=concise", "."), fast=True)
    # Two that run at the same time must not write to one cache.
    own_cache = ("--cache-dir", ".cache/mypy-collection")
    yield Stage("mypy collection", ("mypy", *own_cache, "-p", f"{COLLECTION}.plugins"), fast=True)
    others = ("simulator", "demo", "benchmarks", "tools", "tests")
    yield Stage("mypy simulator, tools and tests", ("mypy", *others), fast=True)
    yield Stage("reuse lint", ("reuse", "lint"), fast=True)
    # What is generated, or holds no comments, has its licence in REUSE.toml alone.
    others = (":!CHANGELOG.rst", ":!LICENSES", ":!changelogs/*.y*ml", ":!*.json", ":!*.svg")
    without_line = 'git grep --untracked -L "GNU General Public License v3.0+" -- "$@"; test $? = 1'
    yield Stage("licence line", ("sh", "-c", without_line, "sh", *others), fast=True)
    yield Stage("codespell", ("codespell",), fast=True)
    yield pytest_stage("tests/unit", fast=True)
    for folder in sorted({file.parent for file in (CHECKOUT / "tests").glob("*/test_*.py")}):
        yield pytest_stage(f"tests/{folder.name}")
    yield Stage("antsibull-changelog lint", ("antsibull-changelog", "lint"))
    yield Stage(
        "antsibull-docs lint",
        (
            *("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self"),
            *("--check-extra-docs-refs", "."),
        ),
    )
    yield Stage("ansible-lint", ("ansible-lint",))
    yield Stage("galaxy-importer", (PYTHON, "-m", "tools.check_tarball"))
    # Stages of one core wait for each other: those of the other core come between.
    yield Stage("ansible-test sanity", (PYTHON, "-m", "tools.ansible_test", "sanity"))
    of_oldest = (PYTHON, "-m", "tools.ansible_test", f"--core={OLDEST}")
    yield Stage(f"ansible-test sanity of {OLDEST}", (*of_oldest, "sanity"))
    on_this_host = (PYTHON, "-m", "tools.ansible_test", "integration", "--local")
    yield Stage("ansible-test integration", on_this_host, needs="ssh-keygen")
    # pytest runs the same tests with the newest core.
    units = results / "ansible-test"
    in_venv = ("units", "--venv", "--python", MINOR)
    yield Stage(f"ansible-test units of {OLDEST}", (*of_oldest, f"--junit={units}", *in_venv), junit=units)
    for scenario in sorted((CHECKOUT / "extensions" / "molecule").glob("*/molecule.yml")):
        name = scenario.parent.name
        yield Stage(f"molecule {name}", ("molecule", "test", "-s", name), cwd=CHECKOUT / "extensions")


def measured(results: Path) -> Path:
    """The file that coverage combines the measurements of all processes in."""
    return results / "coverage" / "data"


def coverage_stage(results: Path) -> Stage:
    """Line coverage of plugins/ by the measured stages together; it comes when they have ended."""
    script = "coverage combine --quiet && coverage report --show-missing --skip-covered"
    return Stage("coverage of plugins", ("sh", "-c", script), coverage=measured(results))


def count(stage: Stage, returncode: int) -> Counts:
    """Tests by outcome; a stage that failed has at least one failure, one that has no tests is one itself."""
    whole = Counts(int(returncode == 0), int(returncode != 0))
    if stage.junit is None:
        return whole
    roots = [ElementTree.parse(file).getroot() for file in stage.junit.glob("*.xml")]
    cases = [case for root in roots for case in root.iter("testcase")]
    if not cases:
        return whole
    bad = sum(any(case.find(tag) is not None for tag in ("failure", "error")) for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return Counts(len(cases) - bad - skipped, max(bad, whole.failed), skipped)


def run(stage: Stage) -> Counts:
    if stage.needs and shutil.which(stage.needs) is None:
        print(f"skipped          {stage.name}: there is no {stage.needs} here", flush=True)
        return Counts(0, 0, skipped=1)
    started = time.monotonic()
    env = environment(LINKED_TREE)
    if stage.coverage:
        stage.coverage.parent.mkdir(exist_ok=True)
        env |= {
            "COVERAGE_FILE": str(stage.coverage),
            "COVERAGE_PROCESS_START": str(CHECKOUT / "pyproject.toml"),
        }
    done = subprocess.run(
        stage.command,
        cwd=stage.cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    counts = count(stage, done.returncode)
    said = ""
    if counts.failed:
        said = f"--- {stage.name}: exit status {done.returncode}\n{done.stdout.rstrip()}\n---\n"
    verdict = "FAILED" if counts.failed else "ok"
    numbers = asdict(counts).items() if stage.junit else ()
    detail = ", ".join(f"{number} {outcome}" for outcome, number in numbers if number)
    seconds = time.monotonic() - started
    line = f"{verdict:<7}{seconds:6.1f} s  {stage.name}{f' ({detail})' if detail else ''}\n"
    # In one piece, whatever another stage prints meanwhile.
    sys.stdout.write(said + line)
    sys.stdout.flush()
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the project's checks.")
    parser.add_argument("--fast", action="store_true", help="only those of `make check`")
    parser.add_argument("stage", nargs="*", help="only the stages whose name holds one of these words")
    options = parser.parse_args()
    os.chdir(CHECKOUT)
    with tempfile.TemporaryDirectory() as folder:
        chosen = [
            stage
            for stage in stages(Path(folder))
            if (stage.fast or not options.fast)
            and (not options.stage or any(word in stage.name for word in options.stage))
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(run, chosen))
        if sum(bool(stage.coverage) for stage in chosen) == len(MEASURED):
            results.append(run(coverage_stage(Path(folder))))
    passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
    skipped = sum(r.skipped for r in results)
    print(f"{passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
