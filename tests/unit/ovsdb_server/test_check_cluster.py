"""Logs of a cluster: contradictions are named; what they hold becomes a standalone file."""

from typing import Any

import pytest

from ovsdb.errors import OvsdbSyntaxError
from ovsdb.storage.check_cluster import Log, check, read_log
from ovsdb.storage.clustered import Standalone, parse_header, parse_record, transactions

SERVERS = [f"{n}0000000-0000-4000-8000-000000000000" for n in "abc"]
CLUSTER = "f0000000-0000-4000-8000-000000000000"
EID = "e0000000-0000-4000-8000-000000000000"
SCHEMA: dict[str, Any] = {"name": "db", "tables": {}}


def header(server: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "server_id": SERVERS[server],
        "local_address": "tcp:127.0.0.1:6644",
        "name": "db",
        "cluster_id": CLUSTER,
        "prev_term": 1,
        "prev_index": 1,
        "prev_servers": {SERVERS[0]: "tcp:127.0.0.1:6644"},
        "prev_data": [SCHEMA, {}],
        "prev_eid": EID,
        **changed,
    }


def entry(index: int, term: int = 1, data: object = None) -> dict[str, Any]:
    made: dict[str, Any] = {"term": term, "index": index}
    return made if data is None else {**made, "data": [None, data], "eid": EID}


def log(*records: dict[str, Any], server: int = 0, **changed: Any) -> Log:
    return read_log(f"{server}.db", [header(server, **changed), *records])


def errors(*logs: Log) -> list[str]:
    return check(logs).errors


def test_logs_that_agree_are_fine() -> None:
    records = [
        {"term": 1, "vote": SERVERS[0]},
        {"term": 1, "leader": SERVERS[0]},
        entry(2),
        {"commit_index": 2},
    ]
    assert errors(log(*records), log(*records[1:3], server=1)) == []


def test_an_entry_that_was_not_committed_may_be_replaced_by_another_leaders() -> None:
    records = [entry(2), entry(3), entry(2, 2), {"commit_index": 2}]
    assert errors(log(*records), log(entry(2, 2), {"commit_index": 2}, server=1)) == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([entry(2, 3), entry(3, 2)], "record 2: term decreases from 3 to 2"),
        ([{"term": 2, "vote": SERVERS[0]}, {"term": 2, "vote": SERVERS[1]}], "voted for both a000 and b000"),
        ([{"term": 2, "leader": SERVERS[0]}, {"term": 2, "leader": SERVERS[1]}], "leaders a000 and b000"),
        ([entry(2), entry(4)], "log is not contiguous: 4 comes after 2"),
        ([entry(2), {"commit_index": 2}, entry(2, 2)], "entry 2, which is committed, is overwritten"),
        ([entry(2), {"commit_index": 3}], "commit index 3 is beyond the end"),
        ([entry(2), {"commit_index": 2}, {"commit_index": 1}], "commit index decreases from 2 to 1"),
    ],
)
def test_a_log_that_contradicts_itself_is_named(records: list[dict[str, Any]], message: str) -> None:
    (found,) = errors(log(*records))
    assert found.startswith("0.db: record ")
    assert message in found


def test_logs_that_contradict_each_other_are_named() -> None:
    committed = {"commit_index": 2}
    assert errors(
        log(entry(2, data={"a": {}}), committed), log(entry(2, data={"b": {}}), committed, server=1)
    ) == ["committed entry 2 differs between 0.db and 1.db"]
    assert errors(
        log({"term": 2, "leader": SERVERS[0]}, entry(2, 2)),
        log({"term": 2, "leader": SERVERS[1]}, entry(2, 2), server=1),
    ) == ["term 2 has leader a000 in 0.db but b000 in 1.db"]
    assert errors(log(entry(2)), log(entry(2))) == ["Duplicate server ID a000 in 0.db and 0.db."]
    assert errors(log(entry(2)), log(entry(2), server=1, name="other")) == [
        "0.db is of database db but 1.db of other"
    ]


def test_the_database_is_what_the_log_holds_now() -> None:
    records = [
        entry(2, data={"n": 1}),
        entry(3, data={"n": 2}),
        entry(3, 2, data={"n": 3}),
        {**entry(4, 2), "data": [{"name": "db", "version": "2.0.0", "tables": {}}, {"n": 4}], "eid": EID},
        entry(5, 2, data={"n": 5}),
    ]
    held = list(transactions(parse_header(header()), map(parse_record, records)))
    assert [data[1] for data in held] == [{}, {"n": 1}, {"n": 3}, {"n": 4}, {"n": 5}]
    made = Standalone()
    for data in held:
        made.add(data)
    assert made.schema is not None
    assert made.schema["version"] == "2.0.0"
    assert made.transactions == [{"n": 4}, {"n": 5}]  # another schema begins with an empty database


@pytest.mark.parametrize(
    "record",
    [{}, {"term": "x"}, {"term": 1, "vote": "x"}, {**entry(2), "data": [1, 2], "eid": EID}, {"note": 5}],
)
def test_a_record_of_another_form_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(OvsdbSyntaxError, match="Parsing raft log record failed"):
        parse_record(record)


def test_numbers_beyond_63_bits_are_negative_in_the_file() -> None:
    assert parse_record({"term": -1}).term == 2**64 - 1
