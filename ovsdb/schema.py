"""Database schemas (RFC 7047, section 3.2): tables, columns and types, all frozen.

Rule: `Schema.parse` is the one reader of a schema, and raises SchemaError with the path of what is wrong.
The server and ovsdb-tool check a schema against the meta-schema (`schemas.check`) first; that needs
jsonschema, which is why it is not done here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ovsdb.errors import OvsdbError, OvsdbSyntaxError, SchemaError
from ovsdb.members import Members
from ovsdb.words import is_identifier
from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    AtomicType = Literal["integer", "real", "boolean", "string", "uuid"]

ATOMIC_TYPES: tuple[AtomicType, ...] = ("integer", "real", "boolean", "string", "uuid")
INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
COUNT_MAX = 2**32 - 1
ZERO_UUID = "00000000-0000-0000-0000-000000000000"
UNLIMITED = "unlimited"

Atom = int | float | bool | str  # a UUID is a str of 36 lower-case characters


class BaseType(Struct):
    """The type of an atom, with its constraints; None where there is no constraint."""

    type: AtomicType
    enum: tuple[Atom, ...] | None = None
    min_integer: int | None = None
    max_integer: int | None = None
    min_real: float | None = None
    max_real: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    ref_table: str | None = None
    weak: bool = False  # only with ref_table: the reference vanishes with the row

    def to_json(self) -> dict[str, Any] | str:
        """As in a schema, in its shortest form."""
        json: dict[str, Any] = {"type": self.type}
        if self.enum is not None:
            values = [["uuid", v] if self.type == "uuid" else v for v in self.enum]
            json["enum"] = ["set", values]
        for member, value in zip(_LIMITS, self.limits(), strict=True):
            if value is not None:
                json[member] = value
        if self.ref_table is not None:
            json["refTable"] = self.ref_table
            if self.weak:
                json["refType"] = "weak"
        return self.type if len(json) == 1 else json

    def limits(self) -> tuple[int | float | None, ...]:
        """The limits in the order of their member names in a schema."""
        return (
            self.min_integer,
            self.max_integer,
            self.min_real,
            self.max_real,
            self.min_length,
            self.max_length,
        )


_LIMITS = ("minInteger", "maxInteger", "minReal", "maxReal", "minLength", "maxLength")
_BASE_MEMBERS = ("type", "enum", "refTable", "refType", *_LIMITS)


class ColumnType:
    """The type of a column: a scalar, a set (`value` is None) or a map. Never changed once it is made."""

    __slots__ = ("_hash", "has_diff", "is_map", "is_scalar", "key", "max", "min", "value")

    def __init__(
        self,
        key: BaseType,
        value: BaseType | None = None,
        min: int = 1,
        max: int | None = 1,  # None: unlimited
    ) -> None:
        self.key = key
        self.value = value
        self.min = min
        self.max = max
        self.is_map = value is not None
        self.is_scalar = (
            value is None and min == 1 and max == 1
        )  # held as a bare atom, else as a set or a map
        self.has_diff = max is None or max > 1  # its changes travel as differences; else as new values
        self._hash = hash((key, value, min, max))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColumnType):
            return NotImplemented
        ours = (self.key, self.value, self.min, self.max)
        return self is other or ours == (other.key, other.value, other.min, other.max)

    def __repr__(self) -> str:
        return f"ColumnType({self.key!r}, {self.value!r}, {self.min!r}, {self.max!r})"

    @property
    def is_optional_scalar(self) -> bool:
        """Whether it is a set of at most one."""
        return self.value is None and self.min == 0 and self.max == 1

    def english(self) -> str:
        """As in errors: "integer", "set of up to 3 integers", "map of (string, integer) pairs"."""
        if self.is_scalar:
            return self.key.type
        if self.max is None:
            count = f"{self.min} or more " if self.min else ""
        else:
            count = f"{self.min} to {self.max} " if self.min else f"up to {self.max} "
        if self.value is not None:
            return f"map of {count}({self.key.type}, {self.value.type}) pairs"
        return f"set of {count}{self.key.type}s"

    def to_json(self) -> dict[str, Any] | str:
        """As in a schema, in its shortest form."""
        key = self.key.to_json()
        if self.is_scalar and isinstance(key, str):
            return key
        json: dict[str, Any] = {"key": key}
        if self.value is not None:
            json["value"] = self.value.to_json()
        if self.min != 1:
            json["min"] = self.min
        if self.max != 1:
            json["max"] = UNLIMITED if self.max is None else self.max
        return json


class ColumnSchema(Struct):
    """A column of a table."""

    name: str
    type: ColumnType
    mutable: bool = True
    ephemeral: bool = False  # not written to the log

    def to_json(self) -> dict[str, Any]:
        """As in a schema."""
        json: dict[str, Any] = {"type": self.type.to_json()}
        if not self.mutable:
            json["mutable"] = False
        if self.ephemeral:
            json["ephemeral"] = True
        return json


class TableSchema(Struct):
    """A table.  `columns` does not hold `_uuid` and `_version`, which every table has."""

    name: str
    columns: Mapping[str, ColumnSchema]
    is_root: bool = True
    max_rows: int | None = None  # None: unlimited
    indexes: tuple[tuple[str, ...], ...] = ()
    mutable: bool = True

    def to_json(self, default_is_root: bool = True) -> dict[str, Any]:
        """As in a schema where `default_is_root` is what "isRoot" means when it is missing."""
        json: dict[str, Any] = {"columns": {name: c.to_json() for name, c in self.columns.items()}}
        if self.is_root != default_is_root:
            json["isRoot"] = self.is_root
        if self.max_rows is not None:
            json["maxRows"] = self.max_rows
        if not self.mutable:
            json["mutable"] = False
        if self.indexes:
            json["indexes"] = [list(index) for index in self.indexes]
        return json


class Schema(Struct):
    """A database schema."""

    name: str
    tables: Mapping[str, TableSchema]
    version: str = ""  # "x.y.z", or empty in schemas from before versions
    cksum: str = ""

    def to_json(self) -> dict[str, Any]:
        """As in an .ovsschema file, and in the reply to get_schema."""
        json: dict[str, Any] = {"name": self.name}
        if self.version:
            json["version"] = self.version
        if self.cksum:
            json["cksum"] = self.cksum
        default_is_root = all(table.is_root for table in self.tables.values())
        json["tables"] = {name: table.to_json(default_is_root) for name, table in self.tables.items()}
        return json

    @staticmethod
    def parse(json: object) -> Schema:
        """Read a schema.  Raises SchemaError."""
        return _parse_schema(json)


_VERSION = r"[0-9]+\.[0-9]+\.[0-9]+\Z"


def _at(path: str, error: OvsdbError) -> SchemaError:
    """The same error, with the path of where it is."""
    return error if isinstance(error, SchemaError) else SchemaError(path, error.details)


def read_head(json: object) -> tuple[str, str, str, dict[str, Any]]:
    """Name, version, checksum and tables, the latter as they are.  Raises SchemaError."""
    try:
        members = Members(json, "database schema")
        name = members.identifier("name")
        version = members.optional("version", str) or ""
        cksum = members.optional("cksum", str) or ""
        tables: dict[str, Any] = members.required("tables", dict)
        members.finish(("name", "version", "cksum", "tables"))
    except OvsdbSyntaxError as error:
        raise _at("", error) from None
    if version and not re.match(_VERSION, version):
        raise SchemaError("version", f'schema version "{version}" not in format x.y.z')
    return name, version, cksum, tables


def _parse_schema(json: object) -> Schema:
    name, version, cksum, tables_json = read_head(json)
    parsed = {table: parse_table(table, table_json) for table, table_json in tables_json.items()}
    any_root = any(is_root for _, is_root in parsed.values())
    tables = {
        table: schema if is_root or any_root else as_root(schema)
        for table, (schema, is_root) in parsed.items()
    }
    for table in tables.values():
        _check_references(table, tables)
    return Schema(name, tables, version, cksum)


def as_root(table: TableSchema) -> TableSchema:
    """The same table, as one whose rows stay without being referred to."""
    return TableSchema(table.name, table.columns, True, table.max_rows, table.indexes, table.mutable)


def _check_references(table: TableSchema, tables: Mapping[str, TableSchema]) -> None:
    for name, column in table.columns.items():
        for part, base in (("key", column.type.key), ("value", column.type.value)):
            if base is not None and base.ref_table is not None and base.ref_table not in tables:
                raise SchemaError(
                    f"tables/{table.name}/columns/{name}/type/{part}/refTable",
                    f"{name} column in {table.name} table refers to undefined table {base.ref_table}",
                )


def _check_name(path: str, kind: str, name: str) -> None:
    if not is_identifier(name):
        raise SchemaError(path, f'{kind} name "{name}" is not a valid <id>')
    if name.startswith("_"):
        raise SchemaError(path, f'names beginning with "_" are reserved: "{name}"')


def parse_table(name: str, json: object) -> tuple[TableSchema, bool]:
    """The table, and whether it says that it is root (what it is, depends on the other tables).

    Raises SchemaError.
    """
    path = f"tables/{name}"
    _check_name(path, "table", name)
    try:
        members = Members(json, f"table schema for table {name}")
        columns_json = members.required("columns", dict)
        mutable = members.optional("mutable", bool)
        max_rows = members.optional("maxRows", int, str)
        is_root = bool(members.optional("isRoot", bool))
        indexes_json = members.optional("indexes", list) or []
        members.finish(("columns", "mutable", "maxRows", "isRoot", "indexes"))
    except OvsdbSyntaxError as error:
        raise _at(path, error) from None
    if max_rows == UNLIMITED:
        max_rows = None
    elif max_rows is not None and (type(max_rows) is not int or not 0 < max_rows <= COUNT_MAX):
        raise SchemaError(f"{path}/maxRows", "maxRows must be at least 1")
    if not columns_json:
        raise SchemaError(f"{path}/columns", "table must have at least one column")
    columns = {c: _parse_column(f"{path}/columns/{c}", c, j) for c, j in columns_json.items()}
    indexes = tuple(_parse_index(f"{path}/indexes/{i}", j, columns) for i, j in enumerate(indexes_json))
    return TableSchema(name, columns, is_root, max_rows, indexes, mutable is not False), is_root


def _parse_index(path: str, json: object, columns: Mapping[str, ColumnSchema]) -> tuple[str, ...]:
    if not isinstance(json, list) or not json:
        raise SchemaError(path, "array of distinct column names expected", json)
    for name in json:
        if not isinstance(name, str) or json.count(name) > 1:
            raise SchemaError(path, "array of distinct column names expected", json)
        if name not in columns:
            raise SchemaError(path, f"{name} is not a valid column name", json)
        if columns[name].ephemeral:
            raise SchemaError(path, f"ephemeral columns (such as {name}) may not be indexed", json)
    return tuple(json)


def _parse_column(path: str, name: str, json: object) -> ColumnSchema:
    _check_name(path, "column", name)
    try:
        members = Members(json, f"schema for column {name}")
        mutable = members.optional("mutable", bool) is not False
        ephemeral = members.optional("ephemeral", bool) is True
        type_json = members.required("type", str, dict)
        members.finish(("mutable", "ephemeral", "type"))
    except OvsdbSyntaxError as error:
        raise _at(path, error) from None
    column_type = _parse_column_type(f"{path}/type", type_json)
    # A weak reference vanishes when its row does: the column cannot but be mutable (ovsdb-server(7), 3.2).
    weak = column_type.key.weak or (column_type.value is not None and column_type.value.weak)
    return ColumnSchema(name, column_type, mutable or weak, ephemeral)


def _parse_column_type(path: str, json: str | dict[str, Any]) -> ColumnType:
    """Equal types are one object: what is cached for a type is then found without comparing types."""
    column_type = _read_column_type(path, json)
    return _TYPES.setdefault(column_type, column_type)


_TYPES: dict[ColumnType, ColumnType] = {}


def _read_column_type(path: str, json: str | dict[str, Any]) -> ColumnType:
    if isinstance(json, str):
        return ColumnType(_parse_base_type(path, json))
    try:
        members = Members(json, "ovsdb type")
        key_json = members.required("key", str, dict)
        value_json = members.optional("value", str, dict)
        low = members.optional("min", int)
        high = members.optional("max", int, str)
        members.finish(("key", "value", "min", "max"))
    except OvsdbSyntaxError as error:
        raise _at(path, error) from None
    key = _parse_base_type(f"{path}/key", key_json)
    value = None if value_json is None else _parse_base_type(f"{path}/value", value_json)
    low = 1 if low is None else low
    if low not in (0, 1):
        raise SchemaError(f"{path}/min", "min must be 0 or 1", json)
    if high is None:
        high = 1
    elif high == UNLIMITED:
        high = None
    if high is not None and (type(high) is not int or not 1 <= high <= COUNT_MAX):
        raise SchemaError(f"{path}/max", 'max must be "unlimited" or an integer of at least 1', json)
    return ColumnType(key, value, low, high)


def _parse_base_type(path: str, json: str | dict[str, Any]) -> BaseType:
    if isinstance(json, str):
        json = {"type": json}
    try:
        members = Members(json, "ovsdb type")
        name = members.required("type", str)
        if name not in ATOMIC_TYPES:
            raise SchemaError(path, f'"{name}" is not an atomic-type', name)
        atomic: AtomicType = name
        enum_json = members.optional("enum", list, str, int, float, bool)
        limits: list[Any] = []
        for owner, kinds, names in _LIMIT_TYPES:
            for limit in names:
                limits.append(members.optional(limit, *kinds) if atomic == owner else None)
        ref_table = members.optional("refTable", str) if atomic == "uuid" else None
        ref_type = members.optional("refType", str) if ref_table is not None else None
        members.finish(_BASE_MEMBERS if enum_json is None else ("type", "enum"))
    except OvsdbSyntaxError as error:
        raise _at(path, error) from None
    _check_members(path, json, atomic)
    for low, high in (limits[0:2], limits[2:4], limits[4:6]):
        if low is not None and high is not None and low > high:
            raise SchemaError(path, "minimum exceeds maximum", json)
    if ref_type not in (None, "strong", "weak"):
        raise SchemaError(f"{path}/refType", 'refType must be "strong" or "weak"', json)
    enum = None if enum_json is None else _parse_enum(f"{path}/enum", atomic, enum_json)
    low_int, high_int, low_real, high_real, low_length, high_length = limits
    low_real = None if low_real is None else float(low_real)
    high_real = None if high_real is None else float(high_real)
    weak = ref_type == "weak"
    return BaseType(
        atomic, enum, low_int, high_int, low_real, high_real, low_length, high_length, ref_table, weak
    )


_LIMIT_TYPES: tuple[tuple[AtomicType, tuple[type, ...], tuple[str, str]], ...] = (
    ("integer", (int,), ("minInteger", "maxInteger")),
    ("real", (int, float), ("minReal", "maxReal")),
    ("string", (int,), ("minLength", "maxLength")),
)
_OWN_MEMBERS: dict[AtomicType, tuple[str, ...]] = {
    "integer": ("minInteger", "maxInteger"),
    "real": ("minReal", "maxReal"),
    "boolean": (),
    "string": ("minLength", "maxLength"),
    "uuid": ("refTable", "refType"),
}


def _check_members(path: str, json: dict[str, Any], atomic: AtomicType) -> None:
    """Refuse a constraint that belongs to another type, and any other beside an enum."""
    allowed = ("type", "enum") if "enum" in json else ("type", *_OWN_MEMBERS[atomic])
    for member in json:
        if member not in allowed:
            raise SchemaError(f"{path}/{member}", f'member "{member}" is not allowed here', json)


def _parse_enum(path: str, atomic: AtomicType, json: object) -> tuple[Atom, ...]:
    """The members, sorted.  An enum is a <set> on the wire: one member may stand alone."""
    members: list[Any] = [json]
    if isinstance(json, list) and json[:1] == ["set"]:
        if len(json) != 2 or not isinstance(json[1], list) or not json[1]:
            raise SchemaError(path, 'expected ["set", <array>] with at least one member', json)
        members = json[1]
    if atomic == "uuid":
        members = [m[1] if isinstance(m, list) and len(m) == 2 and m[0] == "uuid" else None for m in members]
    for member in members:
        if type(member) not in _ATOM_CLASSES[atomic]:
            raise SchemaError(path, f"expected {atomic}", member)
    if atomic == "real":
        members = [float(member) for member in members]
    if len(set(members)) != len(members):
        raise SchemaError(path, "set contains duplicate", json)
    return tuple(sorted(members))


_ATOM_CLASSES: dict[AtomicType, tuple[type, ...]] = {
    "integer": (int,),
    "real": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "uuid": (str,),
}
