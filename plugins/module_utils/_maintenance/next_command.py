# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command to type next: complete, quoted for a shell, and without any secret."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from .._api.connection import SECRET_OPTIONS, connection_argument_spec, is_usable_address
from .._record.events import BEGUN, ENDED, PLANNED
from .._record.record import Record
from .._selection.options import select_argument_spec
from .._system.processes import ancestors, arguments_of, is_play
from .options import NONE, maintenance_argument_spec

STATUS = "status"

_PLAYBOOKS = {
    PLANNED: "maintenance_plan",
    BEGUN: "maintenance_begin",
    ENDED: "maintenance_end",
    STATUS: "maintenance_status",
}
_PREFIX = "workload_maintenance_"
# They name a record and a control plane. All other options belong to one task.
_WHERE = ("name", "record_dir", *(one for one in connection_argument_spec() if one not in SECRET_OPTIONS))
_NEVER_SHOWN = frozenset((*SECRET_OPTIONS, "record", "by", "state", "workloads_limit"))
# The states in which an option has an effect, where it is not all of them.
_STATES_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("reason", "select", "max_affected", "max_percent", "allow_empty"), (PLANNED, BEGUN)),
    **dict.fromkeys(("unmatched_exemptions", "unsuspendable", "max_drift"), (PLANNED, BEGUN)),
    **dict.fromkeys(("crosses_version", "node_fenced"), (PLANNED, BEGUN)),
    "recheck": (BEGUN,),
    **dict.fromkeys(("resume_touched", "settle_time"), (ENDED,)),
}
# Placeholders for options for which a run was rejected.
_CORRECTIONS: Mapping[str, str] = {
    "name": "<another name>",
    "reason": "<why>",
    "record_dir": "<folder that outlives the job>",
    "max_affected": "<a higher ceiling or none>",
    "max_percent": "<a higher ceiling or none>",
    "max_drift": "<a higher limit or none>",
    "unsuspendable": "<leave>",
    "unmatched_exemptions": "<allow>",
    "allow_empty": "<true>",
    "node_fenced": "<true once it is cordoned>",
}
_PLAIN = re.compile(r"[A-Za-z0-9_@%+:./-][A-Za-z0-9_@%+:.,/-]*")
_VARIABLE = re.compile(r"\b(workload_[a-z_]+)[\"']?\s*[:=]")
# Options of ansible-playbook that the next command repeats: with a value, and without.
_REPEATED = (
    "-i",
    "--inventory",
    "--inventory-file",
    "--vault-id",
    "--vault-password-file",
    "--vault-pass-file",
)
_REPEATED_FLAGS = ("-J", "--ask-vault-password", "--ask-vault-pass")
_EXTRA_VARS = ("-e", "--extra-vars")
_LARGEST_FILE = 256 * 1024


class TypedCommand(NamedTuple):
    """What the next command repeats of the one that started this play.

    ``arguments`` are inventories, files of variables and vault options. ``variables`` are set by these files.
    """

    arguments: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()


def typed_command() -> TypedCommand:
    """Return what the next command repeats of the command that started this play."""
    for pid in ancestors():
        arguments = arguments_of(pid)
        if is_play(arguments):
            return parse_command(arguments, "/proc/{0}/cwd".format(pid))
    return TypedCommand()


def parse_command(arguments: Sequence[str], folder: str) -> TypedCommand:
    """Return what the next command repeats of ``arguments``; paths are relative to ``folder``."""
    repeated: list[str] = []
    files: list[str] = []
    overridden: set[str] = set()
    for option, value in _options(arguments):
        if option in _EXTRA_VARS and not value.startswith("@"):
            # It may be a secret. Options of the task are repeated from the task.
            overridden.update(_VARIABLE.findall(value))
            continue
        repeated += [option, value] if option not in _REPEATED_FLAGS else [option]
        if option in _EXTRA_VARS:
            files.append(value[1:])
    if any(path.endswith("/env/extravars") for path in files):
        # ansible-runner wrote this command. Nobody typed it.
        return TypedCommand()
    named: set[str] = set()
    for path in files:
        named.update(_VARIABLE.findall(_text_of(os.path.join(folder, os.path.expanduser(path)))))
    return TypedCommand(tuple(repeated), frozenset(named - overridden))


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    rest = iter(arguments)
    for argument in rest:
        name, _equals, value = argument.partition("=")
        if argument in _REPEATED_FLAGS:
            yield argument, ""
        elif argument in (*_REPEATED, *_EXTRA_VARS):
            yield argument, next(rest, "")
        elif name.startswith("--") and name in (*_REPEATED, *_EXTRA_VARS):
            yield name, value
        elif argument[:2] in ("-i", "-e") and len(argument) > 2:
            yield argument[:2], argument[2:]


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        return ""


class NextCommand:
    """Writes commands for one task: ``given`` are its own arguments before Ansible completed them.

    In a job of AWX, a command names the job template to launch and its variables.
    """

    def __init__(
        self,
        given: Mapping[str, Any],
        environ: Mapping[str, str],
        is_check: bool,
        typed: Optional[TypedCommand] = None,
    ) -> None:
        self._given = given
        by = given.get("by")
        self._by: Mapping[str, Any] = by if isinstance(by, dict) else {}
        self._is_job = bool(self._by.get("awx_job_id"))
        self._is_check = is_check
        self._typed = typed or TypedCommand()
        self._has_folder = bool(given.get("record_dir") or environ.get("RUNAI_RECORD_DIR"))

    def repeat(self, state: str, faulty: Sequence[str] = (), **corrections: str) -> str:
        """Return the same command, with values to correct in angle brackets."""
        changes = {one: _CORRECTIONS[one] for one in faulty if one in _CORRECTIONS}
        return self._command(state, self._is_check, self._all(state), {**changes, **corrections}, True)

    def plan_again(self, record: Record, is_renamed: bool) -> str:
        """Return the command that plans anew; options that this task lacks come from the record."""
        recorded: dict[str, Any] = {}
        if record.state:
            limits = {option: NONE if one is None else one for option, one in record.limits.items()}
            recorded = {"reason": record.reason, "select": record.select, **limits, "notice": None}
        changes = {"name": _CORRECTIONS["name"]} if is_renamed else {}
        return self._command(PLANNED, self._is_check, self._all(PLANNED, recorded), changes)

    def without_check(self, state: str) -> str:
        return self._command(state, False, self._all(state), {}, True)

    def continue_with(self, state: str, record: Record) -> str:
        """Return the command that goes on with the same record. The operator attests a fence."""
        values, changes = self._where(), {}
        is_fence_set = _PREFIX + "node_fenced" in self._typed.variables
        if state == BEGUN and record.nodes and not is_fence_set:
            changes = {"node_fenced": _CORRECTIONS["node_fenced"]}
        if not self._has_folder and not self._is_job and "record" not in self._given and state == BEGUN:
            # Without a folder nothing keeps the plan: begin makes it anew.
            changes = {"record_dir": _CORRECTIONS["record_dir"], **changes}
            values = self._all(state)
        return self._command(state, False, values, changes)

    def end_other(self, name: str) -> str:
        """Return the command that ends another record of the same folder."""
        return self._command(ENDED, False, {**self._where(), "name": name}, {})

    def _where(self) -> dict[str, Any]:
        values = {one: self._given[one] for one in _WHERE if self._given.get(one) not in (None, "")}
        if not is_usable_address(str(values.get("base_url", ""))):
            # What makes it unusable may be a password.
            values.pop("base_url", None)
        return values

    def _all(self, state: str, recorded: Optional[Mapping[str, Any]] = None) -> dict[str, Any]:
        values = self._where()
        spec = maintenance_argument_spec()
        given = {option: value for option, value in self._given.items() if value is not None}
        for option, value in {**(recorded or {}), **given}.items():
            has_effect = option in spec and state in _STATES_OF.get(option, (state,))
            if not has_effect or option in values or option in _NEVER_SHOWN:
                continue
            if option == "select":
                values.update(_criteria(value))
            elif value is not None and not _is_default(value, spec[option].get("default")):
                values[option] = value
        return values

    def _command(
        self,
        state: str,
        is_check: bool,
        values: Mapping[str, Any],
        changes: Mapping[str, str],
        is_same: bool = False,
    ) -> str:
        if state not in _PLAYBOOKS or (self._given.get("notice") is not None and state in (PLANNED, BEGUN)):
            # A reclaim takes the same variables again.
            return ""
        unchanged = {_PREFIX + key: value for key, value in values.items() if key not in changes}
        more = {_PREFIX + key: value for key, value in changes.items()}
        if state != PLANNED and not self._has_folder and not {"record_dir", "record"} & set(changes):
            if self._is_job:
                more[_PREFIX + "record"] = "<artifact of job {0}>".format(self._by["awx_job_id"])
            elif "record" in self._given:
                more[_PREFIX + "record"] = "<record that this run returned>"
        if self._is_job:
            return self._template(state, is_check, {**unchanged, **more}, is_same)
        arguments = ["ansible-playbook", "gpuops.runai." + _PLAYBOOKS[state], *self._typed.arguments]
        for name, value in unchanged.items():
            if name not in self._typed.variables:
                arguments += ["-e", _extra_variable(name, value)]
        for name, text in more.items():
            arguments += ["-e", "{0}={1}".format(name, text)]
        return " ".join([*map(shlex.quote, arguments), *(["--check"] if is_check else [])])

    def _template(self, state: str, is_check: bool, variables: Mapping[str, Any], is_same: bool) -> str:
        template, workflow = self._by.get("awx_job_template_name"), self._by.get("awx_workflow_job_id")
        where = "the job template of {0}".format(_PLAYBOOKS[state])
        if is_same and template:
            where = "the job template {0}".format(template)
        elif workflow:
            where = "the node of {0} in workflow job {1}".format(_PLAYBOOKS[state], workflow)
        return "in AWX, run {0}{1} with {2}".format(
            where,
            " as a check" if is_check else "",
            "; ".join("{0}={1}".format(name, _as_text(value)) for name, value in variables.items()),
        )


def faulty_options(message: str) -> list[str]:
    """Return the options that a message begins with: ``max_affected: ...`` or ``reason, name: ...``."""
    begin, colon, _problem = message.partition(": ")
    names = begin.split(", ")
    return names if colon and all(re.fullmatch("[a-z_]+", name) for name in names) else []


def _criteria(select: Any) -> dict[str, Any]:
    if not isinstance(select, dict):
        return {}
    known = select_argument_spec()
    return {
        "workload_name" if key == "name" else key: value
        for key, value in select.items()
        if key in known and value is not None
    }


def _is_default(value: Any, default: Any) -> bool:
    with contextlib.suppress(TypeError, ValueError):
        return float(value) == float(default)
    return str(value).lower() == str(default).lower() and default is not None


def _extra_variable(name: str, value: Any) -> str:
    text = _as_text(value)
    if _PLAIN.fullmatch(text):
        return "{0}={1}".format(name, text)
    shown = value if isinstance(value, (bool, int, float, list)) else str(value)
    return json.dumps({name: shown}, ensure_ascii=False, default=str)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        # A comma separates values, so that one with a comma in it needs quotes.
        if any("," in str(one) for one in value):
            return json.dumps(value, ensure_ascii=False, default=str)
        return ",".join(map(str, value))
    return str(value)
