# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the list of workloads, and the count of it, are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional


class ListQuery(NamedTuple):
    """``is_deleted`` asks for the deleted workloads instead of those that are there.

    ``filters`` are items of ``filterBy``: field, operator and value, without a comma.
    """

    is_deleted: bool = False
    search: Optional[str] = None
    filters: tuple[str, ...] = ()

    def parameters(self) -> dict[str, str]:
        """Return the query of the request."""
        parts = {
            "deleted": "true" if self.is_deleted else "",
            "search": self.search or "",
            "filterBy": joined(self.filters),
        }
        return {key: value for key, value in parts.items() if value}


EVERYTHING = ListQuery()


def joined(filters: Sequence[str]) -> str:
    """Return the value of ``filterBy`` (Run:ai API: one parameter, its items joined by commas)."""
    return ",".join(filters)
