# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and responses held against `openapi.yaml`, by validators compiled once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..validation import Shape


class ApiError(Exception):
    """Sent as the API's Error object: `code` (the HTTP status), `message`, `details`."""

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


DESCRIPTION = Path(__file__).with_name("openapi.yaml")


ROWS = ("Workload", "Pod", "Cluster", "Node", "NodePool", "Project", "Department")
"""Schemas of rows of lists."""


class ContractError(Exception):
    """The simulator was about to respond with something that its own description does not allow."""


class _Parameter:
    """One query or path parameter: its text becomes a value of the type that the description names."""

    def __init__(self, described: dict[str, Any], components: dict[str, Any]) -> None:
        self.name: str = described["name"]
        self.place: str = described["in"]
        self.schema: dict[str, Any] = described["schema"]
        self.is_required: bool = described.get("required", False)
        self._shape = Shape(self.schema, components["schemas"])

    def read(self, text: str) -> Any:
        kind = self.schema.get("type")
        value: Any = text
        if kind == "integer" and re.fullmatch(r"-?\d{1,18}", text):
            value = int(text)
        elif kind == "boolean" and text in ("true", "false"):
            value = text == "true"
        elif kind == "array":
            value = text.split(",") if text else []
        problem = self._shape.problem(value)
        if problem is not None:
            raise ApiError(400, f"bad {self.name}", problem)
        return value


class Operation:
    """One operation of the description, by its operationId."""

    def __init__(self, described: dict[str, Any], components: dict[str, Any]) -> None:
        self.name: str = described["operationId"]
        self.needs_token = described.get("security") != []
        parameters = [_resolve(one, components) for one in described.get("parameters", [])]
        self._parameters = {one["name"]: _Parameter(one, components) for one in parameters}
        schemas = components["schemas"]
        content = described.get("requestBody", {}).get("content", {})
        # Every operation that takes a body takes one kind of body.
        self.content_type: str | None = next(iter(content), None)
        self._body = (
            None if self.content_type is None else Shape(content[self.content_type]["schema"], schemas)
        )
        self._answers = {
            status: Shape(_resolve(response, components)["content"]["application/json"]["schema"], schemas)
            for status, response in described["responses"].items()
        }

    def read_query(self, pairs: Iterable[tuple[str, str]], refuse_unknown: bool = True) -> dict[str, Any]:
        """Values of the query parameters, defaults filled in. Raises ApiError 400.

        A parameter given twice is refused; so is an unknown one, unless those are ignored.
        """
        values: dict[str, Any] = {}
        for name, text in pairs:
            parameter = self._parameters.get(name)
            if parameter is None or parameter.place != "query":
                if refuse_unknown:
                    raise ApiError(400, "unknown query parameter", name)
                continue
            if name in values:
                raise ApiError(400, "query parameter given twice", name)
            values[name] = parameter.read(text)
        for name, parameter in self._parameters.items():
            if name not in values and "default" in parameter.schema:
                values[name] = parameter.schema["default"]
            elif name not in values and parameter.is_required and parameter.place == "query":
                raise ApiError(400, "missing query parameter", name)
        return values

    def read_path(self, given: dict[str, str]) -> dict[str, Any]:
        """Values of the path parameters. Raises ApiError 400."""
        return {name: self._parameters[name].read(text) for name, text in given.items()}

    def check_body(self, body: Any) -> None:
        """Raises ApiError 400 when the request's body is not as described."""
        problem = None if self._body is None else self._body.problem(body)
        if problem is not None:
            raise ApiError(400, "bad request body", problem)

    def check_response(self, status: int, body: Any) -> None:
        """Raises ContractError when a response is not as described."""
        shape = self._answers.get(str(status)) or self._answers["default"]
        problem = shape.problem(body)
        if problem is not None:
            raise ContractError(f"{self.name} {status}: {problem}")


class Contract:
    """The whole description."""

    def __init__(self, description: dict[str, Any]) -> None:
        components = description["components"]
        self.operations: dict[str, Operation] = {}
        self.routes: list[tuple[str, str, str]] = []
        for path, methods in description["paths"].items():
            for method, described in methods.items():
                operation = Operation(described, components)
                self.operations[operation.name] = operation
                self.routes.append((method.upper(), path, operation.name))
        schemas = components["schemas"]
        self._rows = {name: Shape(schemas[name], schemas) for name in ROWS}
        self._parts = {name: Shape({**schemas[name], "required": []}, schemas) for name in ROWS}

    def check_row(self, schema: str, row: dict[str, Any]) -> None:
        """Raises ContractError when a row of a list, one of ROWS, is not as described."""
        problem = self._rows[schema].problem(row)
        if problem is not None:
            name = row.get("id") or row.get("uuid") or row.get("name")
            raise ContractError(f"{schema} {name}: {problem}")

    def problem_of_part(self, schema: str, row: Any) -> str | None:
        """What is wrong with a row of a list, one of ROWS, that need not have every field."""
        return self._parts[schema].problem(row)


@cache
def load() -> Contract:
    """The contract in the file beside this one; read and compiled once a process."""
    return Contract(yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8")))


def _resolve(described: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    reference = described.get("$ref")
    if reference is None:
        return described
    section, name = reference.split("/")[-2:]
    found: dict[str, Any] = components[section][name]
    return found
