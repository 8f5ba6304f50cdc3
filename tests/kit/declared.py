"""A database in this process whose switch is exported to documents and made what documents say."""

from typing import Any

import orjson

from declare.change import Change, operations
from declare.columns import configuration, tables_in_order
from declare.export import export
from declare.picture import Picture
from declare.plan import plan
from declare.text import format_document, parse_document
from declare.wanted import read
from ovsdb.datum import parse_datum
from ovsdb.engine.database import Database
from ovsdb.schema import Schema
from schemas import files

SCHEMA = Schema.parse(files.read_json("vswitch.ovsschema"))


class Switchboard:
    """An Open_vSwitch database."""

    def __init__(self) -> None:
        self.database = Database(SCHEMA)
        self.transact([{"op": "insert", "table": "Open_vSwitch", "row": {}}])

    def transact(self, operations: list[Any]) -> list[Any]:
        """Execute operations, which must succeed; their results."""
        outcome = self.database.execute(operations)
        assert outcome.changeset is not None, outcome.results
        self.database.apply(outcome.changeset)
        return outcome.results

    @property
    def picture(self) -> Picture:
        """The rows."""
        rows = {}
        for table in tables_in_order(SCHEMA):
            results = self.database.execute([{"op": "select", "table": table, "where": []}]).results
            answer = orjson.loads(orjson.dumps(results[0]))
            columns = configuration(SCHEMA.tables[table])
            rows[table] = {
                row["_uuid"][1]: {c.name: parse_datum(c.type, row[c.name]) for c in columns}
                for row in answer["rows"]
            }
        return Picture(SCHEMA, rows)

    def plan(self, text: str, *, prune: bool = False) -> list[Change]:
        """What a document would change."""
        return plan(self.picture, read(SCHEMA, parse_document(text, "FILE")), prune=prune)

    def apply(self, text: str, *, prune: bool = False) -> list[Change]:
        """Make it so, and see that it is so."""
        changes = self.plan(text, prune=prune)
        self.transact(operations(SCHEMA, changes))
        assert self.plan(text, prune=prune) == []
        return changes

    def export(self, form: str = "yaml") -> str:
        """The document of the whole switch."""
        return format_document(export(self.picture), form)
