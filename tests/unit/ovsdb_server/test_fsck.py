"""ovsdb-tool fsck: it says what a server would serve of a file, and never touches the file."""

import tracemalloc
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appctl.command_line import CliError
from ovsdb.cli.tool import TOOL
from ovsdb.engine.database import Database
from ovsdb.hosted import replay
from ovsdb.schema import Schema
from ovsdb.storage import file, record
from ovsdb.storage.base import StorageError
from ovsdb.storage.file import FileStorage
from ovsdb.storage.fsck import check

SCHEMA: dict[str, object] = {
    "name": "db",
    "tables": {"T": {"columns": {"c": {"type": "string"}}, "isRoot": True, "indexes": [["c"]]}},
}
UUIDS = [f"00000000-0000-0000-0000-{n:012}" for n in range(10)]


def insert(number: int, value: object) -> bytes:
    return orjson.dumps({"T": {UUIDS[number]: {"c": value}}, "_date": 1700000000000 + number})


def write(path: Path, *bodies: bytes) -> list[int]:
    """Make the file of these records; where each of them ends."""
    data, ends = b"", []
    for body in (orjson.dumps(SCHEMA), *bodies):
        data += record.format_record(body)[0]
        ends.append(len(data))
    path.write_bytes(data)
    return ends


def served_bytes(path: Path) -> int:
    """How much of the file a server keeps."""
    try:
        storage = FileStorage(path, 0.0, lock=False)
    except StorageError:
        return 0
    for _ in replay(Database(Schema.parse(storage.schema)), storage):
        pass
    storage.close()
    return storage.size


def run(*words: str) -> int:
    """The exit status."""
    try:
        return int(TOOL.main(list(words)) or 0)
    except CliError as e:
        print(e.text)
        return e.status


def test_a_good_file_is_ok_and_its_counts_are_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.db"
    ends = write(path, insert(0, "x"), insert(1, "y"))
    report = check(path)
    assert (report.damage, report.commits, report.good_bytes, report.size) == ("", 2, ends[-1], ends[-1])
    assert run("fsck", str(path)) == 0
    assert f"ok: standalone database db, {ends[-1]} bytes, 2 commits (3 records" in capsys.readouterr().out


@given(st.integers(0, 10_000), st.integers(1, 255), st.booleans())
def test_what_it_calls_good_is_what_a_server_serves(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int, cut: bool
) -> None:
    path = tmp_path_factory.mktemp("fsck") / "a.db"
    ends = write(path, *(insert(n, "xyzé"[:n]) for n in range(5)))
    data = bytearray(path.read_bytes())
    place %= len(data)
    if cut:
        del data[place:]
    else:
        data[place] ^= flip
    path.write_bytes(data)
    report = check(path)
    assert report.good_bytes == served_bytes(path)
    assert bool(report.damage) == (place not in ends) or not cut
    if report.repairable and report.damage:
        file.copy_start(path, path.with_name("b.db"), report.good_bytes)
        assert check(path.with_name("b.db")).damage == ""
    assert path.read_bytes() == data


def test_intact_records_behind_the_damage_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ends = write(path, *(insert(n, str(n)) for n in range(5)))
    data = bytearray(path.read_bytes())
    data[ends[1] - 3] ^= 1  # in record 1
    data[ends[3] + 8] ^= 1  # in the header of record 4
    path.write_bytes(data)
    report = check(path)
    assert (report.good_bytes, report.commits) == (ends[0], 0)
    assert report.intact_behind == [ends[1], ends[2], ends[4]]
    assert report.intact_bytes == ends[3] - ends[1] + ends[5] - ends[4]
    assert report.lost_bytes == ends[5] - ends[0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"U":{}}', "No table named U"),
        (b'{"T":{"%s":{"c":5}}}' % UUIDS[3].encode(), "expected string"),
        (b'{"T":{"%s":{"d":"x"}}}' % UUIDS[3].encode(), "No column d"),
        (insert(3, "x"), "constraint violation"),
        (b'{"T":{"%s":null}}' % UUIDS[3].encode(), "No row"),
        (b'{"T":{"%s":{"c":' % UUIDS[3].encode() + b"[" * 900 + b"]" * 900 + b"}}}", "expected string"),
        (b'{"T":' + b"[" * 5000 + b"]" * 5000 + b"}", "not valid JSON"),
        (b"[]", "not a JSON object"),
    ],
)
def test_a_record_that_no_server_could_take_is_damage(tmp_path: Path, body: bytes, reason: str) -> None:
    path = tmp_path / "a.db"
    ends = write(path, insert(0, "x"), body, insert(4, "z"))
    report = check(path)
    assert report.good_bytes == ends[1] == served_bytes(path)
    assert reason in report.damage
    assert ends[2] in report.intact_behind


def test_a_length_that_is_a_lie_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ends = write(path, insert(0, "x"))
    with path.open("ab") as f:
        for _ in range(20):
            f.write(b"OVSDB JSON 999999999999 " + b"0" * 40 + b"\n" + b"x" * 1000 + b"\n")
    tracemalloc.start()
    try:
        report = check(path)
        assert served_bytes(path) == report.good_bytes == ends[-1]
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()
    assert "error reading 999999999999 bytes" in report.damage
    assert not report.complete_search  # it does not read the rest for each of them


def test_a_repaired_copy_is_a_new_file_and_status_says_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.db"
    ends = write(path, insert(0, "x"))
    with path.open("ab") as f:
        f.write(b"junk")
    before = path.read_bytes()
    assert run("fsck", str(path)) == 2
    assert f"damaged at byte {ends[-1]}" in capsys.readouterr().out
    assert run("fsck", "--repair", "-f", "json", str(path)) == 2
    shown = orjson.loads(capsys.readouterr().out)
    assert shown["repaired"] == f"{path}.repaired"
    assert (shown["damage"]["offset"], shown["damage"]["lost_bytes"]) == (ends[-1], 4)
    assert Path(f"{path}.repaired").read_bytes() == before[: ends[-1]]
    assert path.read_bytes() == before
    with pytest.raises(CliError, match="create failed"):
        TOOL.main(["fsck", "--repair", str(path)])


def test_without_a_schema_there_is_nothing_to_repair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"")
    assert run("fsck", "--repair", str(path)) == 1
    assert "nothing in it is good" in capsys.readouterr().out
    assert run("fsck", str(tmp_path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fsck") / "a.db"
    path.write_bytes(record.format_record(orjson.dumps(SCHEMA))[0] + data)
    assert check(path).good_records >= 1
    path.write_bytes(data)
    assert check(path).damage
