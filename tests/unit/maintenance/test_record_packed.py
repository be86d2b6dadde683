# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import random
import uuid

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._common.times import parse_timestamp
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import record_packed as _record_packed
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ACT,
    JOIN,
    Asked,
    ControlPlane,
    Entry,
    Record,
    RecordError,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_claims import (
    is_claimed,
    is_settled,
    may_be_done,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_packed import (
    MOST_CHARACTERS,
    pack,
    unpack,
)
from hypothesis import given
from hypothesis import strategies as st

stamps = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
asks = st.builds(
    Asked,
    at=st.just("2026-01-01T00:00:00Z"),
    outcome=st.sampled_from([None, "changed", "failed", "unknown", "unchanged"]),
    unsettled=st.booleans(),
)
entries = st.lists(
    st.builds(
        Entry,
        id=st.uuids().map(str),
        plan=st.sampled_from([ACT, JOIN]),
        phase_before=st.sampled_from(["Running", "Pending", "Brand new"]),
        act=st.none() | asks,
        resume=st.none() | asks,
        stopped_at=st.none()
        | st.integers(0, 10**6).map(lambda n: "2026-01-01T00:00:{0:06.3f}Z".format(n % 59999 / 1000)),
        assumed=st.booleans(),
    ),
    unique_by=lambda entry: entry.id,
)


def record(workloads: list[Entry], state: str = "begun") -> Record:
    return Record(
        id="9d1e8a1c-0000-4000-8000-000000000000",
        name="night",
        kind="maintenance",
        action="suspend",
        state=state,
        reason="{{ fan }}",
        control_plane=ControlPlane("https://a.example", "1001", {"c": "berlin"}),
        selection={"nodes": ["gpu-17"]},
        settings={"max_affected": 5},
        times={"planned": "2026-01-01T00:00:00Z"},
        by={},
        workloads=workloads,
    )


@given(entries)
def test_what_end_needs_is_unpacked_again(workloads: list[Entry]) -> None:
    packed = pack(record(workloads))
    assert set(packed) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=:-")
    found = unpack(packed)
    assert found.control_plane == record([]).control_plane
    assert found.selection == record([]).selection
    for entry, theirs in zip(workloads, found.workloads):
        assert (theirs.id, theirs.plan, theirs.phase_before) == (entry.id, entry.plan, entry.phase_before)
        assert is_claimed(theirs) == is_claimed(entry)
        assert theirs.assumed == entry.assumed
        assert may_be_done(theirs.resume) == may_be_done(entry.resume)
        assert is_settled(theirs.resume) == is_settled(entry.resume)
        assert parse_timestamp(theirs.stopped_at or "") == parse_timestamp(entry.stopped_at or "")


def test_what_is_said_in_a_later_version_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_record_packed, "_flags", lambda _entry: 64)
    with pytest.raises(RecordError, match="more of a workload than this version reads"):
        unpack(pack(record([Entry(str(uuid.UUID(int=1)), ACT, phase_before="Running")])))


def test_a_plan_says_that_nothing_was_asked_yet() -> None:
    found = unpack(pack(record([Entry(str(uuid.UUID(int=1)), ACT, phase_before="Running")], "planned")))
    assert found.state == "planned"
    assert found.workloads[0].act is None


@given(st.integers(0, 10_000), st.data())
def test_a_damaged_record_is_refused(seed: int, data: st.DataObject) -> None:
    packed = pack(record([Entry(str(uuid.UUID(int=seed + 1)), ACT, phase_before="Running")]))
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(RecordError):
        unpack(packed[:cut])
    wrong = random.Random(seed).choice([char for char in "AZaz09" if char != packed[cut]])
    with pytest.raises(RecordError):
        unpack(packed[:cut] + wrong + packed[cut + 1 :])


def test_a_bomb_is_refused() -> None:
    import hashlib
    import zlib

    body = zlib.compress(b"0" * 100_000_000, 9)
    packed = base64.b64encode(body + hashlib.sha256(body).digest()[:8]).decode()
    with pytest.raises(RecordError, match="damaged"):
        unpack("runai-record-1:" + packed)


def fleet(number: int) -> list[Entry]:
    noise = random.Random(1)
    return [
        Entry(
            str(uuid.UUID(int=noise.getrandbits(128))),
            ACT,
            phase_before="Running",
            act=Asked("x", "changed"),
            stopped_at="2026-01-01T00:{0:02d}:{1:06.3f}Z".format(noise.randrange(60), noise.random() * 59),
        )
        for _number in range(number)
    ]


def test_a_large_fleet_travels_and_a_larger_one_goes_without_the_times_of_the_stops() -> None:
    packed = pack(record(fleet(8_500)))
    assert len(packed) <= MOST_CHARACTERS
    assert all(entry.stopped_at for entry in unpack(packed).workloads)
    packed = pack(record(fleet(11_500)))
    assert len(packed) <= MOST_CHARACTERS
    assert not any(entry.stopped_at for entry in unpack(packed).workloads)


def test_what_was_passed_over_travels_while_there_is_room() -> None:
    passed_over = [entry.id for entry in fleet(6_000)]
    found = unpack(pack(dataclasses.replace(record(fleet(10)), passed_over=passed_over)))
    assert found.passed_over == passed_over
    assert len(found.workloads) == 10
    assert unpack(pack(record(fleet(10)))).passed_over is None
    full = unpack(pack(dataclasses.replace(record(fleet(8_500)), passed_over=passed_over)))
    assert full.passed_over is None
    assert all(entry.stopped_at for entry in full.workloads)


def test_what_is_too_large_to_travel_is_refused() -> None:
    with pytest.raises(RecordError, match="more than the 256000 that travel"):
        pack(record(fleet(13_000)))
