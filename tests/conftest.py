# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings for all tests."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import getproxies_environment

import hypothesis.configuration
import pytest

# The same few examples on every run, and no judgement of how long one takes on a busy machine. With the
# number in EXAMPLES, as many at random.
EXAMPLES = os.environ.get("EXAMPLES")
hypothesis.settings.register_profile(
    "steady",
    max_examples=int(EXAMPLES or 30),
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("steady")
hypothesis.configuration.set_hypothesis_home_dir(Path(__file__).parent.parent / ".cache" / "hypothesis")

# A shell starts what it puts in the background with interrupts ignored, nohup with hang-ups ignored, and so
# would be all that is started here; there are tests of what they do.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

# Who needs a proxy to install what tests need does not need it on loopback.
if proxies := getproxies_environment():
    direct = ",".join([proxies.get("no", ""), "127.0.0.1,localhost,::1"]).lstrip(",")
    os.environ.update(no_proxy=direct, NO_PROXY=direct)

# No test may reach a control plane that somebody's environment names.
for name in [name for name in os.environ if name.startswith("RUNAI_")]:
    del os.environ[name]


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Host and port on loopback where every connection is refused for as long as the test lasts."""
    with socket.socket() as bound:
        # Not listening, it refuses connections and keeps the port from others.
        bound.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*bound.getsockname())
