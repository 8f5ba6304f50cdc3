"""The database file: what is written is read, damage ends the log, a compaction replaces it in one step."""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.storage import file, record
from ovsdb.storage.base import Accepted, Conflict, Failed, StorageError
from ovsdb.storage.file import FileStorage
from ovsdb.storage.lockfile import LockError, Lockfile, lock_path

SCHEMA: dict[str, object] = {"name": "db", "tables": {"T": {"columns": {"c": {"type": "string"}}}}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    created = tmp_path / "conf.db"
    file.create(created, SCHEMA)
    return created


@pytest.fixture
def storage(path: Path) -> Iterator[FileStorage]:
    opened = FileStorage(path, 0.0)
    assert list(opened.load()) == []
    yield opened
    opened.close()


def bodies(path: Path) -> list[dict[str, object]]:
    opened = FileStorage(path, 0.0)
    try:
        return [stored.value for stored in opened.load()]
    finally:
        opened.close()


def append(storage: FileStorage, *values: object, durable: bool = False) -> None:
    for value in values:
        ticket = storage.propose(orjson.dumps(value), storage.head, durable=durable)
        assert isinstance(ticket.verdict, Accepted)


def test_a_new_file_is_the_schema_record_alone(path: Path) -> None:
    data = path.read_bytes()
    header, body, end = data.split(b"\n")
    assert (orjson.loads(body), end) == (SCHEMA, b"")
    parsed = record.parse_header(header + b"\n")
    assert parsed == ("JSON", len(body) + 1, record.digest_of(body + b"\n"))


def test_creating_over_a_file_is_refused(path: Path) -> None:
    with pytest.raises(StorageError, match=r"^I/O error: .*conf.db: create failed \(File exists\)$"):
        file.create(path, SCHEMA)


def test_what_is_appended_is_read_back_in_order(path: Path, storage: FileStorage) -> None:
    append(storage, {"_date": 1}, {"_date": 2}, durable=True)
    storage.close()
    assert bodies(path) == [{"_date": 1}, {"_date": 2}]


def test_ids_after_reopening_are_those_of_before(path: Path, storage: FileStorage) -> None:
    first = storage.head
    append(storage, {"_date": 1})
    head = storage.head
    storage.close()
    again = FileStorage(path, 0.0)
    assert again.head == first
    assert [stored.id for stored in again.load()] == [head]
    again.close()


def test_a_proposal_on_an_old_id_is_a_conflict(storage: FileStorage) -> None:
    before = storage.head
    append(storage, {"_date": 1})
    assert storage.propose(b"{}", before, durable=False).verdict == Conflict(storage.head)


def test_the_log_ends_at_damage_and_goes_on_from_there(path: Path, storage: FileStorage) -> None:
    append(storage, {"_date": 1})
    storage.close()
    good = path.stat().st_size
    with path.open("ab") as f:
        f.write(b"hello\n" + record.format_record(b'{"_date":2}')[0])
    again = FileStorage(path, 0.0)
    assert [stored.value for stored in again.load()] == [{"_date": 1}]
    assert str(again.damage).endswith(f'parse error at offset {good} in header line "hello"')
    append(again, {"_date": 3})
    again.close()
    assert bodies(path) == [{"_date": 1}, {"_date": 3}]


def test_a_rejected_record_is_cut_off_with_what_follows(path: Path, storage: FileStorage) -> None:
    append(storage, {"_date": 1}, {"Nope": {}}, {"_date": 3})
    storage.close()
    again = FileStorage(path, 0.0)
    ids = []
    for stored in again.load():
        if "Nope" in stored.value:
            again.reject_last(StorageError("no such table"))
        else:
            ids.append(stored.id)
    assert [again.head] == ids
    append(again, {"_date": 4})
    again.close()
    assert bodies(path) == [{"_date": 1}, {"_date": 4}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot identify file type"),
        (b"hello\n", "unexpected file format"),
        (b"OVSDB JSON", "unexpected file format"),
        (b"OVSDB JSON 5 " + b"0" * 40 + b"\n{}", "error reading 5 bytes starting at offset 54"),
        (
            b"OVSDB JSON 3 " + b"0" * 40 + b"\n{}\n",
            "have SHA-1 hash 5f36b2ea290645ee34d943220a14b54ee5ea5be5",
        ),
        (
            b"OVSDB CLUSTER 3 " + b"0" * 40 + b"\n{}\n",
            "cannot apply this operation to clustered database file",
        ),
        (record.format_record(b"[]")[0], "3 bytes starting at offset 54 are not a JSON object"),
        (record.format_record(b"{x")[0], "3 bytes starting at offset 54 are not valid JSON"),
    ],
)
def test_a_file_without_a_schema_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.db"
    path.write_bytes(data)
    with pytest.raises(StorageError) as caught:
        FileStorage(path, 0.0)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    Lockfile(path).release()


def test_a_second_opening_is_refused_and_the_first_lock_stays(path: Path, storage: FileStorage) -> None:
    with pytest.raises(LockError, match="failed to lock lockfile"):
        FileStorage(path, 0.0)
    pid = os.fork()
    if pid == 0:
        try:
            Lockfile(path)
        except LockError as e:
            os._exit(0 if f"already locked by pid {os.getppid()}" in e.reason else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_lock_of_a_symbolic_link_is_beside_its_target(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "d" / "real.db")
    assert lock_path(link) == tmp_path / "d" / ".real.db.~lock~"


def test_compaction_replaces_the_transactions_and_keeps_mode_and_link(
    path: Path, storage: FileStorage
) -> None:
    link = path.with_name("link.db")
    storage.close()
    path.chmod(0o604)
    link.symlink_to(path)
    linked = FileStorage(link, 0.0)
    list(linked.load())
    append(linked, *({"_date": n} for n in range(20)))
    head = linked.head
    linked.compact([b'{"_date":99}'])
    assert linked.head == head
    append(linked, {"_date": 100})
    linked.close()
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o604
    assert bodies(path) == [{"_date": 99}, {"_date": 100}]
    assert sorted(p.name for p in path.parent.iterdir()) == [".conf.db.~lock~", "conf.db", "link.db"]


def test_replacing_begins_a_log_with_another_schema_and_the_ids_of_one_that_is_opened(
    path: Path, storage: FileStorage
) -> None:
    append(storage, {"_date": 1})
    other: dict[str, object] = {"name": "db", "tables": {"U": {"columns": {"d": {"type": "string"}}}}}
    storage.replace(other, [b'{"_date":5}'])
    head = storage.head
    assert storage.schema == other
    append(storage, {"_date": 6})
    storage.close()
    again = FileStorage(path, 0.0)
    assert again.schema == other
    assert [(stored.value, stored.id == head) for stored in again.load()] == [
        ({"_date": 5}, True),
        ({"_date": 6}, False),
    ]
    again.close()


def test_a_replacement_that_fails_leaves_schema_and_log(path: Path, storage: FileStorage) -> None:
    append(storage, {"_date": 1})

    def fails() -> Iterator[bytes]:
        yield b"{}"
        raise OSError(errno.ENOSPC, "No space left on device")

    head = storage.head
    with pytest.raises(StorageError, match="conversion failed"):
        storage.replace({"name": "db", "tables": {}}, fails())
    assert (storage.schema, storage.head) == (SCHEMA, head)
    append(storage, {"_date": 2})
    storage.close()
    assert bodies(path) == [{"_date": 1}, {"_date": 2}]


def test_a_compaction_that_fails_leaves_the_log_as_it_was(path: Path, storage: FileStorage) -> None:
    append(storage, {"_date": 1})

    def fails() -> Iterator[bytes]:
        yield b"{}"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="compaction failed"):
        storage.compact(fails())
    append(storage, {"_date": 2})
    storage.close()
    assert bodies(path) == [{"_date": 1}, {"_date": 2}]
    assert not path.with_name("conf.db.tmp").exists()


def test_a_write_that_fails_half_way_is_cut_off(path: Path, storage: FileStorage) -> None:
    append(storage, {"_date": 1})
    before = path.stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + 30, old[1]))
    try:
        verdict = storage.propose(b'{"_comment":"' + b"x" * 100 + b'"}', storage.head, durable=False).verdict
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert isinstance(verdict, Failed)
    assert "write failed (File too large)" in str(verdict.error)
    assert path.stat().st_size == before
    append(storage, {"_date": 2})
    storage.close()
    assert bodies(path) == [{"_date": 1}, {"_date": 2}]


def test_compaction_pays_when_a_big_log_has_doubled(storage: FileStorage) -> None:
    append(storage, *({} for _ in range(99)))
    assert not storage.should_compact(90000)
    append(storage, {"_comment": "x" * (10 << 20)})
    assert not storage.should_compact(599)
    assert storage.should_compact(600)
    storage.note_compacted(600)
    assert not storage.should_compact(90000)


def test_a_small_log_is_compacted_once_a_day(storage: FileStorage) -> None:
    append(storage, *({} for _ in range(100)))
    assert not storage.should_compact(24 * 3600 - 1)
    assert storage.should_compact(24 * 3600)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_header_parser_fail(line: bytes) -> None:
    header = record.parse_header(line)
    assert header is None or header.length > 0
