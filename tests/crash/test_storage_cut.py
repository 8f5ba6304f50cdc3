"""A file cut at any byte, or left by any failed write, opens as a prefix that holds every durable commit."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from ovsdb.engine.database import Database
from ovsdb.hosted import replay
from ovsdb.schema import Schema
from ovsdb.storage import file
from ovsdb.storage.base import Accepted
from ovsdb.storage.file import FileStorage

pytestmark = pytest.mark.crash
FULL = os.environ.get("CRASH") == "full"
SCHEMA: dict[str, object] = {"name": "db", "tables": {"T": {"columns": {"c": {"type": "string"}}}}}


def commit(storage: FileStorage, number: int, *, durable: bool) -> None:
    body = orjson.dumps({"_date": number, "_comment": "é" * number})
    assert isinstance(storage.propose(body, storage.head, durable=durable).verdict, Accepted)


def reopen(path: Path) -> list[object]:
    storage = FileStorage(path, 0.0)
    try:
        return [stored.value["_date"] for stored in storage.load()]
    finally:
        storage.close()


def test_every_cut_is_a_prefix_with_all_that_was_durable_then(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    file.create(path, SCHEMA)
    start = path.stat().st_size
    storage = FileStorage(path, 0.0)
    list(storage.load())
    sizes = []
    for number in range(5):
        commit(storage, number, durable=True)
        sizes.append(path.stat().st_size)
    storage.close()
    data = path.read_bytes()
    for cut in range(start, len(data) + 1):
        path.write_bytes(data[:cut])
        survived = reopen(path)
        assert survived == list(range(sum(size <= cut for size in sizes))), f"cut at {cut}"
        again = FileStorage(path, 0.0)
        list(again.load())
        commit(again, 77, durable=True)
        again.close()
        assert reopen(path) == [*survived, 77], f"cut at {cut}, then a commit"


def test_one_flipped_bit_anywhere_ends_the_log_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    file.create(path, SCHEMA)
    start = path.stat().st_size
    storage = FileStorage(path, 0.0)
    list(storage.load())
    sizes = []
    for number in range(3):
        commit(storage, number, durable=False)
        sizes.append(path.stat().st_size)
    storage.close()
    data = path.read_bytes()
    for position in range(start, len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        intact = sum(size <= position for size in sizes)
        assert reopen(path) == list(range(intact)), f"bit flipped at {position}"


def test_a_long_log_cut_anywhere_opens_with_what_was_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """200 commits of a served database, cut at a sample of the bytes; CRASH=full cuts at every one."""
    path = tmp_path / "a.db"
    file.create(path, Schema.parse(ROWS).to_json())
    storage = FileStorage(path, 0.0)
    database = Database(Schema.parse(storage.schema))
    assert list(storage.load()) == []
    ends, counts = [path.stat().st_size], [0]
    dice = random.Random(200)
    for number in range(200):
        outcome = database.execute(operations(dice, number))
        assert outcome.changeset
        record = database.changeset_to_record(outcome.changeset)
        assert isinstance(storage.propose(record, storage.head, durable=False).verdict, Accepted)
        database.apply(outcome.changeset)
        ends.append(path.stat().st_size)
        counts.append(len(database.tables["T"].rows))
    storage.close()
    data = path.read_bytes()
    everywhere = range(ends[0], len(data) + 1)
    near_ends = [at for end in dice.sample(ends[:-1], 40) for at in (end, end + 1, end + 60)]
    cuts = everywhere if FULL else sorted({*near_ends, *dice.sample(everywhere, 150), len(data)})
    for cut in cuts:
        path.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends) - 1
        storage = FileStorage(path, 0.0)
        database = Database(Schema.parse(storage.schema))
        assert sum(1 for _ in replay(database, storage)) == whole, f"cut at {cut}"
        assert len(database.tables["T"].rows) == counts[whole]
        assert (storage.damage is None) == (cut in ends)
        storage.close()
    with capsys.disabled():
        print(f"\n{len(cuts)} of {len(everywhere)} cuts tried")


ROWS: dict[str, object] = {
    "name": "db",
    "tables": {
        "T": {
            "columns": {
                "c": {"type": "string"},
                "s": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
            },
            "isRoot": True,
        }
    },
}


def operations(dice: random.Random, number: int) -> list[object]:
    """Something that changes the table: a row more, one other, or one less."""
    where = [["c", "==", f"row {dice.randrange(-1, number)}"]]
    insert = {"op": "insert", "table": "T", "row": {"c": f"row {number}", "s": ["set", [number]]}}
    mutate = {"op": "mutate", "table": "T", "where": where, "mutations": [["s", "insert", number + 1000]]}
    delete = {"op": "delete", "table": "T", "where": where}
    return [insert, dice.choice([mutate, mutate, delete])]


@pytest.mark.parametrize("dies_at", range(8))
def test_a_process_that_dies_while_compacting_leaves_the_old_log_or_the_new(
    tmp_path: Path, dies_at: int
) -> None:
    path = tmp_path / "a.db"
    file.create(path, SCHEMA)
    pid = os.fork()
    if pid == 0:
        _compact_and_die(path, dies_at)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert reopen(path) in ([0, 1, 2], [100, 101, 102, 103, 104, 105])
    storage = FileStorage(path, 0.0)
    kept = [stored.value["_date"] for stored in storage.load()]
    storage.compact(iter([b'{"_date":7}']))
    storage.close()
    assert kept
    assert reopen(path) == [7]


@pytest.mark.parametrize("rest", [b"", b"OVSDB JSON 9 ", b'OVSDB JSON 12 0123\n{"_date":99}\n'])
def test_a_new_file_that_a_dead_process_left_is_neither_read_nor_in_the_way(
    tmp_path: Path, rest: bytes
) -> None:
    path, left = tmp_path / "a.db", tmp_path / "a.db.tmp"
    file.create(path, SCHEMA)
    left.write_bytes(rest)
    left.chmod(0)
    storage = FileStorage(path, 0.0)
    list(storage.load())
    commit(storage, 5, durable=True)
    assert left.read_bytes() == rest
    storage.compact(iter([b'{"_date":7}']))
    assert not left.exists()
    left = tmp_path / "a.db.compact"  # of a compaction while others commit
    left.write_bytes(rest)
    left.chmod(0)
    made = storage.start_compaction()
    made.write([b'{"_date":8}'])
    commit(storage, 9, durable=True)
    storage.finish_compaction(made)
    storage.give_up(made)
    assert not left.exists()
    storage.close()
    assert reopen(path) == [8, 9]


def _compact_and_die(path: Path, dies_at: int) -> None:
    storage = FileStorage(path, 0.0)
    list(storage.load())
    for number in range(3):
        commit(storage, number, durable=True)

    def bodies() -> Iterator[bytes]:
        for number in range(6):
            if number == dies_at:
                os._exit(9)
            yield orjson.dumps({"_date": 100 + number})

    storage.compact(bodies())
    os._exit(9)
