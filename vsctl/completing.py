"""What a word of the command line may become.

Rule: the grammar says what a word is (BRIDGE, TABLE, COLUMN?:KEY=VALUE, see vsctl.grammar); the schema and
the database say what there is. Whatever goes wrong means that nothing is offered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from appctl.getopt import FLAG, Option
from ovsdb import table_options
from ovsdb.client.blocking import Client
from ovsdb.errors import OvsdbError
from ovsdb.schema import TableSchema
from rpc.address import AddressError
from rpc.errors import RpcError
from vsctl.errors import BadAnswer, CommandError, TryAgain
from vsctl.grammar import MODULES, Command, find_command
from vsctl.model import Model
from vsctl.store import Store
from vsctl.tables import RECORD_NAMES, Table

FORMATS = {"--format": table_options.FORMATS, "--data": table_options.DATA_FORMATS}
SHORT = {"-f": "--format", "-d": "--data", "-t": "--timeout"}
WORDS = {  # what an argument may be, where neither schema nor database say it
    "MODE": ("standalone", "secure"),
    "SHELL": ("bash", "zsh", "fish"),
    "TARGET": ("tcp:", "ssl:", "unix:", "ptcp:", "pssl:", "punix:"),
}
_NOTHING = (OvsdbError, RpcError, AddressError, BadAnswer, CommandError, TryAgain, OSError)


class Place(NamedTuple):
    """Where on the command line the last word stands."""

    is_first: bool  # before any command: global options too
    command: Command | None  # None: still to come
    args: tuple[str, ...]  # of the command, before the last word


def candidates(
    words: Sequence[str], options: Sequence[Option], connect: Callable[[str | None], Client]
) -> list[str]:
    """What the last word may become; `options` are the global ones, connect() takes the value of --db."""
    *before, partial = words or [""]
    takes = {name for option in options for name in option.names if option.takes != FLAG}
    place = _place(before, takes)
    value_of = SHORT.get(before[-1], before[-1]) if before and place.command is None else ""
    found: Iterable[str]
    if value_of in FORMATS:
        found = FORMATS[value_of]
    elif place.command is None:
        found = _words_before_command(place, partial, options)
    else:
        found = _arguments(place, partial, lambda: connect(_database(before)))
    return sorted({each for each in found if each.startswith(partial)})


def _place(before: Sequence[str], takes: set[str]) -> Place:
    is_first = True
    command: Command | None = None
    args: list[str] = []
    rest = list(before)
    while rest:
        word = rest.pop(0)
        if word == "--":
            is_first, command, args = is_first and command is None, None, []
        elif command is not None:
            args.append(word)
        elif not word.startswith("-"):
            command = find_command(word)
        elif is_first and word in takes and rest:
            rest.pop(0)
    return Place(is_first, command, tuple(args))


def _database(before: Sequence[str]) -> str | None:
    for index, word in enumerate(before):
        if word.startswith("--db="):
            return word.removeprefix("--db=")
        if word == "--db":
            return "".join(before[index + 1 : index + 2])
    return None


def _words_before_command(place: Place, partial: str, options: Sequence[Option]) -> Iterable[str]:
    name, equals, _ = partial.partition("=")
    if equals:
        return [f"{name}={value}" for value in FORMATS.get(name, ())]
    if not partial.startswith("-"):
        return [known for names in MODULES.values() for known in names if not known.startswith("_")]
    return [
        name if option.takes == FLAG else f"{name}="
        for option in options
        if place.is_first or option.hidden  # hidden are those of commands
        for name in option.forms
        if name.startswith("--")
    ]


def _arguments(place: Place, partial: str, connect: Callable[[], Client]) -> list[str]:
    kinds = _kinds(place)
    with contextlib.suppress(*_NOTHING):
        if not kinds - WORDS.keys() - {"NEW-PORT", "IFACE"}:
            return _names(place, None, kinds, partial)
        with connect() as client:
            return _names(place, Model(Store(client)), kinds, partial)
    return []


def _kinds(place: Place) -> set[str]:
    """What the next argument may be, in the words of the usage; a later one too, if one may be left out."""
    assert place.command is not None
    usage = place.command.usage.split()
    index, found = len(place.args), set()
    if usage and usage[-1][0] in "*+":
        index = min(index, len(usage) - 1)
        if len(usage) > 1 and usage[-2][0] == "+" and index == len(usage) - 1:
            found.add(usage[-2][1:])  # IFACE... COLUMN=VALUE...
    if index < len(usage):
        found.add(usage[index][1:])
        if usage[index][0] == "?" and index + 1 < len(usage):
            found.add(usage[index + 1][1:])
    return found


def _names(place: Place, model: Model | None, kinds: set[str], partial: str) -> list[str]:
    found: list[str] = []
    for kind in kinds:
        if kind in WORDS:
            found += WORDS[kind]
        elif kind in ("NEW-PORT", "IFACE"):
            with contextlib.suppress(OSError):
                found += os.listdir("/sys/class/net")
        if model is None:
            continue
        for part in kind.split("|"):
            found += _names_of(part, place, model, partial)
    return found


def _names_of(kind: str, place: Place, model: Model, partial: str) -> list[str]:
    if kind in ("BRIDGE", "PARENT"):
        names = [bridge.name for bridge in model.real_bridges()]
        return names if kind == "PARENT" else names + [port.text("name") for port in model.fake_ports()]
    if kind in ("PORT", "BOND"):
        bridge = model.find_bridge(place.args[0]) if place.args else None
        rows = model.ports(bridge) if bridge else model.store.all("Port", ["name"], verify=False)
        return [row.text("name") for row in rows]
    if kind == "IFACE":
        return [row.text("name") for row in model.store.all("Interface", ["name"], verify=False)]
    if kind == "TABLE":
        return list(model.schema.tables)
    assert place.command is not None
    on_port = place.command.name in ("add-port", "add-bond")
    if kind == "RECORD":
        return _records(model, Table.named(model.schema, place.args[0]))
    if kind.startswith("COLUMN") or kind == "KEY":
        table = Table.named(model.schema, "Port" if on_port else place.args[0])
        return _columns(table.schema, partial, "=" if kind.endswith("=VALUE") else "")
    return []


def _records(model: Model, table: Table) -> list[str]:
    names = ["."] if table.name == "Open_vSwitch" else []
    for name in RECORD_NAMES.get(table.name, ()):
        columns = [name.column, *filter(None, [name.reference])]
        for row in model.store.all(name.table, columns, verify=False):
            if not name.reference or row.refs(name.reference):
                names.append(str(row[name.column]))
    return names or [row.uuid for row in model.store.all(table.name, verify=False)]


def _columns(table: TableSchema, partial: str, suffix: str) -> list[str]:
    """Columns; behind COLUMN= its values, where the schema names them."""
    name, equals, _ = partial.partition("=")
    column = table.columns.get(name)
    if not equals or column is None:
        return [each + suffix for each in table.columns if not each.startswith("_")]
    key = column.type.key
    values = [str(value) for value in key.enum or ()]
    return [f"{name}={value}" for value in values or (("true", "false") if key.type == "boolean" else ())]
