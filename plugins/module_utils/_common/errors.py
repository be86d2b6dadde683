# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that every room may raise."""

from __future__ import annotations

from typing import Any


class RunaiError(Exception):
    """Base of all errors that end as one sentence for the user."""

    @property
    def shown(self) -> dict[str, Any]:
        """The key ``error`` of a failed result; without a request only the message is not null."""
        return no_request(str(self))


class OptionError(RunaiError):
    """An option, or a thing made of several, that can't be used; raised before anything is sent.

    ``problem`` follows the option's name and a colon; what to do is a sentence of its own.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__("{0}: {1}".format(option, problem))


def no_request(message: str) -> dict[str, Any]:
    """Return the key ``error`` of a result that failed without a request."""
    return {"method": None, "path": None, "status": None, "code": None, "message": message}
