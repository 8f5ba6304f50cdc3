"""Random contents in every table format: what our ovsdb-client prints is what the C one prints."""

import json
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.kit.peers import C_BIN, OUR_BIN, Daemon, c_ovsdb_server, create_database, home

pytestmark = pytest.mark.peer
EXAMPLES = int(os.environ.get("TABLE_EXAMPLES", "4"))
SCHEMA = {
    "name": "random",
    "tables": {
        "R": {
            "isRoot": True,
            "columns": {
                "text": {"type": "string"},
                "number": {"type": "integer"},
                "real": {"type": "real"},
                "truth": {"type": "boolean"},
                "texts": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "perhaps": {"type": {"key": "real", "min": 0, "max": 1}},
                "map": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
                "last": {"type": "uuid"},
            },
        }
    },
}
FORMS = [
    "-f table",
    "-f table --max-column-width=9",
    "-f list",
    "-f html",
    "-f csv",
    "-f json",
    "-f json --pretty",
]
DATA = ["string", "bare", "json"]
PLAIN = "abcXYZ09_-. "
ODD = "\t\n\x01\x1f\x7f\x80\u00a0\u00ad\"'\\,;<>&=[]{}/ü漢字\U0001f600e\u0301\u2028\ufeff"
texts = st.text(st.sampled_from(PLAIN) | st.sampled_from(ODD), max_size=8) | st.sampled_from(
    [
        "true",
        "false",
        "11111111-2222-3333-4444-555555555555",
        "12",
        "-",
        "a.b",
        "_x",
        "a:b",
        "1e5",
        "ovs",
        "Ab-c",
    ]
)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
reals = st.floats(-1e300, 1e300, allow_subnormal=False) | st.sampled_from(
    [0.1, 1e15, 1e16, 123456789.25, 1e-7, -0.0]
)
uuids = st.uuids().map(lambda value: ["uuid", str(value)])
rows = st.fixed_dictionaries(
    {
        "text": texts,
        "number": integers,
        "real": reals,
        "truth": st.booleans(),
        "texts": st.lists(texts, max_size=3, unique=True).map(lambda found: ["set", found]),
        "perhaps": st.lists(reals, max_size=1).map(lambda found: ["set", found]),
        "map": st.dictionaries(texts, integers, max_size=3).map(
            lambda found: ["map", [*map(list, found.items())]]
        ),
        "last": uuids,
    }
)


@pytest.fixture(scope="module")
def server() -> Iterator[Daemon]:
    with home() as place:
        (place.path / "random.ovsschema").write_text(json.dumps(SCHEMA))
        database = create_database(place, "random.db", place.path / "random.ovsschema")
        with c_ovsdb_server(place, databases=[database]) as running:
            yield running


def plain(row: dict[str, object]) -> bool:
    return json.dumps(row, ensure_ascii=False).isascii()


@settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],  # each costs dozens of processes: shown as found
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(found=st.lists(rows, min_size=1, max_size=6))
def test_random_rows_look_the_same_in_every_format(server: Daemon, found: list[dict[str, object]]) -> None:
    operations: list[object] = [{"op": "delete", "table": "R", "where": []}]
    operations += [{"op": "insert", "table": "R", "row": row} for row in found]
    results = json.loads(
        server.run(C_BIN / "ovsdb-client", "transact", json.dumps(["random", *operations])).stdout
    )
    assert not [result for result in results if "error" in result]
    for form in FORMS:
        if "width" in form and not all(map(plain, found)):
            continue  # the C tool cuts within characters
        for data in DATA if "json" not in form else DATA[:1]:
            words = [*form.split(), f"--data={data}", "dump", "random", "R"]
            theirs, ours = (
                server.run(place / "ovsdb-client", *words).stdout.split("\n") for place in (C_BIN, OUR_BIN)
            )
            if form.startswith("-f json"):
                theirs, ours = ([json.dumps(in_order("\n".join(text)))] for text in (theirs, ours))
            assert sorted(ours) == sorted(theirs), words  # rows that are equal but for UUIDs have no order


def in_order(text: str) -> object:
    table = json.loads(text, parse_float=str)  # the digits count
    table["data"].sort(key=str)
    return table
