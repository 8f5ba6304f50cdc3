"""Remotes from the command line and from the database."""

from typing import Any

import pytest

from ovsdb.remotes import DatabaseView, RemoteError, RemoteOptions, find_wanted, parse_source
from ovsdb.schema import Schema

SCHEMA = Schema.parse(
    {
        "name": "db",
        "tables": {
            "Root": {
                "columns": {
                    "managers": {
                        "type": {"key": {"type": "uuid", "refTable": "Manager"}, "min": 0, "max": "unlimited"}
                    },
                    "texts": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                    "number": {"type": "integer"},
                    "loose": {"type": "uuid"},
                },
                "isRoot": True,
            },
            "Manager": {
                "columns": {
                    "target": {"type": "string"},
                    "inactivity_probe": {"type": {"key": "integer", "min": 0}},
                    "max_backoff": {"type": {"key": "integer", "min": 0}},
                }
            },
        },
    }
)
ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "Root": {
        "r": {"managers": frozenset({"m1", "m2", "gone"}), "texts": frozenset({"ptcp:1", ""}), "number": 1}
    },
    "Manager": {
        "m1": {"target": "ptcp:6640", "inactivity_probe": frozenset({7000}), "max_backoff": frozenset({10})},
        "m2": {"target": "", "inactivity_probe": frozenset(), "max_backoff": frozenset()},
    },
}
DATABASES = {"db": DatabaseView(SCHEMA, lambda table: ROWS[table])}


def test_a_text_is_taken_as_it_is() -> None:
    assert find_wanted(["punix:/x"], {}).remotes == {"punix:/x": RemoteOptions()}


def test_a_column_of_strings_holds_targets() -> None:
    assert find_wanted(["db:db,Root,texts"], DATABASES).remotes == {"ptcp:1": RemoteOptions()}


def test_referenced_rows_hold_targets_and_options() -> None:
    wanted = find_wanted(["db:db,Root,managers"], DATABASES)
    assert wanted.remotes == {"ptcp:6640": RemoteOptions(probe_interval=7.0, max_backoff=1.0)}
    assert wanted.warnings == ['"Manager" table row has missing or invalid "target" column']


@pytest.mark.parametrize(
    ("ms", "backoff", "probe"),
    [(0, 8.0, 0.0), (-5, 1.0, 1.0), (10, 1.0, 1.0), (2500, 2.5, 2.5), (2**62, 31536000.0, 31536000.0)],
)
def test_intervals_that_make_no_sense_are_taken_for_ones_that_do(
    ms: int, backoff: float, probe: float
) -> None:
    rows = {**ROWS, "Manager": {"m1": {**ROWS["Manager"]["m1"]}}}
    rows["Manager"]["m1"] |= {"inactivity_probe": frozenset({ms}), "max_backoff": frozenset({ms})}
    wanted = find_wanted(["db:db,Root,managers"], {"db": DatabaseView(SCHEMA, lambda table: rows[table])})
    assert wanted.remotes == {"ptcp:6640": RemoteOptions(probe_interval=probe, max_backoff=backoff)}


@pytest.mark.parametrize(
    ("text", "dscp"), [("12", 12), ("63", 63), ("64", 48), ("-1", 48), ("x", 48), ("\u0663", 48)]
)
def test_role_and_dscp_are_read_where_there_are_such_columns(text: str, dscp: int) -> None:
    row = {**ROWS["Manager"]["m1"], "role": "ovn-controller", "other_config": {"dscp": text}}
    rows = {**ROWS, "Manager": {"m1": row}}
    wanted = find_wanted(["db:db,Root,managers"], {"db": DatabaseView(SCHEMA, lambda table: rows[table])})
    [options] = wanted.remotes.values()
    assert (options.role, options.dscp) == ("ovn-controller", dscp)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("db:db", '"db:db": invalid syntax'),
        ("db:nope,a,b", '"db:nope,a,b": no database named nope'),
        ("db:db,a,b", '"db:db,a,b": no table named "a"'),
        ("db:db,Root,b", '"db:db,Root,b": table "Root" has no column "b"'),
    ],
)
def test_a_source_that_is_not_there_is_named(text: str, message: str) -> None:
    with pytest.raises(RemoteError) as caught:
        parse_source(text, DATABASES)
    assert str(caught.value) == message
    assert find_wanted([text], DATABASES).warnings == [message]


@pytest.mark.parametrize("column", ["number", "loose"])
def test_a_column_of_another_type_is_refused(column: str) -> None:
    [warning] = find_wanted([f"db:db,Root,{column}"], DATABASES).warnings
    assert column in warning


def test_only_the_network_is_probed_by_default() -> None:
    options = RemoteOptions()
    assert [options.probe_interval_for(t) for t in ("punix:x", "unix:x", "ptcp:1", "tcp:a:1")] == [0, 0, 5, 5]
    assert RemoteOptions(probe_interval=0.0).probe_interval_for("ptcp:1") == 0
