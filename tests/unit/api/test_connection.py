# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import (
    Connection,
    GivenToken,
    ServiceAccount,
    connect_options,
    connection_argument_spec,
    connection_secrets,
    is_loopback,
)
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError
from hypothesis import given
from hypothesis import strategies as st

OPTIONS = ["base_url", "client_id", "client_secret", "token", "validate_certs", "ca_path", "proxy"]
VARIABLES = {
    "base_url": "RUNAI_BASE_URL",
    "client_id": "RUNAI_CLIENT_ID",
    "client_secret": "RUNAI_CLIENT_SECRET",
    "token": "RUNAI_BEARER_TOKEN",
    "ca_path": "RUNAI_CA_PATH",
    "proxy": "RUNAI_PROXY",
}
NOTHING: dict[str, Any] = {
    **dict.fromkeys(OPTIONS),
    "validate_certs": True,
    "timeout": 30.0,
    "retry_timeout": 120.0,
}
WHERE = "https://acme.run.ai"


def connect(environ: Optional[dict[str, str]] = None, **params: Any) -> Connection:
    return connect_options({**NOTHING, "base_url": WHERE, "token": "t0ken", **params}, environ or {})


def refusal(environ: Optional[dict[str, str]] = None, **params: Any) -> str:
    with pytest.raises(OptionError) as fault:
        connect(environ, **params)
    return str(fault.value)


def test_connection_argument_spec_equals_the_fragment() -> None:
    spec = connection_argument_spec()
    assert {name: (option["type"], option.get("default")) for name, option in spec.items()} == {
        "base_url": ("str", None),
        "client_id": ("str", None),
        "client_secret": ("str", None),
        "token": ("str", None),
        "validate_certs": ("bool", True),
        "ca_path": ("path", None),
        "proxy": ("str", None),
        "timeout": ("float", 30.0),
        "retry_timeout": ("float", 120.0),
    }
    assert {name for name, option in spec.items() if option.get("no_log")} == {
        "client_secret",
        "token",
        "proxy",
    }


@pytest.mark.parametrize("option", VARIABLES)
def test_connect_options_blank_option_uses_the_environment(option: str, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    values = {
        "base_url": "https://from.the.environment",
        "client_id": "env-id",
        "client_secret": "env-secret",
        "token": "env-token",
        "ca_path": str(bundle),
        "proxy": "http://proxy.environment:3128",
    }
    for blank in (None, "", "  "):
        params: dict[str, Any] = {option: blank}
        if option == "client_id":
            params.update(token=None, client_secret="s")
        if option == "client_secret":
            params.update(token=None, client_id="i")
        made = connect({VARIABLES[option]: values[option]}, **params)
        shown = {
            "base_url": made.base_url,
            "client_id": getattr(made.credentials, "client_id", None),
            "client_secret": getattr(made.credentials, "client_secret", None),
            "token": getattr(made.credentials, "token", None),
            "ca_path": made.verify,
            "proxy": made.proxy,
        }
        assert shown[option] == values[option]


ENVIRONMENT = {
    "RUNAI_BEARER_TOKEN": "env-token",
    "RUNAI_CLIENT_ID": "env-id",
    "RUNAI_CLIENT_SECRET": "env-secret",
}


@given(
    st.fixed_dictionaries(
        {
            name: st.sampled_from([None, "", "task-" + name])
            for name in ("token", "client_id", "client_secret")
        }
    ),
    st.lists(st.sampled_from(sorted(ENVIRONMENT)), unique=True),
)
def test_connect_options_credentials_have_an_order(
    task: dict[str, Optional[str]], variables: list[str]
) -> None:
    environ = {name: ENVIRONMENT[name] for name in variables}
    expected: object = None
    # The task beats the environment, in which half a pair may lie; then a token beats a client.
    if task["token"]:
        expected = GivenToken("task-token")
    elif task["client_id"] or task["client_secret"]:
        pair = (
            task["client_id"] or environ.get("RUNAI_CLIENT_ID"),
            task["client_secret"] or environ.get("RUNAI_CLIENT_SECRET"),
        )
        expected = ServiceAccount(*pair) if all(pair) else None  # type: ignore[arg-type]
    elif "RUNAI_BEARER_TOKEN" in environ:
        expected = GivenToken("env-token", "RUNAI_BEARER_TOKEN")
    elif len(environ) == 2:
        expected = ServiceAccount("env-id", "env-secret")
    if expected is None:
        message = refusal(environ, **task)
        assert "task-" not in message
        assert "env-" not in message
    else:
        assert connect(environ, **task).credentials == expected


def test_connect_options_missing_option_is_named() -> None:
    assert "credentials: not set" in refusal(token=None)
    assert "client_secret: not set. Set both client_id and client_secret (or RUNAI_CLIENT_SECRET" in refusal(
        token=None, client_id="i"
    )
    assert "client_id: not set. Set both client_id and client_secret (or RUNAI_CLIENT_ID" in refusal(
        token=None, client_secret="s"
    )
    assert "base_url: not set" in refusal(base_url=None)
    assert "RUNAI_BASE_URL" in refusal(base_url="")


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        ("https://acme.run.ai", "https://acme.run.ai"),
        ("https://acme.run.ai/", "https://acme.run.ai"),
        (" https://acme.example/runai// ", "https://acme.example/runai"),
        ("https://acme.example:8443/a/b/", "https://acme.example:8443/a/b"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_connect_options_usable_address_is_normalised(given_url: str, used: str) -> None:
    made = connect(base_url=given_url)
    assert made.base_url == used
    assert not made.warnings


@pytest.mark.parametrize(
    "address",
    [
        "acme.run.ai",
        "ftp://acme.run.ai",
        "file:///etc/passwd",
        "//acme.run.ai",
        "https://",
        "https:///path",
        "https://user:s3cret@acme.run.ai",
        "https://user@acme.run.ai",
        "https://:s3cret@acme.run.ai",
        "https://acme.run.ai:99999",
        "https://acme.run.ai:0",
        "https://acme.run.ai:s3cret",
        "https://acme.run.ai?token=s3cret",
        "https://acme.run.ai#s3cret",
        "https://acme.run.ai/?",
        "https://ac me.run.ai",
        "https://acme.run.ai/\u202e",
        "https://[acme",
    ],
)
def test_connect_options_unusable_address_is_rejected_without_secrets(address: str) -> None:
    assert "s3cret" not in refusal(base_url=address)


def test_connect_options_plain_http_to_another_host_warns() -> None:
    (warning,) = connect(base_url="http://10.0.0.7").warnings
    assert "plain http" in warning


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("a.localhost", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        (None, False),
    ],
)
def test_is_loopback_other_host_is_false(host: Optional[str], own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize("option", ["timeout", "retry_timeout"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_connect_options_unusable_seconds_are_rejected(option: str, value: float) -> None:
    wrong: dict[str, Any] = {option: value}
    assert refusal(**wrong).startswith("{0}: must be".format(option))


def test_connect_options_zero_is_no_timeout_but_no_retries() -> None:
    assert refusal(timeout=0.0)
    assert connect(retry_timeout=0.0).retry_timeout == 0


@pytest.mark.parametrize("token", ["two words", "new\nline", "ü", "tab\t"])
def test_connect_options_token_unfit_for_a_header_is_rejected(token: str) -> None:
    assert "token" in refusal(token="x" + token + "x")
    assert token not in refusal(token="x" + token + "x")


@pytest.mark.parametrize("proxy", ["proxy.example:3128", "socks5://p:1", "http://", "http://p:word"])
def test_connect_options_unusable_proxy_is_rejected(proxy: str) -> None:
    assert refusal(proxy=proxy) == "proxy: must be an address like http://proxy.example.com:3128"


def test_connect_options_certificates_are_checked_by_default(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    other = tmp_path / "other.pem"
    other.touch()
    assert connect().verify is True
    assert connect(ca_path=str(bundle)).verify == str(bundle)
    assert connect(ca_path=str(tmp_path)).verify == str(tmp_path)
    assert connect({"REQUESTS_CA_BUNDLE": str(other)}).verify == str(other)
    assert connect({"CURL_CA_BUNDLE": str(other)}).verify == str(other)
    assert connect({"REQUESTS_CA_BUNDLE": str(other)}, ca_path=str(bundle)).verify == str(bundle)
    assert connect({"RUNAI_CA_PATH": str(bundle), "REQUESTS_CA_BUNDLE": str(other)}).verify == str(bundle)
    # No bundle of the environment turns the checking on again.
    assert connect({"REQUESTS_CA_BUNDLE": str(other)}, validate_certs=False).verify is False
    assert connect(validate_certs=False, ca_path=str(bundle)).warnings


def test_connect_options_missing_ca_bundle_is_rejected_with_its_option() -> None:
    assert refusal(ca_path="/no/such.pem").startswith("ca_path: ")
    assert refusal({"REQUESTS_CA_BUNDLE": "/no/such.pem"}).startswith("REQUESTS_CA_BUNDLE: ")


def basic(pair: str) -> str:
    """Return what a proxy is sent, and may send back."""
    return base64.b64encode(pair.encode()).decode()


def test_connection_secrets_hold_unused_ones_too() -> None:
    environ = {
        "RUNAI_CLIENT_SECRET": "env-secret",
        "RUNAI_BEARER_TOKEN": "env-token",
        "RUNAI_PROXY": "http://u:env%2Fword@p:1",
        "https_proxy": "http://u:other-word@p:1",
        "HTTP_PROXY": "http://u:third-word@p:1",
        "RUNAI_CLIENT_ID": "not-secret",
    }
    params = {"client_secret": "task-secret", "token": "task-token", "proxy": "http://u:task-word@p:1"}
    found = connection_secrets(params, environ)
    expected = {
        *("task-secret", "task-token", "task-word", params["proxy"]),
        *("env-secret", "env-token", "env%2Fword", "env/word", environ["RUNAI_PROXY"]),
        *("other-word", "third-word"),
        *map(basic, ("u:task-word", "u:env/word", "u:other-word", "u:third-word")),
    }
    assert found == expected
    assert set(connect(environ, **params).secrets) == expected


def test_connection_secrets_leave_out_short_ones() -> None:
    environ = {"RUNAI_BEARER_TOKEN": "1", "https_proxy": "http://u:abc@p:1"}
    assert connection_secrets({"client_secret": "", "token": "e7c"}, environ) == {basic("u:abc")}


def test_connect_options_rejected_address_with_a_password_hides_it() -> None:
    task, environ = "https://someone:pass%20word@acme.run.ai", "https://someone:other-word@acme.run.ai"
    assert connection_secrets({"base_url": task}, {"RUNAI_BASE_URL": environ}) == {
        *("pass%20word", "pass word", "other-word"),
        *map(basic, ("someone:pass word", "someone:other-word")),
    }
