"""ovsdb-tool log: commits with author, date, comment and changes; one row's life; from some point on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from appctl.command_line import CliError
from ovsdb.authorship import Author, append_author, format_author
from ovsdb.cli.tool import TOOL
from ovsdb.commit_log import parse_since
from ovsdb.storage import record

SCHEMA: dict[str, object] = {
    "name": "db",
    "tables": {
        "Port": {
            "columns": {
                "name": {"type": "string"},
                "tag": {"type": {"key": "integer", "min": 0, "max": 1}},
                "ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
            },
            "isRoot": True,
        },
        "Other": {"columns": {"n": {"type": "integer"}}, "isRoot": True},
    },
}
A, B, C = (f"{n}0000000-0000-0000-0000-000000000000" for n in "abc")
START = 1_700_000_000_000
RECORDS: list[dict[str, object]] = [
    {"Port": {A: {"name": "p1", "ids": ["map", [["k", "v"]]]}}, "_comment": "first\nof all"},
    {"Port": {B: {"name": "p2"}}, "Other": {C: {"n": 5}}},
    {"Port": {A: {"tag": 7, "ids": ["map", [["k", "w"], ["l", "x"]]]}}, "_comment": "tagged"},
    {"Port": {A: {"name": "p9"}}},
    {"Port": {A: None}, "Other": {C: {"n": 6}}},
]


@pytest.fixture
def path(tmp_path: Path) -> str:
    data = record.format_record(orjson.dumps(SCHEMA))[0]
    for number, value in enumerate(RECORDS):
        line = format_author(Author(number, 100 + number, "ovs-vsctl"))
        comment = append_author(str(value.get("_comment", "")), line)
        body = {**value, "_date": START + number * 1000, "_is_diff": True, "_comment": comment}
        data += record.format_record(orjson.dumps(body))[0]
    (tmp_path / "a.db").write_bytes(data)
    return str(tmp_path / "a.db")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    TOOL.main(["log", *words])
    return capsys.readouterr().out


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    commits: list[dict[str, Any]] = orjson.loads(run(capsys, "-f", "json", *words))
    return commits


def test_a_commit_has_author_date_comment_and_changes(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, _, third, *_ = shown(capsys, path)
    assert first["author"] == {"uid": 0, "pid": 100, "program": "ovs-vsctl"}
    assert (first["date"], first["comment"]) == (START, "first\nof all")
    assert first["changes"][0]["columns"]["name"] == {"old": None, "new": "p1"}
    assert third["changes"] == [
        {
            "table": "Port",
            "uuid": A,
            "name": "p1",
            "kind": "modify",
            "columns": {
                "tag": {"old": ["set", []], "new": 7},
                "ids": {"old": ["map", [["k", "v"]]], "new": ["map", [["k", "w"], ["l", "x"]]]},
            },
        }
    ]


def test_text_shows_what_left_and_what_came(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, path)
    assert "Author: uid=2 pid=102 (ovs-vsctl)\n" in text
    assert "    first\n    of all\n  + Port p1 (a0000000)\n      name: p1\n      ids: {k=v}\n" in text
    assert "  ~ Port p1 (a0000000)\n      tag: [] -> 7\n      ids: -{k=v} +{k=w, l=x}\n" in text
    assert "  ~ Port p9 (a0000000)\n      name: p1 -> p9\n" in text
    assert "  - Port p9 (a0000000)\n  ~ Other" in text
    table = run(capsys, "-f", "table", path).splitlines()
    assert len(table) == 2 + len(RECORDS)
    assert table[3].endswith("+Port:p2 +Other:c0000000")


@pytest.mark.parametrize("row", [A, "a000", "p1", "p9"])
def test_one_rows_life(path: str, capsys: pytest.CaptureFixture[str], row: str) -> None:
    commits = shown(capsys, "--record", row, path)
    kinds = [change["kind"] for commit in commits for change in commit["changes"]]
    expected = ["insert", "modify", "modify", "delete"]
    assert kinds == {"p1": expected[:3], "p9": expected[2:]}.get(row, expected)
    assert all(change["uuid"] == A for commit in commits for change in commit["changes"])


def test_one_table_and_the_last_ones(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert [len(commit["changes"]) for commit in shown(capsys, "--table", "Other", path)] == [1, 1]
    assert [c["date"] - START for c in shown(capsys, "-n", "2", path)] == [3000, 4000]
    assert [c["date"] - START for c in shown(capsys, "-n", "1", "--record", "p2", path)] == [1000]
    assert shown(capsys, "-n", "0", path) == []


def test_from_a_time_and_behind_a_commit(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    third = shown(capsys, path)[2]["id"]
    assert [c["date"] - START for c in shown(capsys, "--since", third, path)] == [3000, 4000]
    moment = datetime.fromtimestamp(START / 1000 + 3, UTC).isoformat()
    assert [c["date"] - START for c in shown(capsys, "--since", moment, path)] == [3000, 4000]
    assert shown(capsys, "--since", "1 hour ago", path) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "soon"], '"soon" is neither a time nor the id of a commit'),
        (["--since", A], f"no commit has the id {A}"),
        (["--table", "Nope"], "no table Nope in database db"),
    ],
)
def test_what_is_not_there_is_named(
    path: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(CliError, match=message):
        run(capsys, *words, path)


def test_damage_is_told_behind_what_is_good(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open(path, "ab") as f:
        f.write(b"junk")
    with pytest.raises(CliError, match="junk"):
        run(capsys, path)
    assert capsys.readouterr().out.count("commit ") == len(RECORDS)


def test_times_are_read_as_people_write_them() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert parse_since("2 hours ago", now) == now - timedelta(hours=2)
    assert parse_since("3d", now) == now - timedelta(days=3)
    assert parse_since("2026-01-01T00:00:00Z", now) == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_since(A.upper(), now) == A
    with pytest.raises(ValueError, match="Invalid isoformat"):
        parse_since("tomorrow", now)
