# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against an HTTP server: redirects, proxies and certificates."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

import pytest
import requests
import urllib3.exceptions
from ansible_collections.gpuops.runai.plugins.module_utils._api.client import Client
from ansible_collections.gpuops.runai.plugins.module_utils._api.transport_errors import explained
from ansible_collections.gpuops.runai.tests.support.client_calls import (
    BATCH,
    DONE,
    ID,
    LIST,
    TOKEN,
    TOKEN_V2,
    Connect,
    account,
    fault_of,
    minted,
    page,
    script,
)
from urllib3.connection import CertificateError  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from ansible_collections.gpuops.runai.tests.support.loopback import Loopback, Reply, Request


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", ["list", "batch", "token"])
def test_client_redirect_to_another_host_never_carries_the_token(
    loopback: Loopback, loopbacks: Callable[..., Loopback], connect: Connect, status: int, call: str
) -> None:
    elsewhere = loopbacks()
    elsewhere.respond = lambda request: page(elsewhere)
    away = loopback.reply(status, None, Location=elsewhere.url + "/somewhere?secret=1")
    script(loopback, v2=[away], list=[away], batch=[away])
    made = account(connect) if call == "token" else connect()
    fault = fault_of(
        lambda: made.client.batch("suspend", [ID]) if call == "batch" else made.client.list_page(0)
    )
    assert elsewhere.requests == []
    assert len(loopback.requests) == 1
    assert "redirected to http://127.0.0.1:{0}, which is not followed".format(elsewhere.port) in str(fault)
    assert "secret" not in str(fault)
    assert not fault.may_be_applied


def test_client_redirect_of_a_read_on_the_same_host_is_followed(loopback: Loopback, connect: Connect) -> None:
    def respond(request: Request) -> Reply:
        if request.path == LIST:
            return loopback.reply(308, None, Location="/moved?offset=0")
        return page(loopback)

    loopback.respond = respond
    assert connect().client.list_page(0).rows == [{"id": ID}]
    assert [request.target for request in loopback.requests][1] == "/moved?offset=0"
    assert loopback.requests[1].bearer == "Bearer " + TOKEN


def test_client_redirect_in_a_circle_fails(loopback: Loopback, connect: Connect) -> None:
    script(loopback, list=[loopback.reply(302, None, Location=LIST)])
    assert "again and again" in str(fault_of(lambda: connect().client.list_page(0)))
    assert len(loopback.requests) < 10


@pytest.mark.parametrize(
    "location", [None, "", "http://[::1/x", "http://127.0.0.1:99999999/x", "mailto:nobody"]
)
def test_client_redirect_without_an_address_fails(
    loopback: Loopback, connect: Connect, location: Optional[str]
) -> None:
    headers = {} if location is None else {"Location": location}
    script(loopback, list=[loopback.reply(302, None, **headers)])
    fault = fault_of(lambda: connect(retry_timeout=5.0).client.list_page(0))
    assert "HTTP 302, redirected without an address to go to" in str(fault)
    assert len(loopback.requests) == 1


def test_client_redirect_of_a_write_fails(loopback: Loopback, connect: Connect) -> None:
    script(loopback, batch=[loopback.reply(307, None, Location=BATCH)])
    fault_of(lambda: connect().client.batch("delete", [ID]))
    assert loopback.paths() == [BATCH]


ABROAD = "http://control-plane.example"


def test_client_proxy_option_set_is_used_for_all_requests(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    replies: dict[str, Reply] = {
        TOKEN_V2: minted(loopback, "minted-1")[0],
        LIST: page(loopback),
        BATCH: loopback.reply(200, DONE),
    }
    loopback.respond = lambda request: replies[request.path]
    proxy = loopback.url.replace("//", "//somebody:p%40ss@")
    client = account(connect, base_url=ABROAD, proxy=proxy).client
    client.list_page(0)
    client.batch("suspend", [ID])
    assert [request.target.partition("?")[0] for request in loopback.requests] == [
        ABROAD + TOKEN_V2,
        ABROAD + LIST,
        ABROAD + BATCH,
    ]
    # somebody:p@ss
    assert {request.headers["Proxy-Authorization"] for request in loopback.requests} == {
        "Basic c29tZWJvZHk6cEBzcw=="
    }
    assert [request.bearer for request in loopback.requests] == [None, "Bearer minted-1", "Bearer minted-1"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_client_proxy_of_the_environment_is_used(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, loopback.url)
    loopback.respond = lambda request: page(loopback)
    connect(base_url=ABROAD).client.list_page(0)
    assert loopback.requests[0].target.startswith(ABROAD)


def test_client_no_proxy_host_is_called_directly(
    loopback: Loopback, loopbacks: Callable[..., Loopback], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = loopbacks()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    loopback.respond = lambda request: page(loopback)
    connect().client.list_page(0)
    assert proxy.requests == []
    assert loopback.requests[0].target.startswith(LIST)


def test_client_proxy_password_refused_hides_it(loopback: Loopback, connect: Connect) -> None:
    loopback.respond = lambda request: loopback.reply(407, b"who are you?")
    proxy = loopback.url.replace("//", "//somebody:p4ss@")
    for base_url in (ABROAD, ABROAD.replace("http:", "https:")):
        client = connect(base_url=base_url, proxy=proxy, retry_timeout=60.0).client
        fault = fault_of(lambda client=client: client.list_page(0))  # type: ignore[misc]
        assert "the proxy wants a user name and password, or refused the ones in proxy (407)" in str(fault)
        assert not fault.is_transient
        assert not fault.may_be_applied
        assert "p4ss" not in str(fault)


@pytest.mark.parametrize(
    ("status", "expected", "is_transient"),
    [
        (403, "the proxy refuses to connect to base_url (HTTP 403)", False),
        (502, "no connection by the proxy: HTTP 502", True),
    ],
)
def test_client_proxy_refusing_the_tunnel_shows_its_status(
    loopback: Loopback, connect: Connect, status: int, expected: str, is_transient: bool
) -> None:
    loopback.respond = lambda request: loopback.reply(status, b"the policy says no")
    client = connect(base_url="https://control-plane.example", proxy=loopback.url).client
    fault = fault_of(lambda: client.batch("suspend", [ID]))
    assert str(fault) == "POST /api/v1/workloads/batch: " + expected
    assert (fault.is_transient, fault.may_be_applied) == (is_transient, False)


@pytest.fixture
def tls(loopbacks: Callable[..., Loopback], tmp_path: Path) -> tuple[Loopback, str]:
    """A TLS server of the name 127.0.0.1, and the path of its authority."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    server = loopbacks(context)
    script(
        server,
        v2=minted(server, "minted-1", "minted-2"),
        list=[page(server), server.reply(401), page(server)],
        batch=[server.reply(200, DONE)],
        one=[server.reply(200, {"id": ID})],
    )
    return server, str(path)


def every_call(client: Client) -> None:
    client.list_page(0)
    client.list_page(0)
    client.workload(ID)
    client.batch("suspend", [ID])


def test_client_untrusted_certificate_fails_every_request(
    tls: tuple[Loopback, str], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = tls
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    every_call(account(connect, base_url=server.url, ca_path=authority).client)
    assert server.paths() == [TOKEN_V2, LIST, LIST, TOKEN_V2, LIST, LIST + "/" + ID, BATCH]
    server.requests.clear()
    for client in (account(connect, base_url=server.url).client, connect(base_url=server.url).client):
        fault = fault_of(lambda client=client: client.list_page(0))  # type: ignore[misc]
        assert "the certificate is not trusted" in str(fault)
        assert "set ca_path to the CA that signed it" in str(fault)
        assert not fault.may_be_applied
    assert server.requests == []


class OpenSslError(ssl.SSLCertVerificationError):
    """What the interpreter raises; it has no way to make one from Python."""

    def __init__(self, verify_message: str) -> None:
        super().__init__(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
        self.verify_message = verify_message


@pytest.mark.parametrize(
    ("fault", "phrase"),
    [
        (
            OpenSslError("Hostname mismatch, certificate is not valid for 'runai'."),
            "Hostname mismatch, certificate is not valid for 'runai'.; set base_url to a name that the "
            "certificate holds",
        ),
        # As urllib3 1.26.5 says it, and later ones up to 2.0.
        (
            ssl.CertificateError("hostname 'runai' doesn't match 'runai.example.com'"),
            "hostname 'runai' doesn't match 'runai.example.com'; set base_url to a name that the "
            "certificate holds",
        ),
        (
            CertificateError("hostname 'runai' doesn't match either of 'a', 'b'"),
            "hostname 'runai' doesn't match either of 'a', 'b'; set base_url to a name that the "
            "certificate holds",
        ),
        (
            OpenSslError("unable to get local issuer certificate"),
            "unable to get local issuer certificate; set ca_path to the CA that signed it",
        ),
        (
            OpenSslError("certificate has expired"),
            "certificate has expired; renew the control plane's certificate",
        ),
    ],
)
def test_explained_certificate_error_names_the_advice(fault: Exception, phrase: str) -> None:
    expected = explained(
        requests.exceptions.SSLError(urllib3.exceptions.SSLError(fault)),
        "GET",
        LIST,
        timeout=30.0,
        is_encrypted=True,
        is_proven=False,
    )
    assert expected.message == "the certificate is not trusted: " + phrase
    assert not expected.is_transient
    assert not expected.may_be_applied


def test_client_without_validation_ignores_the_environment_bundle(
    tls: tuple[Loopback, str], connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _authority = tls
    import trustme

    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other))
    every_call(account(connect, base_url=server.url, validate_certs=False).client)
    assert len(server.requests) == 7


def test_client_ca_bundle_of_the_environment_is_used(tls: tuple[Loopback, str], connect: Connect) -> None:
    server, authority = tls
    made = connect({"REQUESTS_CA_BUNDLE": authority}, base_url=server.url)
    assert made.client.workload(ID) == {"id": ID}
