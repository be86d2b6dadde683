# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of records: which role writes them, and what acts on them."""

from __future__ import annotations

from typing import NamedTuple

from .._workload.phases import DELETE, SUSPEND
from .record import CLEANUP, MAINTENANCE, RECLAIM
from .record_playbooks import (
    BEGIN_PLAYBOOK,
    CLEANUP_PLAYBOOK,
    RECLAIM_PLAYBOOK,
)
from .settings import (
    CLEANUP_ROLE,
    MAINTENANCE_ROLE,
    RECLAIM_ROLE,
)


class Kind(NamedTuple):
    """One kind of record.

    ``role`` writes it, ``playbook`` acts on it and goes on with it, and sends ``action``; ``run`` is what
    people call that, e.g. ``a begin``.
    """

    name: str
    role: str
    playbook: str
    action: str
    run: str


_KINDS = (
    Kind(MAINTENANCE, MAINTENANCE_ROLE, BEGIN_PLAYBOOK, SUSPEND, "a begin"),
    Kind(RECLAIM, RECLAIM_ROLE, RECLAIM_PLAYBOOK, SUSPEND, "a reclaim"),
    Kind(CLEANUP, CLEANUP_ROLE, CLEANUP_PLAYBOOK, DELETE, "a clean-up"),
)


def kind_called(name: str) -> Kind:
    """Return the kind by its name in a record."""
    return next(kind for kind in _KINDS if kind.name == name)


def kind_of_role(role: str) -> Kind:
    """Return the kind of the records that a role writes."""
    return next(kind for kind in _KINDS if kind.role == role)


def role_of_playbook(playbook: str) -> str:
    """Return the role whose variables a playbook takes."""
    return next((kind.role for kind in _KINDS if kind.playbook == playbook), MAINTENANCE_ROLE)
