# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real TLS servers and a real proxy on loopback: the message is one that a person can act on."""

from __future__ import annotations

import datetime
import gc
import ipaddress
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3.connection
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.server import Handle
from tests.component.conftest import Start
from tests.component.harness import BATCH, ONE, rehearse
from tests.component.proxy import Proxy, proxying
from tests.support.workloads import workload_id

IDS = [workload_id(number) for number in range(3)]
PASSWORD = "p@ss/word:1"
ENCODED = "p%40ss%2Fword%3A1"


@pytest.fixture(autouse=True)
def unclosed_transports() -> Iterator[None]:
    """Collect what asyncio leaves open where a TLS connection was not ended as it should be, unwarned."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The CA that signs what the simulator shows."""
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The CA's certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def other_bundle(tmp_path: Path) -> str:
    """The certificate of a CA that signed nothing here."""
    path = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy for the user `ops`."""
    with proxying("ops", PASSWORD, tmp_path_factory.mktemp("proxy")) as running:
        yield running


def start_with(start: Start, certificate: trustme.LeafCert, folder: Path) -> Handle:
    """A simulator that shows this certificate."""
    chain, key = folder / "server.pem", folder / "server.key"
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(chain, append=number > 0)
    certificate.private_key_pem.write_to_path(key)
    return start(certificate=chain, key=key)


@pytest.fixture
def simulator(start: Start, authority: trustme.CA, tmp_path: Path) -> Handle:
    """A simulator with a good certificate."""
    return start_with(start, authority.issue_cert("127.0.0.1"), tmp_path)


def check_refused(simulator: Handle, *message: str, **options: Any) -> None:
    """Nothing was sent, it was not tried again and again, and the message holds these phrases."""

    run = rehearse(simulator, "suspend", IDS, retry_timeout=3600, **options)
    assert run.counts == {"not_attempted": 3}
    assert simulator.requests() == []
    for word in message:
        assert word in run.result["msg"]


def test_batch_ca_path_of_a_private_ca_is_trusted(simulator: Handle, bundle: str) -> None:
    run = rehearse(simulator, "suspend", IDS, ca_path=bundle)
    assert run.counts == {"changed": 3}
    assert not run.warnings


def test_batch_ca_of_the_environment_is_trusted(simulator: Handle, bundle: str) -> None:
    for environ in ({"RUNAI_CA_PATH": bundle}, {"REQUESTS_CA_BUNDLE": bundle}, {"CURL_CA_BUNDLE": bundle}):
        assert not rehearse(simulator, "suspend", IDS, environ=environ).failed


def test_batch_ca_path_has_precedence_over_the_environment(
    simulator: Handle, bundle: str, other_bundle: str
) -> None:
    run = rehearse(simulator, "suspend", IDS, ca_path=bundle, environ={"REQUESTS_CA_BUNDLE": other_bundle})
    assert run.counts == {"changed": 3}


@pytest.mark.parametrize("where", ["ca_path", "REQUESTS_CA_BUNDLE", "nowhere"])
def test_batch_wrong_ca_fails_at_once(simulator: Handle, other_bundle: str, where: str) -> None:
    ca_path = other_bundle if where == "ca_path" else None
    environ = {where: other_bundle} if where.isupper() else {}
    check_refused(simulator, "not trusted", "set ca_path", ca_path=ca_path, environ=environ)


def test_batch_expired_certificate_fails_at_once(
    start: Start, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    old = authority.issue_cert(
        "127.0.0.1", not_before=yesterday - datetime.timedelta(days=9), not_after=yesterday
    )
    check_refused(start_with(start, old, tmp_path), "expired", "renew", ca_path=bundle)


def test_batch_certificate_not_yet_valid_fails_at_once(
    start: Start, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    early = authority.issue_cert(
        "127.0.0.1", not_before=tomorrow, not_after=tomorrow + datetime.timedelta(days=9)
    )
    check_refused(start_with(start, early, tmp_path), "not yet valid", "clock", ca_path=bundle)


def test_batch_certificate_of_another_host_fails_at_once(
    start: Start, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    misnamed = authority.issue_cert("control-plane.example.com", "10.0.0.1")
    check_refused(start_with(start, misnamed, tmp_path), "127.0.0.1", "base_url", ca_path=bundle)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_batch_validate_certs_false_ignores_the_environment(
    simulator: Handle, other_bundle: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, other_bundle)
    run = rehearse(simulator, "suspend", IDS, validate_certs=False, environ={variable: other_bundle})
    assert run.counts == {"changed": 3}


def test_batch_validate_certs_false_accepts_any_certificate(
    start: Start, authority: trustme.CA, tmp_path: Path
) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    old = authority.issue_cert("example.com", not_before=past, not_after=past + datetime.timedelta(days=9))
    simulator = start_with(start, old, tmp_path)
    assert rehearse(simulator, "suspend", IDS, validate_certs=False).counts == {"changed": 3}


def test_batch_missing_ca_path_is_rejected(simulator: Handle, tmp_path: Path) -> None:
    check_refused(simulator, "ca_path", "no readable file", ca_path=str(tmp_path / "nowhere.pem"))


def test_batch_ca_path_without_a_certificate_fails(simulator: Handle, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("this is no certificate")
    check_refused(simulator, "ca_path", ca_path=str(garbage))


def test_batch_https_to_plain_http_fails_at_once(start: Start) -> None:
    simulator = start()
    check_refused(simulator, "TLS failed", "port", base_url=simulator.url.replace("http:", "https:"))


def test_batch_plain_http_to_tls_names_the_scheme(simulator: Handle) -> None:
    run = rehearse(
        simulator, "suspend", IDS, base_url=simulator.url.replace("https:", "http:"), retry_timeout=0.2
    )
    assert run.counts == {"not_attempted": 3}
    assert "the connection was cut before a response; is base_url's scheme right?" in run.result["msg"]
    assert simulator.requests() == []


def test_batch_cut_after_a_success_does_not_name_the_scheme(start: Start) -> None:
    simulator = start()
    simulator.faults({"match": BATCH, "times": "always", "fault": "cut"})
    run = rehearse(simulator, "suspend", IDS, retry_timeout=0)
    assert "cut before a response" in run.result["msg"]
    assert "scheme" not in run.result["msg"]


def test_batch_lost_response_over_tls_reads_the_state(simulator: Handle, bundle: str) -> None:
    simulator.faults(
        {"match": BATCH, "fault": "cut_in_body"},
        {"match": ONE, "nth": 5, "fault": "cut"},
    )
    run = rehearse(simulator, "suspend", IDS, ca_path=bundle)
    assert run.counts == {"changed": 3}
    assert set(run.sent.values()) == {1}


def test_batch_proxy_with_a_password_is_used(simulator: Handle, bundle: str, proxy: Proxy) -> None:
    run = rehearse(simulator, "suspend", IDS, ca_path=bundle, proxy=f"http://ops:{ENCODED}@{proxy.address}")
    assert run.counts == {"changed": 3}
    proxy.wait_until_it_led_to(simulator.url.removeprefix("https://"))


@pytest.mark.parametrize("is_tls", [True, False])
@pytest.mark.parametrize("fault", [{"kind": "cut"}, {"kind": "cut", "reset": True}, {"kind": "cut_in_body"}])
@pytest.mark.parametrize("action", ["suspend", "delete"])
def test_batch_lost_response_behind_a_proxy_reads_the_state(
    start: Start,
    simulator: Handle,
    bundle: str,
    proxy: Proxy,
    is_tls: bool,
    fault: dict[str, Any],
    action: str,
) -> None:
    there = simulator if is_tls else start()
    there.faults(
        {"match": BATCH, "fault": fault if fault["kind"] == "cut_in_body" else {**fault, "apply": True}}
    )
    run = rehearse(there, action, IDS, ca_path=bundle, proxy=f"http://ops:{ENCODED}@{proxy.address}")
    assert run.counts == {"changed": 3}
    assert set(run.sent.values()) == {1}
    proxy.wait_until_it_led_to(there.url.partition("://")[2])


def test_batch_proxy_losing_every_response_is_unknown(simulator: Handle, bundle: str, proxy: Proxy) -> None:
    simulator.faults({"match": BATCH, "times": "always", "fault": {"kind": "cut", "apply": True}})
    run = rehearse(
        simulator,
        "delete",
        IDS,
        ca_path=bundle,
        proxy=f"http://ops:{ENCODED}@{proxy.address}",
        retry_timeout=0,
    )
    assert run.counts == {"changed": 3}
    assert set(run.sent.values()) == {1}


@pytest.mark.parametrize("variable", ["RUNAI_PROXY", "HTTPS_PROXY", "https_proxy"])
def test_batch_proxy_of_the_environment_is_used(
    simulator: Handle, bundle: str, proxy: Proxy, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    address = f"http://ops:{ENCODED}@{proxy.address}"
    monkeypatch.setenv(variable, address)
    run = rehearse(simulator, "suspend", IDS, ca_path=bundle, environ={variable: address})
    assert run.counts == {"changed": 3}
    proxy.wait_until_it_led_to(simulator.url.removeprefix("https://"))
    assert {PASSWORD, ENCODED} <= run.secrets


def test_batch_proxy_refusing_the_password_fails_at_once(
    simulator: Handle, bundle: str, proxy: Proxy
) -> None:
    check_refused(
        simulator, "407", "proxy", ca_path=bundle, proxy=f"http://ops:wrong-password@{proxy.address}"
    )
    check_refused(simulator, "407", "proxy", ca_path=bundle, proxy=f"http://{proxy.address}")


def test_batch_proxy_refusing_the_password_over_plain_http_fails_at_once(start: Start, proxy: Proxy) -> None:
    address = f"http://ops:wrong-password@{proxy.address}"
    check_refused(start(), "the proxy wants a user name and password", "(407)", proxy=address)


def test_batch_wrong_ca_behind_a_proxy_fails_at_once(
    simulator: Handle, other_bundle: str, proxy: Proxy
) -> None:
    check_refused(
        simulator,
        "not trusted",
        "set ca_path",
        ca_path=other_bundle,
        proxy=f"http://ops:{ENCODED}@{proxy.address}",
    )


def test_batch_unreachable_proxy_is_retried(simulator: Handle, bundle: str, nowhere: str) -> None:
    run = rehearse(
        simulator,
        "suspend",
        IDS,
        ca_path=bundle,
        proxy=f"http://ops:{ENCODED}@{nowhere}",
        retry_timeout=0.2,
    )
    assert run.counts == {"not_attempted": 3}
    assert "by the proxy" in run.result["msg"]
    assert PASSWORD not in run.result["msg"]
    assert ENCODED not in run.result["msg"]


def chain_without(missing: str, folder: Path) -> tuple[Path, Path, Path]:
    """A CA's certificate, a server's and its key, without what newer Pythons want."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for dummy in range(2))
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An old CA")])

    def begun(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number())
        day = datetime.timedelta(days=1)
        return builder.not_valid_before(now - day).not_valid_after(now + day)

    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    public = authority_key.public_key()
    ca = begun(name, public).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=missing != "critical"
    )
    ca = ca.add_extension(usage, True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    leaf = begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "runai")]), key.public_key())
    leaf = leaf.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
    )
    if missing != "identifier":
        leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
    pem = serialization.Encoding.PEM
    paths = folder / "old-ca.pem", folder / "old.pem", folder / "old.key"
    paths[0].write_bytes(ca.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    paths[1].write_bytes(leaf.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    shape, lock = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[2].write_bytes(key.private_bytes(pem, shape, lock))
    return paths


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("identifier", "Missing Authority Key Identifier"),
        ("critical", "Basic Constraints of CA cert not marked critical"),
    ],
)
def test_batch_certificate_without_an_extension_fails_at_once(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, message: str
) -> None:
    made: Any = vars(urllib3.connection)["create_urllib3_context"]

    def strict(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        """A context as Python 3.13 and later make it."""
        context: ssl.SSLContext = made(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(urllib3.connection, "create_urllib3_context", strict)
    bundle, certificate, key = chain_without(missing, tmp_path)
    simulator = start(certificate=certificate, key=key)
    check_refused(simulator, message, "this Python wants the extension", ca_path=str(bundle))
