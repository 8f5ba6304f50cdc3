"""Compaction in the background: commits go on, all or nothing, given up without a trace."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from ovsdb.compaction import REST_SECONDS, Compaction, Considerate
from ovsdb.engine.picture import format_picture, take_picture
from ovsdb.hosted import HostedDatabase
from ovsdb.schema import Schema
from ovsdb.storage import file, rewrite
from ovsdb.storage.base import Accepted, Failed, StorageError
from ovsdb.storage.file import FileStorage
from ovsdb.storage.fsck import check
from ovsdb.storage.rewrite import GivenUpError

SCHEMA: dict[str, object] = {
    "name": "db",
    "tables": {"T": {"columns": {"c": {"type": "string"}, "e": {"type": "integer", "ephemeral": True}}}},
}
OTHER: dict[str, object] = {"name": "db", "tables": {"T": {"columns": {"c": {"type": "string"}}}}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    created = tmp_path / "conf.db"
    file.create(created, Schema.parse(SCHEMA).to_json())
    return created


def host(path: Path) -> HostedDatabase:
    return HostedDatabase.load(
        FileStorage(path, 0.0), lambda *_: None, lambda _: None, lambda _: None, lambda _: None
    )


@pytest.fixture
def hosted(path: Path) -> Iterator[HostedDatabase]:
    made = host(path)
    for number in range(100):
        commit(made, f"early {number}")
    yield made
    made.close()


def commit(hosted: HostedDatabase, text: str, *, durable: bool = False) -> None:
    operations: list[object] = [{"op": "insert", "table": "T", "row": {"c": text, "e": 5}}]
    outcome = hosted.database.execute([*operations, {"op": "commit", "durable": durable}])
    assert outcome.changeset
    record = hosted.database.changeset_to_record(outcome.changeset)
    verdict = hosted.storage.propose(record, hosted.storage.head, durable=durable).verdict
    assert isinstance(verdict, Accepted), verdict
    hosted.database.apply(outcome.changeset)


def texts(hosted: HostedDatabase) -> set[object]:
    return {row.values[hosted.tables["T"].by_name["c"].index] for row in hosted.tables["T"].rows.values()}


def storage_of(hosted: HostedDatabase) -> FileStorage:
    assert isinstance(hosted.storage, FileStorage)
    return hosted.storage


def compact(hosted: HostedDatabase, checkpoint: Callable[[], None] = lambda: None) -> None:
    with Compaction(hosted, storage_of(hosted)) as compaction:
        compaction.write(checkpoint)
        compaction.finish()


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir())


def test_commits_while_it_is_written_are_in_the_new_file(path: Path, hosted: HostedDatabase) -> None:
    steps = 0

    def meanwhile() -> None:
        nonlocal steps
        steps += 1
        commit(hosted, f"late {steps} " + "x" * 10_000, durable=steps % 3 == 0)

    head_before = hosted.storage.head
    compact(hosted, meanwhile)
    assert steps > 5
    assert hosted.storage.head != head_before
    commit(hosted, "last", durable=True)
    expected = texts(hosted)
    assert len(expected) == 100 + steps + 1
    hosted.close()
    report = check(path)
    assert (report.damage, report.commits) == ("", 1 + steps + 1)
    again = host(path)
    assert texts(again) == expected
    again.close()
    assert names(path) == [".conf.db.~lock~", "conf.db"]


def test_ids_go_on_where_they_were(hosted: HostedDatabase) -> None:
    head = hosted.storage.head
    compact(hosted)
    assert hosted.storage.head == head


def test_the_picture_is_that_of_the_moment_it_was_taken(hosted: HostedDatabase) -> None:
    picture = take_picture(hosted.database)
    expected = orjson.loads(hosted.database.snapshot_record())
    commit(hosted, "later")
    assert orjson.loads(b"".join(format_picture(picture, b'"_date":1'))) == {**expected, "_date": 1}
    assert orjson.loads(b"".join(format_picture([], b'"_date":1'))) == {"_date": 1}


def test_a_conversion_meanwhile_ends_it_and_is_what_stays(path: Path, hosted: HostedDatabase) -> None:
    def convert_at_once() -> None:
        hosted.storage.replace(OTHER, [b'{"_date":7}'])

    with pytest.raises(GivenUpError):
        compact(hosted, convert_at_once)
    assert isinstance(
        hosted.storage.propose(b'{"_date":8}', hosted.storage.head, durable=False).verdict, Accepted
    )
    hosted.close()
    storage = FileStorage(path, 0.0)
    assert storage.schema == OTHER
    assert [stored.value for stored in storage.load()] == [{"_date": 7}, {"_date": 8}]
    storage.close()
    assert names(path) == [".conf.db.~lock~", "conf.db"]


def test_a_conversion_after_it_was_written_ends_it_too(path: Path, hosted: HostedDatabase) -> None:
    with Compaction(hosted, storage_of(hosted)) as compaction:
        compaction.write(lambda: None)
        hosted.storage.replace(OTHER, [])
        with pytest.raises(GivenUpError):
            compaction.finish()
    assert orjson.loads(path.read_bytes().splitlines()[1]) == OTHER


def test_closing_the_database_ends_it(path: Path, hosted: HostedDatabase) -> None:
    with pytest.raises(GivenUpError):
        compact(hosted, hosted.close)
    assert names(path) == [".conf.db.~lock~", "conf.db"]
    assert check(path).commits == 100


def test_a_second_one_is_refused_while_the_first_is_written(hosted: HostedDatabase) -> None:
    def again() -> None:
        with pytest.raises(StorageError, match="is being compacted already"):
            compact(hosted)
        assert not hosted.storage.should_compact(1e9)

    compact(hosted, again)
    compact(hosted)


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_an_error_of_the_system_leaves_the_old_file(
    path: Path, hosted: HostedDatabase, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fails(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = path.read_bytes()
    with monkeypatch.context() as patched:
        if call == "write":
            patched.setattr(rewrite, "write_all", fails)
        else:
            patched.setattr(os, call, fails)
        with pytest.raises(StorageError, match=r"compaction failed \(No space left on device\)"):
            compact(hosted)
    assert path.read_bytes() == before
    assert names(path) == [".conf.db.~lock~", "conf.db"]
    commit(hosted, "and on")
    hosted.close()
    assert check(path).commits == 101


@pytest.mark.parametrize("what", ["removed", "replaced", "changed"])
def test_a_file_that_somebody_took_away_is_not_written_and_back_in_place_it_is(
    path: Path, hosted: HostedDatabase, what: str
) -> None:
    kept = path.with_name("kept.db")
    data = path.read_bytes()
    if what == "changed":
        path.write_bytes(data + b"junk\n")
    else:
        path.rename(kept)
        if what == "replaced":
            path.write_bytes(data)
    found = path.read_bytes() if path.exists() else None
    text = f"the file was {what} while it was open"
    with pytest.raises(AssertionError, match=text):
        commit(hosted, "lost")
    with pytest.raises(StorageError, match=text):
        compact(hosted)
    with pytest.raises(StorageError, match=text):
        hosted.storage.replace(OTHER, [])
    assert (path.read_bytes() if path.exists() else None) == found
    if what == "changed":
        os.truncate(path, len(data))
    else:
        kept.rename(path)
    commit(hosted, "found again")
    hosted.close()
    assert check(path).commits == 101


def test_a_file_replaced_before_the_first_commit_is_not_written(path: Path) -> None:
    storage = FileStorage(path, 0.0)
    list(storage.load())
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data + b"junk\n")
    verdict = storage.propose(b"{}", storage.head, durable=False).verdict
    assert "the file was replaced" in str(verdict)
    storage.close()
    assert path.read_bytes() == data + b"junk\n"


def test_what_a_failed_sync_may_have_dropped_is_written_again(
    path: Path, hosted: HostedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel may mark pages clean that it could not write, and tell only the first who asks."""
    written: list[tuple[int, int]] = []
    pwrite = os.pwrite

    def record(fd: int, data: bytes, at: int) -> int:
        written.append((at, len(data)))
        return pwrite(fd, data, at)

    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    synced = path.stat().st_size
    commit(hosted, "durable", durable=True)
    synced = path.stat().st_size
    commit(hosted, "not yet on disk")
    end = path.stat().st_size
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(AssertionError, match=r"write failed \(Input/output error\)"):
            commit(hosted, "refused", durable=True)
    assert path.stat().st_size == end
    monkeypatch.setattr(os, "pwrite", record)
    commit(hosted, "again", durable=True)
    assert written == [(synced, end - synced)]
    hosted.close()
    assert check(path).commits == 103


def test_one_that_was_ended_leaves_the_next_alone(path: Path, hosted: HostedDatabase) -> None:
    ended = Compaction(hosted, storage_of(hosted))
    hosted.storage.replace(OTHER, [])  # a thread may still be at work for the first
    with Compaction(hosted, storage_of(hosted)) as following:
        following.write(lambda: None)
        ended.__exit__(None, None, None)
        following.finish()
    assert names(path) == [".conf.db.~lock~", "conf.db"]


def test_what_is_closed_is_not_written_any_more(path: Path, hosted: HostedDatabase) -> None:
    storage = storage_of(hosted)
    hosted.close()
    after = host(path)  # it has the lock now
    before = path.stat()
    with pytest.raises(StorageError, match="is closed"):
        storage.start_compaction()
    for _ in range(2):
        assert isinstance(storage.propose(b'{"_date":8}', storage.head, durable=False).verdict, Failed)
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)
    commit(after, "mine")
    after.close()


def test_it_rests_only_while_clients_are_served() -> None:
    served, rests = [0], list[float]()
    checkpoint = Considerate(lambda: served[0], lambda: None, rests.append)
    checkpoint()
    assert rests == []
    served[0] += 3
    checkpoint()
    checkpoint()
    assert rests == [REST_SECONDS]
