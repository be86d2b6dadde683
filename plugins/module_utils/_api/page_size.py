# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The size of pages, for a list of which the control plane cannot send large ones."""

from __future__ import annotations

import re
from typing import Optional

from .errors import RequestError, StatusError

# No size of a page below it is tried: a failure of such a page has another reason.
_SMALLEST = 15
_SIZE_TEXT = re.compile(
    r"larger than (the )?max|too (large|big)\b|(message|response|body|payload) size", re.IGNORECASE
)


class PageSize:
    """Number of rows to request at once, within the read of one page of ``size`` rows.

    A fault that names the size leads to half of it. A server error or a time-out, twice in a row, leads
    to one try of each smaller size. If one of these works, the size before it is tried once more, as the
    fault may have been an outage.
    """

    def __init__(self, size: int) -> None:
        self.now = size
        # Whether a smaller size works and the first one does not.
        self.is_settled = False
        self._first = size
        self._too_large = size
        self._kind: Optional[str] = None
        self._is_named = False
        self._works: Optional[int] = None

    def failed(self, fault: RequestError) -> bool:
        """Choose the next size after a fault; return whether to request it at once, without a pause."""
        if _names_size(fault):
            self._is_named = self.now // 2 >= _SMALLEST
            self._choose_smaller()
            return self._is_named
        if not _may_be_size(fault):
            self._kind = None
            return False
        if self._works is not None and fault.kind == self._kind:
            self.now, self._works, self.is_settled = self._works, None, True
            return True
        if fault.kind == self._kind:
            self._choose_smaller()
        self._kind = fault.kind
        return False

    def worked(self, is_end: bool) -> bool:
        """Return whether to use a page that arrived; ``is_end`` if the list ends with it."""
        if self._works is not None:
            # The fault was an outage: the size that failed works again.
            self.now, self._works = self._first, None
        elif self._is_named:
            self.is_settled = True
        elif self.now < self._first and not self.is_settled and not is_end:
            self._works, self.now = self.now, self._too_large
            return False
        self._kind = None
        return True

    def _choose_smaller(self) -> None:
        self._too_large = self.now
        self.now = self.now // 2 if self.now // 2 >= _SMALLEST else self._first


def _names_size(fault: RequestError) -> bool:
    return isinstance(fault, StatusError) and (
        fault.status == 413
        # gRPC gateways report a message that is too large as 429.
        or ((fault.status == 429 or fault.status >= 500) and bool(_SIZE_TEXT.search(fault.text)))
    )


def _may_be_size(fault: RequestError) -> bool:
    if isinstance(fault, StatusError):
        return fault.status >= 500 and not fault.refused_for_now
    return fault.kind == "a timeout"
