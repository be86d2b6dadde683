# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of idle GPUs: sums, and files that hostile names can't break."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from ansible_collections.gpuops.runai.plugins.module_utils._selection.idle import idle_window
from ansible_collections.gpuops.runai.plugins.module_utils._selection.idle_report_files import (
    as_csv,
    as_html,
    as_markdown,
)
from ansible_collections.gpuops.runai.plugins.module_utils._selection.idle_report_rows import (
    IdleReport,
    IdleWorkload,
    Share,
    report_lines,
)

END = datetime(2026, 12, 3, 12, tzinfo=UTC)
HOSTILE = "=cmd|'/c calc'!A1<script>alert(1)</script>|`x`"


def _workload(number: int, name: str = "train", owner: str = "ada", project: str = "vision") -> IdleWorkload:
    return IdleWorkload(project, owner, name, "berlin", 2.5, 60.0, 0.25, "", str(number))


def _report(*workloads: IdleWorkload, undecided: int = 0, is_limited: bool = False) -> IdleReport:
    window = idle_window(timedelta(hours=24), 1.0, END)
    return IdleReport(window, "https://a.example", workloads, undecided, is_limited)


class Page(HTMLParser):
    """Tags with their attributes, and the texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_shares_are_summed_with_the_most_hours_first() -> None:
    report = _report(_workload(1), _workload(2, owner="bob"), _workload(3, owner="bob", project=""))
    assert report.shares() == {
        "owner": [Share("bob", 120.0, 5.0, 2), Share("ada", 60.0, 2.5, 1)],
        "project": [Share("vision", 120.0, 5.0, 2), Share("-", 60.0, 2.5, 1)],
    }
    assert report.idle_gpu_hours == 180


def test_report_lines_say_what_is_counted_and_what_is_not() -> None:
    lines = report_lines(_report(*(_workload(number) for number in range(30)), undecided=2, is_limited=True))
    assert lines[0] == (
        "30 workloads of 1 owner in 1 project idle for 1d, until 2026-12-03 12:00 UTC: "
        "75 GPUs, 1800 idle GPU-hours"
    )
    assert lines[1].startswith("Idle GPU-hours are allocated GPUs times the 1d for which no sample of any")
    assert "above 1 percent" in lines[1]
    assert lines[2].startswith("2 workloads not counted")
    assert lines[3].startswith("More workloads are beyond the limit")
    assert lines[4:6] == [
        "Project vision: 1800 idle GPU-hours, 75 GPUs, 30 workloads",
        "Owner ada: 1800 idle GPU-hours, 75 GPUs, 30 workloads",
    ]
    assert lines[6] == "Workload vision/train: 60 idle GPU-hours, 2.5 GPUs, ada"
    assert lines[-1] == "and 10 workloads more"


def test_as_csv_of_a_hostile_name_is_no_formula_and_one_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(_report(_workload(1, HOSTILE, "-2+3", "@x"))))))
    assert rows == [
        {
            "project": "'@x",
            "owner": "'-2+3",
            "workload": "'" + HOSTILE,
            "cluster": "berlin",
            "gpus": "2.5",
            "idle_gpu_hours": "60",
            "peak_percent": "0.25",
            "kept_until": "",
            "id": "1",
        }
    ]


def test_as_html_of_a_hostile_name_is_text_and_the_page_refers_to_nothing() -> None:
    page = Page(as_html(_report(_workload(1, HOSTILE, HOSTILE, HOSTILE), _workload(2))))
    assert "script" not in page.tags
    assert {"link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert {"src", "href", "onload", "onclick"}.isdisjoint(page.attributes)
    assert page.texts.count(HOSTILE) >= 3
    # A bar for each project and each owner.
    assert page.tags.count("div") == 4


def test_as_html_without_a_workload_is_a_page() -> None:
    assert "0 workloads of 0 owners" in as_html(_report())


def test_as_markdown_of_a_hostile_name_stays_in_its_cell() -> None:
    text = as_markdown(_report(_workload(1, HOSTILE)))
    (row,) = (line for line in text.splitlines() if "cmd" in line)
    assert row.replace("\\|", "").count("|") == 9
    assert "<script>" not in row.replace("\\<", "")
