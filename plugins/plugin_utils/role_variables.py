# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a role: checked against its argument specs, and turned into the options of a module."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Optional

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import connection_argument_spec
from ansible_collections.gpuops.runai.plugins.module_utils._selection.options import select_argument_spec

_CONNECTION = frozenset(connection_argument_spec())
# A role has a name of its own, so that the criterion of this name has another one.
_CRITERIA = {"workload_name" if option == "name" else option: option for option in select_argument_spec()}
_NO_CRITERION = ("any", "none")
_AWX = re.compile(r"awx_(?:job|workflow_job|user|schedule)_")


class VariableError(Exception):
    """A variable that is rejected; the text is the sentence for the user."""


def documented_options(argument_specs: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the options of all entry points in a role's ``meta/argument_specs.yml``.

    One vars file serves all entry points. So only what all of them require is required, and what any of them
    requires is needed.
    """
    entry_points = [one["options"] for one in argument_specs["argument_specs"].values()]
    options = {variable: option for one in entry_points for variable, option in one.items()}
    return {
        variable: {
            **option,
            "required": all(one.get(variable, {}).get("required") for one in entry_points),
            "is_needed": any(one.get(variable, {}).get("required") for one in entry_points),
        }
        for variable, option in options.items()
    }


def check_names(
    prefix: str, variables: Sequence[str], documented: Mapping[str, Any], raw: Optional[str]
) -> None:
    """Raise VariableError for a variable that the role with this prefix does not have.

    ``raw`` is what Ansible leaves of extra variables that it cut at a space.
    """
    if raw is not None:
        raise VariableError(
            "extra variables: Ansible cut a value at the space before '{0}'. "
            "Quote the whole value inside -e, or set it in a file (-e @file).".format(raw)
        )
    for variable in sorted(variables):
        if variable not in documented:
            # The prefix alone would make all of them look alike.
            names = [name[len(prefix) :] for name in documented]
            close = get_close_matches(variable[len(prefix) :], names, n=1)
            advice = "Did you mean {0}{1}?".format(prefix, close[0]) if close else "Correct the name."
            raise VariableError("{0}: not a variable of this role. {1}".format(variable, advice))


def check_blanks(values: Mapping[str, Any], documented: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise VariableError for a value that is null, empty, or a list with an empty element."""
    for variable, value in sorted(values.items()):
        option = documented[variable]
        if _has_blank(value, option.get("type") == "list"):
            if option.get("is_needed"):
                raise VariableError("{0}: is empty, and it is required. Set it.".format(variable))
            raise VariableError(
                "{0}: is empty, or has an empty element. Omit it, or set a value "
                "(any means no criterion, none means no limit).".format(variable)
            )


def check_types(values: Mapping[str, Any], documented: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise VariableError for a variable that is required and not set, or has a value of another type."""
    keys = ("type", "elements", "choices")
    spec = {
        variable: {key: option[key] for key in keys if key in option}
        for variable, option in documented.items()
    }
    for variable, option in documented.items():
        if option["required"] and variable not in values:
            raise VariableError("{0}: not set. Set it.".format(variable))
    for message in ArgumentSpecValidator(spec).validate(dict(values)).error_messages:
        raise VariableError("variables: {0}. Correct the value.".format(message))


def plain(value: Any) -> Any:
    """Return a value in types that modules take: what YAML makes of dates, and vault values, become texts."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def is_connection(option: str) -> bool:
    """Tell whether an option is one of the connection, where an empty text counts as not given."""
    return option in _CONNECTION


def module_options(spec: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a module with this argument spec, from a role's values without its prefix."""
    criteria = {
        _CRITERIA[name]: value
        for name, value in values.items()
        if name in _CRITERIA and value not in _NO_CRITERION and value not in [[one] for one in _NO_CRITERION]
    }
    others = {name: value for name, value in values.items() if name not in _CRITERIA}
    if "select" in spec:
        others.update({"select": criteria} if criteria else {})
    elif "projects" in spec:
        # Selects workloads, and has no record that the name could mean.
        others = {**others, "name": None, **criteria}
    return {name: value for name, value in others.items() if name in spec and value is not None}


def awx_variables(names: Sequence[str]) -> list[str]:
    """Return the names of variables by which AWX says who runs a job."""
    return [name for name in names if _AWX.match(name)]


def _has_blank(value: Any, is_list: bool) -> bool:
    if isinstance(value, list):
        return not value or any(_has_blank(one, is_list=False) for one in value)
    if isinstance(value, str):
        pieces = value.split(",") if is_list else [value]
        return not all(piece.strip(", \t\r\n") for piece in pieces)
    return value is None or value == {}
