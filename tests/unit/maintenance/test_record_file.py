# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.runai.plugins.module_utils._batch.outcome import OUTCOMES
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance import record_file as _record_file
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record import (
    ACT,
    PLANNED,
    STATES,
    Asked,
    ControlPlane,
    Entry,
    Record,
    RecordError,
    Report,
    from_json,
    is_name,
    to_json,
)
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_end import STANDINGS
from ansible_collections.gpuops.runai.plugins.module_utils._maintenance.record_file import (
    RecordFolder,
    write_whole,
)

ID = "00000000-0000-4000-8000-000000000001"
WORKLOAD = {"id": ID, "plan": "act"}


def record(name: str = "night", **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": "9d1e8a1c-0000-4000-8000-000000000000",
        "name": name,
        "kind": "maintenance",
        "action": "suspend",
        "state": PLANNED,
        "reason": "fan",
        "control_plane": ControlPlane("https://a.example", "1001", {"c": "berlin"}),
        "selection": {"all": True},
        "settings": {"max_affected": None},
        "times": {"planned": "2026-01-01T00:00:00Z"},
        "by": {"planned": {"user": "ada"}},
        "workloads": [Entry(id=ID, plan=ACT, phase_before="Running", act=Asked(at="x", unsettled=True))],
        "reports": [Report("night.suspend-1.jsonl", "suspend")],
    }
    return Record(**{**fields, **changes})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    folder = RecordFolder(str(tmp_path))
    folder.save(record())
    assert folder.load("night") == record()
    assert folder.load("other") is None


def test_what_records_no_longer_keep_does_not_stop_them_from_being_read(tmp_path: Path) -> None:
    folder = RecordFolder(str(tmp_path))
    value = to_json(record())
    value["workloads"][0].update(phase_before_since="2026-01-01T00:00:00Z", joined_from="other")
    Path(folder.file_of("night")).write_text(json.dumps(value))
    assert folder.load("night") == record()


def test_a_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = RecordFolder(str(tmp_path / "new"))
    folder.check(may_create=True)
    folder.save(record())
    assert stat.S_IMODE(os.stat(folder.file_of("night")).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder.path).st_mode) == 0o700


def test_a_crash_while_writing_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RecordFolder(str(tmp_path))
    folder.save(record())

    def crash(*_args: object) -> None:
        raise KeyboardInterrupt

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, crash)
            with pytest.raises(KeyboardInterrupt):
                folder.save(record(reason="another"))
        assert folder.load("night") == record()
    assert os.listdir(tmp_path) == ["night.record.json"]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match="No space left"):
        write_whole(str(tmp_path / "x"), "text")


def test_storage_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    for flock in (no_locks, lambda _handle, _how: None):
        monkeypatch.setattr(fcntl, "flock", flock)
        with pytest.raises(RecordError, match="does not know file locks"):
            RecordFolder(str(tmp_path)).check(may_create=True)
    assert not os.listdir(tmp_path)


def test_two_containers_may_look_at_the_locks_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process ids repeat from container to container."""
    folder = RecordFolder(str(tmp_path))
    other = tmp_path / ".lock.{0}".format(os.getpid())
    other.touch()
    with other.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        folder.check(may_create=True)
    assert os.listdir(tmp_path) == [other.name]

    def full(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with pytest.raises(RecordError, match="can't be written: No space left on device"):
        folder.check(may_create=True)


def test_another_record_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    folder = RecordFolder(str(tmp_path))
    folder.save(record("night", state="begun"))
    Path(folder.file_of("other")).write_text('{"schema": 2}')
    with pytest.raises(RecordError, match=r"other\.record\.json is not .* or move it out of the folder"):
        folder.others(without="night")
    assert folder.others(without="other")


def test_a_lock_that_is_held_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_record_file, "_LOCK_WAIT", 0.0)
    folder = RecordFolder(str(tmp_path))
    with folder.locked(), pytest.raises(RecordError, match="another job"), folder.locked():
        pass
    with folder.locked():
        pass


@pytest.mark.parametrize("path", ["records", "./records"])
def test_a_relative_folder_is_refused(path: str) -> None:
    with pytest.raises(RecordError, match="absolute"):
        RecordFolder(path).check(may_create=True)


def test_a_folder_is_made_only_where_that_is_allowed(tmp_path: Path) -> None:
    RecordFolder(str(tmp_path / "new")).check(may_create=False)
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="not a folder"):
        RecordFolder(str(tmp_path / "file")).check(may_create=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "its schema is 2"),
        ({"state": "done"}, "state is 'done'"),
        ({"kind": "x"}, "kind is 'x'"),
        ({"name": "../x"}, "its name"),
        ({"workloads": [{"id": "x", "plan": "act"}]}, "no proper id"),
        ({"workloads": [WORKLOAD] * 2}, "there twice"),
        (
            {"workloads": [{**WORKLOAD, "act": {"at": "x", "outcome": "done"}}]},
            "outcome is 'done'",
        ),
        ({"workloads": [{**WORKLOAD, "unheard": 1}]}, "unheard"),
        ({"control_plane": None}, "control_plane is null, and must be an object"),
        ({"control_plane": {"base_url": "a", "tenant_id": "1", "clusters": ["c"]}}, r'clusters is \["c"\]'),
        ({"control_plane": {"tenant_id": "1", "clusters": {}}}, "control_plane.base_url is missing"),
        ({"selection": ["x"]}, r'selection is \["x"\], and must be an object'),
        ({"times": None}, "times is null, and must be an object"),
        ({"by": {"planned": {"user": 7}}}, "by.planned.user is 7, and must be text"),
        ({"action": "explode"}, "action is 'explode'"),
        ({"workloads": "none"}, 'workloads is "none", and must be a list'),
        ({"workloads": [7]}, r"workloads\[0\] is 7, and must be an object"),
        ({"workloads": [WORKLOAD, {**WORKLOAD, "gpus": "8"}]}, r'workloads\[1\].gpus is "8", .* a number'),
        ({"workloads": [{**WORKLOAD, "gpus": True}]}, "gpus is true"),
        ({"workloads": [{**WORKLOAD, "name": 7}]}, "name is 7, and must be text or null"),
        ({"workloads": [{**WORKLOAD, "act": "yes"}]}, 'act is "yes", and must be an object or null'),
        ({"workloads": [{**WORKLOAD, "stopped_at": 5}]}, "stopped_at is 5"),
        ({"workloads": [{"plan": "act"}]}, r"workloads\[0\].id is missing"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    folder = RecordFolder(str(tmp_path))
    Path(folder.file_of("night")).write_text(json.dumps({**to_json(record()), **change}))
    with pytest.raises(RecordError, match=words) as told:
        folder.load("night")
    assert str(told.value).startswith(folder.file_of("night") + " is not a record that can be read: ")


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    folder = RecordFolder(str(tmp_path))
    Path(folder.file_of("night")).write_text('{"schema": 1, "na')
    with pytest.raises(RecordError, match="can't be read"):
        folder.load("night")
    with pytest.raises(RecordError):
        from_json([], "x")


def test_a_copy_of_a_record_is_none(tmp_path: Path) -> None:
    folder = RecordFolder(str(tmp_path))
    for name in ("day", "night"):
        folder.save(record(name))
    text = (tmp_path / "night.record.json").read_text()
    (tmp_path / "night-backup.record.json").write_text(text)
    with pytest.raises(
        RecordError, match=r"night-backup.record.json is a copy of the record night; nothing"
    ) as told:
        folder.load("night-backup")
    assert told.value.remedy.say == {"name": "night"}
    assert [one.name for one in folder.others(without="night")] == ["day"]
    assert [one.name for one in folder.others(without="day")] == ["night"]
    # Nobody else speaks for what it holds.
    (tmp_path / "night.record.json").unlink()
    with pytest.raises(
        RecordError, match=r"night-backup.record.json is the record night by another name; .*may hold"
    ):
        folder.others(without="day")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".a", "a b", "a" * 101, None, 7, "a\n"])
def test_names_that_are_no_file_names_are_refused(name: object) -> None:
    assert not is_name(name)


def test_the_schema_names_every_field_that_a_record_can_hold() -> None:
    path = (
        Path(__file__).resolve().parents[3]
        / "roles"
        / "workload_maintenance"
        / "files"
        / "record.schema.json"
    )
    schema = json.loads(path.read_text())
    described = {
        Record: set(schema["properties"]) - {"schema"},
        Entry: set(schema["$defs"]["workload"]["properties"]),
        Asked: set(schema["$defs"]["asked"]["properties"]),
        ControlPlane: set(schema["properties"]["control_plane"]["properties"]),
        Report: set(schema["properties"]["reports"]["items"]["properties"]),
    }
    for kind, names in described.items():
        assert names == {field.name for field in dataclasses.fields(kind)}
    assert schema["properties"]["state"]["enum"] == list(STATES)
    assert schema["$defs"]["workload"]["properties"]["standing"]["enum"] == list(STANDINGS)
    assert set(schema["$defs"]["asked"]["properties"]["outcome"]["enum"]) == {None, *OUTCOMES}
