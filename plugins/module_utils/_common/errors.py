# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that every room may raise."""

from __future__ import annotations


class RunaiError(Exception):
    """Base of all errors that end as one sentence for the user."""


class OptionError(RunaiError):
    """An option that can't be used; raised before anything is sent."""
