"""Laws of what a transaction changed: merging, updates for monitors, log records."""

from collections.abc import Iterator
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings

from ovsdb.datum import default_value, parse_datum
from ovsdb.delta import apply_diff, diff_type
from ovsdb.engine.changes import Changeset, merge
from ovsdb.engine.database import DIFF_MEMBER, Database
from ovsdb.schema import Schema
from tests.kit.strategies import histories
from tests.kit.watching import Watch
from tests.property.test_engine_against_naive import contents

RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
History = tuple[Schema, list[list[Any]]]


def committed(database: Database, transactions: list[list[Any]]) -> Iterator[Changeset]:
    """The changes of the transactions that succeed; each is yielded before it is applied."""
    for operations in transactions:
        outcome = database.execute(operations)
        if outcome.changeset:
            yield outcome.changeset
            database.apply(outcome.changeset)


def summary(changeset: Changeset) -> Any:
    """A Changeset as something to compare."""
    return {
        name: {
            uuid: (
                change.old and change.old.values,
                change.new and change.new.values,
                {place: d and (dict(d.removed), dict(d.added)) for place, d in change.deltas.items()},
            )
            for uuid, change in changes.items()
        }
        for name, changes in changeset.tables.items()
    }


class Watcher:
    """What a client of monitor_cond makes of updates: values as on the wire, defaults filled in."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in database.tables}
        self.watches = {name: Watch(table) for name, table in database.tables.items()}

    def see(self, changeset: Changeset) -> None:
        for name, changes in changeset.tables.items():
            table, rows = self.database.tables[name], self.rows[name]
            for uuid, change in changes.items():
                ((kind, wire),) = self.watches[name].update(change, 2).items()
                if kind == "delete":
                    del rows[uuid]
                elif kind == "insert":
                    assert uuid not in rows
                    rows[uuid] = {c.name: default_value(c.type) for c in table.columns}
                    rows[uuid] |= {n: parse_datum(table.by_name[n].type, v) for n, v in wire.items()}
                else:
                    for column_name, value in wire.items():
                        kept = table.by_name[column_name].type
                        if kept.has_diff:
                            diff = parse_datum(diff_type(kept), value)
                            rows[uuid][column_name] = apply_diff(kept, rows[uuid][column_name], diff)
                        else:
                            rows[uuid][column_name] = parse_datum(kept, value)

    def check(self) -> None:
        for name, table in self.database.tables.items():
            expected = {
                uuid: {c.name: row.values[c.index] for c in table.columns} for uuid, row in table.rows.items()
            }
            assert self.rows[name] == expected


@RELAXED
@given(histories())
def test_who_follows_every_update_has_the_contents(history: History) -> None:
    database = Database(history[0])
    watcher = Watcher(database)
    for changeset in committed(database, history[1]):
        watcher.see(changeset)
    watcher.check()


@RELAXED
@given(histories())
def test_who_sees_one_merged_update_has_the_contents(history: History) -> None:
    database = Database(history[0])
    watcher = Watcher(database)
    merged = Changeset({})
    for changeset in committed(database, history[1]):
        merged = merge(database.tables, merged, changeset)
    watcher.see(merged)
    watcher.check()


@RELAXED
@given(histories())
def test_merging_is_associative(history: History) -> None:
    database = Database(history[0])
    changes = list(committed(database, history[1]))
    tables, from_left, from_right = database.tables, Changeset({}), Changeset({})
    for changeset in changes:
        from_left = merge(tables, from_left, changeset)
    for changeset in reversed(changes):
        from_right = merge(tables, changeset, from_right)
    assert summary(from_left) == summary(from_right)


@RELAXED
@given(histories())
def test_changes_without_effect_leave_nothing_when_merged(history: History) -> None:
    database = Database(history[0])
    for changeset in committed(database, history[1]):
        backwards = {
            name: {
                uuid: type(c)(c.new, c.old, {p: d and d.inverted() for p, d in c.deltas.items()})
                for uuid, c in changes.items()
            }
            for name, changes in changeset.tables.items()
        }
        assert not merge(database.tables, changeset, Changeset(backwards))


@RELAXED
@given(histories())
def test_replayed_records_give_the_same_database(history: History) -> None:
    schema = history[0]
    persistent = {
        name: [c.name for c in table.columns.values() if not c.ephemeral]
        for name, table in schema.tables.items()
    }
    database, replayed = Database(schema), Database(schema)
    for changeset in committed(database, history[1]):
        record = orjson.loads(database.changeset_to_record(changeset) or b"{}")
        replayed.apply(
            replayed.changeset_from_record({**record, DIFF_MEMBER: changeset.is_diff, "_comment": "x"})
        )
    snapshot = Database(schema)
    snapshot.apply(snapshot.changeset_from_record(orjson.loads(database.snapshot_record() or b"{}")))
    everything = only(contents(database), persistent)
    if all(not c.ephemeral for table in schema.tables.values() for c in table.columns.values()):
        assert only(contents(replayed), persistent) == everything
        assert only(contents(snapshot), persistent) == everything


def only(tables: dict[str, Any], columns: dict[str, list[str]]) -> Any:
    return {
        name: {uuid: {c: row[c] for c in columns[name]} for uuid, row in rows.items()}
        for name, rows in tables.items()
    }


@RELAXED
@given(histories())
def test_update_has_old_values_of_changed_columns_and_all_new_ones(history: History) -> None:
    database = Database(history[0])
    for changeset in committed(database, history[1]):
        for name, changes in changeset.tables.items():
            table = database.tables[name]
            for change in changes.values():
                wire = Watch(table).update(change, 1)
                if change.old is not None and change.new is not None:
                    assert set(wire["old"]) == {table.columns[place].name for place in change.deltas}
                    assert set(wire["new"]) == {column.name for column in table.columns}
                    assert all(wire["old"][column] != wire["new"][column] for column in wire["old"])
                else:
                    assert set(wire) == ({"new"} if change.old is None else {"old"})


@RELAXED
@given(histories())
def test_initial_updates_are_what_inserts_were(history: History) -> None:
    database = Database(history[0])
    for _ in committed(database, history[1]):
        pass
    for table in database.tables.values():
        initial = Watch(table).initial(2)
        assert initial.keys() == table.rows.keys()
        for uuid, row in table.rows.items():
            for column in table.columns:
                value = row.values[column.index]
                assert (column.name in initial[uuid]["initial"]) == (value != default_value(column.type))
