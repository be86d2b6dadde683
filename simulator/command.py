# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: options to settings, the line that says where it listens, and a clean end."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .api.versions import SUPPORTED
from .control_plane import ControlPlane
from .faults.plan import FaultPlanError, parse_rules
from .model.clock import ManualClock
from .server import Server
from .settings import Settings

_DEFAULTS = Settings()


def parser() -> argparse.ArgumentParser:
    """Every option; but for --port-file each sets the field of `Settings` that it is stored under.

    Those without a default of their own are absent when they are not given.
    """
    found = argparse.ArgumentParser(
        prog="python -m simulator",
        description="A Run:ai control plane on loopback, to rehearse and to test on. Nothing in it is real.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    fleet = found.add_argument_group("fleet")
    fleet.add_argument("--workloads", type=int, default=_DEFAULTS.workloads, help="how many are made up")
    fleet.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="another seed, another fleet")
    fleet.add_argument("--fleet", type=Path, help="a fleet file instead of a made-up one")
    fleet.add_argument("--tenant-id", type=int, default=_DEFAULTS.tenant_id, help="tenantId of every row")
    fleet.add_argument(
        "--no-actions-support",
        dest="actions_support",
        action="store_false",
        default=argparse.SUPPRESS,
        help="rows without actionsSupport",
    )
    fleet.add_argument("--gpu-capacity", type=float, help="GPUs in all; what does not fit stays Pending")

    place = found.add_argument_group("address")
    place.add_argument("--address", default=_DEFAULTS.address, help="a loopback address")
    place.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    place.add_argument(
        "--port-file", type=Path, help="write the whole URL, not the port alone, to this file once it listens"
    )
    place.add_argument("--certificate", type=Path, help="serve https with this PEM file (and --key)")
    place.add_argument("--key", type=Path, help="the certificate's key, PEM")

    access = found.add_argument_group("credentials (dummies)")
    access.add_argument("--client-id", default=_DEFAULTS.client_id, help="accepted client id")
    access.add_argument("--client-secret", default=_DEFAULTS.client_secret, help="accepted client secret")
    access.add_argument(
        "--token", default=_DEFAULTS.token, help="bearer token that is always good; empty: none"
    )
    access.add_argument(
        "--token-seconds", type=float, default=_DEFAULTS.token_seconds, help="life of made tokens"
    )
    access.add_argument(
        "--forbid-id",
        dest="forbidden_ids",
        action="append",
        metavar="ID",
        help="respond with 403 for this id",
    )
    access.add_argument(
        "--forbid-path",
        dest="forbidden_paths",
        action="append",
        metavar="GLOB",
        help="respond with 403 there",
    )

    behaviour = found.add_argument_group("behaviour")
    behaviour.add_argument(
        "--api-version", choices=SUPPORTED, default=_DEFAULTS.api_version, help="emulated version"
    )
    behaviour.add_argument(
        "--no-count",
        dest="count_endpoint",
        action="store_false",
        default=argparse.SUPPRESS,
        help="no count endpoint",
    )
    behaviour.add_argument(
        "--unknown-parameters",
        choices=("refuse", "ignore"),
        default=_DEFAULTS.unknown_parameters,
        help="what to do with query parameters that the version does not know",
    )
    behaviour.add_argument(
        "--redundant",
        choices=("succeed", "fail"),
        default=_DEFAULTS.redundant,
        help="response to suspending what is Stopped, resuming what runs, deleting what is Deleting",
    )
    behaviour.add_argument(
        "--transition-seconds",
        type=float,
        default=_DEFAULTS.transition_seconds,
        help="from Stopping to Stopped",
    )
    behaviour.add_argument(
        "--lag-seconds", type=float, default=_DEFAULTS.lag_seconds, help="before a phase moves"
    )
    behaviour.add_argument("--latency", type=float, default=_DEFAULTS.latency, help="seconds a request")
    behaviour.add_argument(
        "--latency-per-id", type=float, default=_DEFAULTS.latency_per_id, help="seconds an id in a batch"
    )
    behaviour.add_argument("--faults", type=Path, help="a fault plan, YAML or JSON")
    behaviour.add_argument(
        "--manual-clock",
        dest="clock",
        action="store_const",
        const=ManualClock(),
        help="time moves by POST /_simulator/clock alone",
    )
    behaviour.add_argument(
        "--validate-responses",
        action=argparse.BooleanOptionalAction,
        default=_DEFAULTS.validate_responses,
        help="hold own responses against the contract",
    )
    return found


def settings_from(options: dict[str, Any]) -> Settings:
    """Raises ValueError for options that make no sense, OSError for files that can't be read."""
    if "faults" in options:
        options = {**options, "faults": _read_faults(options["faults"])}
    return Settings(**options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM. 0: stopped so; 1: could not start, with one line that says why."""
    options = vars(parser().parse_args(arguments))
    port_file = options.pop("port_file", None)
    try:
        server = Server(ControlPlane(settings_from(options)))
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, port_file))
    except (OSError, ValueError) as error:
        print(f"simulator: {_in_a_line(error)}", file=sys.stderr)
        return 1
    return 0


def _in_a_line(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


async def _serve(server: Server, port_file: Path | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.ensure_future(server.serve())
    try:
        await loop.run_in_executor(None, server.ready.wait)
        if server.started:
            if port_file is not None:
                _write_whole(port_file, server.url + "\n")
            count = sum(server.control_plane.fleet.counts().values())
            print(f"Run:ai SIMULATOR with {count} workloads on {server.url} (Ctrl-C stops it)", flush=True)
            print(_exports(server.url, server.control_plane.settings), flush=True)
    except OSError:
        server.stop()
        raise
    finally:
        await serving


def _exports(url: str, settings: Settings) -> str:
    """The line that points a shell's playbooks here. The credentials are dummies."""
    variables = {
        "RUNAI_BASE_URL": url,
        "RUNAI_CLIENT_ID": settings.client_id,
        "RUNAI_CLIENT_SECRET": settings.client_secret,
    }
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads a part of it."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read_faults(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            found = yaml.safe_load(file)
        rules: list[dict[str, Any]] = (
            found["rules"] if isinstance(found, dict) and "rules" in found else found
        )
        parse_rules(rules)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from None
    except (FaultPlanError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return rules
