"""The tables of a schema as Python classes, for type checkers (`ovsdb-tool stubs SCHEMA`).

Rule: what is written here is a module that runs and that mypy takes as strictly as it can; a column that
cannot be an attribute (its name is a keyword, or one of Row's own) is in a comment, and read as row["name"].

    from vswitch_types import tables     # made by `ovsdb-tool stubs vswitch.ovsschema > vswitch_types.py`
    for port in tables(db).Port.values():
        print(port.nmae)                 # the type checker complains
"""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator

from ovsdb.client.tables import Row
from ovsdb.schema import Atom, BaseType, ColumnSchema, ColumnType, Schema, TableSchema

TYPES = {"integer": "int", "real": "float", "boolean": "bool", "string": "str", "uuid": "str"}
RESERVED = set(dir(Row))
HEAD = '''"""The database {name}{version}, for type checkers; made by `ovsdb-tool stubs`."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Literal, Protocol, cast

from ovsdb.client import Row, Table

__all__ = [
{names}
]
'''
TAIL = '''

class HasTables(Protocol):
    """A database, or a transaction."""

    @property
    def tables(self) -> object: ...


def tables(source: HasTables) -> Tables:
    """The tables of a database or of a transaction, with their types."""
    return cast(Tables, source.tables)
'''


def generate(schema: Schema) -> str:
    """The module."""
    names = sorted([*map(class_name, schema.tables), "Tables", "tables"])
    version = f", version {schema.version}" if schema.version else ""
    head = HEAD.format(name=schema.name, version=version, names="\n".join(f'    "{name}",' for name in names))
    classes = [line for table in schema.tables.values() for line in _class_of(table)]
    return "\n".join([head, *classes, *_tables_of(schema)]) + TAIL


def class_name(table: str) -> str:
    """The class of the table's rows."""
    return f"{table}Row"


def type_name(type_: ColumnType) -> str:
    """What a program reads from such a column."""
    key = _atom_name(type_.key)
    if type_.value is not None:
        return f"Mapping[{key}, {_atom_name(type_.value)}]"
    if type_.is_scalar:
        return key
    return f"{key} | None" if type_.is_optional_scalar else f"Set[{key}]"


def _atom_name(base: BaseType) -> str:
    if base.enum is not None and base.type in ("string", "integer"):
        return f"Literal[{', '.join(map(_literal, base.enum))}]"
    return TYPES[base.type]


def _literal(atom: Atom) -> str:
    return json.dumps(atom)


def _class_of(table: TableSchema) -> Iterator[str]:
    unique = "; unique: " + " / ".join(map(", ".join, table.indexes)) if table.indexes else ""
    yield f"\nclass {class_name(table.name)}(Row):"
    yield f'    """A row of {table.name}{unique}."""\n'
    for column in table.columns.values():
        yield f"    {_declaration(column)}{_remark(column.type)}"
    yield ""


def _declaration(column: ColumnSchema) -> str:
    name = column.name
    if keyword.iskeyword(name) or name in RESERVED:
        return f'# row["{name}"]: {type_name(column.type)}'
    return f"{name}: {type_name(column.type)}"


def _remark(type_: ColumnType) -> str:
    tables = [base.ref_table for base in (type_.key, type_.value) if base is not None and base.ref_table]
    return f"  # refers to {' and '.join(tables)}" if tables else ""


def _tables_of(schema: Schema) -> Iterator[str]:
    yield "\nclass Tables:"
    yield f'    """The tables of {schema.name}."""\n'
    for table in schema.tables:
        comment = "# " if keyword.iskeyword(table) else ""
        yield f"    {comment}{table}: Table[{class_name(table)}]"
