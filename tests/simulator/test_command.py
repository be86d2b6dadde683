# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m simulator` as a process: it says where it listens, and ends cleanly."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

import simulator.__main__
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the line that it prints once it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready, _nothing, _nothing = select.select([process.stdout], [], [], PATIENCE)
        assert ready, "nothing printed"
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def ends_with(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _nothing, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def wait_for_requests(url: str, number: int) -> None:
    while True:
        with urllib.request.urlopen(url + "/_simulator/requests", timeout=PATIENCE) as response:
            if len(json.load(response)["requests"]) == number:
                return


def address(line: str) -> str:
    found = re.search(r"https?://\S+", line)
    assert found is not None, line
    return found.group()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_stopped_by_signal_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    port_file = tmp_path / "url"
    with started("--workloads", "12", "--port-file", str(port_file)) as (process, line):
        assert "SIMULATOR with 12 workloads" in line
        while not port_file.exists():
            assert process.poll() is None
        assert port_file.read_text() == address(line) + "\n"
        assert [path.name for path in tmp_path.iterdir()] == ["url"]
        with urllib.request.urlopen(address(line) + "/_simulator/fleet", timeout=PATIENCE) as response:
            assert sum(json.load(response)["phases"].values()) == 12
        assert ends_with(process, number) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_stopped_before_it_listens_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # In the place of a library that it loads: it is loading once the other end is open.
    (tmp_path / "uvicorn.py").write_text(
        f"import time\nopen({str(pipe)!r}).close()\nwhile True:\n    time.sleep(0.01)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with pipe.open("w"):
        assert ends_with(process, number) == (0, "")


def test_command_stopped_with_open_requests_ends_cleanly(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("- match: {path: /api/*}\n  fault: hang\n")
    with (
        started("--faults", str(plan)) as (process, line),
        connected(address(line)) as hanging,  # pylint: disable=used-before-assignment
        connected(address(line)) as half_sent,
    ):
        hanging.sendall(b"GET /api/v1/workloads HTTP/1.1\r\nHost: x\r\n\r\n")
        half_sent.sendall(b"POST /api/v2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        wait_for_requests(address(line), 2)
        assert ends_with(process, signal.SIGTERM) == (0, "")


def test_command_stopped_during_latency_ends_cleanly() -> None:
    with (
        started("--latency", "3600") as (process, line),
        connected(address(line)) as slow,  # pylint: disable=used-before-assignment
    ):
        slow.sendall(
            b"GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer rehearsal-token\r\n\r\n"
        )
        wait_for_requests(address(line), 1)
        assert ends_with(process, signal.SIGTERM) == (0, "")


def test_command_with_certificate_serves_https(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with started("--certificate", str(chain), "--key", str(key)) as (process, line):
        assert address(line).startswith("https://")
        with urllib.request.urlopen(address(line) + "/", timeout=PATIENCE, context=context) as response:
            assert response.headers["x-simulator"]
        assert ends_with(process, signal.SIGINT) == (0, "")


@pytest.mark.parametrize(
    "options",
    [
        ["--address", "192.0.2.1"],
        ["--address", "0.0.0.0"],
        ["--fleet", "no-such-file.json"],
        ["--faults", "no-such-file.yaml"],
        ["--certificate", "no-such-file.pem"],
        ["--workloads", "-1"],
        ["--port", "70000"],
        ["--latency", "-1"],
        ["--token-seconds", "nan"],
        ["--token-seconds", "1e308"],
        ["--tenant-id", "99999999999999999999"],
        ["--forbid-id", "xyz"],
        ["--certificate", "no-such-file.pem", "--key", "no-such-file.pem"],
        ["--certificate", __file__, "--key", __file__],
        ["--port-file", "no-such-folder/url"],
        ["--fleet", __file__],
        ["--faults", __file__],
    ],
)
def test_command_with_bad_options_reports_one_line(options: list[str]) -> None:
    is_told_in_a_line("--port", "0", *options)


def is_told_in_a_line(*options: str) -> str:
    """The line on stderr; it never claims to listen."""
    done = subprocess.run(
        [sys.executable, "-m", "simulator", *options],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("simulator: ")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_command_started_prints_a_line_that_points_a_shell_to_it() -> None:
    with started("--client-secret", "with 'quotes'") as (process, line):
        assert process.stdout is not None
        exports = process.stdout.readline()
    show = 'printf \'%s|\' "$RUNAI_BASE_URL" "$RUNAI_CLIENT_ID" "$RUNAI_CLIENT_SECRET"'
    done = subprocess.run(["sh", "-c", exports + show], check=True, capture_output=True, text=True)
    assert done.stdout == f"{address(line)}|rehearsal|with 'quotes'|"


def test_command_with_taken_port_reports_one_line() -> None:
    with started() as (_nothing, line):
        port = address(line).rsplit(":", 1)[1]
        assert f"127.0.0.1 port {port}" in is_told_in_a_line("--port", port)


def test_command_without_packages_reports_one_line() -> None:
    process = subprocess.run(
        [sys.executable, "-S", "-m", "simulator", "--port", "0"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert process.returncode == 1
    assert re.fullmatch(
        r"simulator: the Python module \w+ is missing: "
        r"python3 -m pip install -r simulator/requirements\.txt\n",
        process.stderr,
    )


def test_command_on_older_python_reports_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_nothing: None)
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    assert simulator.__main__.run() == 1
    assert capsys.readouterr().err.startswith("simulator: Python 3.11 or newer is needed, this is ")
