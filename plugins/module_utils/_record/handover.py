# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record that one job hands over to the next: its lines as compressed JSON in one string."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence

from .events import Event
from .record import RecordError, event_of

_PREFIX = "runai-record-1:"
_LONGEST = 256_000
_LONGEST_UNPACKED = 64 * 1024 * 1024


def pack(events: Sequence[Event]) -> str:
    """Return the lines as a string. Raises RecordError where the string would be too long."""
    text = "\n".join(json.dumps(event, separators=(",", ":")) for event in events)
    packed = _PREFIX + base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")
    if len(packed) > _LONGEST:
        raise RecordError(
            "record: too long for a result ({0} characters, at most {1}). Set record_dir".format(
                len(packed), _LONGEST
            )
        )
    return packed


def unpack(packed: str) -> list[Event]:
    """Return the lines. Raises RecordError where the string holds none."""
    try:
        if not packed.startswith(_PREFIX):
            raise ValueError
        data = base64.b64decode(packed[len(_PREFIX) :], validate=True)
        opened = zlib.decompressobj()
        text = opened.decompress(data, _LONGEST_UNPACKED)
        if opened.unconsumed_tail or not opened.eof:
            raise ValueError
        found = [event_of(line) for line in text.decode().split("\n")]
        events = [event for event in found if event is not None]
        if len(events) < len(found):
            raise ValueError
    except (ValueError, zlib.error):
        raise RecordError("record: not a whole record of an earlier task. Copy it unchanged") from None
    return events
