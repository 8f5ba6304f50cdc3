"""A small schema with everything in it, and a database of it that tests talk to in wire form."""

from typing import Any

import orjson

from ovsdb.engine.database import Database, Outcome
from ovsdb.engine.ops import Context
from ovsdb.schema import Schema

UUIDS = [f"00000000-0000-4000-8000-{i:012x}" for i in range(40)]


def optional(key: Any, high: Any = 1, **more: Any) -> Any:
    return {"type": {"key": key, "min": 0, "max": high}, **more}


def ref(table: str, weak: bool = False) -> Any:
    return {"type": "uuid", "refTable": table, "refType": "weak" if weak else "strong"}


SCHEMA = {
    "name": "Bench",
    "version": "1.2.3",
    "tables": {
        "Thing": {
            "isRoot": True,
            "columns": {
                "i": {"type": "integer"},
                "r": {"type": "real"},
                "b": {"type": "boolean"},
                "s": {"type": "string"},
                "u": {"type": "uuid"},
                "digit": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 9}}},
                "low": optional({"type": "integer", "minInteger": 1}),
                "high": optional({"type": "integer", "maxInteger": 5}),
                "part": optional({"type": "real", "minReal": 1.5, "maxReal": 2.5}),
                "word": optional({"type": "string", "minLength": 2, "maxLength": 3}),
                "choice": optional({"type": "string", "enum": ["set", ["x", "y z", "w"]]}),
                "few": optional("integer", 3),
                "many": optional("string", "unlimited"),
                "maybe": optional("integer"),
                "map": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
                "pair": {"type": {"key": "string", "value": "string", "min": 0, "max": 2}},
                "fixed": {"type": "string", "mutable": False},
                "passing": {"type": "integer", "ephemeral": True},
                "parts": optional(ref("Part"), "unlimited"),
                "watched": optional(ref("Part", weak=True), "unlimited"),
            },
        },
        "Part": {
            "columns": {
                "name": {"type": "string"},
                "next": optional(ref("Part")),
                "note": {"type": "string"},
            },
            "indexes": [["name"]],
        },
        "Few": {
            "isRoot": True,
            "maxRows": 2,
            "columns": {"name": {"type": "string"}, "n": {"type": "integer"}},
            "indexes": [["name", "n"]],
        },
        "Watcher": {
            "isRoot": True,
            "columns": {"needs": {"type": {"key": ref("Few", weak=True), "min": 1, "max": 2}}},
        },
        "Strict": {
            "isRoot": True,
            "columns": {"from3": {"type": {"key": {"type": "integer", "minInteger": 3}}}},
        },
    },
}


class Bench:
    """A database; `run` executes, applies and returns results as a client sees them."""

    def __init__(self, schema: Any = SCHEMA) -> None:
        self.database = Database(Schema.parse(schema))

    def outcome(self, *operations: Any, context: Context | None = None) -> Outcome:
        return self.database.execute(list(operations), context or Context())

    def run(self, *operations: Any, context: Context | None = None) -> list[Any]:
        outcome = self.outcome(*operations, context=context)
        if outcome.changeset:
            self.database.apply(outcome.changeset)
        results: list[Any] = orjson.loads(orjson.dumps(outcome.results))
        return results

    def insert(self, table: str, uuid: str = UUIDS[0], **row: Any) -> None:
        (result,) = self.run({"op": "insert", "table": table, "uuid": uuid, "row": row})
        assert result == {"uuid": ["uuid", uuid]}, result

    def select(self, table: str, *columns: str, where: Any = ()) -> list[Any]:
        (result,) = self.run({"op": "select", "table": table, "where": list(where), "columns": list(columns)})
        rows: list[Any] = result["rows"]
        return rows

    def error(self, *operations: Any) -> tuple[str, str]:
        """The tag and details of the one error."""
        (error,) = [result for result in self.run(*operations) if result and "error" in result]
        return error["error"], error["details"]


def uuid(number: int) -> list[str]:
    return ["uuid", UUIDS[number]]


def where_uuid(number: int) -> list[Any]:
    return [["_uuid", "==", uuid(number)]]
