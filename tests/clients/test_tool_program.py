"""ovsdb-tool beside the C program: the same commands, the same output and exit status."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit import peers
from tests.kit.peers import C_BIN, C_SCHEMA, OUR_BIN, Home
from tests.kit.transcripts import VECTORS

pytestmark = pytest.mark.peer
PROGRAMS = {"c": C_BIN / "ovsdb-tool", "ours": OUR_BIN / "ovsdb-tool"}
SHOP = VECTORS / "shop.ovsschema"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture
def place() -> Iterator[Home]:
    with peers.home() as made:
        made.env["OVS_PKGDATADIR"] = str(C_SCHEMA.parent)
        yield made


def tool(place: Home, which: str, *args: str | Path) -> str:
    """Exit status and output, without what differs from run to run."""
    done = place.run(PROGRAMS[which], *args, check=False)
    text = UUID.sub("UUID", f"{done.returncode}\n{done.stdout}{done.stderr}")
    text = re.sub(r"^\d{4}-\d\d-\d\dT[0-9:]+Z\|\d+\|", "", text, flags=re.MULTILINE)
    return text.replace(str(place.path), "HOME").replace(str(PROGRAMS[which].parent), "BIN")


def shop(place: Home, *transactions: str) -> Path:
    path = peers.create_database(place, "shop.db", SHOP)
    for operations in transactions:
        place.run(PROGRAMS["c"], "transact", path, f'["shop",{operations}]')
    return path


def same(place: Home, *args: str | Path) -> None:
    assert tool(place, "ours", *args) == tool(place, "c", *args)


@pytest.mark.parametrize("what", ["name", "version", "cksum"])
def test_it_prints_what_schemas_say(place: Home, what: str) -> None:
    peers.create_database(place)
    shop(place)
    for words in ([f"db-{what}"], [f"db-{what}", "shop.db"], [f"schema-{what}"], [f"schema-{what}", SHOP]):
        same(place, *words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nope"],
        ["db-name", "a", "b", "c"],
        ["query"],
        ["db-name", "nonexistent"],
        ["transact", "nonexistent", "[]"],
        ["create", "nowhere/a.db", "nonexistent.schema"],
        ["schema-name", "nonexistent"],
        ["compare-versions", "1.2.3", "<", "1.10.0"],
        ["compare-versions", "1.2.3", ">", "1.10.0"],
        ["compare-versions", "1.2", "==", "1.2.0"],
        ["compare-versions", "1.2.3", "~", "1.2.0"],
        ["compare-versions", "1.2.3"],
        ["needs-conversion", "shop.db", str(SHOP)],
        ["needs-conversion", "shop.db"],
        ["db-is-standalone", "shop.db"],
        ["db-is-clustered", "shop.db"],
        ["create", "shop.db", str(SHOP)],
    ],
    ids=" ".join,
)
def test_it_answers_and_refuses_as_the_c_tool(place: Home, words: list[str]) -> None:
    shop(place)
    same(place, *words)


@pytest.mark.parametrize(
    "transaction",
    [
        '["shop"]',
        '["other"]',
        "{}",
        "[",
        '["shop",{"op":"nope"}]',
        '["shop",{"op":"select","table":"Note","where":[],"columns":["text"]}]',
        '["shop",{"op":"assert","lock":"x"}]',
        '["shop",{"op":"wait","table":"Note","where":[],"columns":[],"until":"==","rows":[{}]}]',
        '["shop",{"op":"insert","table":"Note","row":{"color":"blue"}}]',
    ],
)
def test_a_query_prints_what_the_c_tool_prints(place: Home, transaction: str) -> None:
    path = shop(place, '{"op":"insert","table":"Note","row":{"text":"a b"}}')
    before = path.read_bytes()
    ours, c = (tool(place, which, "query", path, transaction) for which in ("ours", "c"))
    if transaction == "[":
        ours = ours.replace("end of data", "end of input")
    assert ours == c
    assert path.read_bytes() == before


def test_what_ours_writes_the_c_tool_reads(place: Home) -> None:
    path = place.path / "made.db"
    place.run(PROGRAMS["ours"], "create", path, SHOP)
    insert = '{"op":"insert","table":"Note","row":{"text":"one","color":"red"}}'
    place.run(PROGRAMS["ours"], "transact", path, f'["shop",{insert},{{"op":"comment","comment":"said"}}]')
    place.run(PROGRAMS["c"], "transact", path, f'["shop",{insert}]')
    place.run(
        PROGRAMS["ours"],
        "transact",
        path,
        '["shop",{"op":"update","table":"Note","where":[],"row":{"text":"x"}}]',
    )
    select = '["shop",{"op":"select","table":"Note","where":[],"columns":["text","color"]}]'
    two = '[{"rows":[{"color":"red","text":"x"}]}]\n'  # both rows: equal ones are shown once
    assert place.run(PROGRAMS["c"], "query", path, select).stdout == two
    same(place, "show-log", path)
    shown = [sorted(tool(place, which, "-m", "show-log", path).splitlines()) for which in PROGRAMS]
    assert shown[0] == shown[1]  # rows come in any order
    place.run(PROGRAMS["ours"], "compact", path)
    place.run(PROGRAMS["ours"], "compact", path, place.path / "copy.db")
    for compacted in (path, place.path / "copy.db"):
        assert place.run(PROGRAMS["c"], "query", compacted, select).stdout == two
        assert place.run(PROGRAMS["c"], "show-log", compacted).stdout.count("record ") == 2


def test_show_log_shows_rows_as_the_c_tool(place: Home) -> None:
    path = shop(
        place,
        '{"op":"insert","table":"Shop","row":{"name":"s","shelves":["named-uuid","x"]}},'
        '{"op":"insert","table":"Shelf","row":{"label":"l","tags":["set",["a","b c"]]},"uuid-name":"x"}',
        '{"op":"mutate","table":"Shelf","where":[],"mutations":[["tags","insert",["set",["z"]]]]}',
        '{"op":"delete","table":"Shop","where":[]},{"op":"comment","comment":"bye"}',
    )
    same(place, "-m", "show-log", path)
    ours, c = (sorted(tool(place, which, "-mm", "show-log", path).splitlines()) for which in ("ours", "c"))
    assert ours == c  # columns come in any order


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "could not be read as JSON"),
        ("[]", "Parsing database schema failed: Object expected."),
        ('{"name":"x","tables":{"T":{"columns":{"c":{"type":"nope"}}}}}', "tables/T/columns/c/type"),
    ],
)
def test_a_mistake_in_a_schema_is_named_with_file_and_place(place: Home, schema: Any, message: str) -> None:
    (place.path / "bad.ovsschema").write_text(schema)
    shown = tool(place, "ours", "create", "x.db", "bad.ovsschema")
    assert shown.startswith("1\novsdb-tool: ")
    assert '"bad.ovsschema"' in shown
    assert message in shown
    assert not (place.path / "x.db").exists()


def test_a_file_that_is_served_is_not_touched(place: Home) -> None:
    with peers.our_ovsdb_server(place) as server:
        for command in (["compact"], ["transact", '["Open_vSwitch"]']):
            shown = tool(place, "ours", *command)
            assert shown.startswith("1\n")
            assert f"already locked by pid {server.pid}" in shown
        assert tool(place, "ours", "query", '["Open_vSwitch"]') == "0\n[]\n"
        copy = place.path / "copy.db"
        shutil.copy(server.databases[0], copy)
        same(place, "show-log", copy)
