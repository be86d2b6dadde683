# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of workloads to keep: what is rejected, what counts, and what each keeps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError
from ansible_collections.gpuops.runai.plugins.module_utils._selection.keep import keep_of

NOON = datetime(2026, 12, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "llm-*"}, "keep: entry 2: until is missing"),
        ({"name": "llm-*", "until": None}, "keep: entry 2: until is missing"),
        ({"until": "2026-12-31"}, "keep: entry 2: it names no workload"),
        ({"name": "llm-*", "until": "next week"}, "keep: entry 2: until: 'next week' is no date"),
        ({"name": "", "project": "vision", "until": "2026-12-31"}, "keep: entry 2: name is empty"),
    ],
)
def test_keep_of_an_incomplete_entry_is_rejected(entry: dict[str, str], problem: str) -> None:
    with pytest.raises(OptionError) as rejected:
        keep_of([{"owner": "ada", "until": "2026-12-31"}, entry], NOON)
    assert str(rejected.value).startswith(problem)


@pytest.mark.parametrize(
    ("until", "counts"),
    [
        ("2026-12-04", True),
        ("2026-12-03", False),
        ("2026-12-04T12:00:01Z", True),
        ("2026-12-04 12:30:00+01:00", False),
    ],
)
def test_keep_of_a_date_counts_to_the_end_of_its_day(until: str, counts: bool) -> None:
    keep = keep_of([{"project": "vision", "until": until, "reason": "demo"}], NOON)
    assert (keep.entry_for("a", "vision", "ada") is not None) is counts
    run_out = [] if counts else [f"keep: ignored, since it has run out: project vision, until {until} (demo)"]
    assert keep.notes() == run_out


@pytest.mark.parametrize(
    ("workload", "is_kept"),
    [
        (("llm-1", "vision", "ada"), True),
        (("LLM-1", "vision", "ada"), False),
        (("llm-1", "vision-2", "ada"), False),
        (("llm-1", "vision", "bob"), False),
        ((None, None, None), False),
    ],
)
def test_entry_for_a_workload_needs_all_that_is_named(
    workload: tuple[str | None, str | None, str | None], is_kept: bool
) -> None:
    entry = {"name": "llm-*", "project": "vision", "owner": "ada", "until": "2027-01-01"}
    assert (keep_of([entry], NOON).entry_for(*workload) is not None) is is_kept


def test_entry_for_several_is_the_one_that_keeps_longest() -> None:
    keep = keep_of(
        [{"owner": "ada", "until": "2026-12-10"}, {"name": "*", "until": "2026-12-20"}],
        NOON,
    )
    found = keep.entry_for("a", "vision", "ada")
    assert found is not None
    assert found.until == "2026-12-20"
