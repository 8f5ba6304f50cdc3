"""A client's copy of what it monitors, kept as RFC 7047, 4.1.6, and ovsdb-server(7), 4.1.14, describe it, and strictly.

Rule: an update that does not fit the copy is an AssertionError: an inserted row that is there, a modified or deleted one
that is not, an old value that is another, a modification of nothing. Written without our client's replica.
"""

from __future__ import annotations

from typing import Any

from ovsdb.schema import Schema
from tests.kit import answers

Rows = dict[str, dict[str, answers.Value]]  # UUID → column → value


class NaiveReplica:
    """The rows that one monitor has told of; `columns`: table → those monitored."""

    def __init__(self, schema: Schema, columns: dict[str, list[str]], version: int) -> None:
        self.schema = schema
        self.columns = columns
        self.version = version  # 1 for "monitor", 2 for the others
        self.tables: dict[str, Rows] = {table: {} for table in columns}

    def replace(self, updates: Any) -> None:
        """Forget what was there: the first answer to a request."""
        self.tables = {table: {} for table in self.columns}
        self.apply(updates)

    def apply(self, updates: Any, *, resumed: bool = False) -> None:
        """Take <table-updates> or <table-updates2>.

        `resumed`: since a last id. Then rows may go that were not there: those that only the condition of now selects,
        and that went before it was changed.
        """
        for table, rows in updates.items():
            assert rows, f"an update of {table} with no rows"
            for uuid, update in rows.items():
                if self.version == 1:
                    self._apply1(table, uuid, update)
                else:
                    self._apply2(table, uuid, update, resumed)

    def _apply1(self, table: str, uuid: str, update: Any) -> None:
        rows = self.tables[table]
        old = answers.row(self.schema, table, update.get("old", {}))
        known = rows.pop(uuid, None)
        assert (known is None) == ("old" not in update), (table, uuid, known, update)
        if known is not None:
            assert {name: known[name] for name in old} == old, (table, uuid, known, update)
        if "new" in update:
            new = rows[uuid] = answers.row(self.schema, table, update["new"])
            assert new.keys() == set(self.columns[table]), (table, uuid, update)
            if known is not None:
                changed = {name for name in new if new[name] != known[name]}
                assert changed == old.keys(), (table, uuid, known, update)

    def _apply2(self, table: str, uuid: str, update: Any, resumed: bool) -> None:
        rows = self.tables[table]
        [(kind, wire)] = update.items()
        if kind == "delete":
            assert wire is None
            assert resumed or uuid in rows, (table, uuid)
            rows.pop(uuid, None)
        elif kind == "modify":
            known = rows[uuid]
            diff = answers.row(self.schema, table, wire, diff=True)
            assert diff.keys() <= set(self.columns[table]), (table, uuid, update)
            types = {name: self.schema.tables[table].columns[name].type for name in diff}
            new = {name: answers.patched(types[name], known[name], diff[name]) for name in diff}
            assert all(new[name] != known[name] for name in new), (table, uuid, known, update)
            rows[uuid] = known | new
        else:
            assert kind in ("insert", "initial")
            assert uuid not in rows, (table, uuid, update)
            given = answers.row(self.schema, table, wire)
            assert given.keys() <= set(self.columns[table]), (table, uuid, update)
            types = {name: self.schema.tables[table].columns[name].type for name in self.columns[table]}
            assert all(v != answers.default(types[name]) for name, v in given.items()), (table, uuid, update)
            rows[uuid] = {name: answers.default(kind_) for name, kind_ in types.items()} | given
