# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error that every part of the simulator raises when a request is to be refused."""

from __future__ import annotations


class ApiError(Exception):
    """Answered as the API's Error object: `code` (the HTTP status), `message`, `details`."""

    def __init__(self, status: int, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details

    def body(self) -> dict[str, object]:
        """The API's Error object."""
        found: dict[str, object] = {"code": self.status, "message": self.message}
        if self.details is not None:
            found["details"] = self.details
        return found
