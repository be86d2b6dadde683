# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site: built without warnings, complete, and seen by a browser as wide as a telephone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE
from tools import build_docs
from tools.paths import CHECKOUT

TELEPHONE = 390
# Each page in a frame of that width: what it needs in width, and what it loads from elsewhere.
MEASURE = """<pre></pre><script>
const found = {}, pages = PAGES;
const next = () => {
  const page = pages.pop();
  if (!page) { document.querySelector("pre").textContent = JSON.stringify(found); return; }
  const frame = document.createElement("iframe");
  frame.width = WIDTH; frame.height = 844; frame.frameBorder = 0; frame.src = page;
  frame.onload = () => {
    const inside = frame.contentDocument.documentElement;
    const loaded = frame.contentWindow.performance.getEntriesByType("resource").map((one) => one.name);
    found[page] = [inside.scrollWidth, loaded.filter((name) => !name.startsWith("file:"))];
    frame.remove(); next();
  };
  document.body.append(frame);
};
next();
</script>"""


@pytest.fixture(scope="module")
def site() -> Path:
    assert build_docs.main() == 0
    return build_docs.SITE


def test_page_of_the_site_fits_a_telephone_and_loads_nothing_from_elsewhere(
    site: Path, tmp_path: Path
) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("there is no chromium here")
    pages = sorted(page.as_uri() for page in site.rglob("*.html") if page.name != "search.html")
    measure = tmp_path / "measure.html"
    measure.write_text(MEASURE.replace("PAGES", json.dumps(pages)).replace("WIDTH", str(TELEPHONE)))
    options = [
        *("--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={tmp_path}/profile"),
        *("--allow-file-access-from-files", "--virtual-time-budget=120000", "--dump-dom"),
    ]
    done = subprocess.run(
        [browser, *options, measure.as_uri()], check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    (answer,) = re.findall("(?s)<pre>(.*?)</pre>", done.stdout)
    found = json.loads(html.unescape(answer))
    assert set(found) == set(pages)
    assert {page: seen for page, seen in found.items() if seen != [TELEPHONE, []]} == {}


def test_navigation_of_the_site_has_captions_and_every_page(site: Path) -> None:
    index = (site / "index.html").read_text()
    captions = re.findall(r'class="caption-text">([^<]*)<', index)
    assert list(dict.fromkeys(captions)) == ["Start", "Guides", "Runbooks", "Reference", "Project"]
    linked = set(re.findall(r'class="reference internal" href="([^"#]+)"', index))
    written = {str(page.relative_to(site)) for page in site.rglob("*.html")}
    without = {"index.html", "genindex.html", "search.html", "environment_variables.html"}
    assert written - without <= linked


def test_page_of_playbooks_describes_every_playbook() -> None:
    page = (CHECKOUT / "docs" / "docsite" / "rst" / "playbooks.rst").read_text()
    described = set(re.findall(r"(?m)^``(\w+)``$", page))
    assert described == {playbook.stem for playbook in (CHECKOUT / "playbooks").glob("*.yml")}
