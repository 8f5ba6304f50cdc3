"""How tables look; every expected text was printed by the C ovs-vsctl for the same values."""

import csv
import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.cells import Datum, Raw, format_atom, format_datum
from ovsdb.table import Printer, Style, Table, format_json

UUID = "16da99b0-a1eb-4fbb-89d0-94a815f06e85"
MAP = Datum(["map", [["x", '<&"q", z'], ["b", "2"]]], True)
BRIDGE = Table(["name", "external_ids", "datapath_type", "flood_vlans", "stp_enable"])
BRIDGE.rows.append([Datum("br0"), MAP, Datum(""), Datum(["set", []], True), Datum(False)])


def test_table_pads_all_columns_but_the_last() -> None:
    assert Printer(Style()).format(BRIDGE) == (
        "name external_ids            datapath_type flood_vlans stp_enable\n"
        "---- ----------------------- ------------- ----------- ----------\n"
        'br0  {b="2", x="<&\\"q\\", z"} ""            []          false\n'
    )


def test_nothing_pads_a_row_whose_last_cells_are_empty() -> None:
    table = Table(["dscp", "external_ids", "other_config"], [["1", "", ""], ["", "a=1", ""]])
    assert Printer(Style()).format(table).splitlines()[2:] == ["1", "     a=1"]


def test_list_gives_each_column_a_line() -> None:
    assert Printer(Style("list", "bare")).format(BRIDGE) == (
        "name                : br0\n"
        'external_ids        : b=2 x=<&"q", z\n'
        "datapath_type       : \n"
        "flood_vlans         : \n"
        "stp_enable          : false\n"
    )


def test_records_of_a_list_are_apart_by_an_empty_line() -> None:
    table = Table(
        ["name", "trunks"], [[Datum("a"), Datum(["set", []])], [Datum("b"), Datum(["set", [3, 1]])]]
    )
    assert Printer(Style("list", "bare", headings=False)).format(table) == "a\n\n\nb\n1 3\n"


def test_csv_doubles_quotes() -> None:
    text = Printer(Style("csv")).format(BRIDGE)
    assert text.splitlines()[1] == 'br0,"{b=""2"", x=""<&\\""q\\"", z""}","""""",[],false'


def test_html_links_each_uuid_to_its_row() -> None:
    uuid = Datum(["uuid", UUID])
    text = Printer(Style("html")).format(Table(["_uuid", "ports"], [[uuid, uuid]]))
    assert f'<td><a name="{UUID}">16da99b0</a></td>' in text
    assert f'<td><a href="#{UUID}">16da99b0</a></td>' in text


def test_json_keeps_the_wire_form_and_sorts_members() -> None:
    text = Printer(Style("json")).format(Table(["ports"], [[Datum(["set", [2, 1]])]], caption="Port table"))
    assert text == '{"caption":"Port table","data":[[["set",[1,2]]]],"headings":["ports"]}\n'


def test_pretty_json_closes_brackets_behind_the_last_member() -> None:
    assert format_json({"headings": ["name"], "data": [["br0"]]}, pretty=True) == (
        '{\n  "data": [\n    [\n      "br0"]],\n  "headings": [\n    "name"]}'
    )


def test_columns_are_cut_at_the_greatest_width() -> None:
    table = Table(["name", "_uuid", "trunks"], [['"a\\"b"', UUID, "[]"], ["br0", UUID, "[1, 2, 3]"]])
    assert Printer(Style(max_column_width=10)).format(table).splitlines()[2:] == [
        '"a\\"b" 16da99b0-a []',
        "br0    16da99b0-a [1, 2, 3]",
    ]


def test_a_column_is_not_cut_below_its_heading() -> None:
    table = Table(["name", "datapath_type"], [["br-with-long-name", "netdev"]])
    assert Printer(Style(max_column_width=3)).format(table).splitlines() == [
        "name datapath_type",
        "---- -------------",
        "br-w netdev",
    ]
    bare = Printer(Style(headings=False, max_column_width=3))
    assert bare.format(table).splitlines() == ["br- net"]


def test_tables_after_the_first_stand_apart() -> None:
    printer = Printer(Style("table"))
    assert not printer.format(Table(["a"])).startswith("\n")
    assert printer.format(Table(["a"])).startswith("\n")


@pytest.mark.parametrize(
    ("atom", "text"),
    [
        ("eth0.1-x", "eth0.1-x"),
        ("1a", '"1a"'),
        ("", '""'),
        ("true", '"true"'),
        (UUID, f'"{UUID}"'),
        ("a b", '"a b"'),
        (True, "true"),
        (3, "3"),
        (1.0, "1"),
        (0.1, "0.1"),
        (["uuid", UUID], UUID),
    ],
)
def test_atoms_are_quoted_where_they_are_no_plain_words(atom: object, text: str) -> None:
    assert format_atom(atom) == text


def test_an_optional_value_has_no_brackets_and_a_set_of_one_has() -> None:
    assert format_datum(Datum(5)) == "5"
    assert format_datum(Datum(5, many=True)) == "[5]"
    assert format_datum(Datum(["set", []])) == "[]"


def test_a_raw_cell_is_json_in_every_data_format() -> None:
    for data in ("string", "bare", "json"):
        assert (
            Printer(Style("csv", data, headings=False)).format(Table(["t"], [[Raw("uuid")]]))
            == '"""uuid"""\n'
        )


@given(st.lists(st.text(st.characters(exclude_characters="\r")), min_size=1))
def test_any_texts_come_back_from_csv(cells: list[str]) -> None:
    text = Printer(Style("csv", headings=False)).format(Table([""] * len(cells), [cells]))
    assert next(iter(csv.reader(io.StringIO(text, newline="")))) == cells


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda x: st.lists(x))
)
def test_json_and_pretty_json_say_the_same(value: object) -> None:
    assert orjson.loads(format_json(value, pretty=True)) == orjson.loads(format_json(value)) == value
