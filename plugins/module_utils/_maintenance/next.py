# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command to type next: a playbook, and the variables that are known. Never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from .kinds import (
    kind_called,
    role_of_playbook,
)
from .record import Record, Remedy
from .record_command import command
from .record_playbooks import (
    BEGIN_PLAYBOOK,
    CLEANUP_PLAYBOOK,
    RECLAIM_PLAYBOOK,
    REHEARSAL_PLAYBOOK,
)
from .settings import (
    CONNECTION_VARIABLES,
    MAINTENANCE_ROLE,
    VARIABLES,
    Settings,
)

# What a playbook asks for again although the record has it; a reclaim's selection, too.
_ASKED_AGAIN = {
    BEGIN_PLAYBOOK: ("reason", "node_fenced"),
    CLEANUP_PLAYBOOK: ("older_than",),
    RECLAIM_PLAYBOOK: ("reason", "idle_for", "max_affected", "max_percent"),
}
# A rehearsal has its own.
_NOT_REHEARSED = ("record_dir", "record", "node_fenced")
_PACKED = "<the packed record>"
_AS_BEFORE = "<as before>"
_LONGEST = 300


class Caller(NamedTuple):
    """What was run, as far as the next command says it again.

    ``connection`` holds options of the connection that were given and may be shown. In a rehearsal
    every next command is the rehearsal's, with ``rehearsed``, what was said to be rehearsed: none may
    reach a real control plane.
    """

    settings: Settings
    playbook: str
    connection: Mapping[str, Any] = {}
    rehearsed: Optional[Settings] = None

    @property
    def is_rehearsal(self) -> bool:
        """Tell whether this is a step of a rehearsal."""
        return self.rehearsed is not None


def go_on(caller: Caller, playbook: str, record: Optional[Record] = None) -> str:
    """Return the command that goes on with a record."""
    if caller.rehearsed is not None:
        return _command(caller, REHEARSAL_PLAYBOOK, _said(caller.rehearsed))
    return _command(caller, playbook, _needed(caller, playbook, record))


def after_refusal(caller: Caller, remedy: Remedy) -> str:
    """Return the command to type once a step was refused: the same, or another, mended."""
    if caller.rehearsed is not None:
        playbook, values = REHEARSAL_PLAYBOOK, _said(caller.rehearsed)
        if caller.rehearsed.role != caller.settings.role:
            # What is to be mended are variables of a step that nobody typed.
            return _command(caller, playbook, values)
    elif remedy.playbook is None:
        playbook, values = caller.playbook, _said(caller.settings)
    else:
        playbook, values = remedy.playbook, _needed(caller, remedy.playbook, None)
    values = {name: value for name, value in values.items() if name not in remedy.leave_out}
    return _command(caller, playbook, {**values, **remedy.say})


def variables_of(record: Record) -> dict[str, Any]:
    """Return the variables that would plan the same again, by their names without the prefix."""
    by_option = {
        one.option: name for name, one in VARIABLES[kind_called(record.kind).role].items() if one.option
    }
    selection = {
        by_option[option]: value for option, value in record.selection.items() if option in by_option
    }
    return {"reason": record.reason, **selection, **record.settings}


def _said(settings: Settings) -> dict[str, Any]:
    """Everything that was said, but for what goes without saying."""
    return {
        name: value
        for name, value in settings.values.items()
        if name != "awx" and value != VARIABLES[settings.role][name].usual
    }


def _needed(caller: Caller, playbook: str, record: Optional[Record]) -> dict[str, Any]:
    """What a playbook needs to go on with a record."""
    role = role_of_playbook(playbook)
    known = {**(variables_of(record) if record is not None else {}), **caller.settings.values}
    names = ["name", "record" if known.get("record_dir") is None else "record_dir"]
    names += _ASKED_AGAIN.get(playbook, ())
    if playbook == RECLAIM_PLAYBOOK:
        names += [name for name, one in VARIABLES[role].items() if one.option and known.get(name) is not None]
    values = {name: known[name] for name in names if name in known}
    if record is not None and "record" in names:
        # The job that planned handed it on.
        values["record"] = _PACKED
    if record is not None and record.selection.get("nodes") and playbook == BEGIN_PLAYBOOK:
        # It was asked for before the first begin, or is now.
        values["node_fenced"] = True
    if values.get("node_fenced") is False:
        del values["node_fenced"]
    return values


def _command(caller: Caller, playbook: str, values: Mapping[str, Any]) -> str:
    rehearsed = caller.rehearsed
    role = role_of_playbook(playbook) if rehearsed is None else rehearsed.role
    table, connection = VARIABLES[role], {**caller.connection, **_connection_in(values)}
    prefix = role
    if rehearsed is not None:
        values = {name: value for name, value in values.items() if name not in _NOT_REHEARSED}
        prefix, connection = (
            "rehearsal",
            {name: connection[name] for name in connection if name == "base_url"},
        )
    variables = [
        (
            "{0}_{1}".format(role, name),
            _shown(name, table[name].word if values[name] is None else values[name]),
        )
        for name in table
        if name in values
    ]
    if rehearsed is not None and role != MAINTENANCE_ROLE:
        variables.insert(0, ("rehearsal_of", role.partition("_")[2]))
    return command(
        playbook, variables + [("{0}_{1}".format(prefix, *one), one[1]) for one in connection.items()]
    )


def _connection_in(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in CONNECTION_VARIABLES}


def _shown(name: str, value: Any) -> Any:
    if name == "record":
        return _PACKED
    length = sum(len(one) + 1 for one in value) if isinstance(value, list) else len(str(value))
    return value if length <= _LONGEST else _AS_BEFORE
