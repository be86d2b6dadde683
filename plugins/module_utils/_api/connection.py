# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that every module shares: how to reach a control plane, and as whom."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Union
from urllib.parse import unquote, urlsplit

from ansible.module_utils.common.parameters import env_fallback
from ansible.module_utils.errors import AnsibleFallbackNotFound

from .._common.errors import OptionError
from .._common.option_values import seconds
from .._common.text import clean, is_hideable

# The environment variables of NVIDIA's own tools, and ours beside them.
ENVIRONMENT = {
    "base_url": "RUNAI_BASE_URL",
    "client_id": "RUNAI_CLIENT_ID",
    "client_secret": "RUNAI_CLIENT_SECRET",
    "token": "RUNAI_BEARER_TOKEN",
    "validate_certs": "RUNAI_VALIDATE_CERTS",
    "ca_path": "RUNAI_CA_PATH",
    "proxy": "RUNAI_PROXY",
}


class GivenToken(NamedTuple):
    """A bearer token as the user gave it, in the option or variable ``source``; it is never renewed."""

    token: str
    source: str = "token"

    def __str__(self) -> str:
        return "the token set by {0}".format(self.source)


class ServiceAccount(NamedTuple):
    """Client credentials that tokens are made from."""

    client_id: str
    client_secret: str

    def __str__(self) -> str:
        return "the token of the client '{0}'".format(clean(self.client_id, 80))


class Connection(NamedTuple):
    """How to reach a control plane.

    ``secrets`` are all values that must never be shown. ``verify`` is what requests takes: True, False or
    the path of a CA bundle. Times are seconds.
    """

    base_url: str
    credentials: Union[GivenToken, ServiceAccount]
    secrets: set[str]
    verify: Union[bool, str] = True
    proxy: Optional[str] = None
    timeout: float = 30.0
    retry_timeout: float = 120.0
    warnings: tuple[str, ...] = ()


def _filled_environment(variable: str) -> str:
    value: str = env_fallback(variable).strip()
    if not value:
        raise AnsibleFallbackNotFound
    return value


def connection_argument_spec() -> dict[str, dict[str, Any]]:
    """Return the connection options, the same in every module.

    The environment is mostly read by ``connect_options`` and not by a fallback here, since whether
    a credential came from the task or from the environment decides which one counts.
    """
    return {
        "base_url": {"type": "str"},
        "client_id": {"type": "str"},
        "client_secret": {"type": "str", "no_log": True},
        "token": {"type": "str", "no_log": True},
        "validate_certs": {
            "type": "bool",
            "default": True,
            "fallback": (_filled_environment, [ENVIRONMENT["validate_certs"]]),
        },
        "ca_path": {"type": "path"},
        "proxy": {"type": "str", "no_log": True},
        "timeout": {"type": "float", "default": 30.0},
        "retry_timeout": {"type": "float", "default": 120.0},
    }


SECRET_OPTIONS = frozenset(
    option for option, spec in connection_argument_spec().items() if spec.get("no_log")
)


def connection_secrets(params: Mapping[str, Any], environ: Mapping[str, str]) -> set[str]:
    """Return every secret that was given, used or not, so that none is shown by accident.

    One that is too short to be distinct from parts of ids and texts is left; Ansible itself still hides
    the values of options that are secret, whatever their length.
    """
    found = set()
    for option in SECRET_OPTIONS:
        for value in (params.get(option), environ.get(ENVIRONMENT[option])):
            if value:
                found.add(str(value))
                found.update(_passwords(str(value)) if option == "proxy" else ())
    for value in (params.get("base_url"), environ.get(ENVIRONMENT["base_url"])):
        # Such an address is rejected, but it is shown among the options.
        found.update(_passwords(str(value or "")))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            found.update(_passwords(environ.get(variable, "")))
    return {secret for secret in found if is_hideable(secret)}


def connect_options(params: Mapping[str, Any], environ: Mapping[str, str]) -> Connection:
    """Check the connection options and settle which credentials count.

    An option of the task beats the environment; among what is left, a token beats a client; an
    empty value counts as not given. Raises OptionError, before anything is sent.
    """
    task = {option: str(params.get(option) or "").strip() for option in ENVIRONMENT}
    environment = {option: environ.get(variable, "").strip() for option, variable in ENVIRONMENT.items()}
    found = {option: task[option] or environment[option] for option in ENVIRONMENT}
    warnings: list[str] = []
    return Connection(
        base_url=_checked_base_url(found["base_url"], warnings),
        credentials=_credentials(task, environment),
        secrets=connection_secrets(params, environ),
        verify=_verify(params["validate_certs"], found["ca_path"], environ, warnings),
        proxy=_checked_proxy(found["proxy"]),
        timeout=seconds("timeout", params["timeout"], least=0.001),
        retry_timeout=seconds("retry_timeout", params["retry_timeout"], least=0),
        warnings=tuple(warnings),
    )


def no_connection(params: Mapping[str, Any], environ: Mapping[str, str]) -> Connection:
    """Return a connection for a task without requests: it holds the secrets and has no address."""
    return Connection("", GivenToken(""), connection_secrets(params, environ))


def is_usable_address(base_url: object) -> bool:
    """Return whether ``base_url`` is an address as ``connect_options`` takes it."""
    try:
        _checked_base_url(str(base_url).strip(), [])
    except OptionError:
        return False
    return True


def is_loopback(hostname: Optional[str]) -> bool:
    """Return whether a host name or address is this machine's own."""
    host = (hostname or "").lower()
    return host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")


def is_header_safe(value: str) -> bool:
    """Return whether a header can hold the text."""
    return value.isascii() and value.isprintable() and " " not in value


def _credentials(
    task: Mapping[str, str], environment: Mapping[str, str]
) -> Union[GivenToken, ServiceAccount]:
    for source, name in ((task, "token"), (environment, ENVIRONMENT["token"])):
        if source["token"]:
            if not is_header_safe(source["token"]):
                raise OptionError("token", "holds characters that can't be sent in a header")
            return GivenToken(source["token"], name)
        if source["client_id"] or source["client_secret"]:
            # One half in the task and the other in the environment is one pair.
            client_id = source["client_id"] or environment["client_id"]
            client_secret = source["client_secret"] or environment["client_secret"]
            if client_id and client_secret:
                return ServiceAccount(client_id, client_secret)
            missing = "client_secret" if client_id else "client_id"
            raise OptionError(
                missing,
                "not set. Set both client_id and client_secret (or {0} in the environment).".format(
                    ENVIRONMENT[missing]
                ),
            )
    raise OptionError(
        "credentials",
        "not set. Set client_id and client_secret, or token (or {0} and {1}, or {2}, in the "
        "environment of the machine that the module runs on).".format(
            ENVIRONMENT["client_id"], ENVIRONMENT["client_secret"], ENVIRONMENT["token"]
        ),
    )


def _checked_base_url(value: str, warnings: list[str]) -> str:
    if not value:
        raise OptionError(
            "base_url",
            "not set. Set it to the address of the control plane, e.g. https://acme.run.ai, "
            "or set {0}.".format(ENVIRONMENT["base_url"]),
        )
    # The value itself is not repeated where it could hold a password.
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise OptionError("base_url", "is not a valid address") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise OptionError(
            "base_url", "must not hold a user name or password. Use client_id and client_secret."
        )
    if parts.scheme not in ("http", "https"):
        raise OptionError("base_url", "must start with https:// (or http://)")
    if not parts.hostname or not port_is_valid or not value.isprintable() or " " in value:
        raise OptionError("base_url", "is not a valid address")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise OptionError("base_url", "must be an address without a query or a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        warnings.append(
            "base_url is plain http to another machine: credentials and responses can be read on the way"
        )
    return "{0}://{1}{2}".format(parts.scheme, parts.netloc, parts.path.rstrip("/"))


def _checked_proxy(value: str) -> Optional[str]:
    if not value:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise OptionError("proxy", "must be an address like http://proxy.example.com:3128")
    return value


def _passwords(value: str) -> set[str]:
    """Return the password in an address, as it is written, decoded, and as it is sent to a proxy."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return set()
    if not parts.password:
        return set()
    user, password = unquote(parts.username or ""), unquote(parts.password)
    sent = base64.b64encode("{0}:{1}".format(user, password).encode(errors="surrogateescape")).decode()
    return {parts.password, password, sent}


def _verify(wanted: bool, ca_path: str, environ: Mapping[str, str], warnings: list[str]) -> Union[bool, str]:
    if not wanted:
        if ca_path:
            warnings.append("ca_path is not used, since validate_certs is false")
        return False
    for path, name in (
        (ca_path, "ca_path"),
        (environ.get("REQUESTS_CA_BUNDLE", ""), "REQUESTS_CA_BUNDLE"),
        (environ.get("CURL_CA_BUNDLE", ""), "CURL_CA_BUNDLE"),
    ):
        if path:
            path = os.path.expanduser(path)
            if not (os.path.isdir(path) or os.access(path, os.R_OK)):
                raise OptionError(name, "there is no readable file or folder {0}".format(path))
            return path
    return True
