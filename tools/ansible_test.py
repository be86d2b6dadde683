# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test on a copy of the working tree: python -m tools.ansible_test [--core=2.16] ARGUMENT...

ansible-test wants a real folder .../ansible_collections/gpuops/runai, asks git which files count, and keeps
what it makes below the home folder; all of that is given to it below .cache. With --core, that version's
ansible-test runs.
"""

from __future__ import annotations

import argparse
import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from ansible import release as ansible_release
from ansible_test._internal.python_requirements import get_venv_packages

from tools.cores import environment_with
from tools.install import install
from tools.paths import CACHE, CHECKOUT, command, environment, only_one, source_files

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
CORE = ".".join(ansible_release.__version__.split(".")[:2])
WORK = CACHE / f"ansible-test-{CORE}"
COPY = WORK / "ansible_collections" / "gpuops" / "runai"
HOME = WORK / "home"
JUNIT = COPY / "tests" / "output" / "junit"

# ansible-test downloads its pip bootstrap from a server that is not reachable everywhere, unless it finds
# the script at this place. This one copies pip, instead of installing it in each of a dozen environments.
PIP_BOOTSTRAP = """\
import shutil
import sysconfig

if __name__ == "__main__":
    shutil.copytree({seed!r}, sysconfig.get_path("purelib"), dirs_exist_ok=True)
"""


def copy_working_tree() -> None:
    """Replace the copy by what the working tree holds now."""
    shutil.rmtree(COPY, ignore_errors=True)
    for name in source_files():
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, target)
    subprocess.run(["git", "init", "--quiet", "."], cwd=COPY, check=True)


def seed_pip_bootstrap() -> None:
    packages = get_venv_packages(SimpleNamespace(version=VERSION))
    seed = WORK / "pip"
    if not seed.exists():
        wanted = [f"{name}=={version}" for name, version in packages.items()]
        install(Path(sys.prefix), f"--target={seed}", *wanted)
    script = HOME / ".ansible" / "test" / "cache" / f"get_pip_{packages['pip'].replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(PIP_BOOTSTRAP.format(seed=str(seed)))


def seed_pip_configuration() -> None:
    """Carry the user's pip settings over: ansible-test drops all environment variables but HOME and PATH."""
    settings = configparser.RawConfigParser()
    home = Path.home()
    config_home = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    named = os.environ.get("PIP_CONFIG_FILE", os.devnull)
    settings.read([home / ".pip" / "pip.conf", config_home / "pip" / "pip.conf", named])
    variables = {k[4:].lower().replace("_", "-"): v for k, v in os.environ.items() if k.startswith("PIP_")}
    variables.pop("config-file", None)
    if "SSL_CERT_FILE" in os.environ:
        variables.setdefault("cert", os.environ["SSL_CERT_FILE"])
    settings.read_dict({"global": {**variables, "quiet": "2"}})
    target = HOME / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w") as file:
        settings.write(file)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run ansible-test on a copy of the working tree.")
    parser.add_argument("--core", default=CORE, help="minor version of ansible-core")
    parser.add_argument("--junit", type=Path, help="folder that test reports are copied to")
    options, arguments = parser.parse_known_args()
    if options.core != CORE:
        python = str(environment_with(options.core) / "bin" / "python")
        again = [python, "-m", "tools.ansible_test", *(a for a in sys.argv[1:] if not a.startswith("--core"))]
        return subprocess.run(again, cwd=CHECKOUT, check=False).returncode
    with only_one(WORK):
        copy_working_tree()
        seed_pip_bootstrap()
        seed_pip_configuration()
        env = environment(WORK) | {"HOME": str(HOME)}
        done = subprocess.run([command("ansible-test"), *arguments], cwd=COPY, env=env, check=False)
        if options.junit:
            shutil.copytree(JUNIT, options.junit, dirs_exist_ok=True)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
