# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Python compiles of a zip file in the folder COMPILED; Python runs this at each start.

A module arrives as a zip file, of which Python compiles each source twice, at each run, and keeps nothing.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
import zipimport
from types import CodeType
from typing import Any

importer: Any = zipimport
compile_source = importer._compile_source  # noqa: SLF001 # there is no public way


def compile_once(pathname: str, source: bytes) -> CodeType:
    key = hashlib.sha256(source + sys.version.encode()).hexdigest()
    path = os.path.join(os.environ["COMPILED"], key)
    try:
        with open(path, "rb") as kept:
            code: CodeType = marshal.load(kept)  # noqa: S302 # our own
    except FileNotFoundError:
        code = compile_source(pathname, source)
        # Whole or not at all, whoever else writes it.
        with open(f"{path}.{os.getpid()}", "wb") as file:
            marshal.dump(code, file)
        os.replace(file.name, path)
    return code


if "COMPILED" in os.environ:
    os.makedirs(os.environ["COMPILED"], exist_ok=True)
    importer._compile_source = compile_once  # noqa: SLF001
