# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the checks, two at a time, all of them whatever fails: python -m tools.run_suite [--fast] [STAGE...]

Prints what a stage has to say only if it fails, a line a stage with its duration and CPU time, and at the end
the stages that took most. The last line is "N passed, N failed, N skipped", where a stage that runs tests
counts its tests and any other counts as one. Exits with 1 if anything failed.
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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from tools.cores import OLDEST
from tools.paths import CACHE, CHECKOUT, LINKED_TREE, environment

PYTHON = sys.executable
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
COLLECTION = "ansible_collections.gpuops.runai"
# These reach what only Ansible loads: the inventory plugin, the action plugins.
MEASURED_PLAYS = ("tests/e2e/test_inventory.py", "tests/e2e/test_role_variables.py")
# Under measurement, the tests of hypothesis took twice as long. They can only run more lines.
HEAVY = "heavy or hypothesis"
# Most stages wait for something most of the time, or use one core: a second one uses the other.
AT_ONCE = 2
# Python runs sitecustomize of this folder at its start: a run of a module takes two thirds of its time.
SHORT_STARTS = {
    "PYTHONPATH": str(CHECKOUT / "tools" / "startup"),
    "COMPILED": str(CACHE / "compiled"),
    # Each worker of pytest would compile all tests anew.
    "PYTHONDONTWRITEBYTECODE": "",
}
# Those whose subjects call ansible-core: they run with the oldest one, too.
WITH_ANSIBLE = ("tests/unit/api/", "tests/unit/roles/", "tests/unit/test_module.py")
LONGEST_SHOWN = 6


@dataclass(frozen=True)
class Stage:
    """One check: a command, where it leaves JUnit files if it runs tests, a program it can't do without."""

    name: str
    command: tuple[str, ...]
    junit: Path | None = None
    cwd: Path = CHECKOUT
    needs: str | None = None


@dataclass(frozen=True)
class Counts:
    passed: int
    failed: int
    skipped: int = 0


@dataclass(frozen=True)
class Result:
    stage: Stage
    counts: Counts
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def duration(self) -> str:
        return f"{self.seconds:6.1f} s {self.cpu_seconds:6.1f} s CPU  {self.stage.name}"


def stages(results: Path, *, fast: bool) -> Iterator[Stage]:
    """Every check there is, or the fast ones alone: those first, then the longest, so that no core idles.

    Those that run tests leave reports below `results`.
    """
    yield Stage("ruff check", ("ruff", "check", "--output-format=concise", "."))
    yield Stage("ruff format", ("ruff", "format", "--check", "--output-format=concise", "."))
    # Two that run at the same time must not write to one cache.
    own_cache = ("--cache-dir", ".cache/mypy-collection")
    yield Stage("mypy collection", ("mypy", *own_cache, "-p", f"{COLLECTION}.plugins"))
    others = ("simulator", "demo", "benchmarks", "tools", "tests")
    yield Stage("mypy simulator, tools and tests", ("mypy", *others))
    yield Stage("reuse lint", ("reuse", "lint"))
    # What is generated, or holds no comments, has its licence in REUSE.toml alone.
    others = (":!CHANGELOG.rst", ":!LICENSES", ":!changelogs/*.y*ml", ":!*.json", ":!*.svg")
    without_line = 'git grep --untracked -L "GNU General Public License v3.0+" -- "$@"; test $? = 1'
    yield Stage("licence line", ("sh", "-c", without_line, "sh", *others))
    yield Stage("codespell", ("codespell",))
    if fast:
        yield _pytest_stage(results, "tests/unit")
    else:
        yield from _slow_stages(results)


def _slow_stages(results: Path) -> Iterator[Stage]:
    # Each holds one place for most of the time, so that the stages of ansible-test never wait for each other.
    folders = sorted({f"tests/{file.parent.name}" for file in (CHECKOUT / "tests").glob("*/test_*.py")})
    yield _pytest_stage(results, "tests/e2e", *(f"--ignore={file}" for file in MEASURED_PLAYS))
    yield _measured(
        _pytest_stage(results, "tests/unit", "tests/component", *MEASURED_PLAYS, only=f"not ({HEAVY})"),
        results,
    )
    yield _pytest_stage(results, "tests/unit", "tests/component", only=HEAVY)
    yield Stage("ansible-test sanity", (PYTHON, "-m", "tools.ansible_test", "sanity"))
    of_oldest = (PYTHON, "-m", "tools.ansible_test", f"--core={OLDEST}")
    # pylint takes most of the time of sanity. What users do not run is for the newest one's alone.
    sanity = '"$@" --skip-test pylint && "$@" --test pylint plugins/'
    yield Stage(f"ansible-test sanity of {OLDEST}", ("sh", "-c", sanity, "sh", *of_oldest, "sanity"))
    for folder in folders:
        if folder not in ("tests/e2e", "tests/unit", "tests/component"):
            yield _pytest_stage(results, folder)
    yield Stage("ansible-lint", ("ansible-lint",))
    on_this_host = (PYTHON, "-m", "tools.ansible_test", "integration", "--local")
    yield Stage("ansible-test integration", on_this_host, needs="ssh-keygen")
    units = results / "ansible-test"
    in_venv = ("units", "--venv", "--python", MINOR, *WITH_ANSIBLE)
    yield Stage(f"ansible-test units of {OLDEST}", (*of_oldest, f"--junit={units}", *in_venv), junit=units)
    for scenario in sorted((CHECKOUT / "extensions" / "molecule").glob("*/molecule.yml")):
        name = scenario.parent.name
        yield Stage(f"molecule {name}", ("molecule", "test", "-s", name), cwd=CHECKOUT / "extensions")
    yield Stage("galaxy-importer", (PYTHON, "-m", "tools.check_tarball"))
    yield Stage("antsibull-changelog lint", ("antsibull-changelog", "lint"))
    yield Stage(
        "antsibull-docs lint",
        (
            *("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self"),
            *("--check-extra-docs-refs", "."),
        ),
    )


def _pytest_stage(results: Path, *arguments: str, only: str = "") -> Stage:
    folders = [one for one in arguments if Path(CHECKOUT, one).is_dir()]
    name = " ".join(filter(None, [*folders, only]))
    junit = results / name
    options = ("-q", "--numprocesses=auto", "--maxprocesses=4", f"--junitxml={junit}/junit.xml", f"-m={only}")
    return Stage(f"pytest {name}", (PYTHON, "-m", "pytest", *options, *arguments), junit=junit)


def _measured(stage: Stage, results: Path) -> Stage:
    """The same, and fails where its tests run less of the lines of plugins/ than pyproject.toml requires."""
    script = '"$@" && coverage combine --quiet && coverage report --show-missing --skip-covered'
    settings = (
        f"COLLECTION={CHECKOUT}",
        f"COVERAGE_FILE={results / 'coverage'}",
        f"COVERAGE_PROCESS_START={CHECKOUT / 'pyproject.toml'}",
    )
    command = ("env", *settings, "sh", "-c", script, "sh", *stage.command)
    return replace(stage, name=f"{stage.name} with coverage", command=command)


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


def run(stage: Stage) -> Result:
    if stage.needs and shutil.which(stage.needs) is None:
        print(f"skipped {stage.name}: there is no {stage.needs} here", flush=True)
        return Result(stage, Counts(0, 0, skipped=1))
    started = time.monotonic()
    with subprocess.Popen(
        stage.command,
        cwd=stage.cwd,
        env=environment(LINKED_TREE) | SHORT_STARTS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    counts = count(stage, process.returncode)
    result = Result(stage, counts, time.monotonic() - started, usage.ru_utime + usage.ru_stime)
    said = ""
    if counts.failed:
        said = f"--- {stage.name}: exit status {process.returncode}\n{output.rstrip()}\n---\n"
    verdict = "FAILED" if counts.failed else "ok"
    numbers = asdict(counts).items() if stage.junit else ()
    detail = ", ".join(f"{number} {outcome}" for outcome, number in numbers if number)
    line = f"{verdict:<7}{result.duration}{f' ({detail})' if detail else ''}\n"
    # In one piece, whatever another stage prints meanwhile.
    sys.stdout.write(said + line)
    sys.stdout.flush()
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the project's checks.")
    parser.add_argument("--fast", action="store_true", help="only those of `make check`")
    parser.add_argument("stage", nargs="*", help="only the stages whose name holds one of these words")
    options = parser.parse_args()
    os.chdir(CHECKOUT)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        chosen = [
            stage
            for stage in stages(Path(folder), fast=options.fast)
            if not options.stage or any(word in stage.name for word in options.stage)
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(run, chosen))
    cpu_seconds = sum(result.cpu_seconds for result in results)
    print(f"\n{time.monotonic() - started:.0f} s and {cpu_seconds:.0f} s of CPU in all, most of it in:")
    for result in sorted(results, key=lambda result: -result.cpu_seconds)[:LONGEST_SHOWN]:
        print(result.duration)
    counts = [result.counts for result in results]
    passed, failed = sum(c.passed for c in counts), sum(c.failed for c in counts)
    skipped = sum(c.skipped for c in counts)
    print(f"{passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
