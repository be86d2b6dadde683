# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page for people at `/`."""

from __future__ import annotations

from html import escape
from typing import Any

from ..control_plane import ControlPlane
from ..model.clock import to_text

_SHOWN = 25
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}"
    "strong{background:#fd6;padding:.2rem .5rem}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border-bottom:1px solid #ccc;padding:.15rem .8rem .15rem 0;text-align:left}"
)


def render(control_plane: ControlPlane) -> str:
    """The page as HTML: the fleet by phase, and the last requests."""
    fleet = control_plane.fleet
    counts = fleet.counts()
    phases = "".join(f"<tr><td>{escape(phase)}</td><td>{count}</td></tr>" for phase, count in counts.items())
    requests = "".join(_request_row(entry) for entry in control_plane.log.last(_SHOWN))
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta http-equiv=refresh content=2>"
        f"<title>Simulator: Run:ai control plane</title><style>{_STYLE}</style></head><body>"
        "<p><strong>SIMULATOR</strong> This is no Run:ai control plane. No workload here is real.</p>"
        f"<h1>Fleet of {sum(counts.values())} workloads</h1>"
        f"<p>API version {control_plane.version.name}, tenant {fleet.places.tenant_id}, "
        f"{fleet.gpus_held():g} GPUs held, {len(fleet.deleted())} workloads deleted.</p>"
        f"<table><tr><th>Phase<th>Workloads</tr>{phases}</table>"
        "<h2>Last requests</h2>"
        f"<table><tr><th>#<th>At<th>Request<th>Status<th>Ids<th>Fault</tr>{requests}</table>"
        '<p>As JSON: <a href="_simulator/requests">requests</a>, <a href="_simulator/summary">summary</a>, '
        '<a href="_simulator/fleet">fleet</a>, <a href="_simulator/faults">faults</a>.</p></body></html>'
    )


def _request_row(entry: dict[str, Any]) -> str:
    query = f"?{entry['query']}" if entry["query"] else ""
    action = f" {entry['action']}" if entry["action"] else ""
    ids = entry["ids"]
    cells = (
        entry["number"],
        to_text(entry["start"])[11:19],
        f"{entry['method']} {entry['path']}{query}{action}",
        entry["status"] if entry["status"] is not None else "",
        "" if ids is None else len(ids),
        entry["fault"] or "",
    )
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
