# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record as one short string, for jobs that share no storage.

It holds what `begin` and `end` can't find out again: the ids, the phases before, the times of the stops
if known, what was resumed, and which control plane. Names and owners are read anew. The string is letters,
digits and ``+/=`` behind a prefix, so that neither a template nor a survey changes it, and it ends in a
checksum.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import hashlib
import json
import struct
import uuid
import zlib
from typing import Any, Optional

from .._batch.outcome import CHANGED
from .._common.times import parse_timestamp
from .record import (
    ACT,
    ACTING,
    ENDING,
    JOIN,
    PLANNED,
    Asked,
    ControlPlane,
    Entry,
    Record,
    RecordError,
    Remedy,
    check_name,
)
from .record_claims import is_settled, may_be_done

PREFIX = "runai-record-1:"
# Characters that travel safely as a job's artifact.
MOST_CHARACTERS = 256_000
# What unpacking may grow to: far above any fleet, far below what hurts.
_MOST_BYTES = 64_000_000
_NO_STOP = 0xFFFFFFFF
_HEADER = ("id", "name", "kind", "action", "reason", "selection", "settings", "times", "by")
_BROKEN = (
    "the packed record is damaged or was cut off ({0}); hand on the whole value of the job's artifact; "
    "nothing was done"
)


def pack(record: Record) -> str:
    """Return the record as a string. Raises RecordError when it would be too long to travel.

    What was passed over is left out where the string fits only without it: what is new is then not
    listed. So are the times of the stops: those workloads then count as ours without a comparison.
    """
    for with_passed_over, with_stops in ((True, True), (False, True), (False, False)):
        packed = _pack(record, with_passed_over, with_stops)
        if len(packed) <= MOST_CHARACTERS:
            return packed
    raise RecordError(
        "the record of {0} workloads is {1} characters packed, more than the {2} that travel between jobs; "
        "use a record folder that outlives the job, or several smaller maintenances".format(
            len(record.entry_ids()), len(packed), MOST_CHARACTERS
        ),
        Remedy({"record_dir": "<a folder that stays>"}),
    )


def unpack(packed: str) -> Record:
    """Return the record in the string. Raises RecordError for anything but a whole one."""
    text = "".join(packed.split())
    if not text.startswith(PREFIX):
        raise RecordError(
            "this is not a packed record: it does not begin with {0}; nothing was done".format(PREFIX)
        )
    try:
        raw = base64.b64decode(text[len(PREFIX) :], validate=True)
        body, checksum = raw[:-8], raw[-8:]
        if hashlib.sha256(body).digest()[:8] != checksum:
            raise ValueError("its checksum does not fit")
        inflate = zlib.decompressobj()
        plain = inflate.decompress(body, _MOST_BYTES)
        if inflate.unconsumed_tail or not inflate.eof:
            raise ValueError("it has no proper end")
        return _parse(plain)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        zlib.error,
        binascii.Error,
        struct.error,
    ) as fault:
        raise RecordError(_BROKEN.format(fault)) from fault


def _pack(record: Record, with_passed_over: bool, with_stops: bool) -> str:
    entries = record.concerned()
    phases = sorted({entry.phase_before for entry in entries})
    stops = [_milliseconds(entry) if with_stops else None for entry in entries]
    passed_over = record.passed_over if with_passed_over else None
    base = min((stop for stop in stops if stop is not None), default=0)
    header: dict[str, Any] = {key: getattr(record, key) for key in _HEADER}
    header["control_plane"] = dataclasses.asdict(record.control_plane)
    header["state"] = record.state
    header["phases"] = phases
    header["count"] = len(entries)
    header["base"] = base
    header["passed_over"] = None if passed_over is None else len(passed_over)
    columns = [
        b"".join(uuid.UUID(entry.id).bytes for entry in entries),
        bytes(phases.index(entry.phase_before) for entry in entries),
        bytes(_flags(entry) for entry in entries),
        b"".join(struct.pack(">I", _offset(stop, base)) for stop in stops),
        b"".join(uuid.UUID(workload_id).bytes for workload_id in passed_over or ()),
    ]
    plain = json.dumps(header, separators=(",", ":")).encode() + b"\n" + b"".join(columns)
    body = zlib.compress(plain, 9)
    return PREFIX + base64.b64encode(body + hashlib.sha256(body).digest()[:8]).decode("ascii")


def _parse(plain: bytes) -> Record:
    line, _newline, data = plain.partition(b"\n")
    header = json.loads(line)
    count, phases = int(header["count"]), header["phases"]
    passed_over: Optional[int] = header["passed_over"]
    if count < 0 or (passed_over or 0) < 0 or len(data) != count * 22 + (passed_over or 0) * 16:
        raise ValueError("its length does not fit")
    at_phase, at_flags, at_stop = count * 16, count * 17, count * 18
    entries = []
    for number in range(count):
        offset = struct.unpack_from(">I", data, at_stop + 4 * number)[0]
        entries.append(
            _entry(
                _id_at(data, 16 * number),
                phases[data[at_phase + number]],
                data[at_flags + number],
                None if offset == _NO_STOP else header["base"] + offset,
                header,
            )
        )
    fields = {key: header[key] for key in _HEADER}
    check_name(fields["name"], "the name in the packed record")
    return Record(
        **fields,
        state=header["state"],
        control_plane=ControlPlane(**header["control_plane"]),
        workloads=entries,
        passed_over=None
        if passed_over is None
        else [_id_at(data, count * 22 + 16 * number) for number in range(passed_over)],
    )


def _id_at(data: bytes, place: int) -> str:
    return str(uuid.UUID(bytes=data[place : place + 16]))


def _entry(workload_id: str, phase: str, flags: int, stop: Optional[int], header: dict[str, Any]) -> Entry:
    if flags >= 64:
        raise ValueError("it says more of a workload than this version reads")
    entry = Entry(id=workload_id, plan=JOIN if flags & 2 else ACT, phase_before=phase)
    if header["state"] != PLANNED:
        entry.act = _asked(bool(flags & 1), bool(flags & 4), header["times"].get(ACTING, ""))
        entry.resume = _asked(bool(flags & 16), bool(flags & 32), header["times"].get(ENDING, ""))
    if stop is not None:
        moment = datetime.datetime.fromtimestamp(stop / 1000, datetime.timezone.utc)
        entry.stopped_at = moment.strftime("%Y-%m-%dT%H:%M:%S.") + "{0:03d}Z".format(stop % 1000)
    entry.assumed = bool(flags & 8)
    return entry


def _asked(may_be: bool, is_known: bool, at: str) -> Optional[Asked]:
    return Asked(at, CHANGED if is_known else None, unsettled=not is_known) if may_be else None


def _flags(entry: Entry) -> int:
    """Bits: 1 it may be ours, 2 a shared stop, 4 the stop was confirmed, 8 it was assumed.

    16: we may have resumed it, 32: that was confirmed.
    """
    bits = (
        may_be_done(entry.act),
        entry.plan == JOIN,
        is_settled(entry.act),
        entry.assumed,
        may_be_done(entry.resume),
        is_settled(entry.resume),
    )
    return sum(1 << place for place, is_so in enumerate(bits) if is_so)


def _milliseconds(entry: Entry) -> Optional[int]:
    moment = parse_timestamp(entry.stopped_at or "")
    # Rounded up: what is compared later must not look newer than our own stop.
    return None if moment is None else -int(-moment.timestamp() * 1000 // 1)


def _offset(stop: Optional[int], base: int) -> int:
    if stop is None or stop - base >= _NO_STOP:
        return _NO_STOP
    return stop - base
