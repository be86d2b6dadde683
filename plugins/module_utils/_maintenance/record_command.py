# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command as it is typed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

# What Ansible takes as it stands: after name=, and in a YAML mapping.
_PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./*?<>-]+\Z")
_PLAIN_WORDS = re.compile(r"[A-Za-z/<][A-Za-z0-9_@%+./<>-]*( [A-Za-z0-9_@%+./<>-]+)+\Z")


def command(playbook: str, variables: Sequence[tuple[str, Any]]) -> str:
    """Return the command to type next; values are text, numbers, booleans or lists of text."""
    words = ["ansible-playbook", "gpuops.runai." + playbook]
    for name, value in variables:
        words += ["-e", shlex.quote(_extra_var(name, value))]
    return " ".join(words)


def _extra_var(name: str, value: Any) -> str:
    """Say one variable. Ansible cuts ``name=value`` at blanks, and viewers show a ``"`` with a backslash."""
    if isinstance(value, (list, tuple)) and not any("," in one for one in value):
        value = ",".join(value)
    if isinstance(value, float) and value == int(value):
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value)
    if _PLAIN.match(text):
        return "{0}={1}".format(name, text)
    if _PLAIN_WORDS.match(text):
        return "{{{0}: {1}}}".format(name, text)
    return json.dumps({name: value})
