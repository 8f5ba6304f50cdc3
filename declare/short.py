"""The short form of a port with one interface of its own name: what only interfaces have stands with it.

    gre0: {type: gre, options: {...}}    is    gre0: {interfaces: {gre0: {type: gre, options: {...}}}}

Rule: the long form says the same, and is what everything else here knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from declare.columns import configuration
from ovsdb.schema import Schema

INTERFACES = "interfaces"


def shorten(schema: Schema, name: str, port: dict[str, Any]) -> dict[str, Any]:
    """A port in the short form, where it has one."""
    interfaces = port.get(INTERFACES)
    if not isinstance(interfaces, dict) or list(interfaces) != [name]:
        return port
    columns = interfaces[name]
    if not isinstance(columns, dict) or not columns.keys() <= _of_interfaces_only(schema):
        return port
    return {**columns, **{member: value for member, value in port.items() if member != INTERFACES}}


def lengthen(schema: Schema, name: str, port: Mapping[str, Any]) -> Mapping[str, Any]:
    """A port in the long form."""
    moved = _of_interfaces_only(schema) & port.keys()
    if INTERFACES in port or not moved:
        return port
    rest = {member: value for member, value in port.items() if member not in moved}
    return {**rest, INTERFACES: {name: {member: port[member] for member in port if member in moved}}}


def _of_interfaces_only(schema: Schema) -> set[str]:
    names = {column.name for column in configuration(schema.tables["Interface"])}
    return names - set(schema.tables["Port"].columns)
