"""Backups: databases that follow an active server."""

import copy
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.hub import Hub, Role
from ovsdb.replication import find_mismatch, format_excluded, format_status, parse_excluded
from ovsdb.schema import Schema
from ovsdb.storage.base import Failed, StorageError, Ticket
from ovsdb.storage.memory import MemoryStorage
from tests.kit.linked import Client, Wire, new_hub
from tests.unit.ovsdb_server.test_hub import INSERT, SCHEMA

TWO: dict[str, Any] = copy.deepcopy(SCHEMA)
TWO["tables"]["U"] = {"columns": {"x": {"type": "integer"}}, "isRoot": True}
ROLE = Role("unix:active", is_backup=True)
ALONE = Role()


def hub_with(schema: dict[str, Any], role: Role = ALONE) -> tuple[Hub, MemoryStorage]:
    hub, storage = new_hub(), MemoryStorage(schema)
    hub.role = role
    hub.add_database(storage)
    return hub, storage


def values(hub: Hub, table: str = "T", column: str = "n") -> list[Any]:
    hosted = hub.databases["db"].tables[table]
    return sorted(hosted.by_name[column].get(row) for row in hosted.rows.values())


def test_a_backup_becomes_what_the_active_server_is_and_stays_so() -> None:
    active, _ = hub_with(TWO)
    backup, storage = hub_with(TWO)
    Client(backup).call("transact", "db", {**INSERT, "row": {"n": 99}})
    Client(active).call("transact", "db", {**INSERT, "row": {"n": 1, "live": 5}})
    backup.set_role(ROLE)
    wire = Wire(backup.links["db"], active)
    assert (values(backup), values(backup, column="live")) == ([1], [5])
    Client(active).call("transact", "db", {"op": "update", "table": "T", "where": [], "row": {"n": 2}})
    wire.pump()
    assert values(backup) == [2]
    again = new_hub()
    copied = MemoryStorage(TWO)
    hosted = again.add_database(copied)
    for body in storage.bodies:  # what is written leads to the same
        hosted.database.apply(hosted.database.changeset_from_record(orjson.loads(body)))
    assert values(again) == [2]


def test_what_is_the_same_is_not_written_again() -> None:
    active, _ = hub_with(TWO)
    backup, storage = hub_with(TWO, ROLE)
    Client(active).call("transact", "db", INSERT)
    Wire(backup.links["db"], active).cut(ConnectionError("cut"))
    assert len(storage.bodies) == 1
    Wire(backup.links["db"], active)
    assert len(storage.bodies) == 1


def test_clients_of_a_backup_may_read_only() -> None:
    backup, _ = hub_with(TWO, ROLE)
    client = Client(backup)
    for operation in (INSERT, {"op": "delete", "table": "T", "where": []}, {"op": "commit", "durable": True}):
        [refused] = client.call("transact", "db", operation)
        assert refused["details"].endswith("operation not allowed when database server is in read only mode")
    for method in ("lock", "steal", "unlock"):
        error = "lock and unlock methods not allowed, DB server is read only."
        assert client.ask(method, "l")["error"] == error
    assert client.ask("convert", "db", TWO)["error"]["error"] == "not allowed"
    assert client.call("transact", "db", {"op": "select", "table": "T", "where": []}) == [{"rows": []}]


def test_a_role_that_changes_disconnects_those_who_do_not_know_of_such_changes() -> None:
    hub, _ = hub_with(TWO)
    aware, plain = Client(hub), Client(hub, aware=False)
    hub.set_role(ROLE)
    assert (aware.session.doomed, plain.session.doomed) == ("", "making server read-only")
    assert list(hub.backups()) == ["db"]
    hub.set_role(replace(ROLE, is_backup=False))
    assert hub.links == {}
    [inserted] = aware.call("transact", "db", INSERT)
    assert "uuid" in inserted


def test_excluded_tables_are_left_alone() -> None:
    active, _ = hub_with(TWO)
    backup, _ = hub_with(TWO)
    insert = {"op": "insert", "table": "U", "row": {"x": 7}}
    Client(backup).call("transact", "db", insert)
    Client(active).call("transact", "db", INSERT, {**insert, "row": {"x": 1}})
    backup.set_role(replace(ROLE, excluded={"db": frozenset({"U"})}))
    Wire(backup.links["db"], active)
    assert (values(backup), values(backup, "U", "x")) == ([1], [7])


def test_a_schema_that_does_not_fit_is_not_followed() -> None:
    active, _ = hub_with(TWO)
    backup, _ = hub_with(SCHEMA, ROLE)
    Client(active).call("transact", "db", INSERT)
    link = backup.backups()["db"]
    wire = Wire(link, active)
    assert (wire.error, link.error, values(backup)) == (None, "no table U here", [])
    assert format_status("unix:a", backup.backups(), {}) == "state: backup\nconnecting: unix:a\n"
    Client(active).call("convert", "db", SCHEMA)  # now it does
    wire.pump()
    assert (link.error, values(backup)) == ("", [1])
    assert format_status("unix:a", backup.backups(), {"db": frozenset({"X"})}) == (
        "state: backup\nreplicating: unix:a\ndatabase: db\nexclude: db:X\n"
    )


def test_a_newer_schema_here_holds_an_older_one() -> None:
    old, new = Schema.parse(SCHEMA), Schema.parse(TWO)
    assert find_mismatch(new, old, frozenset()) == ""
    assert find_mismatch(old, new, frozenset()) == "no table U here"
    assert find_mismatch(old, new, frozenset({"U"})) == ""
    other = copy.deepcopy(SCHEMA)
    other["tables"]["T"]["columns"]["n"] = {"type": "real"}  # type: ignore[index]
    assert find_mismatch(Schema.parse(other), old, frozenset()) == "column n in table T has another type here"
    del other["tables"]["T"]["columns"]["n"]  # type: ignore[index]
    assert find_mismatch(Schema.parse(other), old, frozenset()) == "no column n in table T here"


def test_a_server_does_not_follow_itself() -> None:
    hub, _ = hub_with(TWO, ROLE)
    link = hub.backups()["db"]
    wire = Wire(link, hub)
    assert link.is_self
    assert "Self replicating is not allowed" in str(wire.error)


def test_a_store_that_fails_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    active, _ = hub_with(TWO)
    backup, _ = hub_with(TWO, ROLE)
    Client(active).call("transact", "db", INSERT)

    def refuse(*_: object, **__: object) -> Ticket:
        return Ticket(Failed(StorageError("I/O error: disk full")))

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStorage, "propose", refuse)
        assert str(Wire(backup.links["db"], active).error) == "I/O error: disk full"
    assert values(backup) == []
    Wire(backup.links["db"], active)
    assert values(backup) == [1]


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)


@given(st.dictionaries(names, st.frozensets(names, min_size=1)))
def test_excluded_tables_are_read_as_they_are_written(excluded: dict[str, frozenset[str]]) -> None:
    assert parse_excluded(format_excluded(excluded)) == excluded


@given(st.text())
def test_any_text_can_be_read_for_excluded_tables(text: str) -> None:
    parse_excluded(text)
