import pytest

from ovsdb.client.replica import Change, Replica, ReplicaError
from ovsdb.datum import Value
from ovsdb.schema import Schema
from rpc.jsonvalue import Json

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
SCHEMA = Schema.parse(
    {
        "name": "d",
        "tables": {
            "T": {
                "columns": {
                    "name": {"type": "string"},
                    "tag": {"type": {"key": "integer", "min": 0, "max": 1}},
                    "vlans": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
                    "ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
                }
            }
        },
    }
)
EMPTY: dict[str, Value] = {"name": "", "tag": frozenset(), "vlans": frozenset(), "ids": {}}


@pytest.fixture
def replica() -> Replica:
    made = Replica({"T": None})
    made.adopt(SCHEMA)
    made.replace({"T": {A: {"initial": {"name": "a"}}}}, 2)
    return made


def test_new_row_has_defaults_in_columns_that_were_left_out(replica: Replica) -> None:
    assert replica.tables["T"][A] == {**EMPTY, "name": "a"}


def test_modify_toggles_members_of_sets_and_replaces_optional_values(replica: Replica) -> None:
    first: Json = {"tag": 5, "vlans": ["set", [1, 2]], "ids": ["map", [["k", "v"], ["x", "y"]]]}
    second: Json = {"tag": ["set", []], "vlans": ["set", [2, 3]], "ids": ["map", [["k", "w"], ["x", "y"]]]}
    replica.apply({"T": {A: {"modify": first}}}, 2)
    assert replica.tables["T"][A]["tag"] == {5}
    replica.apply({"T": {A: {"modify": second}}}, 2)
    row = replica.tables["T"][A]
    assert (row["tag"], row["vlans"], row["ids"]) == (frozenset(), {1, 3}, {"k": "w"})


def test_first_version_brings_whole_rows(replica: Replica) -> None:
    whole: Json = {"name": "b", "tag": 1, "vlans": ["set", []], "ids": ["map", []]}
    changes = replica.apply({"T": {B: {"new": whole}, A: {"old": {"name": "a"}}}}, 1)
    assert [(c.uuid, c.old is None, c.new is None) for c in changes] == [(B, True, False), (A, False, True)]
    assert list(replica.tables["T"]) == [B]


def test_whole_contents_after_a_reconnection_show_only_what_is_different(replica: Replica) -> None:
    row = replica.tables["T"][A]
    assert replica.replace({"T": {A: {"initial": {"name": "a"}}}}, 2) == []
    assert replica.tables["T"][A] is row
    changes = replica.replace({"T": {B: {"initial": {"name": "b"}}}}, 2)
    assert changes == [Change("T", A, row, None), Change("T", B, None, {**EMPTY, "name": "b"})]


def test_tables_and_columns_that_the_server_does_not_have_are_left_out() -> None:
    replica = Replica({"T": ["name", "nope"], "Nope": None})
    assert not replica.adopt(SCHEMA)
    assert replica.selected() == {"T": ["name"]}
    assert replica.tables["Nope"] == {}
    assert replica.adopt(SCHEMA), "the same choice again"


def test_other_tables_and_columns_in_an_update_are_ignored(replica: Replica) -> None:
    update: Json = {"Other": {A: {"insert": {}}}, "T": {A: {"modify": {"other": 5, "name": "c"}}}}
    assert [c.new for c in replica.apply(update, 2)] == [{**EMPTY, "name": "c"}]


@pytest.mark.parametrize(
    ("update", "culprit"),
    [
        ([], "updates: not a JSON object"),
        ({"T": {B: {"modify": {}}}}, f"T {B}: is modified, but was never seen"),
        ({"T": {A: {"modify": {"tag": "x"}}}}, f"T {A} tag: "),
        ({"T": {A: {}}}, f"T {A}: neither"),
    ],
)
def test_update_that_does_not_fit_changes_nothing(replica: Replica, update: Json, culprit: str) -> None:
    before = dict(replica.tables["T"])
    with pytest.raises(ReplicaError) as raised:
        replica.apply(update, 2)
    assert str(raised.value).startswith(culprit)
    assert replica.tables["T"] == before
